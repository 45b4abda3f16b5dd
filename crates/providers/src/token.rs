//! Push tokens, which log as a short hash.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// Where a provider reaches one installation of an app: an APNs device token, an FCM registration
/// token or a Web Push endpoint, as the device reported it.
///
/// Whoever holds a token and a credential can push to the device, so it never appears in logs,
/// records or `Debug`; those show a [`TokenHash`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PushToken(Box<str>);

impl PushToken {
    /// Takes a token as the device reported it; what is wrong with it is found when a push is
    /// encoded, so that the refusal carries a diagnosis.
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The token itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands for the token in logs and records.
    pub fn hash(&self) -> TokenHash {
        let sum = digest(&SHA256, self.0.as_bytes());
        let mut prefix = [0; TokenHash::LENGTH];
        for (to, from) in prefix.iter_mut().zip(sum.as_ref()) {
            *to = *from;
        }
        TokenHash(prefix)
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushToken({})", self.hash())
    }
}

/// The first bytes of the SHA-256 of a token: enough to tell two devices of one app apart in a
/// log, too little to push with. Shown as `sha256:` and twelve hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; Self::LENGTH]);

impl TokenHash {
    /// How many bytes are kept.
    pub const LENGTH: usize = 6;
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_as_the_start_of_its_hash() {
        let token = PushToken::new("abc");
        // SHA-256 of "abc" is the first example of FIPS 180-4.
        assert_eq!(token.hash().to_string(), "sha256:ba7816bf8f01");
        assert_eq!(format!("{token:?}"), "PushToken(sha256:ba7816bf8f01)");
    }
}
