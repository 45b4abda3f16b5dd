//! The entry point for what is read back from the database, and for a backup's note.

use super::MasterKey;

/// The place that the examples are sealed for.
const PLACE: &str = "a place";

/// Something that should be sealed with this key: it opens as it was sealed, or not at all.
fn opened(key: &MasterKey, bytes: &[u8]) {
    if let Ok(plain) = key.open(PLACE, bytes) {
        assert_eq!(*plain, b"plain", "only what was sealed opens");
        assert!(key.open("another place", bytes).is_err());
    }
}

#[test]
fn sealed_value() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::load_or_create(&folder.path().join("master.key")).unwrap();
    let examples =
        vec![key.seal(PLACE, b"plain").unwrap(), key.seal("another place", b"x").unwrap()];
    fuzz::run("sealed_value", |bytes: &[u8]| opened(&key, bytes), examples);
}
