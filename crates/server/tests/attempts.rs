//! What becomes of an attempt when something happens between its claim and its start: no request
//! from outside can be timed to come there, so the test is the runner.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::delivery::PushKind;
use domain::{Environment, PushId, TargetKind};
use serde_json::json;
use server::clock::Clock;
use server::config::Config;
use server::node::Node;
use server::pushes;
use server::pushes::content::{Call, Content};
use sim::apns::{ApnsOptions, ApnsSim, KnownKey};
use sim::device::{ApnsTokenKind, Devices, Environment as SimEnvironment};
use sim::pki::{ApnsKey, Ca};
use store::model::{
    ClaimedDelivery, Lane, NewAudience, NewPush, PushAdded, PushCounts, RawTarget, Subject,
};
use wire::http::{CredentialKind, CredentialUpload};

const BUNDLE: &str = "com.example.chat";

/// How long a test waits for anything; generous, the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with one app and Apple's push service.
struct Rig {
    node: Arc<Node>,
    apns: ApnsSim,
    app: domain::AppId,
    /// An iPhone's token for calls.
    token: String,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        let (ca, devices) = (Ca::generate("attempts").expect("a CA"), Devices::new());
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
        let node = Node::start(config, Clock::system(), false).await.expect("it starts");
        let app = node.store.add_app("calls".to_owned(), node.clock.now()).await.expect("added").id;
        let upload = CredentialUpload {
            key_id: Some(key.key_id.clone()),
            team_id: Some(key.team_id.clone()),
            bundle_ids: vec![BUNDLE.to_owned()],
            ..CredentialUpload::new(CredentialKind::ApnsKey, STANDARD.encode(key.pem()))
        };
        server::credentials::upload(&node, app, upload).await.expect("taken");
        let token = devices.register_apns(BUNDLE, SimEnvironment::Production, ApnsTokenKind::Voip);
        Self { node, apns, app, token, _folder: folder }
    }

    /// Takes a ring push in and claims it, unseen by the runner.
    async fn claimed_ring(&self, number: u128) -> ClaimedDelivery {
        let now = self.node.clock.now();
        let lane = Lane {
            app: self.app,
            subject: Subject::Push,
            kind: TargetKind::ApnsVoip,
            app_id: BUNDLE.to_owned(),
            environment: Some(Environment::Production),
        };
        let target =
            json!({ "kind": "apns_voip", "to": { "token": self.token }, "app_id": BUNDLE });
        let targets = vec![RawTarget { lane, target: target.to_string() }];
        let call = Call {
            id: format!("0192f0a1-7b3c-7d4e-8f50-{number:012}"),
            caller_name: "Bob".to_owned(),
            caller_handle: None,
            video: false,
        };
        let content = Content { call: Some(call), ..Content::default() };
        let new = NewPush {
            id: PushId::from_bits(number),
            app: self.app,
            request: [0; 32],
            audience: NewAudience::Listed { users: Vec::new(), devices: Vec::new(), targets },
            kind: PushKind::Voip,
            content: serde_json::to_string(&content).expect("JSON"),
            rate: None,
            send_at: now,
            expires_at: now.plus(Duration::from_secs(60)),
            now,
        };
        let added = self.node.store.add_push(new).await.expect("taken in");
        // Not carried out, its effects are news to nobody.
        let PushAdded::Added { effects, .. } = added else { panic!("{added:?}") };
        let [(lane, _)] = effects.due[..] else { panic!("{effects:?}") };
        let (mut claimed, _) =
            self.node.store.claim_deliveries(lane, 1, now).await.expect("claimed");
        claimed.pop().expect("it is due")
    }

    /// Makes the attempt; how the push stands when it is over.
    async fn attempt(&self, claimed: ClaimedDelivery) -> PushCounts {
        let push = claimed.key.push;
        pushes::push(&self.node, claimed);
        let over = async {
            loop {
                let push = self.node.store.push(self.app, push).await.expect("read");
                let counts = push.expect("it is kept").counts;
                if counts.waiting == 0 {
                    return counts;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, over).await.expect("the attempt is settled")
    }

    /// How often the phone was rung.
    fn rings(&self) -> usize {
        self.apns.seen().iter().filter(|push| push.token == self.token).count()
    }
}

#[tokio::test]
async fn a_call_cancelled_between_claim_and_attempt_is_not_rung() {
    let rig = Rig::start().await;
    let counts = rig.attempt(rig.claimed_ring(1).await).await;
    assert_eq!((counts.accepted, counts.cancelled, rig.rings()), (1, 0, 1), "one that rings");
    let claimed = rig.claimed_ring(2).await;
    pushes::cancel(&rig.node, rig.app, claimed.key.push).await.expect("cancelled");
    let counts = rig.attempt(claimed).await;
    assert_eq!((counts.accepted, counts.cancelled, rig.rings()), (0, 1, 1), "the cancelled one");
    rig.node.stop().await;
    assert_eq!(rig.node.tasks.panics(), 0, "tasks panicked");
}
