//! Credentials for a stage's apps.

use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sim::pki::{ApnsKey, ServiceAccount};
use wire::http::{CredentialKind, CredentialUpload};

use super::stage::{App, Stage};

/// Gives an app a fresh APNs key.
///
/// # Errors
///
/// When it is refused.
pub(crate) async fn upload_key(stage: &Stage, app: App) -> Result<()> {
    let key = ApnsKey::generate()?;
    let upload = CredentialUpload {
        key_id: Some(key.key_id.clone()),
        team_id: Some(key.team_id.clone()),
        bundle_ids: vec![app.bundle.to_owned()],
        ..CredentialUpload::new(CredentialKind::ApnsKey, STANDARD.encode(key.pem()))
    };
    let uploaded = server::credentials::upload(&stage.node, app.id, upload).await;
    uploaded.map(drop).map_err(|problem| anyhow!("the key was refused: {}", problem.detail()))
}

/// Gives an app a fresh service account of Google's.
///
/// # Errors
///
/// When it is refused.
pub(crate) async fn upload_account(stage: &Stage, app: App) -> Result<()> {
    let account = ServiceAccount::generate("bench")?;
    let file = STANDARD.encode(account.json("https://oauth2.googleapis.com/token"));
    let upload = CredentialUpload::new(CredentialKind::FcmServiceAccount, file);
    let uploaded = server::credentials::upload(&stage.node, app.id, upload).await;
    uploaded.map(drop).map_err(|problem| anyhow!("the account: {}", problem.detail()))
}
