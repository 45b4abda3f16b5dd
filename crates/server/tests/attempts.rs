//! What becomes of an attempt when something happens between its claim and its start: no request
//! from outside can be timed to come there, so the test is the runner.

use std::time::Duration;

use domain::call::CallInput;
use domain::delivery::PushKind;
use domain::session::AppState;
use domain::{CallId, Environment, Platform, PushId, SessionId, TargetKind};
use serde_json::json;
use server::calls::Caller;
use server::clock::Clock;
use server::pushes;
use server::pushes::content::{Call, Content};
use sim::device::{ApnsTokenKind, Environment as SimEnvironment};
use store::model::{
    CallStart, Claimed, ClaimedDelivery, Connect, Connected, Identity, Lane, NewAudience, NewPush,
    PushAdded, PushCounts, RawTarget, SetTarget, Subject,
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

    /// A device of a user that has connected, with this token for calls; as it speaks of calls.
    async fn device(&self, user: &str, voip: Option<&str>) -> Caller {
        let Apple { node, app, .. } = &self.apple;
        let now = node.clock.now();
        let inbox = node.store.ensure_user(*app, user.to_owned(), now).await;
        let inbox = inbox.expect("written").expect("the app is there");
        let mut new_secret = [0; 32];
        new_secret[..user.len()].copy_from_slice(user.as_bytes());
        let connect = Connect {
            identity: Identity::User { app: *app, inbox },
            device: user.to_owned(),
            platform: Platform::Ios,
            app_version: None,
            locale: None,
            time_zone: None,
            secret: None,
            new_secret,
            held: None,
            state: AppState::Foreground,
            replaces: true,
            session: SessionId::from_bits(inbox.number().unsigned_abs().into()),
            incarnation: node.incarnation,
            woken_by: None,
            now,
        };
        let session = connect.session;
        let connected = node.store.connect(connect).await.expect("answered");
        let Connected::Yes(connected) = connected else { panic!("{connected:?}") };
        if let Some(token) = voip {
            let set = SetTarget {
                device: connected.device,
                kind: TargetKind::ApnsVoip,
                token: token.to_owned(),
                environment: Some(Environment::Production),
                app_id: Some(BUNDLE.to_owned()),
                now,
            };
            node.store.set_target(set).await.expect("set");
            // Asleep.
            node.store.end_session(session, now).await.expect("ended");
        }
        let device_name = user.into();
        let user = user.into();
        Caller { app: *app, device: connected.device, inbox, session, user, device_name }
    }

    /// Starts a call to alice and claims the wake of her device, unseen by the runner.
    async fn claimed_call(&self, number: u128, caller: &Caller) -> (String, Claimed) {
        let node = &self.apple.node;
        let now = node.clock.now();
        let start = CallStart {
            app: caller.app,
            call: CallId::from_bits(number),
            caller: caller.device,
            caller_inbox: caller.inbox,
            callee: "alice".to_owned(),
            video: false,
            caller_name: "Bob".to_owned(),
            caller_handle: None,
            offer: None,
            now,
            birth: None,
        };
        let (_, effects) = node.store.start_call(start).await.expect("answered");
        let [(lane, _)] = effects.due[..] else { panic!("{effects:?}") };
        let (mut claimed, _) =
            node.store.claim(lane, 1, node.incarnation, now).await.expect("claimed");
        let call = server::to_wire::call_id(CallId::from_bits(number));
        (call, claimed.pop().expect("it is due"))
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

#[tokio::test]
async fn a_wake_for_a_call_that_ended_between_claim_and_attempt_rings_nobody() {
    let rig = Rig::start().await;
    let node = &rig.apple.node;
    let caller = rig.device("bob", None).await;
    let callee = rig.device("alice", Some(&rig.token)).await;
    for (number, cancelled) in [(1, false), (2, true)] {
        let (call, claimed) = rig.claimed_call(number, &caller).await;
        assert_eq!(claimed.key.device, callee.device);
        if cancelled {
            let cancel = server::calls::step(node, &caller, &call, CallInput::Cancel, None);
            cancel.await.expect("cancelled");
        }
        server::wake::push(node, claimed);
        if !cancelled {
            let rung = async {
                while rig.rings() == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, rung).await.expect("one that rings");
        }
    }
    // Waits for the attempts to end.
    node.stop().await;
    assert_eq!(rig.rings(), 1, "the cancelled one");
    assert_eq!(node.tasks.panics(), 0, "tasks panicked");
}
