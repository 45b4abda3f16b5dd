//! What Google wants from us: a service account's key file.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use zeroize::Zeroize;

use super::GoogleServices;
use super::oauth::{self, AccessTokens};
use crate::config::Config;
use crate::error::{CredentialFault, Error};
use crate::jws::SigningKey;
use crate::upload::{FileKind, check_size, pem_problem, shown};

/// The name in messages about a key file that is incomplete.
const INPUT: &str = "the service account key";
/// What to do about one.
const DOWNLOAD_AGAIN: &str = "In the Firebase console, open Project settings, Service accounts, and choose \"Generate new private key\"; upload that file unchanged.";

/// What to do about JSON that lets somebody else sign in.
const NOT_THAT_JSON: &str = "This lets a person or another program sign in, not this server; upload a service account key instead: Firebase console, Project settings, Service accounts, \"Generate new private key\".";

/// A service account's key. Clones share the key and the access token got with it.
#[derive(Clone)]
pub struct ServiceAccount {
    /// Who we are.
    pub(super) account: Arc<Account>,
    /// What the app that it pushes to was built with, where that is known.
    pub(super) services: Option<GoogleServices>,
}

/// What clones share.
pub(super) struct Account {
    /// The Firebase project pushes are sent through.
    pub(super) project_id: String,
    /// Who we are, the assertion's `iss`.
    pub(super) client_email: String,
    /// The key's id, the assertion's `kid`.
    pub(super) key_id: String,
    /// Where to get access tokens, the assertion's `aud`.
    pub(super) token_uri: String,
    /// The key.
    pub(super) key: SigningKey,
    /// The access token.
    pub(super) tokens: AccessTokens,
}

/// The key file, as far as it matters here.
#[derive(Deserialize)]
struct KeyFile {
    /// The project.
    project_id: String,
    /// The key's id.
    private_key_id: String,
    /// PKCS#8 in PEM.
    private_key: String,
    /// The account.
    client_email: String,
    /// The OAuth endpoint.
    #[serde(default = "google_token_uri")]
    token_uri: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.private_key.zeroize();
    }
}

/// Google's OAuth 2 token endpoint.
/// <https://developers.google.com/identity/protocols/oauth2/service-account>
fn google_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

impl ServiceAccount {
    /// Reads the JSON key file of a Google service account.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is: `google-services.json` and the
    /// retired server keys are told apart from a broken key file.
    pub fn parse(file: &[u8]) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let kind = FileKind::of(file);
        if kind == FileKind::GoogleServices {
            let remedy = other_file_of_project(file);
            return Err(CredentialFault::GoogleServices { remedy });
        }
        if kind != FileKind::ServiceAccount {
            let (found, remedy) = match other_json(file) {
                Some(found) if kind == FileKind::Json => (found, NOT_THAT_JSON),
                Some(_) | None => (kind.name(), wrong_file_remedy(kind)),
            };
            let wanted = "a service account key (JSON)";
            return Err(CredentialFault::WrongFile { wanted, found, remedy });
        }
        let unreadable = |problem: String| CredentialFault::Unreadable {
            input: INPUT,
            problem,
            remedy: DOWNLOAD_AGAIN,
        };
        let parsed: KeyFile =
            serde_json::from_slice(file).map_err(|error| unreadable(error.to_string()))?;
        if !is_project(&parsed.project_id) {
            let problem = format!("{} is not a project id", shown(&parsed.project_id));
            let (field, remedy) = ("project_id", DOWNLOAD_AGAIN);
            return Err(CredentialFault::Field { field, problem, remedy });
        }
        for (field, text) in
            [("client_email", &parsed.client_email), ("private_key_id", &parsed.private_key_id)]
        {
            if text.trim().is_empty() {
                let problem = "is empty".to_owned();
                return Err(CredentialFault::Field { field, problem, remedy: DOWNLOAD_AGAIN });
            }
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(parsed.private_key.as_bytes())
            .map_err(|error| unreadable(format!("private_key: {}", pem_problem(&error))))?;
        let key = SigningKey::rs256(der.secret_pkcs8_der())
            .ok_or_else(|| unreadable("private_key: not an RSA key".to_owned()))?;
        let account = Account {
            project_id: parsed.project_id.clone(),
            client_email: parsed.client_email.clone(),
            key_id: parsed.private_key_id.clone(),
            token_uri: parsed.token_uri.clone(),
            key,
            tokens: AccessTokens::default(),
        };
        Ok(Self { account: Arc::new(account), services: None })
    }

    /// Whether its file names a token endpoint that may be asked: Google's, unless the operator has
    /// named another one.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::Field`] for `token_uri`.
    pub fn check_token_uri(&self, config: &Config) -> Result<(), CredentialFault> {
        let wrong = |problem| CredentialFault::Field {
            field: "token_uri",
            problem,
            remedy: "Upload the key file unchanged, as Google gave it.",
        };
        match oauth::place(config, &self.account) {
            Ok(_) => Ok(()),
            Err(Error::Config { problem, .. }) => Err(wrong(problem)),
            Err(other) => Err(wrong(other.to_string())),
        }
    }

    /// The same account, with what the app was built with: a token of another project's is then
    /// explained by it.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::OtherProject`] if they are of two projects.
    pub fn with_services(self, services: GoogleServices) -> Result<Self, CredentialFault> {
        services.check(&self)?;
        Ok(Self { services: Some(services), ..self })
    }

    /// What the app was built with, where that is known.
    pub const fn services(&self) -> Option<&GoogleServices> {
        self.services.as_ref()
    }

    /// The Firebase project that pushes go through.
    pub fn project_id(&self) -> &str {
        &self.account.project_id
    }

    /// The account's name.
    pub fn client_email(&self) -> &str {
        &self.account.client_email
    }

    /// The key's id.
    pub fn key_id(&self) -> &str {
        &self.account.key_id
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("project_id", &self.account.project_id)
            .field("client_email", &self.account.client_email)
            .field("key_id", &self.account.key_id)
            .finish_non_exhaustive()
    }
}

/// Project ids stand in the path: lower-case letters, digits, hyphens; old ones have a domain and
/// a colon before it.
pub(super) fn is_project(id: &str) -> bool {
    (1..=100).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_'))
}

/// Where to get the key of the project that an app's configuration file is of.
/// <https://firebase.google.com/docs/projects/learn-more#config-files-objects>
fn other_file_of_project(google_services: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(google_services).unwrap_or_default();
    let project = json["project_info"]["project_id"].as_str().filter(|id| is_project(id));
    let menu = match project {
        None => "Firebase console, Project settings, Service accounts".to_owned(),
        Some(id) => format!(
            "https://console.firebase.google.com/project/{id}/settings/serviceaccounts/adminsdk"
        ),
    };
    format!(
        "google-services.json belongs into the app; upload the service account key of the same project instead: {menu}, \"Generate new private key\"."
    )
}

/// What JSON of Google's is that has credentials of another sort in it.
/// <https://cloud.google.com/docs/authentication/application-default-credentials>
fn other_json(file: &[u8]) -> Option<&'static str> {
    let json: serde_json::Value = serde_json::from_slice(file).ok()?;
    if json.get("installed").or_else(|| json.get("web")).is_some() {
        return Some("an OAuth client of the Google Cloud console");
    }
    match json.get("type")?.as_str()? {
        "authorized_user" => Some("a person's own Google credential (authorized_user)"),
        "external_account" => Some("a workload identity configuration (external_account)"),
        "impersonated_service_account" => {
            Some("the right to act as a service account (impersonated_service_account)")
        }
        _ => None,
    }
}

/// What to do instead of uploading this.
const fn wrong_file_remedy(kind: FileKind) -> &'static str {
    match kind {
        FileKind::LegacyServerKey => {
            "Google shut down the API of server keys in 2024; upload a service account key instead: Firebase console, Project settings, Service accounts, \"Generate new private key\"."
        }
        FileKind::Pkcs12
        | FileKind::CertificateDer
        | FileKind::CertificatePem
        | FileKind::Pkcs8Pem => "This belongs to APNs; upload it there.",
        FileKind::Empty
        | FileKind::OldKeyPem
        | FileKind::EncryptedKeyPem
        | FileKind::SigningRequest
        | FileKind::SignedContainer
        | FileKind::ServiceAccount
        | FileKind::GoogleServices
        | FileKind::GoogleServicePlist
        | FileKind::Json
        | FileKind::Unknown => DOWNLOAD_AGAIN,
    }
}

#[cfg(test)]
mod tests;
