//! Credentials of push services.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::EnvironmentName;
use crate::schema::Time;

/// `POST /v1/apps/{app}/credentials`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialUpload {
    /// What the file is.
    pub kind: CredentialKind,
    /// The file's bytes, base64. Left out for `webpush_vapid`: a key pair is made here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The file's name as it was downloaded; a `.p8`'s holds the key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The password of a `.p12`, or of the key in a PEM file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Key id of a `.p8`, 10 characters; read from the file name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10))]
    pub key_id: Option<String>,
    /// Team id of a `.p8`, 10 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10))]
    pub team_id: Option<String>,
    /// Bundle ids a `.p8` is to be used for: the file does not hold them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundle_ids: Vec<String>,
    /// Apple's environments a `.p8` was made for: the file does not say. None means both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
    /// For `webpush_vapid`: whom push services may ask about it, `mailto:` or `https:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For `fcm_service_account`: the app's `google-services.json` in base64, which must be of the
    /// same project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_services: Option<String>,
    /// Whether the push service is asked at once if it believes the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<bool>,
}

impl CredentialUpload {
    /// A file of this kind, in base64, and nothing said beside it.
    pub fn new(kind: CredentialKind, file: String) -> Self {
        Self {
            kind,
            file,
            file_name: None,
            password: None,
            key_id: None,
            team_id: None,
            bundle_ids: Vec::new(),
            environments: Vec::new(),
            subject: None,
            google_services: None,
            probe: None,
        }
    }
}

impl std::fmt::Debug for CredentialUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialUpload").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a credential file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A `.p8` key of Apple's.
    ApnsKey,
    /// A certificate of Apple's with its key, `.p12` or PEM.
    ApnsCertificate,
    /// A Google service account's JSON.
    FcmServiceAccount,
    /// A VAPID key pair for Web Push (RFC 8292).
    WebpushVapid,
}

/// A credential, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    /// `crd_…`.
    pub id: String,
    /// What it is.
    pub kind: CredentialKind,
    /// What was found in it: environments, topics, team, key id, project, expiry.
    pub facts: BTreeMap<String, serde_json::Value>,
    /// What to know before relying on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the push service said to a probe, where one was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<CredentialProbe>,
    /// Where it was used since the server started: those whose circuit is open first, sixteen at
    /// most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<CredentialPlace>,
    /// When it was uploaded.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
    /// When it ends by itself; left out: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub ends_at: Option<jiff::Timestamp>,
    /// When a push with it was last taken, to the minute; left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub believed_at: Option<jiff::Timestamp>,
}

/// How a credential fares in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CredentialPlace {
    /// `apns production`, `apns sandbox`, `fcm`, or `webpush` and the origin of a push service.
    pub place: String,
    /// Whether pushes go there.
    pub circuit: CircuitName,
    /// Why they do not: a diagnosis code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Since when they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub open_since: Option<jiff::Timestamp>,
    /// When the push service is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub probe_at: Option<jiff::Timestamp>,
}

/// Whether pushes go out with a credential in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CircuitName {
    /// They go.
    Closed,
    /// None goes: the push service refuses the credential, or is away.
    Open,
}

/// What a push service said of a credential, asked without reaching any device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CredentialProbe {
    /// Where it was asked: `apns production`, `apns sandbox`, `fcm`.
    pub place: String,
    /// Whether it is believed.
    pub believed: bool,
    /// The diagnosis code, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The service's own reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// `GET /v1/webpush-key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebpushKey {
    /// The public key that a browser subscribes with (`applicationServerKey`), base64url.
    pub public_key: String,
}
