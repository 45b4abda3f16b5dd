//! What must not be seen: texts that print nothing, keys that show their kind, files of mode 0600.

mod file;
mod key;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::{Zeroize, Zeroizing};

pub use file::{
    ADMIN_KEY_FILE, APP_KEY_FILE, load_key, load_or_create_admin_key, read_private,
    replace_private, write_private,
};
pub use key::{KeyHash, KeyKind, KeyText};
pub(crate) use key::{decode, encode};

/// A value that never shows itself, and leaves no copy behind when it is dropped.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a key cannot be used, by what its holder does next.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Make the file usable: its path is right, its permissions or its disk are not.
    #[error("cannot use the file {}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Copy the key again, whole.
    #[error(
        "the {kind} is cut short or was changed: {} must be followed by {} letters of base64url; \
         copy it again",
        kind.prefix(),
        key::LETTERS
    )]
    Malformed {
        /// The kind that its beginning shows.
        kind: KeyKind,
    },
    /// Give a key of this server.
    #[error(
        "the text is no key of Reveille: it begins with none of rvl_admin_, rvl_app_, rvl_user_ \
         and rvl_device_; copy the key again, with its beginning"
    )]
    NotAKey,
    /// Take the others' permission to read it away, or make a new key if somebody may have.
    #[error(
        "the file {} may be read by other users (mode {mode:04o}); run `chmod 600 {}`",
        path.display(),
        path.display()
    )]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Give the key of the other kind.
    #[error("this is a {given} ({}…), and a {wanted} ({}…) is wanted", given.prefix(), wanted.prefix())]
    WrongKind {
        /// What it is.
        given: KeyKind,
        /// What is asked for.
        wanted: KeyKind,
    },
}

/// What stands for a token in logs and records: the first 12 hexadecimal digits of its SHA-256,
/// the same that the push records show behind `sha256:`.
pub fn token_hash(token: &str) -> String {
    let sum = digest(&SHA256, token.as_bytes());
    sum.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing() {
        let secret = Secret::new("hidden".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(format!("{:?}", secret.clone()), "Secret(..)");
        assert_eq!(secret.expose(), "hidden");
    }

    #[test]
    fn a_token_shows_as_the_start_of_its_hash() {
        // SHA-256 of "abc" is the first example of FIPS 180-4.
        assert_eq!(token_hash("abc"), "ba7816bf8f01");
    }
}
