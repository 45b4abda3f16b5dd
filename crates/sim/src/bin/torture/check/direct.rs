//! Direct pushes and broadcasts: none is lost, none skips a phone, and whoever is reached twice has
//! one notification.
//!
//! - Everything that was taken in is over in the end, or waits out a pause after a refusal; and its
//!   counts add up.
//! - A broadcast to all counts every phone of the cast once, as a device or as one without a token;
//!   one to the topic comes to everybody who was in it all the time, and to nobody who never was.
//! - What counts as accepted was taken by a push service, for as many phones.
//! - Not accepted is only what went to phones whose tokens died during the run, or was cancelled.
//! - Nothing goes out before its time, and nothing at all if it was cancelled before.
//! - Pushes of one id to one phone have one collapse id.
//!
//! A push that was taken in, or of which something was asked, in a time that a restore undid is
//! held to the last rule alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::SignedDuration;
use wire::http::{Push, PushCounts, PushStateName};

use super::{Violation, is_undone};
use crate::evidence::{About, Audience, DirectRecord, Evidence, Order, PushRecord};

/// How far the times of an answer and of what it is about may be apart.
const AROUND: SignedDuration = SignedDuration::from_millis(250);

/// What push services took of one push.
type Taken<'a> = Vec<&'a PushRecord>;

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut taken: HashMap<&str, Taken<'_>> = HashMap::new();
    for push in evidence.pushes.iter().filter(|push| push.taken) {
        if let About::Direct(id) = &push.about {
            taken.entry(id).or_default().push(push);
        }
    }
    let none = Vec::new();
    for record in &evidence.direct {
        if record.orders.iter().any(|(_, at)| is_undone(&evidence.restores, *at)) {
            continue;
        }
        let taken = taken.get(record.id.as_str()).unwrap_or(&none);
        let faults = match &record.push {
            None => vec!["it was taken in and is not known any more".to_owned()],
            Some(push) => faults(record, push, taken, evidence),
        };
        for what in faults {
            let what = format!("push {} to {:?}: {what}", record.id, record.to);
            found.push(Violation { what, message: None, phone: None });
        }
    }
    let mut names: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (push, taken) in taken {
        for it in taken {
            let name = it.collapse_id.as_deref().unwrap_or_default();
            names.entry((push, &it.phone)).or_default().insert(name);
        }
    }
    for ((push, phone), names) in names.into_iter().filter(|(_, names)| names.len() > 1) {
        let what = format!("push {push} came to {phone} by the collapse ids {names:?}");
        found.push(Violation::of_phone(phone, what));
    }
}

fn faults(
    record: &DirectRecord,
    push: &Push,
    taken: &Taken<'_>,
    evidence: &Evidence,
) -> Vec<String> {
    let counts = &push.counts;
    let PushCounts { devices, waiting, accepted, refused, expired, cancelled, skipped } = *counts;
    let mut faults = Vec::new();
    let cancel = record.orders.iter().find(|(order, _)| *order == Order::Cancel);
    let over = match push.state {
        PushStateName::Done => true,
        PushStateName::Cancelled => cancel.is_some(),
        PushStateName::Open | PushStateName::Paused => false,
    };
    if (!over || waiting > 0) && !record.pauses {
        faults.push(format!("it is {:?} in the end: {counts:?}", push.state));
    }
    if devices != waiting + accepted + refused + expired + cancelled {
        faults.push(format!("its counts do not add up: {counts:?}"));
    }
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let done = push.state == PushStateName::Done;
    if record.to == Audience::All && done && devices + skipped != count(evidence.phones.len()) {
        let phones = evidence.phones.len();
        faults.push(format!("a broadcast to {phones} phones counts others: {counts:?}"));
    }
    let reached: BTreeSet<&str> = taken.iter().map(|it| it.phone.as_str()).collect();
    // Of two that wait for a browser the newer one replaces the other.
    let browsers = evidence.phones.iter().filter(|phone| phone.browser).count();
    if count(reached.len() + browsers) < accepted {
        faults.push(format!("{accepted} are accepted, and {} phones were reached", reached.len()));
    }
    let reinstalled: BTreeSet<&str> = evidence.reinstalled.iter().map(String::as_str).collect();
    let failed = devices - (accepted + cancelled + waiting).min(devices) + skipped;
    if failed > count(reinstalled.len()) {
        faults.push(format!("more than the reinstalled were not reached: {counts:?}"));
    }
    if cancelled > 0 && cancel.is_none() {
        faults.push(format!("nobody cancelled it: {counts:?}"));
    }
    if record.to == Audience::Topic {
        let stranger = evidence.strangers.iter().find(|name| reached.contains(name.as_str()));
        if let Some(name) = stranger {
            faults.push(format!("it came to {name}, who was never in the topic"));
        }
        let must = |name: &&String| {
            let phone = evidence.phones.iter().find(|phone| phone.name == **name);
            !reinstalled.contains(name.as_str()) && phone.is_some_and(|phone| !phone.browser)
        };
        let mut must = evidence.subscribed.iter().filter(must);
        if done && let Some(name) = must.find(|name| !reached.contains(name.as_str())) {
            faults.push(format!("it never came to {name}, who is in the topic"));
        }
    }
    if taken.iter().any(|it| it.seen_at + AROUND < push.send_at) {
        faults.push(format!("it went out before {}", push.send_at));
    }
    let in_time = cancel.is_some_and(|(_, at)| *at + AROUND < push.send_at);
    if in_time && !(taken.is_empty() && accepted == 0) {
        faults.push("it went out though it was cancelled before its time".to_owned());
    }
    faults
}
