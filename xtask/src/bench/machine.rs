//! What machine a table was measured on.

use std::fs;
use std::path::Path;
use std::thread;

use crate::run::answer;

/// One line: processor, cores, memory, system, compiler, and the commit that was measured.
pub(super) fn describe(root: &Path) -> String {
    let parts = [
        Some(processor()),
        thread::available_parallelism().ok().map(|cores| format!("{cores} cores")),
        memory(),
        answer("uname", &["-sr"]),
        answer("rustc", &["--version"]),
        answer("git", &["-C", &root.to_string_lossy(), "describe", "--always", "--dirty"])
            .map(|commit| format!("commit {commit}")),
        answer("date", &["-u", "+%Y-%m-%d"]),
    ];
    format!("Measured on: {}.", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn processor() -> String {
    let linux = fs::read_to_string("/proc/cpuinfo").ok();
    linux
        .as_deref()
        .and_then(|text| field(text, "model name"))
        .map(str::to_owned)
        .or_else(|| answer("sysctl", &["-n", "machdep.cpu.brand_string"]))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory() -> Option<String> {
    let linux = fs::read_to_string("/proc/meminfo").ok();
    let kib = linux
        .as_deref()
        .and_then(|text| field(text, "MemTotal"))
        .and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
    let bytes = match kib {
        Some(kib) => kib * 1024,
        None => answer("sysctl", &["-n", "hw.memsize"])?.parse().ok()?,
    };
    // Rounded: the kernel keeps some for itself, and 24 GiB is what people call it.
    Some(format!("{} GiB of memory", (bytes + (1 << 29)) >> 30))
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_read() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: other\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2.0GHz"));
        assert_eq!(field("MemTotal:       24689012 kB\n", "MemTotal"), Some("24689012 kB"));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    fn a_description_names_the_compiler() {
        assert!(describe(Path::new(".")).contains("rustc "), "{}", describe(Path::new(".")));
    }
}
