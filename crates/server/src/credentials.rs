//! Credentials: read when they are uploaded, sealed at rest, and turned into clients.

mod choose;
pub mod expiry;
mod probe;
mod tokens;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{AppId, CredentialId, Environment};
use providers::outbound::{Guard, Proxy};
use providers::webpush::{Subject, VapidKey};
use providers::{Apns, Fcm, Hosts, Roots, WebPush, apns, fcm};
use store::model::Credential;

use crate::circuits::{CircuitKey, Place};
use crate::config::{Config, Outbound};
use crate::node::Node;
use crate::seal::SealError;

pub use probe::Probed;
pub use upload::{Upload, probe_places, upload};

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
    /// Held from reading credentials to putting them in place: the last change read is the last
    /// one put.
    reading: tokio::sync::Mutex<()>,
}

/// The clients of one app, newest credential first.
#[derive(Default)]
struct AppClients {
    apns: Vec<Arc<ApnsEntry>>,
    fcm: Vec<Arc<FcmEntry>>,
    webpush: Vec<Arc<WebpushEntry>>,
}

struct ApnsEntry {
    id: CredentialId,
    credential: apns::Credential,
    /// One client for each environment and traffic, made when first needed.
    clients: Mutex<HashMap<(Environment, Traffic), Apns>>,
}

struct FcmEntry {
    id: CredentialId,
    account: fcm::ServiceAccount,
    /// One client for each traffic, made when first needed.
    clients: Mutex<HashMap<Traffic, Fcm>>,
}

struct WebpushEntry {
    id: CredentialId,
    key: VapidKey,
    subject: Subject,
    /// One client for each traffic, made when first needed.
    clients: Mutex<HashMap<Traffic, WebPush>>,
}

/// What shares connections with what: wakes are held up by nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Traffic {
    /// Broadcasts.
    Broadcast,
    /// Probes of a credential.
    Probe,
    /// Wakes and direct pushes.
    Wake,
}

/// The client that carries a push, and the circuit it counts for.
pub struct Chosen {
    /// The client.
    pub client: Client,
    /// The circuit.
    pub circuit: CircuitKey,
}

/// A client of a push service.
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
    /// The browsers' and UnifiedPush's.
    Webpush(WebPush),
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
        providers.proxy = proxy(&config.outbound)?;
        providers.guard = Guard::allowing(list(config.outbound.allow_private.as_deref()))?;
        providers.webpush_hosts =
            Hosts::push_services().and(list(config.webpush.allowed_hosts.as_deref()))?;
        Ok(Self { config: providers, apps: Mutex::default(), reading: Default::default() })
    }

    /// A client for URLs that tenants choose, behind the same guard and proxy.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn outbound(&self) -> Result<providers::outbound::Client, ClientError> {
        Ok(providers::outbound::Client::new(&self.config)?)
    }

    /// The same with connections of its own that are given up this soon.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn outbound_within(
        &self,
        limit: Duration,
    ) -> Result<providers::outbound::Client, ClientError> {
        let mut config = self.config.clone();
        // Shorter than the whole, so that it is told which of the two it was.
        config.connect_timeout = config.connect_timeout.min(limit.mul_f32(0.8));
        config.outbound_timeout = limit;
        Ok(providers::outbound::Client::new(&config)?)
    }

    /// How push services are reached, as far as it is the same for all apps.
    pub const fn config(&self) -> &providers::Config {
        &self.config
    }

    /// Reads every app's credentials.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. A credential that does not open is logged and left out: the
    /// others serve.
    pub async fn load_all(&self, node: &Arc<Node>) -> Result<(), store::Error> {
        let _reading = self.reading.lock().await;
        let mut by_app: HashMap<AppId, Vec<Credential>> = HashMap::new();
        for credential in node.store.credentials(None).await? {
            by_app.entry(credential.app).or_default().push(credential);
        }
        for (app, credentials) in by_app {
            self.put(node, app, credentials).await;
        }
        tokens::take_over(node).await
    }

    /// Reads one app's credentials anew, after a change. Those that stay keep their connections;
    /// pushes on their way end with the client they began with.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn reload(&self, node: &Arc<Node>, app: AppId) -> Result<(), store::Error> {
        let _reading = self.reading.lock().await;
        let credentials = node.store.credentials(Some(app)).await?;
        self.put(node, app, credentials).await;
        Ok(())
    }

    async fn put(&self, node: &Arc<Node>, app: AppId, credentials: Vec<Credential>) {
        let before = self.of(app);
        let mut opened = open_all(node, &before, &credentials).await;
        let mut clients = AppClients::default();
        for credential in credentials {
            if clients.keep(&before, credential.id) {
                continue;
            }
            let opened = opened.remove(&credential.id).unwrap_or(Err(ClientError::Damaged));
            match opened {
                Ok(opened) => self.add(node, &mut clients, &credential, opened),
                Err(error) => {
                    tracing::error!(credential.id = %credential.id, app.id = %app, %error, "a credential cannot be used");
                }
            }
        }
        let now = clients.ids();
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.insert(app, Arc::new(clients));
        drop(apps);
        // A credential that is gone has no circuit; with a new one the first push tells anew.
        let mut changed = before.ids();
        if changed.iter().any(|id| !now.contains(id)) || now.iter().any(|id| !changed.contains(id))
        {
            changed.retain(|id| !now.contains(id));
            node.circuits_changed(app, &changed);
        }
    }

    /// Adds a credential that was not there before, with what is remembered of it.
    fn add(
        &self,
        node: &Arc<Node>,
        clients: &mut AppClients,
        credential: &Credential,
        opened: Opened,
    ) {
        let id = credential.id;
        let remember = |place| {
            let key = CircuitKey { credential: id, place };
            node.circuits.remember(credential.app, &key, credential.believed_at);
        };
        match opened {
            Opened::Apns(opened) => {
                remember(Place::Apns(Environment::Production));
                remember(Place::Apns(Environment::Sandbox));
                tokens::keep(node, id, &opened);
                let entry = ApnsEntry { id, credential: opened, clients: Mutex::default() };
                clients.apns.push(Arc::new(entry));
            }
            Opened::Fcm(account) => {
                remember(Place::Fcm);
                let entry = FcmEntry { id, account, clients: Mutex::default() };
                clients.fcm.push(Arc::new(entry));
            }
            Opened::Webpush(key, subject) => {
                let entry = WebpushEntry { id, key, subject, clients: Mutex::default() };
                clients.webpush.push(Arc::new(entry));
            }
        }
    }

    fn of(&self, app: AppId) -> Arc<AppClients> {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(&app).map(Arc::clone).unwrap_or_default()
    }
}

/// Opens those of an app's credentials that have no client yet, on a thread where that holds up
/// nobody: each was read within the limit when it was uploaded, and together they may take long.
async fn open_all(
    node: &Arc<Node>,
    before: &AppClients,
    credentials: &[Credential],
) -> HashMap<CredentialId, Result<Opened, ClientError>> {
    let known = before.ids();
    let new = credentials.iter().filter(|credential| !known.contains(&credential.id));
    let new: Vec<Credential> = new.cloned().collect();
    if new.is_empty() {
        return HashMap::new();
    }
    let worker = Arc::clone(node);
    let opening = move || new.iter().map(|new| (new.id, open(&worker, new))).collect();
    node.tasks.work("opening credentials", opening).await.unwrap_or_default()
}

fn open(node: &Node, credential: &Credential) -> Result<Opened, ClientError> {
    let context = store::credential_context(credential.app);
    let plain = node.master_key.open(&context, &credential.sealed)?;
    let upload: upload::Sealed =
        serde_json::from_slice(&plain).map_err(|_| ClientError::Damaged)?;
    upload.open(node.clock.now())
}

impl AppClients {
    /// Takes over a credential that was there before; says whether it was.
    fn keep(&mut self, before: &Self, id: CredentialId) -> bool {
        let apns = before.apns.iter().find(|entry| entry.id == id);
        let fcm = before.fcm.iter().find(|entry| entry.id == id);
        let webpush = before.webpush.iter().find(|entry| entry.id == id);
        self.apns.extend(apns.cloned());
        self.fcm.extend(fcm.cloned());
        self.webpush.extend(webpush.cloned());
        apns.is_some() || fcm.is_some() || webpush.is_some()
    }

    fn ids(&self) -> Vec<CredentialId> {
        let apns = self.apns.iter().map(|entry| entry.id);
        let fcm = self.fcm.iter().map(|entry| entry.id);
        apns.chain(fcm).chain(self.webpush.iter().map(|entry| entry.id)).collect()
    }
}

enum Opened {
    Apns(apns::Credential),
    Fcm(fcm::ServiceAccount),
    Webpush(VapidKey, Subject),
}

/// The proxy of the configuration, if there is one.
fn proxy(options: &Outbound) -> Result<Option<Proxy>, providers::Error> {
    let Some(url) = &options.proxy_url else { return Ok(None) };
    let proxy = Proxy::parse(url.expose())?;
    proxy.except(list(options.no_proxy.as_deref())).map(Some)
}

/// The entries of a list with commas.
fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}
