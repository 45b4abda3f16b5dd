//! Documents of which a part is made by a command.

use anyhow::{Context, Result};

/// The document with what stands between the markers of that name replaced.
pub(crate) fn replace(document: &str, name: &str, text: &str) -> Result<String> {
    let (start, end) = (format!("<!-- {name}:start -->"), format!("<!-- {name}:end -->"));
    let (before, rest) =
        document.split_once(&start).with_context(|| format!("the marker {start} is missing"))?;
    let (_, after) =
        rest.split_once(&end).with_context(|| format!("the marker {end} is missing after it"))?;
    Ok(format!("{before}{start}\n{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let document = "a\n<!-- bench:start -->\nold\n<!-- bench:end -->\nb\n";
        let new = replace(document, "bench", "new\n").expect("the markers are there");
        assert_eq!(new, "a\n<!-- bench:start -->\nnew\n<!-- bench:end -->\nb\n");
        assert!(replace("<!-- bench:end --> <!-- bench:start -->", "bench", "new").is_err());
        assert!(replace(document, "fleet", "new").is_err());
    }
}
