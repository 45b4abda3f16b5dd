//! A credential file comes in: parsed before it is kept, its facts shown, its bytes sealed.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{AppId, Time};
use providers::{CredentialFault, Fcm, apns, fcm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::model::Credential;
use wire::http::{CredentialKind, CredentialUpload};
use zeroize::Zeroize;

use super::{ClientError, Opened, seal_context};
use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::to_wire;

/// How many days before its end a certificate is worth a warning.
const EXPIRY_WARNING_DAYS: i64 = 30;

/// A credential that was taken.
#[derive(Debug)]
pub struct Upload {
    /// As it is kept.
    pub credential: Credential,
    /// What to know before relying on it.
    pub warnings: Vec<String>,
}

/// The secret part of a credential, as it is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    kind: CredentialKind,
    file: String,
    password: Option<String>,
    key_id: Option<String>,
    team_id: Option<String>,
    bundle_ids: Vec<String>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.file.zeroize();
        self.password.zeroize();
    }
}

/// Takes a credential file.
///
/// # Errors
///
/// A [`Problem`] that names the file for what it is and says what to do; nothing is kept then.
pub async fn upload(
    node: &Arc<Node>,
    app: AppId,
    upload: CredentialUpload,
) -> Result<Upload, Problem> {
    let sealed = Sealed {
        kind: upload.kind,
        key_id: key_id(&upload)?,
        file: upload.file,
        password: upload.password,
        team_id: upload.team_id,
        bundle_ids: upload.bundle_ids,
    };
    let now = node.clock.now();
    let (facts, warnings) = sealed.facts(now)?;
    let mut plain = serde_json::to_vec(&sealed).map_err(|_| Problem::internal())?;
    let sealed_bytes = node.master_key.seal(&seal_context(app), &plain);
    plain.zeroize();
    let sealed_bytes = sealed_bytes.map_err(|error| {
        tracing::error!(%error, "a credential could not be sealed");
        Problem::internal()
    })?;
    let facts = serde_json::to_string(&facts).map_err(|_| Problem::internal())?;
    let kind = kind_word(sealed.kind).to_owned();
    let kept = node.store.add_credential(app, kind, facts, sealed_bytes, now).await;
    let (credential, effects) = kept.map_err(storage_problem)?;
    let credential =
        credential.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no such app"))?;
    // First the client, then the wakes that waited for it.
    node.clients.reload(node, app).await.map_err(storage_problem)?;
    node.carry_out(effects);
    Ok(Upload { credential, warnings })
}

impl Sealed {
    /// What is in the file, and what to know about it.
    fn facts(&self, now: Time) -> Result<(BTreeMap<String, Value>, Vec<String>), Problem> {
        match self.parse(now)? {
            Parsed::Apns(credential) => Ok(apns_facts(credential.facts(), now)),
            Parsed::Fcm(account) => Ok((
                BTreeMap::from([
                    ("project_id".to_owned(), json!(account.project_id())),
                    ("client_email".to_owned(), json!(account.client_email())),
                    ("key_id".to_owned(), json!(account.key_id())),
                ]),
                Vec::new(),
            )),
        }
    }

    fn parse(&self, now: Time) -> Result<Parsed, Problem> {
        let mut file = STANDARD.decode(self.file.as_bytes()).map_err(|_| {
            Problem::invalid_field("file", "give the file's bytes in base64 with padding")
        })?;
        let refused = |fault: CredentialFault| {
            Problem::credential_refused(fault.diagnosis(), &fault.to_string(), fault.remedy())
        };
        let parsed = match self.kind {
            CredentialKind::ApnsKey => {
                let key_id = self.key_id.as_deref().unwrap_or_default();
                let team_id = self.team_id.as_deref().unwrap_or_default();
                if self.bundle_ids.is_empty() {
                    return Err(Problem::invalid_field(
                        "bundle_ids",
                        "a .p8 does not say which apps it is for; give their bundle ids",
                    ));
                }
                let bundle_ids = &self.bundle_ids;
                let details =
                    apns::KeyDetails { key_id, team_id, bundle_ids, ..Default::default() };
                apns::Credential::parse_p8(&file, &details).map(Parsed::Apns)
            }
            CredentialKind::ApnsCertificate => {
                let password = self.password.as_deref().unwrap_or_default();
                apns::Credential::parse_p12(&file, password, now).map(Parsed::Apns)
            }
            CredentialKind::FcmServiceAccount => fcm::ServiceAccount::parse(&file).map(Parsed::Fcm),
        };
        file.zeroize();
        parsed.map_err(refused)
    }

    /// A client of the push service, from a credential opened again.
    pub(super) fn open(
        &self,
        config: &providers::Config,
        now: Time,
    ) -> Result<Opened, ClientError> {
        let refused = |problem: Problem| ClientError::Refused(problem.detail().to_owned());
        match self.parse(now).map_err(refused)? {
            Parsed::Apns(credential) => Ok(Opened::Apns(credential)),
            Parsed::Fcm(account) => Ok(Opened::Fcm(Fcm::new(config, account)?)),
        }
    }
}

enum Parsed {
    Apns(apns::Credential),
    Fcm(fcm::ServiceAccount),
}

/// The key id of a `.p8`: as given, or from the usual file name `AuthKey_<key id>.p8`.
fn key_id(upload: &CredentialUpload) -> Result<Option<String>, Problem> {
    if upload.kind != CredentialKind::ApnsKey || upload.key_id.is_some() {
        return Ok(upload.key_id.clone());
    }
    let from_name = upload.file_name.as_deref().and_then(apns::key_id_of_file_name);
    match from_name {
        Some(key_id) => Ok(Some(key_id.to_owned())),
        None => Err(Problem::invalid_field(
            "key_id",
            "give the key id, or the file name AuthKey_<key id>.p8 as `file_name`",
        )),
    }
}

fn apns_facts(facts: &apns::Facts, now: Time) -> (BTreeMap<String, Value>, Vec<String>) {
    let environments = match facts.environments {
        apns::Environments::Both => json!(["production", "sandbox"]),
        apns::Environments::Production => json!(["production"]),
        apns::Environments::Sandbox => json!(["sandbox"]),
    };
    let mut shown = BTreeMap::from([
        ("environments".to_owned(), environments),
        ("topics".to_owned(), facts.topics.iter().map(|topic| topic.name.as_str()).collect()),
    ]);
    let mut warnings = Vec::new();
    for (name, value) in
        [("team_id", &facts.team), ("key_id", &facts.key_id), ("subject", &facts.subject)]
    {
        if let Some(value) = value {
            shown.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(not_after) = facts.not_after {
        shown.insert("not_after".to_owned(), json!(to_wire::time(not_after)));
        let days = (not_after.as_seconds() - now.as_seconds()) / 86_400;
        if days < EXPIRY_WARNING_DAYS {
            warnings.push(format!("the certificate expires in {days} days; renew it soon"));
        }
    }
    if facts.environments == apns::Environments::Sandbox {
        warnings.push(
            "this is a development certificate: it reaches only apps run from Xcode".to_owned(),
        );
    }
    (shown, warnings)
}

/// The word of a kind in the API and the database.
pub(super) const fn kind_word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApnsKey => "apns_key",
        CredentialKind::ApnsCertificate => "apns_certificate",
        CredentialKind::FcmServiceAccount => "fcm_service_account",
    }
}
