//! Every rule is shown to hold for a good run and to fail for one thing changed.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use wire::TargetKindName;
use wire::http::Event;

use super::*;
use crate::evidence::{Confirmation, Dropped, Restore, Service, TargetRecord, Told};

mod calls;
mod direct;
mod repeats;
mod webhooks;

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
        user: Some("alice".to_owned()),
        outcome: Outcome::Accepted { id: format!("msg_{label}"), failed: Vec::new() },
        begun: at(900),
        told: Some(at(1_100)),
    }
}

fn phone(name: &str, held: Vec<Held>) -> PhoneRecord {
    PhoneRecord { name: name.to_owned(), user: "bob".to_owned(), held, ..PhoneRecord::default() }
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

fn event(number: i64, kind: &str, data: Value) -> Event {
    let event = serde_json::json!({
        "id": format!("evt_{number}"), "number": number, "type": kind, "timestamp": at(number * 100),
        "sequence": data["device"].is_string().then_some(number), "data": data,
    });
    serde_json::from_value(event).unwrap()
}

/// The event is listed, and the back end was told it.
fn tell(run: &mut Evidence, event: Event) {
    let (id, at) = (event.id.clone(), event.timestamp);
    let told = Told { at, id, event: Some(event.clone()), signed: true };
    run.events.told.push(told);
    run.events.listed.push(event);
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
    let dropped = |epoch: &str, offset| {
        vec![Dropped { id: "msg_a".to_owned(), epoch: epoch.to_owned(), offset }]
    };
    run.phones[0].dropped = dropped("1", 1);
    holds(&run);
    run.phones[0].dropped = dropped("1", 3);
    fails(&run, "msg_a is stored twice");
    // In another history it may have another place.
    run.phones[0].dropped = dropped("2", 3);
    holds(&run);
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
    run.confirmations[1].epoch = Some("2".to_owned());
    holds(&run);
    run.confirmations[1].epoch = Some("1".to_owned());
    run.confirmations[1].by = ConfirmedBy::Answer;
    holds(&run);
}

fn confirmed(millis: i64, offset: i64) -> Confirmation {
    let by = ConfirmedBy::Cursor;
    let epoch = Some("1".to_owned());
    Confirmation { phone: "p01".to_owned(), at: at(millis), offset, epoch, by }
}

/// Apple took it at once.
fn push(made_at: i64) -> PushRecord {
    PushRecord {
        phone: "p01".to_owned(),
        service: Service::Apple,
        made_at: at(made_at),
        seen_at: at(made_at + 2),
        sort: "background".to_owned(),
        taken: true,
        status: 200,
        id: Some(format!("id-{made_at}")),
        collapse_id: None,
        expires_at: None,
        about: About::Messages("wak_1".to_owned()),
    }
}

/// What was there at `from` was put back at `stopped`.
fn restore(from: i64, stopped: i64) -> Restore {
    Restore { taken: (at(from), at(from)), stopped: at(stopped) }
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

#[test]
fn what_a_restore_undid_is_excused_and_nothing_else() {
    let mut run = good();
    run.phones[0].held.pop();
    run.phones[1].held.pop();
    run.sends[1].told = Some(at(2_100));
    fails(&run, "\"b\" was accepted");
    run.restores = vec![restore(2_050, 2_500)];
    holds(&run);
    assert_eq!(undone(&run), 1);
    // Told before the snapshot, and long after it was put back.
    run.sends[1].told = Some(at(2_049));
    fails(&run, "\"b\" was accepted");
    run.sends[1].told = Some(at(3_501));
    fails(&run, "\"b\" was accepted");
}

#[test]
fn an_ack_of_the_history_before_a_restore_excuses_no_push_and_accuses_none() {
    let mut run = good();
    run.pushes = vec![push(5_000)];
    run.confirmations = vec![confirmed(2_500, 2)];
    fails(&run, "had acknowledged everything");
    run.restores = vec![restore(2_300, 4_000)];
    holds(&run);
    // And one of the history after it does.
    run.confirmations.push(confirmed(4_500, 2));
    fails(&run, "had acknowledged everything");
}

#[test]
fn what_a_restore_undid_and_its_sender_sent_again_is_owed_again() {
    let mut run = good();
    run.pushes = vec![push(5_000)];
    run.restores = vec![restore(1_500, 4_000)];
    run.confirmations = vec![confirmed(4_200, 1)];
    fails(&run, "had acknowledged everything");
    run.phones[0].dropped =
        vec![Dropped { id: "msg_b".to_owned(), epoch: "2".to_owned(), offset: 2 }];
    holds(&run);
    // Until that was acknowledged as well.
    run.confirmations.push(confirmed(4_500, 2));
    fails(&run, "had acknowledged everything");
}

#[test]
fn what_a_user_blocks_is_not_owed_and_must_not_come() {
    let mut run = good();
    run.blocks = vec![("bob".to_owned(), "alice".to_owned())];
    fails(&run, "p01 holds \"a\", whose sender its user blocks");
    for phone in &mut run.phones {
        phone.held.clear();
    }
    holds(&run);
    assert_eq!(missing(&run), []);
}

#[test]
fn what_was_read_elsewhere_waits_for_the_next_session() {
    let mut run = good();
    run.phones[1].held.pop();
    run.read.insert(("bob".to_owned(), "msg_b".to_owned()));
    holds(&run);
    run.phones[1].sessions = vec![(at(3_000), Timestamp::MAX)];
    fails(&run, "p02 does not hold it");
}

#[test]
fn a_push_about_what_was_read_before_it_came_is_none_to_the_acknowledged() {
    let mut run = good();
    run.phones[0].held.pop();
    run.read.insert(("bob".to_owned(), "msg_b".to_owned()));
    run.confirmations = vec![confirmed(1_500, 1)];
    run.pushes = vec![push(2_200)];
    holds(&run);
    // It was not even begun then.
    run.sends[1].begun = at(2_500);
    fails(&run, "had acknowledged everything");
}

#[test]
fn a_fault_in_the_database_is_a_violation() {
    let mut run = good();
    run.faults = vec!["kill 1: floor <= delivered <= head: inbox 1".to_owned()];
    fails(&run, "in a killed server's database: kill 1");
}

#[test]
fn a_kill_in_the_midst_of_a_send_is_counted() {
    let mut run = good();
    let kill = |millis| crate::evidence::Kill { at: at(millis) };
    // Sends begin at 900 and are answered at 1,100.
    run.kills = vec![kill(899), kill(950), kill(1_200)];
    assert_eq!(in_flight(&run), 1);
}
