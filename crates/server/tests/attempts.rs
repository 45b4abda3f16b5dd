//! What becomes of an attempt when something happens between its claim and its start: no request
//! from outside can be timed to come there, so the test is the runner.

use std::time::Duration;

use domain::delivery::PushKind;
use domain::{Environment, PushId, TargetKind};
use serde_json::json;
use server::clock::Clock;
use server::pushes;
use server::pushes::content::{Call, Content};
use sim::device::{ApnsTokenKind, Environment as SimEnvironment};
use store::model::{
    ClaimedDelivery, Lane, NewAudience, NewPush, PushAdded, PushCounts, RawTarget, Subject,
};

use crate::apple::{Apple, BUNDLE};

/// How long a test waits for anything; generous, the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with one app and Apple's push service.
struct Rig {
    apple: Apple,
    /// An iPhone's token for calls.
    token: String,
}

impl Rig {
    async fn start() -> Self {
        let apple = Apple::start(Clock::system(), |_| {}).await;
        let (world, kind) = (SimEnvironment::Production, ApnsTokenKind::Voip);
        let token = apple.devices.register_apns(BUNDLE, world, kind);
        Self { apple, token }
    }

    /// Takes a ring push in and claims it, unseen by the runner.
    async fn claimed_ring(&self, number: u128) -> ClaimedDelivery {
        let now = self.apple.node.clock.now();
        let lane = Lane {
            app: self.apple.app,
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
            app: self.apple.app,
            request: [0; 32],
            audience: NewAudience::Listed { users: Vec::new(), devices: Vec::new(), targets },
            kind: PushKind::Voip,
            content: serde_json::to_string(&content).expect("JSON"),
            rate: None,
            send_at: now,
            expires_at: now.plus(Duration::from_secs(60)),
            now,
        };
        let added = self.apple.node.store.add_push(new).await.expect("taken in");
        // Not carried out, its effects are news to nobody.
        let PushAdded::Added { effects, .. } = added else { panic!("{added:?}") };
        let [(lane, _)] = effects.due[..] else { panic!("{effects:?}") };
        let (mut claimed, _) =
            self.apple.node.store.claim_deliveries(lane, 1, now).await.expect("claimed");
        claimed.pop().expect("it is due")
    }

    /// Makes the attempt; how the push stands when it is over.
    async fn attempt(&self, claimed: ClaimedDelivery) -> PushCounts {
        let push = claimed.key.push;
        pushes::push(&self.apple.node, claimed);
        let over = async {
            loop {
                let push = self.apple.node.store.push(self.apple.app, push).await.expect("read");
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
        self.apple.apns.seen().iter().filter(|push| push.token == self.token).count()
    }
}

#[tokio::test]
async fn a_call_cancelled_between_claim_and_attempt_is_not_rung() {
    let rig = Rig::start().await;
    let counts = rig.attempt(rig.claimed_ring(1).await).await;
    assert_eq!((counts.accepted, counts.cancelled, rig.rings()), (1, 0, 1), "one that rings");
    let claimed = rig.claimed_ring(2).await;
    pushes::cancel(&rig.apple.node, rig.apple.app, claimed.key.push).await.expect("cancelled");
    let counts = rig.attempt(claimed).await;
    assert_eq!((counts.accepted, counts.cancelled, rig.rings()), (0, 1, 1), "the cancelled one");
    rig.apple.node.stop().await;
    assert_eq!(rig.apple.node.tasks.panics(), 0, "tasks panicked");
}
