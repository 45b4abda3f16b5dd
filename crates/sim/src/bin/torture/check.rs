//! The judge: compares what was promised with what the phones, the senders and the push services
//! recorded.
//!
//! | rule | promise of the design |
//! |---|---|
//! | an accepted message is held exactly once by every device of each recipient | 1, 2, 4 |
//! | a message that was refused or never answered is held at most once | 4 |
//! | a device holds its messages in inbox order; two devices agree on it | 4 |
//! | messages of one sending device are in the order in which it sent them | 4 |
//! | a message is stored once, however often it was sent again | 4 |
//! | no push to the awake, see [`pushes`] | 3 |
//! | a push target is held, unless the push service said that its token is gone | 5 |
//! | the acknowledged position of a device never goes back | 3 |
//! | a direct push is over, and a broadcast came to every phone, see [`direct`] | 1 |

mod direct;
mod pushes;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use sim::phone::Held;

use super::evidence::{ConfirmedBy, Evidence, Outcome, PhoneRecord, PushRecord, SendRecord};

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

/// Everything that is wrong. `deadline` is the shortest time that the server grants for an ack.
pub(crate) fn check(evidence: &Evidence, deadline: Duration) -> Vec<Violation> {
    let mut found = Vec::new();
    for phone in &evidence.phones {
        held_as_promised(&evidence.sends, phone, &mut found);
        in_inbox_order(phone, &mut found);
        in_sending_order(phone, &evidence.sends, &mut found);
        stored_once(phone, &mut found);
    }
    devices_agree(&evidence.phones, &mut found);
    pushes::check(evidence, deadline, &mut found);
    targets_kept(evidence, &mut found);
    acks_never_go_back(evidence, &mut found);
    direct::check(evidence, &mut found);
    found
}

/// What is still owed: label of an accepted message and phone that does not hold it. A run waits
/// until nothing is, within its bound.
pub(crate) fn missing(evidence: &Evidence) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    for phone in &evidence.phones {
        let held: HashSet<&str> = phone.held.iter().map(|held| held.body.as_str()).collect();
        for send in &evidence.sends {
            if owed(send, &phone.user) && !held.contains(send.label.as_str()) {
                missing.push((send.label.clone(), phone.name.clone()));
            }
        }
    }
    missing
}

/// How many pushes went to a device of which the server had confirmed an ack: those that could be
/// to the acknowledged.
pub(crate) fn after_an_ack(evidence: &Evidence) -> usize {
    let after = |push: &&PushRecord| {
        let mut acks = evidence.confirmations.iter().filter(|it| it.phone == push.phone);
        acks.any(|it| it.offset > 0 && it.at < push.made_at)
    };
    evidence.pushes.iter().filter(after).count()
}

/// Whether the server promised this message to the devices of `user`.
fn owed(send: &SendRecord, user: &String) -> bool {
    match &send.outcome {
        Outcome::Accepted { failed, .. } => send.to.contains(user) && !failed.contains(user),
        Outcome::Rejected(_) | Outcome::Unanswered => false,
    }
}

fn held_as_promised(sends: &[SendRecord], phone: &PhoneRecord, found: &mut Vec<Violation>) {
    let mut copies: HashMap<&str, Vec<&Held>> = HashMap::new();
    for held in &phone.held {
        copies.entry(&held.body).or_default().push(held);
    }
    for send in sends {
        let copies = copies.get(send.label.as_str()).map(Vec::as_slice).unwrap_or_default();
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
        if copies.is_empty() && owed(send, &phone.user) {
            wrong(format!("{label:?} was accepted and {name} does not hold it"));
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

fn in_sending_order(phone: &PhoneRecord, sends: &[SendRecord], found: &mut Vec<Violation>) {
    let order: HashMap<&str, (usize, &str)> = sends
        .iter()
        .enumerate()
        .filter_map(|(number, send)| Some((send.label.as_str(), (number, send.from.as_deref()?))))
        .collect();
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

/// A repeat on the wire has the place of the first; another place means a second entry.
fn stored_once(phone: &PhoneRecord, found: &mut Vec<Violation>) {
    for (id, offset) in &phone.dropped {
        let held = phone.held.iter().find(|held| held.id == *id);
        if let Some(held) = held
            && held.offset != *offset
        {
            found.push(Violation {
                what: format!(
                    "{id} is stored twice for {}: at offsets {} and {offset}",
                    phone.name, held.offset
                ),
                message: Some(id.clone()),
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
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    for confirmation in &evidence.confirmations {
        if confirmation.by != ConfirmedBy::Cursor {
            continue;
        }
        let last = newest.entry(&confirmation.phone).or_insert(confirmation.offset);
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
