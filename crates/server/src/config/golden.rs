//! Pages of `docs/` that are written from tables, compared with what the tables say now.

use std::path::Path;

/// Fails when `docs/<name>` is not `expected`; writes it instead when `UPDATE_GOLDEN` is set.
pub(crate) fn check_page(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    #[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the tests")]
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    if update {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/{name} is not what its table says; run the tests with UPDATE_GOLDEN=1 and look at the difference"
    );
}
