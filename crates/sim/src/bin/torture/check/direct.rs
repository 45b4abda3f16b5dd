//! Direct pushes and broadcasts: none is lost, none skips a phone, and whoever is reached twice has
//! one notification.
//!
//! - Everything that was taken in is over in the end, and its counts add up.
//! - A broadcast counts every phone of the cast once, as a device or as one without a token.
//! - What counts as accepted was taken by a push service, for as many phones.
//! - Not accepted is only what went to phones whose tokens died during the run.
//! - Pushes of one id to one phone have one collapse id.

use std::collections::{BTreeMap, BTreeSet};

use wire::http::{PushCounts, PushStateName};

use super::Violation;
use crate::evidence::{DirectRecord, Evidence};

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    for record in &evidence.direct {
        for what in faults(record, evidence) {
            let what = format!("push {}: {what}", record.push.id);
            found.push(Violation { what, message: None, phone: None });
        }
    }
    let mut names: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for taken in &evidence.taken {
        names.entry((&taken.push, &taken.phone)).or_default().insert(&taken.collapse_id);
    }
    for ((push, phone), names) in names.into_iter().filter(|(_, names)| names.len() > 1) {
        found.push(Violation {
            what: format!("push {push} came to {phone} by the collapse ids {names:?}"),
            message: None,
            phone: Some(phone.to_owned()),
        });
    }
}

fn faults(record: &DirectRecord, evidence: &Evidence) -> Vec<String> {
    let DirectRecord { push, broadcast } = record;
    let counts = &push.counts;
    let PushCounts { devices, waiting, accepted, refused, expired, cancelled, skipped } = *counts;
    let mut faults = Vec::new();
    if push.state != PushStateName::Done || waiting > 0 {
        faults.push(format!("it is {:?} in the end: {counts:?}", push.state));
    }
    if devices != waiting + accepted + refused + expired + cancelled {
        faults.push(format!("its counts do not add up: {counts:?}"));
    }
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    if *broadcast && devices + skipped != count(evidence.phones.len()) {
        let phones = evidence.phones.len();
        faults.push(format!("a broadcast to {phones} phones counts others: {counts:?}"));
    }
    let reached: BTreeSet<&str> = evidence
        .taken
        .iter()
        .filter(|taken| taken.push == push.id)
        .map(|taken| taken.phone.as_str())
        .collect();
    if count(reached.len()) < accepted {
        faults.push(format!("{accepted} are accepted, and {} phones were reached", reached.len()));
    }
    let reinstalled: BTreeSet<&str> = evidence.reinstalled.iter().map(String::as_str).collect();
    if devices - accepted.min(devices) + skipped > count(reinstalled.len()) {
        faults.push(format!("more than the reinstalled were not reached: {counts:?}"));
    }
    faults
}
