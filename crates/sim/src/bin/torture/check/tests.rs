//! Every rule is shown to hold for a good run and to fail for one thing changed.

use jiff::{SignedDuration, Timestamp};
use wire::TargetKindName;

use super::*;
use crate::evidence::{Confirmation, DirectRecord, TakenRecord, TargetRecord};

const DEADLINE: Duration = Duration::from_millis(500);

/// `millis` after the start of the run.
fn at(millis: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis)
}

fn held(label: &str, offset: i64, sent_at: i64) -> Held {
    Held {
        id: format!("msg_{label}"),
        from: Some("alice".to_owned()),
        body: label.to_owned(),
        epoch: "1".to_owned(),
        offset,
        sent_at: at(sent_at),
        own_copy: false,
    }
}

fn send(label: &str) -> SendRecord {
    SendRecord {
        label: label.to_owned(),
        from: Some("p00".to_owned()),
        to: vec!["bob".to_owned()],
        outcome: Outcome::Accepted { id: format!("msg_{label}"), failed: Vec::new() },
    }
}

fn phone(name: &str, held: Vec<Held>) -> PhoneRecord {
    PhoneRecord {
        name: name.to_owned(),
        user: "bob".to_owned(),
        held,
        dropped: Vec::new(),
        sessions: Vec::new(),
    }
}

/// Two messages to bob, at 1,000 and 2,000 ms, on his two devices.
fn good() -> Evidence {
    let both = || vec![held("a", 1, 1_000), held("b", 2, 2_000)];
    Evidence {
        phones: vec![phone("p01", both()), phone("p02", both())],
        sends: vec![send("a"), send("b")],
        ..Evidence::default()
    }
}

#[track_caller]
fn fails(evidence: &Evidence, expect: &str) {
    let found = check(evidence, DEADLINE);
    assert!(found.iter().any(|it| it.what.contains(expect)), "{expect:?} not in {found:?}");
}

#[track_caller]
fn holds(evidence: &Evidence) {
    assert_eq!(check(evidence, DEADLINE), []);
}

#[test]
fn a_good_run_holds() {
    holds(&good());
    assert_eq!(missing(&good()), []);
}

#[test]
fn a_message_that_one_device_lacks_is_found() {
    let mut run = good();
    run.phones[1].held.pop();
    fails(&run, "\"b\" was accepted and p02 does not hold it");
    assert_eq!(missing(&run), [("b".to_owned(), "p02".to_owned())]);
    run.sends[1].outcome = Outcome::Unanswered;
    holds(&run);
    run.sends[1].outcome =
        Outcome::Accepted { id: "msg_b".to_owned(), failed: vec!["bob".to_owned()] };
    holds(&run);
}

#[test]
fn a_message_held_twice_under_two_ids_is_found_whatever_its_sender_was_told() {
    let mut run = good();
    run.phones[0].held.push(Held { id: "msg_other".to_owned(), ..held("b", 3, 2_500) });
    fails(&run, "p01 holds \"b\" 2 times");
    run.sends[1].outcome = Outcome::Rejected("inbox_full".to_owned());
    fails(&run, "p01 holds \"b\" 2 times");
}

#[test]
fn a_message_under_another_id_than_its_sender_was_told_is_found() {
    let mut run = good();
    run.phones[0].held[1].id = "msg_other".to_owned();
    fails(&run, "was accepted as msg_b and p01 holds it as msg_other");
}

#[test]
fn a_message_stored_twice_is_found_though_the_phone_dropped_the_second() {
    let mut run = good();
    run.phones[0].dropped = vec![("msg_a".to_owned(), 1)];
    holds(&run);
    run.phones[0].dropped = vec![("msg_a".to_owned(), 3)];
    fails(&run, "msg_a is stored twice");
}

#[test]
fn an_order_that_is_not_the_inboxes_or_the_senders_is_found() {
    let mut run = good();
    run.phones[0].held.swap(0, 1);
    fails(&run, "p01 took offset 1 after offset 2");
    fails(&run, "p01 holds \"a\" after \"b\"");
    run = good();
    run.sends.swap(0, 1);
    fails(&run, "p01 holds \"b\" after \"a\"");
    for send in &mut run.sends {
        send.from = None;
    }
    holds(&run);
}

#[test]
fn two_devices_that_disagree_are_found() {
    let mut run = good();
    run.phones[1].held[1] = held("c", 2, 2_000);
    fails(&run, "offset 2 is msg_b on p01 and msg_c on p02");
}

#[test]
fn a_dropped_target_is_found() {
    let mut run = good();
    let target = |held| TargetRecord { phone: "p01".to_owned(), kind: TargetKindName::Fcm, held };
    run.targets = vec![target(true)];
    holds(&run);
    run.targets = vec![target(false)];
    fails(&run, "dropped the target Fcm of p01");
}

#[test]
fn a_cursor_that_goes_back_is_found() {
    let mut run = good();
    run.confirmations = vec![confirmed(1_500, 1), confirmed(2_500, 2)];
    holds(&run);
    run.confirmations[1].offset = 0;
    fails(&run, "confirmed offset 1 for p01 and then 0");
    run.confirmations[1].by = ConfirmedBy::Answer;
    holds(&run);
}

fn confirmed(millis: i64, offset: i64) -> Confirmation {
    let by = ConfirmedBy::Cursor;
    Confirmation { phone: "p01".to_owned(), at: at(millis), offset, by }
}

fn push(made_at: i64) -> PushRecord {
    PushRecord {
        phone: "p01".to_owned(),
        made_at: at(made_at),
        kind: "fcm data".to_owned(),
        status: 200,
    }
}

#[test]
fn a_push_to_a_device_that_had_acknowledged_everything_is_found() {
    let mut run = good();
    run.pushes = vec![push(3_000)];
    holds(&run);
    run.confirmations = vec![confirmed(2_749, 2)];
    fails(&run, "had acknowledged everything");
    // Confirmed when the claim may have been over proves nothing, and neither does an older ack.
    run.confirmations = vec![confirmed(2_750, 2)];
    holds(&run);
    run.confirmations = vec![confirmed(2_749, 1)];
    holds(&run);
    // An own copy does not wake, so it is no excuse.
    run.phones[0].held[1].own_copy = true;
    fails(&run, "had acknowledged everything");
}

#[test]
fn a_push_to_a_session_within_the_ack_deadline_is_found() {
    let mut run = good();
    run.pushes = vec![push(2_200)];
    run.confirmations = vec![confirmed(1_500, 1)];
    holds(&run);
    run.phones[0].sessions = vec![(at(500), at(9_000))];
    fails(&run, "had a session");
    // The session began too late, ended too early, or the deadline had passed.
    run.phones[0].sessions = vec![(at(2_001), at(9_000))];
    holds(&run);
    run.phones[0].sessions = vec![(at(500), at(3_200))];
    holds(&run);
    run.phones[0].sessions = vec![(at(500), at(9_000))];
    run.pushes = vec![push(2_250)];
    holds(&run);
}

/// A broadcast that reached both of bob's phones.
fn broadcast() -> Evidence {
    let push = serde_json::json!({
        "id": "psh_1", "kind": "alert", "state": "done", "audience": "all",
        "created_at": at(0), "send_at": at(0), "expires_at": at(60_000),
        "counts": {
            "devices": 2, "waiting": 0, "accepted": 2, "refused": 0, "expired": 0,
            "cancelled": 0, "skipped": 0,
        },
        "codes": {},
    });
    let push = serde_json::from_value(push).unwrap();
    let taken = |phone: &str| TakenRecord {
        push: "psh_1".to_owned(),
        phone: phone.to_owned(),
        collapse_id: "c".to_owned(),
    };
    Evidence {
        direct: vec![DirectRecord { push, broadcast: true }],
        taken: vec![taken("p01"), taken("p02")],
        ..good()
    }
}

#[test]
fn a_broadcast_reaches_everybody_under_one_name() {
    holds(&broadcast());
    let mut twice = broadcast();
    twice.taken.push(twice.taken[0].clone());
    holds(&twice);
    twice.taken[0].collapse_id = "d".to_owned();
    fails(&twice, "came to p01 by the collapse ids");

    let mut lost = broadcast();
    lost.taken.pop();
    fails(&lost, "2 are accepted, and 1 phones were reached");

    let counted = |change: fn(&mut wire::http::PushCounts)| {
        let mut evidence = broadcast();
        change(&mut evidence.direct[0].push.counts);
        evidence
    };
    fails(&counted(|counts| counts.devices = 3), "do not add up");
    let skipped = counted(|counts| (counts.devices, counts.accepted) = (1, 1));
    fails(&skipped, "counts others");
    fails(&counted(|counts| (counts.waiting, counts.accepted) = (1, 1)), "in the end");
    let mut refused = counted(|counts| (counts.refused, counts.accepted) = (1, 1));
    fails(&refused, "more than the reinstalled");
    refused.reinstalled.push("p01".to_owned());
    holds(&refused);
}
