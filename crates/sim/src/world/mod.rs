//! A whole world for tests and the demo: the server as a real child process, the push services as
//! simulators, and phones.
//!
//! What it does: makes the keys and certificates, starts the push services, writes the server's
//! configuration, starts it, and sets up one app through the public API. What it does **not** do:
//! it never looks into the server; all it knows of it goes over the public wire.
//!
//! ```text
//!   World ──start, kill, stop──▶ server (child process) ──┬──▶ ApnsSim, FcmSim, ──▶ Devices
//!     │                            │ webhooks         (ProxySim)  WebPushSim          │
//!     │                            └──▶ WebhookSink                                 │
//!     └──phone()──▶ Phone ──────────────▲                                          │
//!                     ▲────────────────────────────────────────────────────────────┘
//! ```
//!
//! Read first: [`World`], [`WorldOptions`].

mod api;
mod config;
mod options;
mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use wire::http::{App, CredentialKind, CredentialUpload, Settings};

use self::config::{Places, Services};
pub use self::options::{APP, ApnsAuth, Output, PROJECT, Tuning, Way, WorldOptions};
use self::process::Server;
pub use self::process::free_port;
use crate::apns::{ApnsOptions, ApnsSim, KnownKey};
use crate::device::{Devices, Environment};
use crate::fcm::{FcmOptions, FcmSim};
use crate::phone::{Behaviour, Browser, Phone, PhoneOptions, Platform, http as client};
use crate::pki::{ApnsCertificate, ApnsKey, Ca, ServiceAccount};
use crate::proxy::{ProxyOptions, ProxySim};
use crate::webpush::{Vendor, WebPushOptions, WebPushSim};
use crate::{Clock, WebhookSink};

/// The password of the `.p12` file in a world that uses one.
const P12_PASSWORD: &str = "reveille";
/// The token endpoint as Google writes it into every key file.
const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// A running world. Dropping it kills the server and removes its files.
pub struct World {
    /// First, so that the server is killed before the rest of its world goes.
    server: Mutex<Server>,
    address: SocketAddr,
    log: PathBuf,
    devices: Devices,
    apns: ApnsSim,
    apns_sandbox: ApnsSim,
    fcm: FcmSim,
    /// If the world was asked for it.
    webpush: Option<WebPushSim>,
    /// If the world was asked for it.
    back_end: Option<WebhookSink>,
    /// If the server goes through one.
    proxy: Option<ProxySim>,
    admin_key: String,
    app: App,
    app_key: String,
    apple: CredentialUpload,
    google: CredentialUpload,
    /// Last: the files go when nobody uses them any more.
    directory: TempDir,
}

impl World {
    /// Starts everything and waits until the server is ready and its app is set up.
    ///
    /// # Errors
    /// When any part cannot be started; the text holds the end of the server's log if it had one.
    pub async fn start(options: WorldOptions) -> Result<Self> {
        let directory = TempDir::with_prefix("reveille-world-")?;
        let ca = Ca::generate("Reveille test CA")?;
        let key = ApnsKey::generate()?;
        let account = ServiceAccount::generate(PROJECT)?;
        let devices = Devices::new();
        let apns_options = ApnsOptions {
            keys: vec![KnownKey::new(&key, &[APP])],
            ..ApnsOptions::new(&ca, &devices)
        };
        let apns = ApnsSim::start(apns_options.clone()).await?;
        let apns_sandbox =
            ApnsSim::start(ApnsOptions { environment: Environment::Sandbox, ..apns_options })
                .await?;
        let fcm = FcmSim::start(FcmOptions {
            accounts: vec![account.clone()],
            // A burst of a torture run is no misuse of the project.
            quota_per_minute: 600_000,
            device_quota_per_minute: 600_000,
            ..FcmOptions::new(&ca, &devices)
        })
        .await?;
        let webpush = match options.webpush {
            None => None,
            Some(vendor) => {
                let origin = match (&options.way, vendor.host()) {
                    (Way::Direct, _) => None,
                    (Way::Proxy(_), Some(host)) => Some(format!("https://{host}")),
                    (Way::Proxy(_), None) => {
                        bail!("{vendor:?} has no host of its own for a proxy to know; take another")
                    }
                };
                let webpush = WebPushOptions::new(&ca, &devices, vendor);
                Some(WebPushSim::start(WebPushOptions { origin, ..webpush }).await?)
            }
        };

        let back_end = match options.back_end {
            false => None,
            true => Some(WebhookSink::start(&ca, &Clock::default()).await?),
        };

        let root = directory.path();
        let (data_dir, ca_file) = (root.join("data"), root.join("ca.pem"));
        std::fs::create_dir(&data_dir)?;
        std::fs::write(&ca_file, ca.pem())?;
        let listen = free_port()?;
        let (services, proxy) = match options.way {
            Way::Direct => {
                let services = Services::Direct {
                    apns_production: apns.url(),
                    apns_sandbox: apns_sandbox.url(),
                    fcm: fcm.url(),
                    fcm_oauth: fcm.token_url(),
                    webpush: webpush.as_ref().map(WebPushSim::addr),
                };
                (services, None)
            }
            Way::Proxy(user) => {
                let proxy = ProxySim::start(ProxyOptions { port: 0, user: Some(user.clone()) });
                let proxy = proxy.await?;
                let names = [
                    ("api.push.apple.com", apns.addr()),
                    ("api.sandbox.push.apple.com", apns_sandbox.addr()),
                    ("fcm.googleapis.com", fcm.addr()),
                    ("oauth2.googleapis.com", fcm.addr()),
                ];
                let browsers = webpush.as_ref().zip(options.webpush.and_then(Vendor::host));
                let browsers = browsers.map(|(webpush, host)| (host, webpush.addr()));
                for (name, address) in names.into_iter().chain(browsers) {
                    proxy.map(&format!("{name}:443"), address);
                }
                (Services::Proxy(proxy.url_for(&user)), Some(proxy))
            }
        };
        let places = Places {
            data_dir: &data_dir,
            ca_file: &ca_file,
            listen,
            internal_listen: options.internal_listen,
            services,
            back_end: back_end.as_ref().map(WebhookSink::addr),
        };
        let config_file = root.join("reveille.toml");
        std::fs::write(&config_file, config::text(&places, &options.tuning))?;
        let mut server = Server::new(&options.server_exe, root, config_file, options.output);
        let log = server.log.clone();
        server.spawn()?;
        let server = Mutex::new(server);
        ready(&server, listen).await?;

        let key_file = data_dir.join("admin.key");
        let admin_key = std::fs::read_to_string(&key_file)
            .with_context(|| format!("could not read the admin key {}", key_file.display()))?
            .trim()
            .to_owned();
        let app: App = post(listen, &admin_key, "/v1/apps", &json!({"name": "Test world"})).await?;
        let app_key = app.key.clone().context("`POST /v1/apps` answered no `key`")?;
        let apple = match options.apns {
            ApnsAuth::Key => apns_key(&key),
            ApnsAuth::Certificate => apns_certificate(&ca).await?,
        };
        let world = Self {
            server,
            address: listen,
            log,
            devices,
            apns,
            apns_sandbox,
            fcm,
            webpush,
            back_end,
            proxy,
            admin_key,
            app,
            app_key,
            apple,
            google: service_account(&account),
            directory,
        };
        if options.settings != Settings::default() {
            world.set(&options.settings).await?;
        }
        world.upload(&world.apple).await?;
        world.upload(&world.google).await?;
        if world.webpush.is_some() {
            // The server makes the key pair itself; a file would be an imported one.
            let vapid = json!({ "kind": "webpush_vapid", "subject": "mailto:push@example.org" });
            let path = format!("/v1/apps/{}/credentials", world.app.id);
            post::<Value>(listen, &world.admin_key, &path, &vapid).await?;
        }
        Ok(world)
    }

    // --- the server's process ------------------------------------------------------------------

    /// SIGKILL, at this instant, also while the server is still starting. Returns once the process
    /// is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&self) -> Result<()> {
        self.server.lock().await.kill().await
    }

    /// SIGTERM, and waits until the server has ended by itself.
    ///
    /// # Errors
    /// When it does not, or ends with another status than success.
    pub async fn stop(&self) -> Result<()> {
        self.server.lock().await.stop().await
    }

    /// Changes the server's configuration file, sends SIGHUP, and returns what the server's log
    /// said of it.
    ///
    /// # Errors
    /// When it does not run, or says nothing.
    pub async fn reload(&self, change: impl FnOnce(String) -> String) -> Result<String> {
        let file = self.directory().join("reveille.toml");
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(&file, change(text))?;
        self.server.lock().await.reload().await
    }

    /// Starts the server again on the same port and data, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already or does not get ready.
    pub async fn start_server(&self) -> Result<()> {
        self.spawn_server().await?;
        self.wait_ready().await
    }

    /// As [`Self::start_server`], without waiting until it is ready.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub async fn spawn_server(&self) -> Result<()> {
        self.server.lock().await.spawn()
    }

    /// Waits until a server that was started is ready.
    ///
    /// # Errors
    /// When it does not run, ends, or does not get ready.
    pub async fn wait_ready(&self) -> Result<()> {
        ready(&self.server, self.address).await
    }

    /// `reveille backup` into a folder, whether the server runs or not.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn backup(&self, to: &Path) -> Result<()> {
        self.server.lock().await.command(&["backup".as_ref(), "--to".as_ref(), to.as_ref()]).await
    }

    /// `reveille restore` from such a folder, in the place of the database that is there. The
    /// server must not run.
    ///
    /// # Errors
    /// When it runs, or the command fails.
    pub async fn restore(&self, from: &Path) -> Result<()> {
        let server = self.server.lock().await;
        if server.pid().is_some() {
            bail!("the server runs; kill or stop it first");
        }
        for file in ["reveille.db", "reveille.db-wal", "reveille.db-shm"] {
            let file = self.data_dir().join(file);
            if file.exists() {
                std::fs::remove_file(&file)?;
            }
        }
        server.command(&["restore".as_ref(), "--from".as_ref(), from.as_ref()]).await
    }

    /// Whether the server's process is there.
    pub async fn server_runs(&self) -> bool {
        self.server.lock().await.check().is_ok()
    }

    /// The id of the server's process, for whoever measures it.
    pub async fn server_pid(&self) -> Option<u32> {
        self.server.lock().await.pid()
    }

    /// What the server wrote, over all its starts; empty if its output is inherited.
    pub fn server_log(&self) -> String {
        process::log(&self.log)
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder of the server's database and push log.
    pub fn data_dir(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// The directory of all files of this world; the server's data are in `data` below it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    // --- the rest of the world -----------------------------------------------------------------

    /// Apple's production service.
    pub fn apns(&self) -> &ApnsSim {
        &self.apns
    }

    /// Apple's sandbox.
    pub fn apns_sandbox(&self) -> &ApnsSim {
        &self.apns_sandbox
    }

    /// Google's service.
    pub fn fcm(&self) -> &FcmSim {
        &self.fcm
    }

    /// The browsers' push service, if the world was asked for it.
    pub fn webpush(&self) -> Option<&WebPushSim> {
        self.webpush.as_ref()
    }

    /// The app's back end, which takes webhooks, if the world was asked for it.
    pub fn back_end(&self) -> Option<&WebhookSink> {
        self.back_end.as_ref()
    }

    /// The proxy, if the server goes through one.
    pub fn proxy(&self) -> Option<&ProxySim> {
        self.proxy.as_ref()
    }

    /// The push services' registry of installations.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Makes a phone of `user`, logged in and not running.
    ///
    /// # Errors
    /// When the server gives no user token.
    pub async fn phone(&self, user: &str, platform: Platform, name: &str) -> Result<Phone> {
        Ok(Phone::install(self.phone_options(user, platform, name).await?))
    }

    /// What [`Self::phone`] installs, to be changed before.
    ///
    /// # Errors
    /// When the server gives no user token.
    pub async fn phone_options(
        &self,
        user: &str,
        platform: Platform,
        name: &str,
    ) -> Result<PhoneOptions> {
        Ok(PhoneOptions {
            name: name.to_owned(),
            user: user.to_owned(),
            platform,
            server: self.address(),
            token: self.user_token(user, None).await?.token,
            app_id: APP.to_owned(),
            project: PROJECT.to_owned(),
            firebase_on_ios: false,
            environment: Environment::Production,
            browser: match platform {
                Platform::Android | Platform::Ios => None,
                Platform::Web => self.browser().await?,
            },
            devices: self.devices.clone(),
            locale: "en".to_owned(),
            behaviour: Behaviour::default(),
        })
    }

    /// A browser as the app's page finds it, if the world has a push service for one.
    async fn browser(&self) -> Result<Option<Browser>> {
        let Some(webpush) = &self.webpush else { return Ok(None) };
        let key: Value = self.call(Method::GET, "/v1/webpush-key", None).await?;
        let key = key["public_key"].as_str().context("`GET /v1/webpush-key` answered no key")?;
        let key = URL_SAFE_NO_PAD.decode(key).context("the server's VAPID key is no base64url")?;
        let push_manager = webpush.push_manager();
        Ok(Some(Browser { push_manager, application_server_key: Some(key) }))
    }
}

/// Waits until `GET /readyz` answers 200. The process is not locked meanwhile, so that it can be
/// killed while it starts.
async fn ready(server: &Mutex<Server>, address: SocketAddr) -> Result<()> {
    let until = Instant::now() + process::READY;
    loop {
        server.lock().await.check()?;
        let answer = client::request(address, Method::GET, "/readyz", &[], None).await;
        if matches!(answer, Ok((200, _))) {
            return Ok(());
        }
        if Instant::now() >= until {
            let log = server.lock().await.tail();
            bail!("the server was not ready within {:?}:\n{log}", process::READY);
        }
        sleep(process::LOOK).await;
    }
}

fn apns_key(key: &ApnsKey) -> CredentialUpload {
    CredentialUpload {
        file_name: Some(key.file_name()),
        team_id: Some(key.team_id.clone()),
        bundle_ids: vec![APP.to_owned()],
        ..CredentialUpload::new(CredentialKind::ApnsKey, STANDARD.encode(key.pem()))
    }
}

async fn apns_certificate(ca: &Ca) -> Result<CredentialUpload> {
    let identity = ca.apns_identity(&ApnsCertificate::universal(APP))?;
    Ok(CredentialUpload {
        file_name: Some("push.p12".to_owned()),
        password: Some(P12_PASSWORD.to_owned()),
        ..CredentialUpload::new(
            CredentialKind::ApnsCertificate,
            STANDARD.encode(identity.pkcs12(P12_PASSWORD, &[]).await?),
        )
    })
}

fn service_account(account: &ServiceAccount) -> CredentialUpload {
    CredentialUpload {
        file_name: Some("service-account.json".to_owned()),
        ..CredentialUpload::new(
            CredentialKind::FcmServiceAccount,
            STANDARD.encode(account.json(GOOGLE_TOKEN_URI)),
        )
    }
}

async fn post<T: DeserializeOwned>(
    server: SocketAddr,
    key: &str,
    path: &str,
    body: &Value,
) -> Result<T> {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    read(path, client::request(server, Method::POST, path, &headers, Some(body)).await?)
}

fn read<T: DeserializeOwned>(what: &str, (status, body): (u16, Value)) -> Result<T> {
    if !(200..300).contains(&status) {
        bail!("{what} was answered with {status}: {body}");
    }
    serde_json::from_value(body.clone()).with_context(|| format!("{what} answered {body}"))
}
