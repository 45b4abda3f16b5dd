//! The folder with what a client needs.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use tempfile::TempDir;

use super::services::{Secrets, Services};

/// A folder; a temporary one goes with this value.
pub(super) enum Directory {
    Given(PathBuf),
    Temporary(TempDir),
}

/// The files in it, by what they are.
#[derive(Debug, Serialize)]
pub(super) struct Files {
    /// The certificate that clients have to trust, PEM.
    ca: PathBuf,
    /// The APNs key, `.p8`.
    apns_key: PathBuf,
    /// Its id, for the provider token's `kid`.
    apns_key_id: String,
    /// Its team, for the provider token's `iss`.
    apns_team_id: String,
    /// An APNs certificate with its key, PEM.
    apns_certificate: PathBuf,
    /// The service account, JSON.
    service_account: PathBuf,
    /// A browser's subscription, JSON.
    subscription: PathBuf,
    /// The VAPID key that it is restricted to, the private half in base64url.
    vapid_key: PathBuf,
    /// Its public half, for a page's `applicationServerKey`.
    vapid_public_key: String,
}

impl Directory {
    /// Creates the folder if it is not there.
    pub(super) fn create(wanted: Option<&Path>) -> Result<Self> {
        let Some(path) = wanted else {
            let temporary = tempfile::Builder::new().prefix("reveille-sim-").tempdir();
            return Ok(Self::Temporary(temporary.context("could not make a temporary folder")?));
        };
        std::fs::create_dir_all(path)
            .with_context(|| format!("could not make the folder {}", path.display()))?;
        // Clients are told whole paths, whatever folder they run in.
        let path = std::path::absolute(path).context("could not find the current folder")?;
        Ok(Self::Given(path))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(temporary) => temporary.path(),
        }
    }

    /// Writes everything, over what an earlier start left.
    pub(super) fn fill(&self, secrets: &Secrets, services: &Services) -> Result<Files> {
        let Secrets { key, certificate, account, vapid, subscription } = secrets;
        let pair = format!("{}{}", certificate.certificate_pem(), certificate.key_pem());
        Ok(Files {
            ca: self.write("ca.pem", services.ca_pem())?,
            apns_key: self.write("apns-key.p8", key.pem())?,
            apns_key_id: key.key_id.clone(),
            apns_team_id: key.team_id.clone(),
            apns_certificate: self.write("apns-certificate.pem", &pair)?,
            service_account: {
                let json = account.json(&services.token_url());
                self.write("service-account.json", &json)?
            },
            subscription: self.write("subscription.json", &subscription.json())?,
            vapid_key: self.write("vapid-key.txt", &vapid.private_key())?,
            vapid_public_key: URL_SAFE_NO_PAD.encode(vapid.public_key()),
        })
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file =
            options.open(&path).with_context(|| format!("could not write {}", path.display()))?;
        file.write_all(content.as_bytes())
            .with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }
}
