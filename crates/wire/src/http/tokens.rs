//! User tokens, and the keys that prove those which a back end signs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::schema::Time;

/// How a back end signs user tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TokenAlgorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518, 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA PKCS #1 v1.5 with SHA-256 (RFC 7518, 3.3).
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256 (RFC 7518, 3.2).
    #[serde(rename = "HS256")]
    Hs256,
}

impl TokenAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Hs256];

    /// Its name in the header of a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// `POST /v1/apps/{app}/token-keys`: what proves the user tokens that a back end signs. One of
/// `public_key`, `secret` and `jwks_url`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyCreate {
    /// A name for people.
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub name: String,
    /// The one algorithm that the key is good for.
    pub algorithm: TokenAlgorithm,
    /// What the claim `aud` of its tokens must name.
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub audience: String,
    /// A public key as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// For `HS256`: a secret of at least 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 32, max = limits::TOKEN_SECRET_BYTES))]
    pub secret: Option<String>,
    /// Where the back end publishes its key set (RFC 7517).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
}

impl std::fmt::Debug for TokenKeyCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeyCreate")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A token key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenKey {
    /// `tky_…`.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// The one algorithm that it is good for.
    pub algorithm: TokenAlgorithm,
    /// What the claim `aud` of its tokens must name.
    pub audience: String,
    /// The public key as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Where its key set is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// When it was added.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
}

/// To whom a user may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaySendName {
    /// To nobody.
    None,
    /// To users that the app has.
    #[default]
    Known,
    /// To whoever is named: a user the app does not have yet is made.
    Any,
}

/// `POST /v1/users/{user}/tokens`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserTokenCreate {
    /// Seconds the token is good for; default one day, at most 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7_776_000))]
    pub ttl: Option<u32>,
    /// To whom the user may send.
    #[serde(default, skip_serializing_if = "is_default")]
    pub may_send: MaySendName,
}

fn is_default(may_send: &MaySendName) -> bool {
    *may_send == MaySendName::default()
}

/// A user token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserToken {
    /// `rvl_user_…`; hand it to the user's app.
    pub token: String,
    /// The user it speaks for.
    pub user: String,
    /// When it ends.
    #[schemars(with = "Time")]
    pub expires_at: jiff::Timestamp,
}
