//! Keys as texts: they begin with their kind, so that people and scanners of repositories know one
//! when they see one.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{Secret, SecretError};

/// Random bytes in a key.
const BYTES: usize = 32;
/// Letters of base64url that they come to.
pub(super) const LETTERS: usize = 43;

/// Whom a key speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The operator of the server.
    Admin,
    /// The back end of an app.
    App,
    /// A device, beside its user's token or without it.
    Device,
    /// A user, for some time: a user token.
    User,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Admin, Self::App, Self::Device, Self::User];

    /// How its keys begin.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Admin => "rvl_admin_",
            Self::App => "rvl_app_",
            Self::Device => "rvl_device_",
            Self::User => "rvl_user_",
        }
    }
}

/// The kind in words, to follow "the" or "a".
impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "server admin key",
            Self::App => "key of an app",
            Self::Device => "device secret",
            Self::User => "user token",
        })
    }
}

/// A key as a text: its kind's beginning and 32 random bytes as base64url.
#[derive(Clone)]
pub struct KeyText {
    kind: KeyKind,
    /// Well formed: made or parsed here.
    text: Secret<String>,
}

impl KeyText {
    /// A new key of 32 bytes that nobody can guess.
    pub fn generate(kind: KeyKind) -> Self {
        Self::from_random(kind, rand::random())
    }

    /// The key of these bytes, which must come from a generator for cryptography.
    pub fn from_random(kind: KeyKind, bytes: [u8; BYTES]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self { kind, text: encode(kind.prefix(), &bytes) }
    }

    /// Reads a key of any kind.
    ///
    /// # Errors
    /// [`SecretError::NotAKey`] and [`SecretError::Malformed`]; neither shows the text.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let kind = KeyKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
            .ok_or(SecretError::NotAKey)?;
        decode(kind.prefix(), text).ok_or(SecretError::Malformed { kind })?;
        Ok(Self { kind, text: Secret::new(text.to_owned()) })
    }

    /// Reads a key of one kind.
    ///
    /// # Errors
    /// As [`KeyText::parse`], and [`SecretError::WrongKind`], which names both kinds.
    pub fn parse_kind(text: &str, wanted: KeyKind) -> Result<Self, SecretError> {
        let key = Self::parse(text)?;
        if key.kind == wanted {
            Ok(key)
        } else {
            Err(SecretError::WrongKind { given: key.kind, wanted })
        }
    }

    /// Whom it speaks for.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The text itself: shown once, to whoever it was made for.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What is stored in its place.
    pub fn hash(&self) -> KeyHash {
        let sum = digest(&SHA256, self.expose().as_bytes());
        let mut bytes = [0; KeyHash::BYTES];
        for (to, from) in bytes.iter_mut().zip(sum.as_ref()) {
            *to = *from;
        }
        KeyHash(bytes)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}…)", self.kind.prefix())
    }
}

/// The SHA-256 of a key: enough to know it again, too little to be it.
///
/// A plain digest will do, without salt or stretching, because the key has 256 random bits.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; Self::BYTES]);

impl KeyHash {
    /// Its length.
    pub const BYTES: usize = 32;

    /// From the store.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// For the store.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// In a time that does not depend on where they differ.
impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for KeyHash {}

/// The first 12 hexadecimal digits, as in logs.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text of a beginning and 32 bytes.
pub(crate) fn encode(prefix: &str, bytes: &[u8; BYTES]) -> Secret<String> {
    // With its whole length from the start: a text that grows leaves copies behind.
    let mut text = String::with_capacity(prefix.len() + LETTERS);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    Secret::new(text)
}

/// The 32 bytes behind a beginning; `None` if the text was made any other way than by `encode`.
pub(crate) fn decode(prefix: &str, text: &str) -> Option<Zeroizing<[u8; BYTES]>> {
    let letters = text.strip_prefix(prefix).filter(|letters| letters.len() == LETTERS)?;
    let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(letters).ok()?);
    <[u8; BYTES]>::try_from(decoded.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_there_and_back() {
        for kind in KeyKind::ALL {
            let key = KeyText::generate(kind);
            assert_eq!(key.expose().len(), kind.prefix().len() + LETTERS);
            let again = KeyText::parse_kind(key.expose(), kind).unwrap();
            assert_eq!((again.kind(), again.hash()), (kind, key.hash()));
            assert_ne!(key.hash(), KeyText::generate(kind).hash());
            assert_eq!(KeyHash::from_bytes(*key.hash().as_bytes()), key.hash());
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        let good = KeyText::from_random(KeyKind::App, [7; BYTES]);
        let good = good.expose();
        let cut = &good[..good.len() - 1];
        let long = format!("{good}A");
        let other_letters = good.replace('B', "+");
        // The last letter carries two bits of nothing, which must be zero.
        let loose_end = format!("{}d", cut);
        for (text, expected) in [
            ("", "no key of Reveille"),
            ("eyJhbGciOi", "no key of Reveille"),
            ("rvl_app", "no key of Reveille"),
            (cut, "the key of an app is cut short"),
            (&long, "the key of an app is cut short"),
            (&other_letters, "the key of an app is cut short"),
            (&loose_end, "the key of an app is cut short"),
        ] {
            let error = KeyText::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(text.len() < 8 || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_key_of_the_wrong_kind_is_named_with_the_one_wanted() {
        let key = KeyText::generate(KeyKind::User);
        let error = KeyText::parse_kind(key.expose(), KeyKind::App).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this is a user token (rvl_user_…), and a key of an app (rvl_app_…) is wanted"
        );
    }

    #[test]
    fn debug_shows_the_kind_and_no_key() {
        let key = KeyText::generate(KeyKind::Admin);
        assert_eq!(format!("{key:?}"), "KeyText(rvl_admin_…)");
        assert_eq!(format!("{:?}", key.hash()).len(), 12);
    }
}
