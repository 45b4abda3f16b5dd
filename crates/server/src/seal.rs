//! Secrets at rest: credentials and provider tokens are sealed before they reach the store.
//!
//! AES-256-GCM-SIV (RFC 8452), which stays safe should a nonce ever come twice. What is sealed is
//! bound to its place by a context (table, column, row), so that a value moved to another row of
//! the database does not open there.
//!
//! ```text
//!   version (1 byte) | nonce (12 bytes) | sealed text | tag (16 bytes)
//! ```

#[cfg(test)]
mod fuzz;
pub mod rotate;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::secret::{self, Secret, SecretError};

/// The file of the master key, inside the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";

/// How the text of a master key begins.
const PREFIX: &str = "rvl_master_";
/// The form of what is sealed; another cipher gets another number.
const VERSION: u8 = 1;

/// Why something cannot be sealed or opened, by what the operator does next.
#[derive(Debug, Error)]
pub enum SealError {
    /// Give the right key, or upload the credential again.
    #[error(
        "what is stored as {context} does not open with this master key; restore the file \
         master.key (or REVEILLE_MASTER_KEY) that belongs to the database, or upload it again"
    )]
    Closed {
        /// Its place.
        context: String,
    },
    /// Make the file usable.
    #[error(transparent)]
    File(#[from] SecretError),
    /// Give the key as it was written.
    #[error(
        "{place} holds no master key: it must be {PREFIX} and 43 letters of base64url; restore it \
         from a backup, and never make a new one for a database that has credentials"
    )]
    NotAKey {
        /// The file or the variable.
        place: String,
    },
    /// Report it: the cipher refuses to work.
    #[error("the cipher cannot seal {context}; report this as a fault of Reveille")]
    Refused {
        /// What was to be sealed.
        context: String,
    },
}

/// The key that everything secret in the database is sealed with.
pub struct MasterKey {
    key: RandomizedNonceKey,
    fingerprint: String,
}

impl MasterKey {
    /// The key of a configuration: the option `master_key`, else the file in the data folder, which
    /// must exist and gets the file at the first start.
    ///
    /// # Errors
    /// When there is a key that cannot be used, or the file cannot be written.
    pub fn of(config: &Config) -> Result<Self, SealError> {
        match &config.master_key {
            Some(text) => Self::from_text(text.expose(), "REVEILLE_MASTER_KEY (option master_key)"),
            None => Self::load_or_create(&config.data_dir.join(MASTER_KEY_FILE)),
        }
    }

    /// The key in a file of mode 0600, made if there is none.
    ///
    /// # Errors
    /// When the file cannot be read or written, may be read by others, or holds no master key.
    pub fn load_or_create(path: &Path) -> Result<Self, SealError> {
        let place = PathBuf::from(path).display().to_string();
        if let Some(text) = secret::read_private(path)? {
            return Self::from_text(text.expose(), &place);
        }
        let text = Self::generate_text();
        match secret::write_private(path, text.expose()) {
            Ok(()) => Self::from_text(text.expose(), &place),
            // Another process was faster; its key is the one.
            Err(SecretError::File { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                let text = secret::read_private(path)?;
                Self::from_text(text.as_ref().map_or("", |text| text.expose()), &place)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The text of a new master key.
    pub fn generate_text() -> Secret<String> {
        let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
        secret::encode(PREFIX, &bytes)
    }

    /// A short name for the key that tells nothing of it: it stands in backups, so that whoever
    /// restores one knows which key to look for.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Seals `plain` for the place that `context` names: table, column, row.
    ///
    /// # Errors
    /// Only when the cipher itself fails; nothing about the input can make it.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = Zeroizing::new(plain.to_vec());
        // Room for the tag from the start: a vector that grows leaves a copy of the plain text.
        text.reserve_exact(AES_256_GCM_SIV.tag_len());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut *text)
            .map_err(|_| SealError::Refused { context: context.to_owned() })?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens what was sealed for the same place with the same key.
    ///
    /// # Errors
    /// [`SealError::Closed`] for anything else: another key, another place, a changed byte.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.try_open(context, sealed)
            .ok_or_else(|| SealError::Closed { context: context.to_owned() })
    }

    fn try_open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        if *version != VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = {
            let aad = Aad::from(context.as_bytes());
            self.key.open_in_place(nonce, aad, &mut text).ok()?.len()
        };
        text.truncate(length);
        Some(text)
    }

    fn from_text(text: &str, place: &str) -> Result<Self, SealError> {
        let not_a_key = || SealError::NotAKey { place: place.to_owned() };
        let bytes = secret::decode(PREFIX, text).ok_or_else(not_a_key)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes.as_slice());
        let fingerprint = fingerprint(bytes.as_slice());
        key.map(|key| Self { key, fingerprint }).map_err(|_| not_a_key())
    }
}

/// The first 12 hexadecimal digits of a hash that is used for nothing else.
fn fingerprint(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"reveille master key fingerprint");
    context.update(key);
    context.finish().as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKey {
        MasterKey::from_text(MasterKey::generate_text().expose(), "a test").unwrap()
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_alone() {
        let key = key();
        for plain in [&b""[..], b"service account", &[0; 100_000]] {
            let sealed = key.seal("credential/file/1", plain).unwrap();
            assert_eq!(sealed.len(), 1 + 12 + plain.len() + 16);
            assert_eq!(key.open("credential/file/1", &sealed).unwrap().as_slice(), plain);
            let error = key.open("credential/file/2", &sealed).unwrap_err().to_string();
            assert!(error.contains("credential/file/2 does not open"), "{error}");
        }
    }

    #[test]
    fn another_key_and_any_changed_byte_are_refused() {
        let (key, other) = (key(), key());
        let sealed = key.seal("a", b"text").unwrap();
        assert!(other.open("a", &sealed).is_err());
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(key.open("a", &changed).is_err(), "byte {index}");
            assert!(key.open("a", &sealed[..index]).is_err(), "{index} bytes");
        }
        assert_ne!(sealed, key.seal("a", b"text").unwrap(), "the nonce is drawn anew");
    }

    #[test]
    fn the_file_is_made_once_and_opens_what_it_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MASTER_KEY_FILE);
        let sealed = MasterKey::load_or_create(&path).unwrap().seal("a", b"text").unwrap();
        let loaded = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(loaded.open("a", &sealed).unwrap().as_slice(), b"text");
    }

    #[test]
    fn a_configured_key_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = MasterKey::generate_text();
        let mut config = Config::defaults().unwrap();
        config.data_dir = folder.path().to_owned();
        config.master_key = Some(text.clone());
        let sealed = MasterKey::of(&config).unwrap().seal("a", b"text").unwrap();
        assert!(!folder.path().join(MASTER_KEY_FILE).exists());
        secret::write_private(&folder.path().join(MASTER_KEY_FILE), text.expose()).unwrap();
        config.master_key = None;
        assert!(MasterKey::of(&config).unwrap().open("a", &sealed).is_ok());
    }

    #[test]
    fn a_text_that_is_no_master_key_is_named_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MASTER_KEY_FILE);
        secret::write_private(&path, "hidden").unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("master.key holds no master key"), "{error}");
        assert!(!error.contains("hidden"));
    }
}
