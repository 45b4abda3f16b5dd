use wire::http::{PushCounts, PushStateName};

use super::*;
use crate::evidence::{Audience, DirectRecord, Order};

/// One that Apple took.
fn taken(phone: &str) -> PushRecord {
    PushRecord {
        phone: phone.to_owned(),
        sort: "alert".to_owned(),
        id: None,
        collapse_id: Some("c".to_owned()),
        about: About::Direct("psh_1".to_owned()),
        ..push(1_000)
    }
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
    let record = DirectRecord {
        push: Some(serde_json::from_value(push).unwrap()),
        id: "psh_1".to_owned(),
        to: Audience::All,
        pauses: false,
        orders: vec![(Order::Create, at(10))],
    };
    Evidence { direct: vec![record], pushes: vec![taken("p01"), taken("p02")], ..good() }
}

fn changed(change: impl FnOnce(&mut wire::http::Push)) -> Evidence {
    let mut evidence = broadcast();
    change(evidence.direct[0].push.as_mut().unwrap());
    evidence
}

fn counted(change: impl FnOnce(&mut PushCounts)) -> Evidence {
    changed(|push| change(&mut push.counts))
}

#[test]
fn a_broadcast_reaches_everybody_under_one_name() {
    holds(&broadcast());
    let mut twice = broadcast();
    twice.pushes.push(taken("p01"));
    holds(&twice);
    twice.pushes[0].collapse_id = Some("d".to_owned());
    fails(&twice, "came to p01 by the collapse ids");

    let mut lost = broadcast();
    lost.pushes.pop();
    fails(&lost, "2 are accepted, and 1 phones were reached");
    // Of what waits for a browser only the newest comes.
    lost.phones[1].browser = true;
    holds(&lost);

    fails(&counted(|counts| counts.devices = 3), "do not add up");
    let skipped = counted(|counts| (counts.devices, counts.accepted) = (1, 1));
    fails(&skipped, "counts others");
    let mut waits = counted(|counts| (counts.waiting, counts.accepted) = (1, 1));
    fails(&waits, "in the end");
    waits.direct[0].pauses = true;
    holds(&waits);
    let mut refused = counted(|counts| (counts.refused, counts.accepted) = (1, 1));
    fails(&refused, "more than the reinstalled");
    refused.reinstalled.push("p01".to_owned());
    holds(&refused);
}

#[test]
fn a_push_that_is_forgotten_is_found_unless_a_restore_undid_it() {
    let mut run = broadcast();
    run.direct[0].push = None;
    fails(&run, "is not known any more");
    run.restores = vec![restore(5, 50)];
    holds(&run);
    run.restores = vec![restore(50, 90)];
    fails(&run, "is not known any more");
}

#[test]
fn a_broadcast_to_a_topic_comes_to_all_of_it_and_to_nobody_else() {
    let mut run = broadcast();
    run.direct[0].to = Audience::Topic;
    run.subscribed = vec!["p01".to_owned(), "p02".to_owned()];
    holds(&run);
    run.strangers = vec!["p02".to_owned()];
    fails(&run, "p02, who was never in the topic");
    run.strangers.clear();
    run.pushes.pop();
    run.direct[0].push.as_mut().unwrap().counts.accepted = 1;
    run.direct[0].push.as_mut().unwrap().counts.devices = 1;
    fails(&run, "it never came to p02");
}

#[test]
fn what_is_cancelled_or_not_due_does_not_go_out() {
    let early = changed(|push| push.send_at = at(5_000));
    fails(&early, "it went out before");
    let mut cancelled = changed(|push| push.state = PushStateName::Cancelled);
    fails(&cancelled, "it is Cancelled in the end");
    // Some of it may have been on its way.
    cancelled.direct[0].orders.push((Order::Cancel, at(900)));
    holds(&cancelled);
    cancelled.direct[0].push.as_mut().unwrap().send_at = at(1_200);
    fails(&cancelled, "though it was cancelled before its time");
    fails(&counted(|counts| (counts.accepted, counts.cancelled) = (1, 1)), "nobody cancelled it");
}
