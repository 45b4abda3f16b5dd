//! No push to the awake, as far as it can be proven from outside.
//!
//! The promise: a device whose ack is durable before the wake's claim commits is not pushed.
//! Three times have to be known, and each is replaced by one that errs on the server's side.
//!
//! - **The claim**: the payload's `sent_at`, when the server made the push. That is after the claim
//!   committed, by the time that reading settings and credentials takes; a server that took it
//!   from the claim itself would be a moment before. So the claim is taken to lie anywhere within
//!   [`AROUND`] of it. All clocks are the one of this machine.
//! - **The ack is durable**: an ack over the WebSocket is not answered, so that it was written
//!   proves nothing. It counts from the moment at which an answer of the server that shows it had
//!   *arrived*: the device's cursor in `GET /v1/users/{user}/devices`, asked for right after each
//!   ack, or the 2xx of the extension's `POST /v1/me/ack`. The true commit is earlier.
//! - **What the push may be about**: any message of that inbox which was accepted by then, own
//!   copies apart, because those never wake. A message's own `sent_at` is the time of its
//!   acceptance.
//!
//! A push is **to the acknowledged** if every such message was confirmed before the claim.
//! A push is **to the living** if the oldest such message that was not confirmed is younger than
//! the ack deadline, and the phone had a session, and was running, from before that message was
//! accepted until well after the claim: then nobody can have missed a deadline.
//! Both counts must be zero.
//!
//! After a restore the acks of the history before count no more, and neither do the messages that
//! it undid.
//!
//! What this cannot see: a claim that ignored an ack which became durable within [`AROUND`], and
//! the round trip of the confirming question, before it. Such races are the store's own tests to
//! find. What it does see is a wake that was left open: it pushes again seconds later, at the
//! latest while the world at rest is watched.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Violation, blocks};
use crate::evidence::{About, Confirmation, Evidence, Outcome, PhoneRecord, PushRecord, Restore};

/// How far from the push's own time its claim may have been.
const AROUND: SignedDuration = SignedDuration::from_millis(250);
/// How long after a claim the session must have stood: the server may know of its end before the
/// phone does.
const AFTER: SignedDuration = SignedDuration::from_secs(1);

/// What a push was to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Acknowledged,
    Living,
    Asleep,
}

pub(super) fn check(evidence: &Evidence, deadline: Duration, found: &mut Vec<Violation>) {
    let deadline = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::ZERO);
    let phones: HashMap<&str, &PhoneRecord> =
        evidence.phones.iter().map(|phone| (phone.name.as_str(), phone)).collect();
    let mut confirmations: HashMap<&str, Vec<&Confirmation>> = HashMap::new();
    for it in &evidence.confirmations {
        confirmations.entry(&it.phone).or_default().push(it);
    }
    let unheld = unheld(evidence);
    for push in &evidence.pushes {
        let Some(phone) = phones.get(push.phone.as_str()) else { continue };
        if !matches!(push.about, About::Messages(_)) {
            continue;
        }
        let confirmed = confirmations.get(push.phone.as_str()).map(Vec::as_slice);
        let about = |it: &Timestamp| *it <= push.made_at + AROUND;
        if unheld.get(push.phone.as_str()).into_iter().flatten().any(about) {
            continue;
        }
        let judged = judge(push, phone, confirmed.unwrap_or_default(), deadline, evidence);
        let why = match judged {
            To::Asleep => continue,
            To::Acknowledged => "had acknowledged everything, as the server had confirmed",
            To::Living => "had a session, and nothing was older than the ack deadline",
        };
        let what = format!("{} push to {} at {}, which {why}", push.sort, phone.name, push.made_at);
        found.push(Violation::of_phone(&phone.name, what));
    }
}

/// When messages were begun that a phone was promised and does not hold: its user has read them on
/// another one, and a push before that was about them.
fn unheld(evidence: &Evidence) -> HashMap<&str, Vec<Timestamp>> {
    let mut unheld: HashMap<&str, Vec<Timestamp>> = HashMap::new();
    let mut of_user: HashMap<&str, Vec<(&PhoneRecord, HashSet<&str>)>> = HashMap::new();
    for phone in &evidence.phones {
        let held = phone.held.iter().map(|held| held.body.as_str()).collect();
        of_user.entry(&phone.user).or_default().push((phone, held));
    }
    for send in evidence.sends.iter().filter(|it| matches!(it.outcome, Outcome::Accepted { .. })) {
        for user in &send.to {
            let blocked = send.user.as_ref().is_some_and(|from| blocks(evidence, user, from));
            for (phone, held) in of_user.get(user.as_str()).into_iter().flatten() {
                if !blocked && !held.contains(send.label.as_str()) {
                    unheld.entry(&phone.name).or_default().push(send.begun);
                }
            }
        }
    }
    unheld
}

fn judge(
    push: &PushRecord,
    phone: &PhoneRecord,
    confirmations: &[&Confirmation],
    deadline: SignedDuration,
    evidence: &Evidence,
) -> To {
    // The newest of them is the last in the list.
    let restore: Option<&Restore> =
        evidence.restores.iter().rfind(|it| it.stopped <= push.made_at + AROUND);
    let counts = |at: Timestamp| restore.is_none_or(|restore| at > restore.stopped);
    let confirmed = confirmations
        .iter()
        .filter(|it| counts(it.at) && it.at < push.made_at - AROUND)
        .map(|it| it.offset)
        .max();
    let undone = |at: Timestamp| {
        evidence
            .restores
            .iter()
            .any(|it| it.stopped <= push.made_at && it.taken.1 < at && at <= it.stopped)
    };
    let oldest = phone
        .held
        .iter()
        .filter(|held| !held.own_copy && held.sent_at <= push.made_at + AROUND)
        .filter(|held| !undone(held.sent_at))
        .filter(|held| confirmed.is_none_or(|confirmed| held.offset > confirmed))
        .map(|held| held.sent_at)
        .min();
    let Some(oldest) = oldest else {
        // What it was about may have been undone before the phone got it.
        let lost = evidence.restores.iter().any(|it| it.undid(push));
        // Or it was undone after that, and its sender sent it again: then it is in the inbox anew,
        // and the phone drops it once it comes.
        let was_undone = |id: &str, epoch: &str| {
            let mut held = phone.held.iter();
            held.any(|held| held.id == id && held.epoch != epoch && undone(held.sent_at))
        };
        let again = phone.dropped.iter().any(|it| {
            confirmed.is_none_or(|confirmed| it.offset > confirmed) && was_undone(&it.id, &it.epoch)
        });
        return if lost || again { To::Asleep } else { To::Acknowledged };
    };
    let stood =
        |(from, until): &(Timestamp, Timestamp)| *from < oldest && push.made_at + AFTER < *until;
    let young = push.made_at.duration_since(oldest) + AROUND < deadline;
    if young && phone.sessions.iter().any(stood) { To::Living } else { To::Asleep }
}
