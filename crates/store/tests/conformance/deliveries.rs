//! The delivery of a direct push to one device: claimed, settled, tried again, over.

use std::time::Duration;

use domain::delivery::{End, PushKind};
use domain::wake::LAPSE;
use domain::{
    Diagnosis, Environment, Outcome, Platform, PushId, RetryRule, TargetKind, TokenVerdict,
};
use store::model::{DeliveryRecord, DeliveryTo, NewPush, PushState, Subject, TargetSet};

use super::world::{DAY, SECOND, World, accepted, credential, devices, refused, to_device, users};

const HOUR: Duration = Duration::from_secs(3_600);

fn unknown() -> Outcome {
    Outcome::Unknown { detail: "the connection was lost".to_owned() }
}

/// Not now, but after this pause.
fn later(pause: Duration) -> Outcome {
    refused(Diagnosis::TemporarilyDisabled, RetryRule::After(pause), TokenVerdict::Keep)
}

/// Not with this credential.
fn not_with_this() -> Outcome {
    refused(Diagnosis::CertificateError, RetryRule::WhenChanged, TokenVerdict::Keep)
}

/// A word against the token.
fn bad_token(token: TokenVerdict) -> Outcome {
    refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, token)
}

const GONE: TokenVerdict = TokenVerdict::Drop { invalid_since: None };

impl World {
    /// The only delivery of a push.
    async fn delivery(&self, push: PushId) -> DeliveryRecord {
        let mut deliveries = self.deliveries(push).await;
        assert_eq!(deliveries.len(), 1);
        deliveries.remove(0)
    }

    /// A push of this kind to this user.
    pub(super) fn push_of_kind(&mut self, kind: PushKind, user: &str) -> NewPush {
        NewPush { kind, ..self.new_push(users(&[user])) }
    }
}

#[tokio::test]
async fn a_delivery_is_claimed_once_and_its_record_says_how_it_stands() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let push = world.push_to(&["alice"]).await;
    let expected = DeliveryRecord {
        number: 1,
        device: Some(alice.name.clone()),
        target: None,
        due: Some(world.now),
        claimed: false,
        refused: 0,
        ended: None,
        settled_at: None,
        code: None,
        reason: None,
    };
    assert_eq!(world.delivery(push).await, expected);
    let claimed = world.claim_delivery().await;
    assert_eq!(to_device(&claimed), (alice.number, &*format!("token of {}", alice.name)));
    let due = Some(world.now.plus(LAPSE));
    let on_its_way = DeliveryRecord { due, claimed: true, ..expected.clone() };
    assert_eq!(world.delivery(push).await, on_its_way);
    assert!(world.claim_deliveries(claimed.lane).await.is_empty());
    world.pass(SECOND);
    world.settle_delivery(&claimed, later(SECOND * 7)).await;
    let waits = DeliveryRecord {
        due: Some(world.now.plus(SECOND * 7)),
        refused: 1,
        settled_at: Some(world.now),
        code: Some(902),
        reason: Some("ByTheTest".to_owned()),
        ..expected
    };
    assert_eq!(world.delivery(push).await, waits);
    world.pass(SECOND * 7);
    let claimed = world.claim_delivery().await;
    let settled = world.settle_delivery(&claimed, accepted()).await;
    assert_eq!(
        (settled.stale, settled.ended, settled.dropped),
        (false, Some(End::Accepted), false)
    );
    let over = DeliveryRecord {
        due: None,
        ended: Some(End::Accepted),
        settled_at: Some(world.now),
        ..waits
    };
    assert_eq!(world.delivery(push).await, over);
}

#[tokio::test]
async fn an_attempt_that_lapsed_or_died_with_its_process_has_a_successor_of_the_same_name() {
    for restarts in [false, true] {
        let mut world = World::new().await;
        world.sleeper("alice").await;
        let push = world.push_to(&["alice"]).await;
        let first = world.claim_delivery().await;
        world.pass(SECOND);
        if restarts {
            world.kill().await;
        } else {
            world.pass(LAPSE - SECOND * 2);
            assert!(world.claim_deliveries_due().await.is_empty());
            world.pass(SECOND);
        }
        let second = world.claim_delivery().await;
        assert_eq!(second.provider, first.provider, "the provider can tell a resend");
        assert_ne!(second.attempt, first.attempt);
        assert!(world.settle_delivery(&first, accepted()).await.stale);
        assert_eq!(world.push_of(push).await.counts.waiting, 1, "a stale settle counts nothing");
        assert!(!world.settle_delivery(&second, accepted()).await.stale);
        assert!(world.settle_delivery(&second, accepted()).await.stale);
        assert_eq!(world.push_of(push).await.counts.accepted, 1);
    }
}

#[tokio::test]
async fn what_is_refused_is_tried_again_as_the_refusal_says_until_it_is_of_no_use() {
    use Diagnosis::{AppMismatch, BadPayload};
    let mismatch = || refused(AppMismatch, RetryRule::WhenChanged, TokenVerdict::Suspect);
    let back_off = |first| {
        let rule = RetryRule::BackOff { first };
        refused(Diagnosis::TemporarilyDisabled, rule, TokenVerdict::Keep)
    };
    // From when on it is tried again, and how it ends otherwise.
    let table = [
        (later(SECOND * 10), Ok(SECOND * 10)),
        (back_off(SECOND * 20), Ok(SECOND * 20)),
        (unknown(), Ok(SECOND * 5)),
        (not_with_this(), Ok(SECOND * 300)),
        (later(HOUR), Err(End::Refused)),
        (bad_token(TokenVerdict::Suspect), Err(End::Refused)),
        (mismatch(), Err(End::Refused)),
        (refused(BadPayload, RetryRule::Bare, TokenVerdict::Keep), Err(End::Refused)),
        (Outcome::Withdrawn, Err(End::Cancelled)),
    ];
    for (outcome, expected) in table {
        let mut world = World::new().await;
        world.sleeper("alice").await;
        let push = world.push_to(&["alice"]).await;
        let claimed = world.claim_delivery().await;
        let settled = world.settle_delivery(&claimed, outcome.clone()).await;
        match expected {
            Err(end) => assert_eq!(settled.ended, Some(end), "{outcome:?}"),
            Ok(pause) => {
                assert_eq!(settled.ended, None, "{outcome:?}");
                let due = world.delivery(push).await.due.expect("it goes on");
                // Pauses are spread by up to a quarter.
                let (at, latest) = (world.now.plus(pause), world.now.plus(pause * 5 / 4));
                assert!(at <= due && due <= latest, "{outcome:?}: {due:?}");
                assert!(settled.effects.due.contains(&(claimed.lane, due)), "{outcome:?}");
                world.now = due;
                let again = world.claim_delivery().await;
                let same = again.provider == claimed.provider;
                assert_eq!(same, matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_delivery_that_was_not_sent_in_its_time_is_expired() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let push = world.push_to(&["alice"]).await;
    world.pass(HOUR);
    assert!(world.claim_deliveries_due().await.is_empty());
    let over = world.push_of(push).await;
    assert_eq!(
        (over.state, over.counts.expired, over.ended_at),
        (PushState::Done, 1, Some(world.now))
    );
    // A provider that has it in time has it, however late it says so.
    let push = world.push_to(&["alice"]).await;
    let claimed = world.claim_delivery().await;
    world.pass(DAY);
    let settled = world.settle_delivery(&claimed, accepted()).await;
    assert_eq!((settled.ended, settled.stale), (Some(End::Accepted), false));
    assert_eq!(world.push_of(push).await.counts.accepted, 1);
}

/// A late VoIP push forces a call that nobody makes on the phone.
#[tokio::test]
async fn a_call_is_pushed_once_whatever_becomes_of_the_push() {
    for trouble in ["unknown", "lapsed", "restart"] {
        let mut world = World::new().await;
        let alice = world.iphone("alice").await;
        world.set_target(&alice, TargetKind::ApnsVoip, "pushkit's").await;
        let new = world.push_of_kind(PushKind::Voip, "alice");
        let push = world.push(&new).await.0.id;
        let claimed = world.claim_delivery().await;
        assert_eq!(to_device(&claimed), (alice.number, "pushkit's"));
        match trouble {
            "unknown" => {
                let settled = world.settle_delivery(&claimed, unknown()).await;
                assert_eq!(settled.ended, Some(End::Expired));
            }
            "lapsed" => world.pass(LAPSE),
            _ => drop(world.kill().await),
        }
        assert!(world.claim_deliveries_due().await.is_empty(), "{trouble}");
        world.pass(SECOND * 600);
        assert!(world.claim_deliveries_due().await.is_empty(), "{trouble}");
        assert_eq!(world.push_of(push).await.counts.expired, 1, "{trouble}");
    }
    // Refused is not sent: it may go again while it rings.
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    world.set_target(&alice, TargetKind::ApnsVoip, "pushkit's").await;
    let new = world.push_of_kind(PushKind::Voip, "alice");
    world.push(&new).await;
    let claimed = world.claim_delivery().await;
    world.settle_delivery(&claimed, later(SECOND)).await;
    world.pass(SECOND);
    assert_eq!(world.claim_deliveries_due().await.len(), 1);
}

#[tokio::test]
async fn a_delivery_goes_to_the_target_there_is_when_it_is_claimed() {
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    // Replaced by another token, then joined by another kind that cannot carry it, then by the
    // only one there is.
    let push = world.push_to(&["alice"]).await;
    world.set_target(&alice, TargetKind::Apns, "second").await;
    let claimed = world.claim_delivery().await;
    assert_eq!(to_device(&claimed), (alice.number, "second"));
    world.settle_delivery(&claimed, later(SECOND)).await;
    world.set_target(&alice, TargetKind::Fcm, "google's").await;
    let remove = async |world: &World, kind| {
        let removed = world.store().remove_targets(alice.number, kind, world.now).await;
        removed.expect("removed");
        world.look();
    };
    remove(&world, Some(TargetKind::Apns)).await;
    let claimed = world.claim_delivery().await;
    assert_eq!(to_device(&claimed), (alice.number, "google's"), "a change does not wait it out");
    world.settle_delivery(&claimed, later(SECOND)).await;
    remove(&world, None).await;
    assert!(world.claim_deliveries_due().await.is_empty());
    let over = world.delivery(push).await;
    assert_eq!((over.ended, over.code), (Some(End::Refused), Some(911)));
    assert_eq!(over.reason.as_deref(), Some("no_target"));
}

/// A lapsed or refused attempt goes on in the lane of the target there is now: the other one's
/// circuit and room are not its own.
#[tokio::test]
async fn an_attempt_whose_target_changed_goes_on_in_the_lane_of_the_new_one() {
    for lapses in [false, true] {
        let mut world = World::new().await;
        world.iphone("nobody").await;
        let alice = world.phone_of("alice", Platform::Ios, Some(TargetKind::Fcm)).await;
        world.push_to(&["alice"]).await;
        let first = world.claim_delivery().await;
        world.set_target(&alice, TargetKind::Apns, "apple's").await;
        if !lapses {
            let settled = world.settle_delivery(&first, later(LAPSE)).await;
            let [(lane, _)] = settled.effects.due[..] else { panic!("{settled:?}") };
            assert_ne!(lane, first.lane);
        }
        world.pass(LAPSE);
        // `World::claim_deliveries` holds the lane against the target.
        let mut found = world.claim_deliveries_due().await;
        found.extend(world.claim_deliveries_due().await);
        assert_eq!(found.len(), 1);
        assert_eq!(to_device(&found[0]), (alice.number, "apple's"));
    }
}

/// A device may have very many scheduled pushes, and registers its token at every start.
#[tokio::test]
async fn a_token_registered_anew_touches_no_push_whose_lane_stays() {
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    let scheduled = world.new_push(users(&["alice"]));
    let at = world.now.plus(SECOND * 600);
    world.push(&NewPush { send_at: at, ..scheduled }).await;
    let touched = async |kind| match world
        .set_target(&alice, kind, &format!("a new one of {kind:?}"))
        .await
    {
        TargetSet::Yes { effects, .. } => effects.due.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(touched(TargetKind::Apns).await, 0);
    assert_eq!(touched(TargetKind::Fcm).await, 0, "an iPhone's pushes stay with Apple");
    let removed = world.store().remove_targets(alice.number, Some(TargetKind::Apns), world.now);
    let (_, effects) = removed.await.expect("removed");
    assert!(effects.due.iter().all(|(_, due)| *due == at), "{effects:?}");
    assert_eq!(effects.due.len(), 1, "it goes by another lane now");
}

/// The device registered something newer while the push to its old token was on its way: the word
/// against the old one does not end what is for the device.
#[tokio::test]
async fn a_word_against_a_token_that_was_replaced_meanwhile_is_not_the_end() {
    let word = [TokenVerdict::Suspect, TokenVerdict::Elsewhere, GONE];
    for verdict in word {
        for again in ["another token", "the same again", "another kind", "nothing"] {
            let mut world = World::new().await;
            let alice = world.iphone("alice").await;
            let token = world.target(&alice).await.token;
            // Its environment is known, so nothing is tried elsewhere.
            world.set_apns(&alice, &token, Some(Environment::Production)).await;
            world.pass(SECOND);
            let push = world.push_to(&["alice"]).await;
            let claimed = world.claim_delivery().await;
            world.pass(SECOND);
            match again {
                "another token" => world.set_apns(&alice, "another", None).await,
                "the same again" => {
                    world.set_apns(&alice, &token, Some(Environment::Production)).await;
                }
                "another kind" => {
                    world.set_target(&alice, TargetKind::Fcm, "google's").await;
                }
                _ => {}
            }
            world.pass(SECOND);
            let settled = world.settle_delivery(&claimed, bad_token(verdict)).await;
            let goes_on = match again {
                "another token" | "the same again" => true,
                // The first kind is what carries it, unless it is dropped.
                "another kind" => verdict == GONE,
                _ => false,
            };
            assert_eq!(settled.ended.is_none(), goes_on, "{verdict:?}, {again}");
            let claimed = world.claim_deliveries_due().await;
            assert_eq!(claimed.len(), usize::from(goes_on), "{verdict:?}, {again}: at once");
            for claimed in claimed {
                world.settle_delivery(&claimed, accepted()).await;
            }
            assert_eq!(world.push_of(push).await.state, PushState::Done, "{verdict:?}, {again}");
        }
    }
}

#[tokio::test]
async fn a_dropped_token_is_told_of_and_the_users_other_device_still_gets_the_push() {
    let mut world = World::new().await;
    let phone = world.sleeper("alice").await;
    let tablet = world.sleeper("alice").await;
    world.pass(SECOND);
    let push = world.push_to(&["alice"]).await;
    let claimed = world.claim_deliveries_due().await;
    for claimed in &claimed {
        let gone = to_device(claimed).0 == phone.number;
        let outcome = if gone { bad_token(GONE) } else { accepted() };
        let settled = world.settle_delivery(claimed, outcome).await;
        assert_eq!(settled.dropped, gone);
    }
    let counts = world.push_of(push).await.counts;
    assert_eq!((counts.accepted, counts.refused), (1, 1));
    let left: Vec<_> = world.look().targets.iter().map(|target| target.device).collect();
    assert_eq!(left, [tablet.number]);
}

/// The verdict on a token counts whatever became of the delivery meanwhile.
#[tokio::test]
async fn a_stale_settle_judges_the_token_all_the_same() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.pass(SECOND);
    world.push_to(&["alice"]).await;
    let first = world.claim_delivery().await;
    world.pass(LAPSE);
    world.claim_delivery().await;
    let settled = world.settle_delivery(&first, bad_token(GONE)).await;
    assert!(settled.stale && settled.dropped);
}

#[tokio::test]
async fn a_stray_token_is_tried_at_once_in_the_other_environment() {
    let mut world = World::new().await;
    let alice = world.iphone("alice").await;
    let push = world.push_to(&["alice"]).await;
    let first = world.claim_delivery().await;
    let settled = world.settle_delivery(&first, bad_token(TokenVerdict::Elsewhere)).await;
    assert_eq!((settled.ended, settled.stale), (None, false));
    assert_eq!(world.delivery(push).await.code, Some(911), "the refusal is on record");
    world.kill().await;
    let second = world.claim_delivery().await;
    assert_ne!((second.lane, second.attempt), (first.lane, first.attempt));
    let lane = world.store().lane(second.lane).await.expect("read").expect("it is there");
    assert_eq!(lane.environment, Some(Environment::Sandbox));
    assert_eq!(lane.subject, Subject::Push);
    world.settle_delivery(&second, accepted()).await;
    assert_eq!(world.push_of(push).await.counts.accepted, 1);
    assert_eq!(world.target(&alice).await.learned, Some(Environment::Sandbox));
    // In neither: the second refusal is the last word.
    let bob = world.iphone("bob").await;
    let push = world.push_to(&["bob"]).await;
    for ended in [None, Some(End::Refused)] {
        let claimed = world.claim_delivery().await;
        let settled = world.settle_delivery(&claimed, bad_token(TokenVerdict::Elsewhere)).await;
        assert_eq!(settled.ended, ended);
    }
    assert_eq!(world.push_of(push).await.codes, r#"{"911":1}"#);
    assert!(world.target(&bob).await.suspect_since.is_some());
    // Cancelled meanwhile, it is tried nowhere.
    world.iphone("carol").await;
    let push = world.push_to(&["carol"]).await;
    let claimed = world.claim_delivery().await;
    world.cancel(push).await;
    let settled = world.settle_delivery(&claimed, bad_token(TokenVerdict::Elsewhere)).await;
    assert!(settled.ended.is_some());
    assert!(world.claim_deliveries_due().await.is_empty());
}

#[tokio::test]
async fn a_lane_carries_either_wakes_or_pushes() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.send("alice").await;
    world.push_to(&["alice"]).await;
    let lanes = world.store().lanes_due().await.expect("read");
    assert_eq!(lanes.len(), 2, "one target, two lanes");
    for (lane, _) in lanes {
        let subject = world.store().lane(lane).await.expect("read").expect("it is there").subject;
        let (wakes, pushes) =
            (world.claim(lane).await.len(), world.claim_deliveries(lane).await.len());
        let expected = if subject == Subject::Push { (0, 1) } else { (1, 0) };
        assert_eq!((wakes, pushes), expected, "{subject:?}");
    }
}

#[tokio::test]
async fn a_claim_takes_as_many_as_there_is_room_for_the_oldest_first() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.push_to(&["alice"]).await);
        world.pass(SECOND);
    }
    let lane = world.store().lanes_due().await.expect("read")[0].0;
    let mut claimed = Vec::new();
    for left in [2_usize, 1, 0] {
        let claim = world.store().claim_deliveries(lane, 1, world.now).await;
        let (one, effects) = claim.expect("claimed");
        claimed.extend(one.into_iter().map(|claimed| claimed.key.push));
        let next = effects.due.iter().map(|(_, due)| *due).min().expect("the claim says when");
        assert_eq!(next <= world.now, left > 0, "{left} more are due");
    }
    assert_eq!(claimed, ids);
}

/// A credential, a setting: what was refused for it does not wait out its pause.
#[tokio::test]
async fn what_waits_out_a_refusal_looks_again_when_a_credential_changes() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let raw = super::pushes::raw(&world, "one");
    let audience = store::model::NewAudience::Listed {
        users: vec!["alice".to_owned()],
        devices: Vec::new(),
        targets: vec![raw],
    };
    let new = world.new_push(audience);
    let push = world.push(&new).await.0.id;
    let scheduled = NewPush {
        send_at: world.now.plus(HOUR / 2),
        ..world.push_of_kind(PushKind::Alert, "alice")
    };
    world.push(&scheduled).await;
    let refuse = async |world: &World| {
        let claimed = world.claim_deliveries_due().await;
        for claimed in &claimed {
            world.settle_delivery(claimed, not_with_this()).await;
        }
        claimed.len()
    };
    assert_eq!(refuse(&world).await, 2);
    world.pass(SECOND);
    assert_eq!(refuse(&world).await, 0);
    let added =
        world.store().add_credential(credential(world.app, "fcm_service_account", 1, world.now));
    let (_, effects) = added.await.expect("added");
    assert_eq!(effects.due.iter().filter(|(_, due)| *due == world.now).count(), 2);
    assert_eq!(refuse(&world).await, 2, "a device and a target that is no device's");
    world.pass(SECOND);
    let settings = world.store().settings(world.app).await.expect("read").expect("the app's");
    world.store().set_settings(world.app, settings, world.now).await.expect("set");
    assert_eq!(refuse(&world).await, 2);
    world.pass(SECOND);
    world.store().recovered(world.app, world.now).await.expect("looked");
    assert_eq!(world.claim_deliveries_due().await.len(), 2);
    assert_eq!(world.push_of(push).await.counts.waiting, 2);
}

/// The same in an app that has no device at all, only targets of its own.
#[tokio::test]
async fn a_credential_opens_what_waits_for_it_also_in_an_app_without_devices() {
    let mut world = World::new().await;
    let targets = vec![super::pushes::raw(&world, "one")];
    let audience = store::model::NewAudience::Listed { users: vec![], devices: vec![], targets };
    let new = world.new_push(audience);
    world.push(&new).await;
    let claimed = world.claim_delivery().await;
    assert!(matches!(claimed.to, DeliveryTo::Raw(_)));
    world.settle_delivery(&claimed, not_with_this()).await;
    world.pass(SECOND);
    let added = world.store().add_credential(credential(world.app, "apns_key", 1, world.now));
    added.await.expect("added");
    assert_eq!(world.claim_deliveries_due().await.len(), 1);
}

#[tokio::test]
async fn a_push_to_a_device_that_is_awake_is_sent_all_the_same() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let new = world.new_push(devices(&[&alice]));
    world.push(&new).await;
    assert_eq!(to_device(&world.claim_delivery().await).0, alice.number);
}
