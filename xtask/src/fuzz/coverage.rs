//! A build that counts which code runs, by the stable compiler.
//!
//! cargo hands each compilation of a crate of ours to `RUSTC_WORKSPACE_WRAPPER`, which is this very
//! program: it adds the flags of LLVM's SanitizerCoverage and calls rustc. What others wrote is
//! compiled as ever and shared with ordinary builds, and cargo keeps both forms of ours side by side,
//! so that nothing is built twice by turns. cargo does not know the flags, though: after a change of
//! them, remove the form that counts by `cargo clean --package`.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::run::{Cargo, answer};
use crate::say;
use crate::workspace::Workspace;

/// What every crate of ours is told: the crate `fuzz` then has libFuzzer in it.
const NAMES: &[&str] = &["--cfg", "fuzzing"];
/// How LLVM counts, as libFuzzer wants it: <https://clang.llvm.org/docs/SanitizerCoverage.html>.
const COUNTS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Crates of ours that are not under test: the fuzzer itself, and the world around the server.
const UNCOUNTED: &[&str] = &["fuzz", "sim"];
/// What code that counts calls. libFuzzer has them; these stand in for them in programs of the same
/// build that have no libFuzzer in them, such as the server's binary.
const CALLS: &[&str] = &[
    "8bit_counters_init",
    "pcs_init",
    "trace_cmp1",
    "trace_cmp2",
    "trace_cmp4",
    "trace_cmp8",
    "trace_const_cmp1",
    "trace_const_cmp2",
    "trace_const_cmp4",
    "trace_const_cmp8",
    "trace_pc_indir",
    "trace_switch",
];
/// The crate that feeds the parsers.
const FUZZ: &str = "reveille-fuzz";

/// Calls rustc as cargo wants it to be called, if that is what this process was started for.
pub(crate) fn as_wrapper() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next().filter(|program| is_rustc(program))?;
    let arguments: Vec<_> = arguments.collect();
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let mut command = Command::new(rustc);
    command.args(&arguments).args(Form::of(&texts).flags());
    match command.status() {
        // cargo asks for no more than whether it worked; rustc has said what did not.
        Ok(status) if status.success() => Some(ExitCode::SUCCESS),
        Ok(_) => Some(ExitCode::FAILURE),
        Err(error) => {
            say::trouble(format_args!("cannot start {command:?}: {error}"));
            Some(ExitCode::FAILURE)
        }
    }
}

/// Whether this is the compiler rather than a command of ours.
fn is_rustc(program: &OsStr) -> bool {
    PathBuf::from(program).file_stem() == Some(OsStr::new("rustc"))
}

/// A form of a crate of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// It counts what runs.
    Counted,
    /// It counts, and is a program.
    CountedProgram,
    /// It runs while others are built, or is a question to the compiler.
    Plain,
    /// It knows that others count. So does the answer by which cargo chooses dependencies.
    Uncounted,
}

impl Form {
    /// The form that a compilation with these arguments is to have.
    fn of(arguments: &[&str]) -> Self {
        let follows =
            |name: &str, value: &str| arguments.windows(2).any(|two| two == [name, value]);
        let name = arguments.iter().skip_while(|argument| **argument != "--crate-name").nth(1);
        match name {
            None => Self::Plain,
            Some(&"___") => Self::Uncounted,
            Some(name) if name.starts_with("build_script_") => Self::Plain,
            Some(_) if follows("--crate-type", "proc-macro") => Self::Plain,
            Some(name) if UNCOUNTED.contains(name) => Self::Uncounted,
            Some(_) if arguments.contains(&"--test") || follows("--crate-type", "bin") => {
                Self::CountedProgram
            }
            Some(_) => Self::Counted,
        }
    }

    /// What rustc is told beyond cargo's arguments.
    fn flags(self) -> Vec<String> {
        let texts = |flags: &[&[&str]]| flags.concat().into_iter().map(str::to_owned).collect();
        match self {
            Self::Counted => texts(&[NAMES, COUNTS]),
            Self::CountedProgram => {
                let mut flags: Vec<_> = texts(&[NAMES, COUNTS]);
                flags.extend(stand_ins().map(|path| format!("-Clink-arg={}", path.display())));
                flags
            }
            Self::Plain => Vec::new(),
            Self::Uncounted => texts(&[NAMES]),
        }
    }
}

/// The object file of what stands in for libFuzzer, beside this program.
fn stand_ins() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.with_file_name("fuzz-stand-ins.o"))
}

/// Builds every test binary that may have entry points in it, so that [`tests`] only runs them.
///
/// # Errors
///
/// Says what is missing on this machine.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("coverage guides on Linux only");
    }
    // Each entry point has a process to itself, which libFuzzer needs.
    answer("cargo", &["nextest", "--version"]).context("there is no cargo-nextest")?;
    answer("c++", &["--version"]).context("there is no C++ compiler, which libFuzzer needs")?;
    let object = stand_ins().context("this program does not know where it is")?;
    let source = object.with_extension("c");
    let call = |name| format!("__attribute__((weak)) void __sanitizer_cov_{name}(void) {{}}\n");
    std::fs::write(&source, CALLS.iter().map(call).collect::<String>())
        .with_context(|| format!("cannot write {}", source.display()))?;
    let (source, object) = (source.display().to_string(), object.display().to_string());
    answer("c++", &["-x", "c", "-c", &source, "-o", &object])
        .context("the C++ compiler does not compile C")?;
    tests(workspace)?.with_arguments(["--no-run"]).run()
}

/// A call of cargo-nextest for what [`build`] built.
pub(crate) fn tests(workspace: &Workspace) -> Result<Cargo> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut cargo = Cargo::new(["nextest", "run", "--lib", "--test", "*"])
        .within(&workspace.root)
        .with_env("RUSTC_WORKSPACE_WRAPPER", program);
    for package in &workspace.packages {
        let feeds = |name: &str| name == FUZZ;
        if feeds(&package.name) || package.dependencies.iter().any(|it| feeds(&it.package)) {
            cargo = cargo.with_arguments(["--package", &package.name]);
        }
    }
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_test_counts_and_what_runs_in_the_build_does_not() {
        for (arguments, expected) in [
            ("-vV", Form::Plain),
            ("- --crate-name ___ --print=cfg --crate-type proc-macro", Form::Uncounted),
            ("--crate-name build_script_build --crate-type bin", Form::Plain),
            ("--crate-name derive --crate-type proc-macro", Form::Plain),
            ("--crate-name wire --crate-type lib", Form::Counted),
            ("--crate-name wire --test", Form::CountedProgram),
            ("--crate-name reveille --crate-type bin", Form::CountedProgram),
            ("--crate-name fuzz --crate-type lib", Form::Uncounted),
            ("--crate-name sim --crate-type lib", Form::Uncounted),
        ] {
            let arguments: Vec<_> = arguments.split(' ').collect();
            assert_eq!(Form::of(&arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn only_the_compiler_is_wrapped() {
        for (program, expected) in
            [("rustc", true), ("/toolchain/bin/rustc", true), ("test", false), ("fuzz", false)]
        {
            assert_eq!(is_rustc(OsStr::new(program)), expected, "{program}");
        }
    }
}
