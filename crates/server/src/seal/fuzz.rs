//! Entry points for what is read back from the database, a backup's note among it, and for the text of
//! a master key.

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

/// The text of a master key, from a file or a variable: it is never repeated.
fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match MasterKey::from_text(&text, "master.key") {
        Ok(key) => {
            let sealed = key.seal(PLACE, b"plain").expect("it seals");
            opened(&key, &sealed);
            assert_eq!(key.fingerprint().len(), 12);
        }
        Err(error) => {
            let said = error.to_string();
            // A piece of our own words is no secret.
            let ours = MasterKey::from_text("", "master.key")
                .map_or_else(|error| error.to_string(), |_| String::new());
            let repeated = said.contains(&*text) && !ours.contains(&*text);
            assert!(text.len() < 20 || !repeated, "{said}");
        }
    }
}

#[test]
fn master_key() {
    let example = MasterKey::generate_text().expose().as_bytes().to_vec();
    fuzz::run("master_key", text, vec![example]);
}

#[test]
fn sealed_value() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::load_or_create(&folder.path().join("master.key")).unwrap();
    let examples =
        vec![key.seal(PLACE, b"plain").unwrap(), key.seal("another place", b"x").unwrap()];
    fuzz::run("sealed_value", |bytes: &[u8]| opened(&key, bytes), examples);
}
