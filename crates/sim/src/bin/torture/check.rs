//! The judge: compares what was promised with what the phones, the senders and the push services
//! recorded.
//!
//! | rule | promise of the design |
//! |---|---|
//! | an accepted message is held exactly once by every device of each recipient | 1, 2, 4 |
//! | a message that was refused or never answered is held at most once | 4 |
//! | what a user blocks reaches none of their devices | |
//! | a device holds its messages in inbox order; two devices agree on it | 4 |
//! | messages of one sending device are in the order in which it sent them | 4 |
//! | a message is stored once, however often it was sent again | 4 |
//! | no push to the awake, see [`pushes`] | 3 |
//! | a push comes again only around a kill, and is then the same, see [`repeats`] | 2 |
//! | no device gets more pushes than it may, see [`budgets`] | |
//! | a call ends once, rings only while it does, and leaves a message where it was missed, see [`calls`] | |
//! | a push target is held, unless the push service said that its token is gone | 5 |
//! | the acknowledged position of a device never goes back | 3 |
//! | a direct push is over, and came to everybody it had to, see [`direct`] | 1 |
//! | an event is told to the back end, once at least and under one id, or parked; see [`webhooks`] | 1 |
//! | the database of a killed server keeps the invariant of the inbox | 2 |
//!
//! What a restore of a snapshot undid is excused: messages, acks, calls and orders of the time
//! between the two. What came before the snapshot and after the restore is not.

mod budgets;
mod calls;
mod direct;
mod pushes;
mod repeats;
mod webhooks;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sim::phone::Held;

pub(crate) use self::calls::{missing as missing_calls, rung_twice};
use super::evidence::{
    About, ConfirmedBy, Evidence, Outcome, PhoneRecord, PushRecord, Restore, SendRecord,
};

/// How long after a server was gone its last words may still arrive.
const LAST_WORDS: SignedDuration = SignedDuration::from_secs(1);

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// What is wrong, in one line.
    pub(crate) what: String,
    /// The message whose history explains it.
    pub(crate) message: Option<String>,
    /// The phone whose history explains it.
    pub(crate) phone: Option<String>,
}

impl Violation {
    fn of_phone(phone: &str, what: String) -> Self {
        Self { what, message: None, phone: Some(phone.to_owned()) }
    }
}

/// Everything that is wrong. `deadline` is the shortest time that the server grants for an ack.
pub(crate) fn check(evidence: &Evidence, deadline: Duration) -> Vec<Violation> {
    let mut found = Vec::new();
    let order = sending_order(&evidence.sends);
    for phone in &evidence.phones {
        held_as_promised(evidence, phone, &mut found);
        in_inbox_order(phone, &mut found);
        in_sending_order(phone, &order, &mut found);
        stored_once(phone, &mut found);
    }
    devices_agree(&evidence.phones, &mut found);
    pushes::check(evidence, deadline, &mut found);
    repeats::check(evidence, &mut found);
    budgets::check(evidence, &mut found);
    calls::check(evidence, &mut found);
    targets_kept(evidence, &mut found);
    acks_never_go_back(evidence, &mut found);
    direct::check(evidence, &mut found);
    webhooks::check(evidence, &mut found);
    for fault in &evidence.faults {
        let what = format!("in a killed server's database: {fault}");
        found.push(Violation { what, message: None, phone: None });
    }
    found
}

/// What is still owed: label of an accepted message and phone that does not hold it. A run waits
/// until nothing is, within its bound.
pub(crate) fn missing(evidence: &Evidence) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    let mut of_user: HashMap<&str, Vec<(&PhoneRecord, HashSet<&str>)>> = HashMap::new();
    for phone in &evidence.phones {
        let held = phone.held.iter().map(|held| held.body.as_str()).collect();
        of_user.entry(&phone.user).or_default().push((phone, held));
    }
    for send in &evidence.sends {
        for user in &send.to {
            for (phone, held) in of_user.get(user.as_str()).into_iter().flatten() {
                if owed(evidence, send, phone) && !held.contains(send.label.as_str()) {
                    missing.push((send.label.clone(), phone.name.clone()));
                }
            }
        }
    }
    missing
}

/// How many pushes went to a device of which the server had confirmed an ack: those that could be
/// to the acknowledged.
pub(crate) fn after_an_ack(evidence: &Evidence) -> usize {
    let mut first: HashMap<&str, Timestamp> = HashMap::new();
    for it in evidence.confirmations.iter().filter(|it| it.offset > 0) {
        let at = first.entry(&it.phone).or_insert(it.at);
        *at = (*at).min(it.at);
    }
    let after = |push: &&PushRecord| {
        matches!(push.about, About::Messages(_))
            && first.get(push.phone.as_str()).is_some_and(|at| *at < push.made_at)
    };
    evidence.pushes.iter().filter(after).count()
}

/// Accepted messages that a restore undid.
pub(crate) fn undone(evidence: &Evidence) -> usize {
    let undone = |send: &&SendRecord| {
        matches!(send.outcome, Outcome::Accepted { .. })
            && send.told.is_some_and(|told| is_undone(&evidence.restores, told))
    };
    evidence.sends.iter().filter(undone).count()
}

/// How many kills hit the server while it had messages that it had not answered.
pub(crate) fn in_flight(evidence: &Evidence) -> usize {
    let open = |at: Timestamp| {
        let since = at - SignedDuration::from_millis(100);
        evidence.sends.iter().any(|send| {
            since <= send.begun && send.begun <= at && send.told.is_none_or(|told| told > at)
        })
    };
    evidence.kills.iter().filter(|kill| open(kill.at)).count()
}

/// Whether what somebody was told at that time may have been undone.
fn is_undone(restores: &[Restore], told: Timestamp) -> bool {
    restores.iter().any(|it| it.taken.0 <= told && told <= it.stopped + LAST_WORDS)
}

/// Whether `user` takes nothing from `other`.
fn blocks(evidence: &Evidence, user: &str, other: &str) -> bool {
    evidence.blocks.iter().any(|(who, whom)| who == user && whom == other)
}

/// Whether the server promised this message to a device. What its user has read elsewhere comes
/// with the device's next session, and nobody wakes it for that.
fn owed(evidence: &Evidence, send: &SendRecord, phone: &PhoneRecord) -> bool {
    let user = &phone.user;
    let undone = send.told.is_some_and(|told| is_undone(&evidence.restores, told));
    let blocked = send.user.as_ref().is_some_and(|from| blocks(evidence, user, from));
    match &send.outcome {
        Outcome::Accepted { id, failed } => {
            let read = || evidence.read.contains(&(user.clone(), id.clone()));
            let to = send.to.contains(user) && !failed.contains(user);
            to && !undone && !blocked && (phone.is_connected() || !read())
        }
        Outcome::Rejected(_) | Outcome::Unanswered => false,
    }
}

fn held_as_promised(evidence: &Evidence, phone: &PhoneRecord, found: &mut Vec<Violation>) {
    let mut copies: HashMap<&str, Vec<&Held>> = HashMap::new();
    for held in &phone.held {
        copies.entry(&held.body).or_default().push(held);
    }
    for send in &evidence.sends {
        let copies = copies.get(send.label.as_str()).map(Vec::as_slice).unwrap_or_default();
        let addressed = send.to.contains(&phone.user);
        if copies.is_empty() && !addressed {
            continue;
        }
        let id = match &send.outcome {
            Outcome::Accepted { id, .. } => Some(id.clone()),
            Outcome::Rejected(_) | Outcome::Unanswered => None,
        };
        let (label, name) = (&send.label, &phone.name);
        let mut wrong = |what: String| {
            found.push(Violation { what, message: id.clone(), phone: Some(name.clone()) });
        };
        if copies.len() > 1 {
            wrong(format!("{name} holds {label:?} {} times", copies.len()));
        }
        if copies.is_empty() && owed(evidence, send, phone) {
            wrong(format!("{label:?} was accepted and {name} does not hold it"));
        }
        let blocked = send.user.as_ref().is_some_and(|from| blocks(evidence, &phone.user, from));
        if addressed && blocked && !copies.is_empty() {
            wrong(format!("{name} holds {label:?}, whose sender its user blocks"));
        }
        if let ([held, ..], Some(id)) = (copies, &id)
            && held.id != *id
        {
            wrong(format!("{label:?} was accepted as {id} and {name} holds it as {}", held.id));
        }
    }
}

fn in_inbox_order(phone: &PhoneRecord, found: &mut Vec<Violation>) {
    for pair in phone.held.windows(2) {
        if pair[0].epoch == pair[1].epoch && pair[0].offset >= pair[1].offset {
            found.push(Violation {
                what: format!(
                    "{} took offset {} after offset {}",
                    phone.name, pair[1].offset, pair[0].offset
                ),
                message: Some(pair[1].id.clone()),
                phone: Some(phone.name.clone()),
            });
        }
    }
}

/// Two devices of a user were given the same message at the same place.
fn devices_agree(phones: &[PhoneRecord], found: &mut Vec<Violation>) {
    let mut places: HashMap<(&str, &str, i64), (&str, &str)> = HashMap::new();
    for phone in phones {
        for held in &phone.held {
            let place = (phone.user.as_str(), held.epoch.as_str(), held.offset);
            let (first, id) = *places.entry(place).or_insert((&phone.name, &held.id));
            if id != held.id {
                found.push(Violation {
                    what: format!(
                        "offset {} is {id} on {first} and {} on {}",
                        held.offset, held.id, phone.name
                    ),
                    message: Some(held.id.clone()),
                    phone: Some(phone.name.clone()),
                });
            }
        }
    }
}

/// The number of each message that has a place in its sender's order, and the sender.
fn sending_order(sends: &[SendRecord]) -> HashMap<&str, (usize, &str)> {
    let numbered = sends.iter().enumerate();
    numbered
        .filter_map(|(number, send)| Some((send.label.as_str(), (number, send.from.as_deref()?))))
        .collect()
}

fn in_sending_order(
    phone: &PhoneRecord,
    order: &HashMap<&str, (usize, &str)>,
    found: &mut Vec<Violation>,
) {
    let mut newest: HashMap<&str, (usize, &str)> = HashMap::new();
    for held in &phone.held {
        let Some((number, sender)) = order.get(held.body.as_str()) else { continue };
        let last = newest.entry(sender).or_insert((*number, &held.body));
        if last.0 > *number {
            found.push(Violation {
                what: format!("{} holds {:?} after {:?}", phone.name, held.body, last.1),
                message: Some(held.id.clone()),
                phone: Some(phone.name.clone()),
            });
        }
        *last = (*number, &held.body);
    }
}

/// A repeat on the wire has the place of the first; another place in the same history means a
/// second entry.
fn stored_once(phone: &PhoneRecord, found: &mut Vec<Violation>) {
    let held: HashMap<&str, &Held> =
        phone.held.iter().map(|held| (held.id.as_str(), held)).collect();
    for dropped in &phone.dropped {
        let Some(held) = held.get(dropped.id.as_str()) else { continue };
        if held.epoch == dropped.epoch && held.offset != dropped.offset {
            found.push(Violation {
                what: format!(
                    "{} is stored twice for {}: at offsets {} and {}",
                    held.id, phone.name, held.offset, dropped.offset
                ),
                message: Some(held.id.clone()),
                phone: Some(phone.name.clone()),
            });
        }
    }
}

fn targets_kept(evidence: &Evidence, found: &mut Vec<Violation>) {
    for target in &evidence.targets {
        if !target.held {
            found.push(Violation {
                what: format!(
                    "the server dropped the target {:?} of {}, whose token is alive",
                    target.kind, target.phone
                ),
                message: None,
                phone: Some(target.phone.clone()),
            });
        }
    }
}

fn acks_never_go_back(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut newest: BTreeMap<(&str, Option<&str>), i64> = BTreeMap::new();
    for confirmation in &evidence.confirmations {
        if confirmation.by != ConfirmedBy::Cursor {
            continue;
        }
        let history = (confirmation.phone.as_str(), confirmation.epoch.as_deref());
        let last = newest.entry(history).or_insert(confirmation.offset);
        if *last > confirmation.offset {
            found.push(Violation {
                what: format!(
                    "the server confirmed offset {last} for {} and then {}",
                    confirmation.phone, confirmation.offset
                ),
                message: None,
                phone: Some(confirmation.phone.clone()),
            });
        }
        *last = (*last).max(confirmation.offset);
    }
}

#[cfg(test)]
mod tests;
