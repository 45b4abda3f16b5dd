//! Events: each is told to the back end at least once, under one id and signed, or parked where that
//! can be seen; and what calls for one has one.
//!
//! - What the API lists came to the back end, or is parked.
//! - What came is signed, and the same each time that it comes under one id.
//! - What came is listed: nothing is told that was not committed.
//! - A call that was missed has one `call.missed`, and one that was refused or hung up has none.
//! - No message is told to be offline twice for one user. (A wake may wake its device twice: whoever
//!   comes while the server is killed comes again, for the same wake.)
//! - The events about one device are numbered in their order.
//!
//! What a restore undid may have been told, and is not listed any more. What was told before the
//! snapshot is in it, for an event is committed before it is told; its own time says less, for that
//! is when the transaction began.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use wire::http::Event;

use super::{Violation, calls};
use crate::evidence::{Evidence, Told};

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    let events = &evidence.events;
    let mut wrong = |what: String| found.push(Violation { what, message: None, phone: None });
    for event in events.missing() {
        wrong(format!("the back end was never told {}", shown(event)));
    }
    told(evidence, &mut wrong);
    once(evidence, &mut wrong);
    missed_calls(evidence, &mut wrong);
    let mut last: HashMap<&str, i64> = HashMap::new();
    for event in &events.listed {
        let (Some(sequence), Some(device)) = (event.sequence, event.data["device"].as_str()) else {
            continue;
        };
        if let Some(before) = last.insert(device, sequence)
            && before >= sequence
        {
            wrong(format!("{} follows number {before} of its device", shown(event)));
        }
    }
}

/// What came is an event that is listed, signed, and the same each time.
fn told(evidence: &Evidence, wrong: &mut impl FnMut(String)) {
    let events = &evidence.events;
    let listed: HashMap<&str, &Event> =
        events.listed.iter().map(|event| (&*event.id, event)).collect();
    let mut first: HashMap<&str, &Event> = HashMap::new();
    for told in &events.told {
        let Some(event) = &told.event else {
            wrong(format!("what came as {} is no event", told.id));
            continue;
        };
        if !told.signed {
            wrong(format!("nobody signed {}", shown(event)));
        }
        if event != *first.entry(&told.id).or_insert(event) {
            wrong(format!("{} came as another event before", shown(event)));
        }
        match listed.get(told.id.as_str()) {
            Some(listed) if *listed == event => {}
            Some(listed) => wrong(format!("{} is listed as {}", shown(event), shown(listed))),
            None if is_undone(evidence, told, event) => {}
            None => wrong(format!("{} was told and is not listed", shown(event))),
        }
    }
}

/// Whether a restore may have undone it: told after the snapshot was begun, by the server before.
fn is_undone(evidence: &Evidence, told: &Told, event: &Event) -> bool {
    evidence.restores.iter().any(|it| it.taken.0 <= told.at && event.timestamp <= it.stopped)
}

/// What can happen but once is listed once.
fn once(evidence: &Evidence, wrong: &mut impl FnMut(String)) {
    let mut seen = HashSet::new();
    for event in &evidence.events.listed {
        let of = |name: &str| event.data[name].as_str().unwrap_or_default();
        let about = match event.r#type.as_str() {
            "call.missed" => [of("call"), ""],
            "message.offline" => [of("message"), of("user")],
            _ => continue,
        };
        if !seen.insert((&event.r#type, about)) {
            wrong(format!("{} is told a second time of {about:?}", shown(event)));
        }
    }
}

/// Whoever missed a call, the back end knows of it.
fn missed_calls(evidence: &Evidence, wrong: &mut impl FnMut(String)) {
    let told = evidence.events.listed.iter().filter(|event| event.r#type == "call.missed");
    let told: BTreeMap<&str, &Value> = told
        .filter_map(|event| Some((event.data["call"].as_str()?, &event.data["reason"])))
        .collect();
    for (call, was_missed) in calls::ended(evidence) {
        match (was_missed, told.get(call.id.as_str())) {
            (true, None) => {
                wrong(format!(
                    "call {} to {} was missed, and no event says so",
                    call.id, call.callee
                ));
            }
            (false, Some(reason)) => {
                wrong(format!(
                    "call {} to {} is told to be missed: {reason}",
                    call.id, call.callee
                ));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

fn shown(event: &Event) -> String {
    format!("{} {} of {} ({})", event.r#type, event.id, event.timestamp, event.data)
}
