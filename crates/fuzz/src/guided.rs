//! The engine of a build that counts what runs: LLVM's libFuzzer. It keeps inputs that reach what no
//! other has reached, and makes its next ones out of them.
//!
//! libFuzzer has its own loop, which ends with the process; a test has something to do afterwards.
//! So its loop is left by unwinding, out of the one call that it makes between two inputs, where it
//! has nothing half done.
//!
//! ```text
//!   feed ──▶ libFuzzer ──┬── one input ──▶ tried ──▶ the entry point
//!     ▲                  └── another change, please ──▶ changed
//!     └───────────────────── unwinds, once it is over ─────┘
//! ```

use std::ffi::{CString, c_char, c_int, c_uint};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{cell::RefCell, fs, process, slice};

// Only its archive of C++ is wanted.
use libfuzzer_sys as _;

use crate::budget::Budget;
use crate::mutate::{LONGEST, Source};
use crate::rng::Rng;

/// The memory that a process may take before that is a failure, in MiB.
const MOST_MEMORY_MIB: u32 = 2_048;

/// Whether libFuzzer has run: it does so once in a process.
static HAS_RUN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// What libFuzzer's calls are about: they bring nothing of ours along. `None` when none is due.
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// A run of libFuzzer.
struct Run {
    each: *mut (dyn FnMut(&[u8]) -> ControlFlow<()> + 'static),
    is_over: bool,
    source: Source,
}

/// Thrown through libFuzzer's loop to leave it.
struct Over;

/// Hands inputs over until there shall be no more; says how it went.
///
/// # Panics
///
/// On a second run in one process, and where the inputs cannot be written down.
pub(crate) fn feed(
    name: &str,
    budget: &Budget,
    examples: Vec<Vec<u8>>,
    each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> String {
    let again = HAS_RUN.swap(true, Ordering::Relaxed);
    assert!(!again, "libFuzzer runs once in a process: use cargo nextest");
    let corpus = Corpus::of(name, budget, &examples);
    drive(&arguments(name, budget.seed, &corpus.folder), Source::new(examples), each);
    format!(", guided by coverage, {} inputs kept", corpus.size())
}

/// The folder in which libFuzzer keeps its inputs.
struct Corpus {
    folder: PathBuf,
    /// Whether it goes away afterwards.
    is_temporary: bool,
}

impl Corpus {
    /// The folder of that entry point, the examples in it.
    fn of(name: &str, budget: &Budget, examples: &[Vec<u8>]) -> Self {
        let temporary = || std::env::temp_dir().join(format!("fuzz-{name}-{}", process::id()));
        let kept = budget.corpus.as_ref().map(|corpus| corpus.join(name));
        let is_temporary = kept.is_none();
        let folder = kept.unwrap_or_else(temporary);
        fs::create_dir_all(&folder).expect("a folder for the inputs");
        for (number, example) in examples.iter().enumerate() {
            fs::write(folder.join(format!("example-{number}")), example).expect("an input");
        }
        Self { folder, is_temporary }
    }

    /// How many inputs are in it.
    fn size(&self) -> usize {
        fs::read_dir(&self.folder).map_or(0, Iterator::count)
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        if self.is_temporary {
            // What is left of it is in the system's folder for that.
            let _left = fs::remove_dir_all(&self.folder);
        }
    }
}

/// libFuzzer's command line: <https://llvm.org/docs/LibFuzzer.html#options>.
fn arguments(name: &str, seed: u64, corpus: &Path) -> Vec<CString> {
    // It takes 0 for "draw one".
    let seed = seed % u64::from(u32::MAX) + 1;
    // Where it leaves the input of a crash that no catch can hold, an overflow of the stack or too
    // much memory. It prints the path.
    let artifacts = std::env::temp_dir().join(format!("fuzz-{name}-"));
    [
        "fuzz".to_owned(),
        format!("-seed={seed}"),
        format!("-max_len={LONGEST}"),
        format!("-rss_limit_mb={MOST_MEMORY_MIB}"),
        format!("-artifact_prefix={}", artifacts.display()),
        // Time is watched by us.
        "-timeout=0".to_owned(),
        // Short inputs first, which is its default but for who brings changes along.
        "-len_control=100".to_owned(),
        "-reload=0".to_owned(),
        "-verbosity=0".to_owned(),
        corpus.display().to_string(),
    ]
    .map(|argument| CString::new(argument).expect("no argument has a NUL"))
    .to_vec()
}

/// Runs libFuzzer until `each` says that it is over.
#[expect(unsafe_code, reason = "libFuzzer is C++")]
fn drive(arguments: &[CString], source: Source, each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
    unsafe extern "C-unwind" {
        /// <https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library>
        #[link_name = "LLVMFuzzerRunDriver"]
        fn run_driver(
            count: *mut c_int,
            arguments: *mut *mut *mut c_char,
            entry: unsafe extern "C-unwind" fn(*const u8, usize) -> c_int,
        ) -> c_int;
    }
    let mut pointers: Vec<_> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
    let mut count = c_int::try_from(pointers.len()).expect("a handful");
    pointers.push(std::ptr::null_mut());
    let mut start = pointers.as_mut_ptr();
    // SAFETY: only the lifetime changes; the pointer is gone again below, before `each` is.
    let each = unsafe { std::mem::transmute::<&mut dyn FnMut(&[u8]) -> ControlFlow<()>, _>(each) };
    RUN.set(Some(Run { each, is_over: false, source }));
    // libFuzzer finds it by its name; named here, the linker does not leave it out.
    std::hint::black_box(changed as unsafe extern "C-unwind" fn(_, _, _, _) -> _);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `count` strings that end in NUL, then a null pointer, as `main` has them; all of
        // them outlive the call. What it calls may unwind, and so may it.
        unsafe { run_driver(&raw mut count, &raw mut start, tried) }
    }));
    RUN.set(None);
    match ended {
        Err(thrown) if thrown.is::<Over>() => {}
        Err(panic) => resume_unwind(panic),
        Ok(status) => panic!("libFuzzer does not take its arguments: status {status}"),
    }
}

/// Tries an input, unless it is over.
#[expect(unsafe_code, reason = "libFuzzer calls it")]
unsafe extern "C-unwind" fn tried(data: *const u8, size: usize) -> c_int {
    // SAFETY: libFuzzer hands over `size` bytes that nobody changes meanwhile.
    let input = if size == 0 { &[] } else { unsafe { slice::from_raw_parts(data, size) } };
    let each = RUN.with_borrow(|run| run.as_ref().filter(|run| !run.is_over).map(|run| run.each));
    if let Some(each) = each {
        // SAFETY: `drive` holds it, and nobody else calls it meanwhile.
        let is_over = unsafe { (*each)(input) }.is_break();
        RUN.with_borrow_mut(|run| run.iter_mut().for_each(|run| run.is_over = is_over));
    }
    0
}

/// Changes an input in its place, of at most `most` bytes: as libFuzzer does, which knows what was
/// compared with what, or as we do, who know what such inputs are made of. Leaves libFuzzer once it
/// is over.
#[expect(unsafe_code, reason = "libFuzzer calls it")]
#[unsafe(export_name = "LLVMFuzzerCustomMutator")]
unsafe extern "C-unwind" fn changed(
    data: *mut u8,
    size: usize,
    most: usize,
    seed: c_uint,
) -> usize {
    unsafe extern "C" {
        /// A change of libFuzzer's own.
        #[link_name = "LLVMFuzzerMutate"]
        fn mutate(data: *mut u8, size: usize, most: usize) -> usize;
    }
    if RUN.with_borrow(|run| run.as_ref().is_some_and(|run| run.is_over)) {
        resume_unwind(Box::new(Over));
    }
    let mut rng = Rng::of_run(u64::from(seed), 0);
    if rng.below(2) == 0 {
        // SAFETY: `data` has room for `most` bytes, the first `size` of which are the input.
        let room = unsafe { slice::from_raw_parts_mut(data, most) };
        let mut input = room[..size].to_vec();
        RUN.with_borrow(|run| run.iter().for_each(|run| run.source.change(&mut input, &mut rng)));
        input.truncate(most);
        if !input.is_empty() {
            room[..input.len()].copy_from_slice(&input);
            return input.len();
        }
    }
    // SAFETY: what came from libFuzzer goes back to it.
    unsafe { mutate(data, size, most) }
}
