//! Credentials: read when they are uploaded, sealed at rest, and turned into clients.

mod choose;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{AppId, Environment};
use providers::{Apns, Fcm, Roots, apns};
use store::model::Credential;

use crate::config::Config;
use crate::node::Node;
use crate::seal::SealError;

pub use upload::{Upload, upload};

/// Why a client of a push service cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Correct the configuration.
    #[error("providers.extra_ca_file: cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Start with the master key that sealed it, or upload the credential again.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// Upload the credential again.
    #[error("what was sealed is no credential; upload it again")]
    Damaged,
    /// Upload another file: this one is no good any more.
    #[error("{0}")]
    Refused(String),
    /// Correct the configuration or the credential, as it says.
    #[error(transparent)]
    Provider(#[from] providers::Error),
}

/// Clients of the push services, by app and credential.
pub struct Clients {
    config: providers::Config,
    apps: Mutex<HashMap<AppId, Arc<AppClients>>>,
}

/// The clients of one app, newest credential first.
#[derive(Default)]
struct AppClients {
    apns: Vec<ApnsEntry>,
    fcm: Vec<Fcm>,
}

struct ApnsEntry {
    credential: apns::Credential,
    /// One client an environment, made when first needed.
    clients: Mutex<HashMap<Environment, Apns>>,
}

/// The client that carries a push.
pub enum Client {
    /// Apple's, with the topics of the app.
    Apns {
        /// The client.
        client: Apns,
        /// The topic of alert and background pushes.
        topic: apns::Topic,
        /// The topic of ring pushes.
        voip_topic: apns::Topic,
    },
    /// Google's.
    Fcm(Fcm),
}

impl Clients {
    /// No app's clients yet.
    ///
    /// # Errors
    ///
    /// When the extra certificates cannot be read.
    pub fn new(config: &Config) -> Result<Self, ClientError> {
        let options = &config.providers;
        let roots = match &options.extra_ca_file {
            None => Roots::system(),
            Some(path) => {
                let pem = std::fs::read(path)
                    .map_err(|source| ClientError::File { path: path.clone(), source })?;
                Roots::with_extra(&pem)?
            }
        };
        let mut providers = providers::Config::new(roots);
        providers.apns_production = options.apns_production_url.clone();
        providers.apns_sandbox = options.apns_sandbox_url.clone();
        providers.fcm = options.fcm_url.clone();
        providers.oauth = options.fcm_oauth_url.clone();
        providers.request_timeout = options.request_timeout;
        providers.connect_timeout = options.connect_timeout;
        providers.connections_per_credential = options.apns_connections;
        providers.pauses.apns_unavailable = options.apns_retry_after_unavailable;
        Ok(Self { config: providers, apps: Mutex::default() })
    }

    /// Reads every app's credentials.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. A credential that does not open is logged and left out: the
    /// others serve.
    pub async fn load_all(&self, node: &Node) -> Result<(), store::Error> {
        let mut by_app: HashMap<AppId, Vec<Credential>> = HashMap::new();
        for credential in node.store.credentials(None).await? {
            by_app.entry(credential.app).or_default().push(credential);
        }
        for (app, credentials) in by_app {
            self.put(node, app, credentials);
        }
        Ok(())
    }

    /// Reads one app's credentials anew, after a change. Pushes on their way end with the client
    /// they began with.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn reload(&self, node: &Node, app: AppId) -> Result<(), store::Error> {
        let credentials = node.store.credentials(Some(app)).await?;
        self.put(node, app, credentials);
        Ok(())
    }

    fn put(&self, node: &Node, app: AppId, credentials: Vec<Credential>) {
        let mut clients = AppClients::default();
        for credential in credentials {
            let id = credential.id;
            match self.open(node, &credential) {
                Ok(Opened::Apns(credential)) => {
                    clients.apns.push(ApnsEntry { credential, clients: Mutex::default() })
                }
                Ok(Opened::Fcm(fcm)) => clients.fcm.push(fcm),
                Err(error) => {
                    tracing::error!(credential.id = %id, app.id = %app, %error, "a credential cannot be used");
                }
            }
        }
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.insert(app, Arc::new(clients));
    }

    fn open(&self, node: &Node, credential: &Credential) -> Result<Opened, ClientError> {
        let context = seal_context(credential.app);
        let plain = node.master_key.open(&context, &credential.sealed)?;
        let upload: upload::Sealed =
            serde_json::from_slice(&plain).map_err(|_| ClientError::Damaged)?;
        upload.open(&self.config, node.clock.now())
    }

    fn of(&self, app: AppId) -> Arc<AppClients> {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(&app).map(Arc::clone).unwrap_or_default()
    }
}

enum Opened {
    Apns(apns::Credential),
    Fcm(Fcm),
}

/// What a sealed credential is bound to.
fn seal_context(app: AppId) -> String {
    format!("credentials/sealed/{app}")
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}
