use std::collections::HashSet;

use serde_json::json;
use wire::CallEndReason;

use super::*;
use crate::evidence::{CallNews, CallRecord, CallSeen};

/// Two messages that waited, and a device that came for them; all of it told.
fn run() -> Evidence {
    let mut run = good();
    for event in [
        event(1, "message.offline", json!({ "user": "bob", "message": "msg_a" })),
        event(2, "device.woken", json!({ "user": "bob", "device": "d", "wake": "wak_1" })),
        event(3, "message.offline", json!({ "user": "bob", "message": "msg_b" })),
        event(4, "device.woken", json!({ "user": "bob", "device": "d", "wake": "wak_2" })),
    ] {
        tell(&mut run, event);
    }
    run
}

#[test]
fn an_event_that_never_came_is_found_unless_it_is_parked() {
    holds(&run());
    let mut lost = run();
    lost.events.told.remove(2);
    fails(&lost, "the back end was never told message.offline evt_3");
    lost.events.parked = HashSet::from(["evt_3".to_owned()]);
    holds(&lost);
}

#[test]
fn what_comes_again_is_the_same_and_signed() {
    let mut again = run();
    let twice = again.events.told[0].clone();
    again.events.told.push(twice);
    assert_eq!(again.events.again(), 1);
    holds(&again);
    again.events.told[4].event = Some(event(1, "message.offline", json!({ "user": "eve" })));
    fails(&again, "came as another event before");
    let mut forged = run();
    forged.events.told[1].signed = false;
    fails(&forged, "nobody signed device.woken evt_2");
    forged.events.told[1].event = None;
    fails(&forged, "what came as evt_2 is no event");
}

#[test]
fn what_was_told_and_is_not_listed_is_found_unless_a_restore_undid_it() {
    let mut undone = run();
    undone.events.listed.remove(1);
    fails(&undone, "device.woken evt_2 of 1970-01-01T00:00:00.2Z");
    fails(&undone, "was told and is not listed");
    undone.restores = vec![Restore { taken: (at(150), at(150)), stopped: at(250) }];
    // Neither of the messages is of that time.
    holds(&undone);
    // Written down before the snapshot was begun, and committed and told after.
    undone.restores[0].taken.0 = at(210);
    fails(&undone, "was told and is not listed");
    undone.events.told[1].at = at(210);
    holds(&undone);
    undone.restores[0].stopped = at(199);
    fails(&undone, "was told and is not listed");
    undone.restores[0].taken.0 = at(2_000);
    undone.restores[0].stopped = at(2_000);
    fails(&undone, "was told and is not listed");
}

#[test]
fn what_happens_once_is_told_once_and_in_its_devices_order() {
    let mut twice = run();
    let data = json!({ "user": "bob", "message": "msg_a" });
    tell(&mut twice, event(9, "message.offline", data));
    fails(&twice, "is told a second time");
    let mut again = run();
    let data = json!({ "user": "bob", "device": "d", "wake": "wak_2" });
    tell(&mut again, event(9, "device.woken", data));
    holds(&again);
    let mut behind = run();
    behind.events.listed[3].sequence = Some(2);
    behind.events.told[3].event = Some(behind.events.listed[3].clone());
    fails(&behind, "follows number 2 of its device");
}

/// A call to bob that ended so, as alice's phone heard.
fn call(reason: CallEndReason) -> Evidence {
    let mut evidence = run();
    let what = CallNews::Ended(Some(reason));
    let news = CallSeen { at: at(3_000), call: "c".to_owned(), what };
    evidence.phones.push(PhoneRecord {
        name: "p00".to_owned(),
        user: "alice".to_owned(),
        calls: vec![news],
        ..PhoneRecord::default()
    });
    evidence.calls = vec![CallRecord {
        id: "c".to_owned(),
        caller: "p00".to_owned(),
        callee: "bob".to_owned(),
        at: at(2_000),
    }];
    evidence
}

#[test]
fn a_call_is_told_to_be_missed_if_it_was() {
    let missed = event(7, "call.missed", json!({ "call": "c", "reason": "cancelled" }));
    let says = |mut evidence: Evidence| {
        tell(&mut evidence, missed.clone());
        evidence
    };
    let found = |evidence: &Evidence, text: &str| {
        check(evidence, DEADLINE).iter().any(|it| it.what.contains(text))
    };
    let none = "was missed, and no event says so";
    assert!(found(&call(CallEndReason::Cancelled), none));
    assert!(!found(&says(call(CallEndReason::Cancelled)), none));
    let wrong = "is told to be missed";
    assert!(found(&says(call(CallEndReason::Declined)), wrong));
    assert!(!found(&call(CallEndReason::Declined), wrong));
    // Whoever is blocked rings nobody, and nobody misses that.
    let mut silent = call(CallEndReason::Cancelled);
    silent.blocks = vec![("bob".to_owned(), "alice".to_owned())];
    assert!(!found(&silent, none));
}
