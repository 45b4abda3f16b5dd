//! A node in the test's own process, with one app and Apple's push service: for what no request from
//! outside can be timed to come to.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::AppId;
use server::clock::Clock;
use server::config::Config;
use server::node::Node;
use sim::apns::{ApnsOptions, ApnsSim, KnownKey};
use sim::device::Devices;
use sim::pki::{ApnsKey, Ca};
use wire::http::{CredentialKind, CredentialUpload};

/// The app's bundle id.
pub(crate) const BUNDLE: &str = "com.example.chat";

/// The node and what is around it.
pub(crate) struct Apple {
    pub(crate) node: Arc<Node>,
    pub(crate) apns: ApnsSim,
    pub(crate) devices: Devices,
    pub(crate) app: AppId,
    _folder: tempfile::TempDir,
}

impl Apple {
    /// Starts them, the configuration changed.
    pub(crate) async fn start(clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let (ca, devices) = (Ca::generate("apple").expect("a CA"), Devices::new());
        let key = ApnsKey::generate().expect("a key");
        let mut options = ApnsOptions::new(&ca, &devices);
        options.keys.push(KnownKey::new(&key, &[BUNDLE]));
        let apns = ApnsSim::start(options).await.expect("Apple's push service");
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca.pem()).expect("written");
        let mut config = Config::defaults().expect("the defaults are good");
        config.data_dir = folder.path().join("data");
        config.providers.apns_production_url = apns.url().parse().expect("a URL");
        config.providers.extra_ca_file = Some(ca_file);
        change(&mut config);
        let node = Node::start(config, clock, false).await.expect("it starts");
        let app = node.store.add_app("chat".to_owned(), node.clock.now()).await.expect("added").id;
        let upload = CredentialUpload {
            key_id: Some(key.key_id.clone()),
            team_id: Some(key.team_id.clone()),
            bundle_ids: vec![BUNDLE.to_owned()],
            ..CredentialUpload::new(CredentialKind::ApnsKey, STANDARD.encode(key.pem()))
        };
        server::credentials::upload(&node, app, upload).await.expect("taken");
        Self { node, apns, devices, app, _folder: folder }
    }
}
