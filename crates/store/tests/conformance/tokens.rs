//! What a provider's word about a token does to the token, and to what waits for its device.

use std::time::Duration;

use domain::token::CredentialFacts;
use domain::wake::Phase;
use domain::{
    Diagnosis, Environment, EventType, Outcome, Platform, Reason, RetryRule, TargetKind, Time,
    TokenVerdict,
};
use store::model::{Claimed, SetTarget, Settle, Target};

use super::world::{BELIEVED, DAY, NOON, Phone, SECOND, World, accepted, credential, refused};

const HOUR: Duration = Duration::from_secs(3_600);

/// A 400-class word against a token.
fn suspicious() -> Outcome {
    refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, TokenVerdict::Suspect)
}

/// No token of this environment, or none at all.
fn stray() -> Outcome {
    refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, TokenVerdict::Elsewhere)
}

/// The terminal word, with the time since when it holds if one is said.
fn gone(invalid_since: Option<Time>) -> Outcome {
    let verdict = TokenVerdict::Drop { invalid_since };
    refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, verdict)
}

impl World {
    /// An iPhone that is asleep, in an app with a credential for APNs.
    pub(super) async fn iphone(&mut self, user: &str) -> Phone {
        let has = self.store().credentials(Some(self.app)).await.expect("read");
        if has.is_empty() {
            let added = self.store().add_credential(credential(self.app, "apns_key", 1, self.now));
            added.await.expect("added");
        }
        let phone = self.phone_of(user, Platform::Ios, Some(TargetKind::Apns)).await;
        self.end(&phone).await;
        phone
    }

    /// The phone's only target.
    pub(super) async fn target(&self, phone: &Phone) -> Target {
        let devices = self.store().devices(phone.inbox).await.expect("read");
        let device = devices.into_iter().find(|device| device.number == phone.number);
        let mut targets = device.expect("the phone is there").targets;
        assert_eq!(targets.len(), 1, "{targets:?}");
        targets.remove(0)
    }

    pub(super) async fn set_apns(&self, phone: &Phone, token: &str, says: Option<Environment>) {
        let set = SetTarget {
            device: phone.number,
            kind: TargetKind::Apns,
            token: token.to_owned(),
            environment: says,
            app_id: Some("com.example.chat".to_owned()),
            now: self.now,
        };
        self.store().set_target(set).await.expect("set");
        self.look();
    }

    /// Settles an attempt that went out with a credential of which this is known; says whether the
    /// token was dropped.
    async fn settle_with(
        &self,
        claimed: &Claimed,
        outcome: Outcome,
        credential: CredentialFacts,
    ) -> bool {
        let settle = Settle { credential, ..self.settlement(claimed, outcome) };
        let settled = self.store().settle(settle).await.expect("settled");
        self.look();
        settled.dropped
    }

    /// Sends the phone a push of the back end's own, and settles it: what is known of the token
    /// afterwards is in the store.
    async fn word_about(&mut self, user: &str, outcome: Outcome, credential: CredentialFacts) {
        self.push_to(&[user]).await;
        let claimed = self.claim_delivery().await;
        let mut settle = self.delivery_settlement(&claimed, outcome);
        settle.token.as_mut().expect("a device's").credential = credential;
        self.store().settle_delivery(settle).await.expect("settled");
        self.look();
    }
}

/// A credential that was believed at that time.
fn believed(at: Time) -> CredentialFacts {
    CredentialFacts { believed_at: Some(at), in_mass_failure: false }
}

#[tokio::test]
async fn a_second_word_a_day_later_drops_a_token_if_the_credential_was_believed_in_between() {
    let first_at = NOON.plus(HOUR);
    let table = [
        ("too soon", DAY - SECOND, believed(first_at.plus(HOUR)), false),
        ("believed before the first word only", DAY, believed(first_at), false),
        ("believed in between", DAY, believed(first_at.plus(SECOND)), true),
        ("never believed", DAY, CredentialFacts::default(), false),
        ("a mass failure", DAY, CredentialFacts { in_mass_failure: true, ..BELIEVED }, false),
    ];
    for (name, later, credential, dropped) in table {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        world.now = first_at;
        world.word_about("alice", suspicious(), BELIEVED).await;
        assert_eq!(world.target(&alice).await.suspect_since, Some(first_at), "{name}");
        world.pass(later);
        world.restart().await;
        world.word_about("alice", suspicious(), credential).await;
        assert_eq!(world.look().targets.is_empty(), dropped, "{name}");
        assert_eq!(world.events().await.len(), usize::from(dropped), "{name}");
        if !dropped {
            let since = world.target(&alice).await.suspect_since;
            assert_eq!(since, Some(first_at), "{name}: the first word's time counts");
        }
    }
}

#[tokio::test]
async fn a_word_of_a_push_that_went_out_before_the_first_word_is_no_second_one() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.push_to(&["alice"]).await;
    let slow = world.claim_delivery().await;
    world.pass(SECOND);
    world.word_about("alice", suspicious(), BELIEVED).await;
    world.pass(DAY);
    world.settle_delivery(&slow, suspicious()).await;
    assert!(world.target(&alice).await.suspect_since.is_some());
}

/// A key of another team, a wrong bundle id: every token looks dead, and none is.
#[tokio::test]
async fn no_token_goes_for_the_fault_of_a_credential() {
    for credential in
        [CredentialFacts::default(), CredentialFacts { in_mass_failure: true, ..BELIEVED }]
    {
        // Three devices are too few to be a mass failure: the other half of the rule is theirs.
        let mut world = World::new().await;
        let users = ["alice", "bob", "carol"];
        for user in users {
            world.iphone(user).await;
            world.send(user).await;
        }
        for _ in 0..3 {
            world.pass(DAY);
            for claimed in world.claim_due().await {
                assert!(!world.settle_with(&claimed, gone(None), credential).await);
            }
            for user in users {
                world.word_about(user, gone(None), credential).await;
                world.word_about(user, suspicious(), credential).await;
            }
        }
        let targets = world.look().targets;
        assert_eq!(targets.len(), 3, "{credential:?}");
        assert_eq!(world.events().await, []);
        // The right credential: what is taken is suspect no more.
        world.word_about("alice", accepted(), BELIEVED).await;
        world.word_about("bob", gone(None), BELIEVED).await;
        let left: Vec<_> = world.look().targets.iter().map(|target| target.device).collect();
        assert_eq!(left.len(), 2, "and what is dead then goes");
        assert_eq!(world.events().await[0].kind, EventType::TokenDropped);
    }
}

#[tokio::test]
async fn a_suspicion_is_over_with_a_push_that_is_taken_or_a_registration() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    for registers in [false, true] {
        world.word_about("alice", suspicious(), BELIEVED).await;
        world.kill().await;
        assert_eq!(world.target(&alice).await.suspect_since, Some(world.now));
        world.pass(DAY);
        if registers {
            let token = world.target(&alice).await.token;
            world.set_target(&alice, TargetKind::Fcm, &token).await;
        } else {
            world.word_about("alice", accepted(), BELIEVED).await;
        }
        assert_eq!(world.target(&alice).await.suspect_since, None);
        world.word_about("alice", suspicious(), BELIEVED).await;
        assert_eq!(world.look().targets.len(), 1, "the first of its kind, again");
        world.word_about("alice", accepted(), BELIEVED).await;
        world.pass(SECOND);
    }
}

#[tokio::test]
async fn nothing_is_learned_from_what_says_nothing_of_the_token() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let before = world.target(&alice).await;
    let unknown = Outcome::Unknown { detail: "the connection was lost".to_owned() };
    let keep = refused(Diagnosis::CertificateError, RetryRule::WhenChanged, TokenVerdict::Keep);
    for outcome in [unknown, keep, Outcome::Withdrawn, accepted()] {
        world.word_about("alice", outcome.clone(), BELIEVED).await;
        world.pass(DAY * 2);
        world.claim_deliveries_due().await;
        assert_eq!(world.target(&alice).await, before, "{outcome:?}");
    }
}

/// A token of an app run from Xcode, whose device did not say so.
#[tokio::test]
async fn a_stray_token_is_tried_at_once_in_apples_other_environment_and_learned() {
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    assert_eq!(claimed.target.learned, None);
    world.settle(&claimed, stray()).await;
    // At once: no clock was moved. `World::claim` holds the lane's environment against the policy.
    let again = world.claim_one().await;
    assert_eq!(again.target.learned, Some(Environment::Sandbox));
    assert_ne!(again.lane, claimed.lane);
    world.kill().await;
    let again = world.claim_one().await;
    world.settle(&again, accepted()).await;
    let target = world.target(&alice).await;
    assert_eq!((target.learned, target.suspect_since), (Some(Environment::Sandbox), None));
    // It is known from here on: a word against it there is a word against the token.
    world.restart().await;
    world.push_to(&["alice"]).await;
    let claimed = world.claim_delivery().await;
    let settled = world.settle_delivery(&claimed, stray()).await;
    assert_eq!(settled.ended, Some(domain::delivery::End::Refused));
    let target = world.target(&alice).await;
    assert_eq!(
        (target.learned, target.suspect_since),
        (Some(Environment::Sandbox), Some(world.now))
    );
}

#[tokio::test]
async fn a_stray_token_that_is_in_neither_environment_is_suspect_and_tried_no_more() {
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    world.send("alice").await;
    for _ in 0..2 {
        let claimed = world.claim_one().await;
        world.pass(SECOND);
        world.settle(&claimed, stray()).await;
    }
    let target = world.target(&alice).await;
    assert_eq!((target.learned, target.suspect_since), (None, Some(world.now)));
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
    // A day later a second word drops it; nothing is tried elsewhere in between.
    world.pass(DAY);
    world.word_about("alice", stray(), BELIEVED).await;
    assert!(world.look().targets.is_empty());
}

#[tokio::test]
async fn where_the_environment_is_decided_nothing_is_tried() {
    for to_production in [false, true] {
        let mut world = World::new().await;
        let alice = world.iphone("alice").await;
        if to_production {
            let mut settings = world.store().settings(world.app).await.expect("read").expect("it");
            settings.policy.sandbox_to_production = true;
            world.store().set_settings(world.app, settings, world.now).await.expect("set");
        } else {
            world.set_apns(&alice, "apple's", Some(Environment::Production)).await;
        }
        world.send("alice").await;
        let claimed = world.claim_one().await;
        world.settle(&claimed, stray()).await;
        let target = world.target(&alice).await;
        assert_eq!((target.learned, target.suspect_since), (None, Some(world.now)));
        assert!(world.claim_due().await.is_empty());
    }
}

#[tokio::test]
async fn what_was_learned_of_a_token_survives_its_registration_and_no_other_tokens() {
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    let bob = world.iphone("bob").await;
    let token = world.target(&alice).await.token;
    world.push_to(&["alice"]).await;
    for outcome in [stray(), accepted()] {
        let claimed = world.claim_delivery().await;
        world.settle_delivery(&claimed, outcome).await;
    }
    let learned = async |world: &World, phone| world.target(phone).await.learned;
    world.pass(SECOND);
    world.set_apns(&alice, &token, None).await;
    assert_eq!(learned(&world, &alice).await, Some(Environment::Sandbox), "the same one again");
    world.set_apns(&alice, "another", None).await;
    assert_eq!(learned(&world, &alice).await, None);
    // A trial under way is of the token too.
    world.word_about("alice", stray(), BELIEVED).await;
    assert_eq!(learned(&world, &alice).await, Some(Environment::Sandbox));
    world.set_apns(&alice, "a third", None).await;
    let claimed = world.claim_delivery().await;
    world.settle_delivery(&claimed, accepted()).await;
    assert_eq!(learned(&world, &alice).await, None, "it was taken in production");
    // Nor does it go with a token that moves to another device.
    world.word_about("alice", stray(), BELIEVED).await;
    world.set_apns(&bob, "a third", None).await;
    assert_eq!(learned(&world, &bob).await, None);
}

/// Two pushes to a stray token are on their way when the first of them is refused: the second word
/// comes from the first environment too, and says nothing of the other.
#[tokio::test]
async fn a_word_from_before_the_trial_is_no_word_about_the_trial() {
    for learned_meanwhile in [false, true] {
        let mut world = World::new().await;
        let alice = world.iphone("alice").await;
        world.send("alice").await;
        let push = world.push_to(&["alice"]).await;
        let wake = world.claim_one().await;
        let delivery = world.claim_delivery().await;
        world.pass(SECOND);
        world.settle(&wake, stray()).await;
        if learned_meanwhile {
            let there = world.claim_one().await;
            world.settle(&there, accepted()).await;
        }
        world.pass(SECOND);
        world.settle_delivery(&delivery, stray()).await;
        let target = world.target(&alice).await;
        assert_eq!((target.learned, target.suspect_since), (Some(Environment::Sandbox), None));
        let there = world.claim_delivery().await;
        world.settle_delivery(&there, accepted()).await;
        assert_eq!(world.push_of(push).await.counts.accepted, 1);
        assert_eq!(world.target(&alice).await.learned, Some(Environment::Sandbox));
    }
}

/// APNs says since when it has known a token dead. A registration after that keeps the token, and
/// is worth another push; but a provider that still says so when asked after the registration has
/// nothing new to say, and is not asked over and over.
#[tokio::test]
async fn an_old_word_that_is_said_again_is_not_asked_for_in_a_circle() {
    let mut world = World::new().await;
    let since = world.now;
    world.pass(DAY);
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let mut pushes = 0;
    loop {
        world.pass(SECOND);
        let Some(claimed) = world.claim_due().await.pop() else { break };
        pushes += 1;
        assert!(pushes <= 3, "asked in a circle");
        assert!(!world.settle(&claimed, gone(Some(since))).await.dropped);
    }
    assert!(pushes > 1, "the registration is newer: worth another push");
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
    assert!(world.target(&alice).await.suspect_since.is_some());
    // A registration opens it again.
    let token = world.target(&alice).await.token;
    world.set_target(&alice, TargetKind::Fcm, &token).await;
    world.pass(SECOND);
    assert_eq!(world.claim_due().await.len(), 1);
}

/// The same where nothing may be dropped: the credential was never believed.
#[tokio::test]
async fn a_terminal_word_that_drops_nothing_is_not_asked_for_in_a_circle() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    world.word_about("alice", suspicious(), BELIEVED).await;
    world.pass(SECOND);
    let claimed = world.claim_one().await;
    world.settle_with(&claimed, gone(None), CredentialFacts::default()).await;
    world.pass(SECOND);
    assert!(world.claim_due().await.is_empty());
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
}
