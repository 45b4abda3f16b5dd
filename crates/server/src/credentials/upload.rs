//! A credential file comes in: parsed before it is kept, its facts shown, its bytes sealed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{AppId, CredentialId, Diagnosis, Outcome, Time};
use providers::webpush::{Subject, VapidKey};
use providers::{Belief, CredentialFault, apns, fcm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::model::{Credential, NewCredential};
use wire::EnvironmentName;
use wire::http::{CredentialKind, CredentialProbe, CredentialUpload};
use zeroize::Zeroize;

use super::probe::Probed;
use super::{ClientError, Opened};
use crate::accept::storage_problem;
use crate::circuits::{CircuitKey, Place};
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::to_wire;

/// How many days before its end a certificate is worth a warning.
const EXPIRY_WARNING_DAYS: i64 = 30;

/// How long the reading of a file may take. What `openssl` and Keychain Access write takes
/// milliseconds; a file can ask for minutes.
const LONGEST_READING: Duration = Duration::from_secs(2);

/// A credential that was taken.
#[derive(Debug)]
pub struct Upload {
    /// As it is kept.
    pub credential: Credential,
    /// What to know before relying on it.
    pub warnings: Vec<String>,
    /// What the push service said of it, if it was asked.
    pub probes: Vec<CredentialProbe>,
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
    #[serde(default)]
    environments: Vec<EnvironmentName>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    google_services: Option<String>,
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
    let probe = upload.probe.unwrap_or_default();
    let sealed = Sealed {
        kind: upload.kind,
        key_id: key_id(&upload)?,
        file: file(upload.kind, upload.file)?,
        password: upload.password,
        team_id: upload.team_id,
        bundle_ids: upload.bundle_ids,
        environments: upload.environments,
        subject: upload.subject,
        google_services: upload.google_services,
    };
    let now = node.clock.now();
    let config = node.clients.config().clone();
    let read = move || (sealed.facts(&config, now), sealed);
    let (found, sealed) =
        node.tasks.compute(app, LONGEST_READING, read).await.ok_or_else(takes_too_long)?;
    let Found { facts, warnings, not_after } = found?;
    fits_the_app(node, app, &sealed, &facts).await?;
    let mut plain = serde_json::to_vec(&sealed).map_err(|_| Problem::internal())?;
    let sealed_bytes = node.master_key.seal(&store::credential_context(app), &plain);
    plain.zeroize();
    let sealed_bytes = sealed_bytes.map_err(|error| {
        tracing::error!(%error, "a credential could not be sealed");
        Problem::internal()
    })?;
    let facts = serde_json::to_string(&facts).map_err(|_| Problem::internal())?;
    let kind = kind_word(sealed.kind).to_owned();
    let new = NewCredential { app, kind, facts, sealed: sealed_bytes, not_after, now };
    let kept = node.store.add_credential(new).await;
    let (credential, effects) = kept.map_err(storage_problem)?;
    let credential =
        credential.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no such app"))?;
    // First the client, then the wakes that waited for it.
    node.clients.reload(node, app).await.map_err(storage_problem)?;
    node.carry_out(effects);
    let probes = if probe { probe_places(node, app, credential.id).await } else { Vec::new() };
    Ok(Upload { credential, warnings, probes })
}

/// What the file says against what was said of the app.
async fn fits_the_app(
    node: &Node,
    app: AppId,
    sealed: &Sealed,
    facts: &BTreeMap<String, Value>,
) -> Result<(), Problem> {
    let settings = node.settings(app).await.map_err(storage_problem)?;
    if settings.policy.sandbox_to_production
        && facts.get("environments") == Some(&json!(["sandbox"]))
    {
        return Err(Problem::credential_refused(
            Diagnosis::ProductionCertificateRequired,
            "it is for the sandbox alone, and this app sends everything to production",
            "Upload a production certificate or key, or switch `sandbox_to_production` off.",
        ));
    }
    if sealed.kind != CredentialKind::ApnsCertificate {
        return Ok(());
    }
    let topics = facts.get("topics").and_then(Value::as_array);
    let covers = |bundle: &str| {
        topics.is_some_and(|topics| {
            topics.iter().any(|topic| topic.as_str().is_some_and(|topic| topic == bundle))
        })
    };
    match sealed.bundle_ids.iter().find(|bundle| !covers(bundle)) {
        None => Ok(()),
        Some(bundle) => Err(Problem::credential_refused(
            Diagnosis::AppMismatch,
            &format!("the certificate is not for {bundle:?}"),
            "Upload the certificate of that app, or leave `bundle_ids` out: a certificate names its own.",
        )
        .with_field("bundle_ids")),
    }
}

/// Asks the push service, everywhere the credential is good, whether it believes it.
pub async fn probe_places(
    node: &Arc<Node>,
    app: AppId,
    credential: CredentialId,
) -> Vec<CredentialProbe> {
    let mut probes = Vec::new();
    for place in node.clients.places(app, credential) {
        let key = CircuitKey { credential, place };
        let Some(probed) = node.clients.probe(app, &key, node.clock.now()).await else { continue };
        probes.push(probe_answer(&key.place, probed));
    }
    probes
}

fn probe_answer(place: &Place, probed: Probed) -> CredentialProbe {
    let answer = |believed| CredentialProbe {
        place: place.name(),
        believed,
        code: None,
        reason: None,
        remedy: None,
    };
    match (probed.belief, probed.outcome) {
        (Belief::Believed, _) => answer(true),
        (Belief::Refused(refusal), _) | (Belief::Unknown, Outcome::Refused(refusal)) => {
            CredentialProbe {
                code: Some(refusal.diagnosis.code()),
                reason: Some(refusal.reason),
                remedy: Some(refusal.remedy),
                ..answer(false)
            }
        }
        (Belief::Unknown, Outcome::Unknown { detail }) => CredentialProbe {
            code: Some(Diagnosis::TemporarilyDisabled.code()),
            reason: Some(detail),
            ..answer(false)
        },
        (Belief::Unknown, Outcome::Accepted { .. } | Outcome::Withdrawn) => answer(false),
    }
}

/// The file asks for more work than any tool writes, or the machine is very busy.
fn takes_too_long() -> Problem {
    Problem::credential_refused(
        Diagnosis::CertificateError,
        "the file takes too long to open",
        "Export it anew with the usual number of rounds (openssl pkcs12 -export), and upload that.",
    )
}

/// The file as it came, or for Web Push a key pair that is made here.
fn file(kind: CredentialKind, file: String) -> Result<String, Problem> {
    if !file.is_empty() {
        return Ok(file);
    }
    if kind != CredentialKind::WebpushVapid {
        return Err(Problem::invalid_field("file", "it is empty; give the file's bytes in base64"));
    }
    let key = VapidKey::generate().map_err(|error| {
        tracing::error!(%error, "a VAPID key pair could not be made");
        Problem::internal()
    })?;
    Ok(STANDARD.encode(key.expose_private_key()))
}

impl Sealed {
    /// What is in the file, and what to know about it.
    fn facts(&self, config: &providers::Config, now: Time) -> Result<Found, Problem> {
        match self.parse(now)? {
            Parsed::Apns(credential) => Ok(apns_facts(credential.facts(), now)),
            Parsed::Fcm(account) => {
                account.check_token_uri(config).map_err(refused)?;
                Ok(fcm_facts(&account))
            }
            Parsed::Webpush(key, subject) => Ok(Found {
                facts: BTreeMap::from([
                    ("public_key".to_owned(), json!(key.public_key())),
                    ("subject".to_owned(), json!(subject.as_str())),
                ]),
                warnings: Vec::new(),
                not_after: None,
            }),
        }
    }

    fn parse(&self, now: Time) -> Result<Parsed, Problem> {
        let services = self.services()?;
        let mut file = STANDARD.decode(self.file.as_bytes()).map_err(|_| {
            Problem::invalid_field("file", "give the file's bytes in base64 with padding")
        })?;
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
                if team_id.is_empty() {
                    return Err(Problem::invalid_field(
                        "team_id",
                        "a .p8 does not say whose it is; give the team id, ten capital letters and \
                         digits, from the membership page of the Apple developer account",
                    ));
                }
                let bundle_ids = &self.bundle_ids;
                let environments = environments(&self.environments);
                let details = apns::KeyDetails { key_id, team_id, bundle_ids, environments };
                apns::Credential::parse_p8(&file, &details).map(Parsed::Apns)
            }
            CredentialKind::ApnsCertificate => {
                let password = self.password.as_deref().unwrap_or_default();
                apns::Credential::parse_p12(&file, password, now).map(Parsed::Apns)
            }
            CredentialKind::FcmServiceAccount => {
                let account = fcm::ServiceAccount::parse(&file);
                let fits = account.and_then(|account| match services {
                    Some(services) => account.with_services(services),
                    None => Ok(account),
                });
                fits.map(Parsed::Fcm)
            }
            CredentialKind::WebpushVapid => {
                let subject = self.subject.as_deref().ok_or_else(|| {
                    Problem::invalid_field(
                        "subject",
                        "give whom push services may ask about it: `mailto:you@example.org` or your site's https URL",
                    )
                })?;
                let subject = Subject::parse(subject).map_err(refused)?;
                VapidKey::parse(&file).map(|key| Parsed::Webpush(key, subject))
            }
        };
        file.zeroize();
        parsed.map_err(refused)
    }

    /// What the app was built with, if it was given.
    fn services(&self) -> Result<Option<fcm::GoogleServices>, Problem> {
        let Some(text) = &self.google_services else { return Ok(None) };
        if self.kind != CredentialKind::FcmServiceAccount {
            let detail = "give it with the kind `fcm_service_account` only";
            return Err(Problem::invalid_field("google_services", detail));
        }
        let file = STANDARD.decode(text.as_bytes()).map_err(|_| {
            let detail = "give the file's bytes in base64 with padding";
            Problem::invalid_field("google_services", detail)
        })?;
        let services = fcm::GoogleServices::parse(&file).map_err(refused);
        services.map(Some).map_err(|problem| problem.with_field("google_services"))
    }

    /// The credential, opened again.
    pub(super) fn open(&self, now: Time) -> Result<Opened, ClientError> {
        let refused = |problem: Problem| ClientError::Refused(problem.detail().to_owned());
        match self.parse(now).map_err(refused)? {
            Parsed::Apns(credential) => Ok(Opened::Apns(credential)),
            Parsed::Fcm(account) => Ok(Opened::Fcm(account)),
            Parsed::Webpush(key, subject) => Ok(Opened::Webpush(key, subject)),
        }
    }
}

fn refused(fault: CredentialFault) -> Problem {
    let of_both = matches!(fault, CredentialFault::OtherProject { .. });
    let problem =
        Problem::credential_refused(fault.diagnosis(), &fault.to_string(), fault.remedy());
    if of_both { problem.with_field("google_services") } else { problem }
}

enum Parsed {
    Apns(apns::Credential),
    Fcm(fcm::ServiceAccount),
    Webpush(VapidKey, Subject),
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

/// Where a `.p8` is good, as far as it was said.
fn environments(said: &[EnvironmentName]) -> apns::Environments {
    let production = said.contains(&EnvironmentName::Production);
    let sandbox = said.contains(&EnvironmentName::Sandbox);
    match (production, sandbox) {
        (true, false) => apns::Environments::Production,
        (false, true) => apns::Environments::Sandbox,
        (true, true) | (false, false) => apns::Environments::Both,
    }
}

/// What was found in a credential file.
struct Found {
    facts: BTreeMap<String, Value>,
    warnings: Vec<String>,
    not_after: Option<Time>,
}

fn fcm_facts(account: &fcm::ServiceAccount) -> Found {
    let mut facts = BTreeMap::from([
        ("project_id".to_owned(), json!(account.project_id())),
        ("client_email".to_owned(), json!(account.client_email())),
        ("key_id".to_owned(), json!(account.key_id())),
    ]);
    if let Some(services) = account.services() {
        facts.insert("sender_id".to_owned(), json!(services.sender_id()));
        facts.insert("package_names".to_owned(), json!(services.package_names()));
    }
    Found { facts, warnings: Vec::new(), not_after: None }
}

fn apns_facts(facts: &apns::Facts, now: Time) -> Found {
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
        warnings
            .push("this is for the sandbox alone: it reaches only apps run from Xcode".to_owned());
    }
    Found { facts: shown, warnings, not_after: facts.not_after }
}

/// The word of a kind in the API and the database.
pub(super) const fn kind_word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApnsKey => "apns_key",
        CredentialKind::ApnsCertificate => "apns_certificate",
        CredentialKind::FcmServiceAccount => "fcm_service_account",
        CredentialKind::WebpushVapid => "webpush_vapid",
    }
}
