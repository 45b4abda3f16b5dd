//! A push comes again only where its answer may have been lost, and is then the same push.
//!
//! - A request with an id of Apple's that was taken before comes again only if the server was
//!   killed in between, or the answer may not have reached it.
//! - Under one id there is one push: to the same phone, about the same, replacing the same.
//! - A kill does not make a second push of what was pushed already: two pushes of one wake and one
//!   kind, under different ids, are further apart than the climbing time, unless something
//!   happened in between that owes the phone another one: a message, a session, a mute taken back,
//!   a restore, a new token.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Violation;
use crate::driver::CLIMB;
use crate::evidence::{About, Evidence, PhoneRecord, PushRecord};

/// How far times of the server and of the phones may be apart.
const AROUND: SignedDuration = SignedDuration::from_millis(250);
/// How long before a push something happened that it may be for: the server may have been down.
const BEFORE: SignedDuration = SignedDuration::from_secs(3);

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    same_id(evidence, found);
    same_wake(evidence, found);
}

fn same_id(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut by_id: HashMap<&str, Vec<&PushRecord>> = HashMap::new();
    for push in &evidence.pushes {
        if let Some(id) = &push.id {
            by_id.entry(id).or_default().push(push);
        }
    }
    for (id, mut pushes) in by_id {
        pushes.sort_by_key(|push| push.seen_at);
        for pair in pushes.windows(2) {
            let (one, two) = (pair[0], pair[1]);
            let same = |push: &PushRecord| {
                (push.phone.clone(), push.about.clone(), push.collapse_id.clone())
            };
            if same(one) != same(two) {
                let what = format!("{id} is {:?}, and then {:?}", same(one), same(two));
                found.push(Violation::of_phone(&two.phone, what));
            }
            if one.taken && !is_excused(evidence, one, two) {
                let what = format!(
                    "{} to {} was taken at {} and came again at {}, and nothing had happened",
                    one.sort, one.phone, one.seen_at, two.seen_at
                );
                found.push(Violation::of_phone(&two.phone, what));
            }
        }
    }
}

/// Whether the server may not know that the first was taken.
fn is_excused(evidence: &Evidence, one: &PushRecord, two: &PushRecord) -> bool {
    let killed =
        evidence.kills.iter().any(|kill| one.made_at - AROUND <= kill.at && kill.at <= two.seen_at);
    let hidden = evidence.mute_services.iter().any(|(service, from, until)| {
        *service == one.service && *from <= one.seen_at + BEFORE && one.seen_at <= *until
    });
    killed || hidden
}

fn same_wake(evidence: &Evidence, found: &mut Vec<Violation>) {
    let phones: HashMap<&str, &PhoneRecord> =
        evidence.phones.iter().map(|phone| (phone.name.as_str(), phone)).collect();
    let reinstalled: HashSet<&str> = evidence.reinstalled.iter().map(String::as_str).collect();
    let mut last: HashMap<(&str, &str, &str), &PushRecord> = HashMap::new();
    for push in evidence.pushes.iter().filter(|push| push.taken && push.id.is_some()) {
        let About::Messages(wake) = &push.about else { continue };
        let Some(before) = last.insert((&push.phone, wake, &push.sort), push) else { continue };
        let near = push.made_at.duration_since(before.made_at)
            < SignedDuration::from_secs(i64::from(CLIMB) - 1);
        if !near || before.id == push.id || reinstalled.contains(push.phone.as_str()) {
            continue;
        }
        let Some(phone) = phones.get(push.phone.as_str()) else { continue };
        let (from, until) = (before.made_at - AROUND, push.made_at + AROUND);
        let within = |at: Timestamp| from <= at && at <= until;
        let message = phone.held.iter().any(|held| !held.own_copy && within(held.sent_at));
        let session =
            phone.sessions.iter().any(|(begun, ended)| *begun <= until && from - BEFORE <= *ended);
        let unmuted = evidence
            .unmuted
            .iter()
            .any(|(user, at)| *user == phone.user && push.made_at - BEFORE <= *at && *at <= until);
        let undone =
            evidence.restores.iter().any(|it| it.taken.0 <= until && from <= it.stopped + BEFORE);
        if !(message || session || unmuted || undone) {
            let what = format!(
                "{} to {} of {wake} at {}, and a second one under another id at {}",
                push.sort, push.phone, before.made_at, push.made_at
            );
            found.push(Violation::of_phone(&push.phone, what));
        }
    }
}
