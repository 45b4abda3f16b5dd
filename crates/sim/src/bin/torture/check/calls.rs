//! Calls: each is over once and for everybody, rings only while it does, and leaves a message where
//! it was missed.
//!
//! - Everybody is told the same end; on the callee's side only one device has the call.
//! - A device that showed the call, or whose user made it, and that is connected in the end has
//!   heard that it is over. (One whose app was ended since does not remember it.)
//! - Nobody took it, or its caller gave up: every device of the callee has one message that says so.
//!   It was refused or hung up: none has.
//! - A push rings for a call that was begun and is not over, as far as anybody knew then, and once
//!   for a device; Apple keeps it for 30 seconds at most. A VoIP push does nothing else. (A ring whose
//!   connection is lost before the answer is written once more, under the same name; the report
//!   counts these.)
//! - Whoever is blocked rings nobody.
//!
//! A call that was under way when the server was put back to an older state is left out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use jiff::SignedDuration;
use wire::CallEndReason;

use super::{LAST_WORDS, Violation, blocks};
use crate::driver::RING;
use crate::evidence::{
    About, CallNews, CallRecord, CallSeen, Evidence, PhoneRecord, PushRecord, Service,
};

/// The longest that Apple may keep a VoIP push.
const KEPT: SignedDuration = SignedDuration::from_secs(31);
/// How long a push may be on its way when its call ends.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(1);

/// Ends that leave a message, and ends that leave none. One that was lost leaves one if it rang.
const MISSED: [&str; 2] = ["Cancelled", "Unanswered"];
const REFUSED: [&str; 3] = ["Busy", "Declined", "HungUp"];

/// What every phone saw of one call.
type Seen<'a> = Vec<(&'a PhoneRecord, &'a CallSeen)>;

pub(super) fn check(evidence: &Evidence, found: &mut Vec<Violation>) {
    let seen = seen(evidence);
    let none = Vec::new();
    for call in evidence.calls.iter().filter(|call| !is_undone(evidence, call, &seen)) {
        let seen = seen.get(call.id.as_str()).unwrap_or(&none);
        for (phone, what) in faults(evidence, call, seen) {
            let mut what =
                format!("call {} of {} to {}: {what}", call.id, call.caller, call.callee);
            for (phone, news) in seen {
                let _ = write!(what, "\n    {} {}: {:?}", news.at, phone.name, news.what);
            }
            found.push(Violation::of_phone(phone, what));
        }
    }
    rings(evidence, &seen, found);
}

/// The calls that ended as everybody was told, each with whether that is one that leaves a message.
pub(super) fn ended(evidence: &Evidence) -> Vec<(&CallRecord, bool)> {
    let seen = seen(evidence);
    let calls = evidence.calls.iter().filter(|call| !is_undone(evidence, call, &seen));
    let ended = calls.filter_map(|call| {
        let reasons = reasons(seen.get(call.id.as_str())?);
        let was_refused = REFUSED.iter().any(|reason| reasons.contains(*reason));
        let is_known = is_missed(&reasons) || was_refused;
        is_known.then(|| (call, is_missed(&reasons) && !is_silent(evidence, call)))
    });
    ended.collect()
}

/// Who lacks the message about a call that was missed: call and phone.
pub(crate) fn missing(evidence: &Evidence) -> Vec<(String, String)> {
    let seen = seen(evidence);
    let none = Vec::new();
    let mut missing = Vec::new();
    for call in evidence.calls.iter().filter(|call| !is_undone(evidence, call, &seen)) {
        let seen = seen.get(call.id.as_str()).unwrap_or(&none);
        if is_missed(&reasons(seen)) && !is_silent(evidence, call) {
            let lack = callees(evidence, call).filter(|it| !it.missed.contains(&call.id));
            missing.extend(lack.map(|phone| (call.id.clone(), phone.name.clone())));
        }
    }
    missing
}

fn seen(evidence: &Evidence) -> HashMap<&str, Seen<'_>> {
    let mut seen: HashMap<&str, Seen<'_>> = HashMap::new();
    for phone in &evidence.phones {
        for news in &phone.calls {
            seen.entry(&news.call).or_default().push((phone, news));
        }
    }
    seen
}

/// Whether a restore undid some of the call: one of a time before its end.
fn is_undone(evidence: &Evidence, call: &CallRecord, seen: &HashMap<&str, Seen<'_>>) -> bool {
    let news = || seen.get(call.id.as_str()).into_iter().flatten().map(|(_, news)| *news);
    let elsewhere = CallNews::Ended(Some(CallEndReason::AnsweredElsewhere));
    let ends =
        news().filter(|news| matches!(news.what, CallNews::Ended(_)) && news.what != elsewhere);
    let longest = SignedDuration::from_secs(i64::from(RING) * 2);
    let until = ends.map(|news| news.at).min().unwrap_or_else(|| {
        news().map(|news| news.at).max().unwrap_or(call.at).max(call.at + longest)
    });
    let mut restores = evidence.restores.iter();
    restores.any(|it| call.at <= it.stopped + LAST_WORDS && it.taken.0 <= until)
}

fn is_missed(reasons: &BTreeSet<String>) -> bool {
    MISSED.iter().any(|reason| reasons.contains(*reason))
}

fn is_silent(evidence: &Evidence, call: &CallRecord) -> bool {
    let caller = evidence.phones.iter().find(|phone| phone.name == call.caller);
    caller.is_some_and(|caller| blocks(evidence, &call.callee, &caller.user))
}

fn callees<'a>(
    evidence: &'a Evidence,
    call: &'a CallRecord,
) -> impl Iterator<Item = &'a PhoneRecord> {
    evidence.phones.iter().filter(|phone| phone.user == call.callee)
}

/// Why it ended, by all who were told; what a device hears of another one's answer is no end.
fn reasons(seen: &Seen<'_>) -> BTreeSet<String> {
    let reasons = seen.iter().filter_map(|(_, news)| match news.what {
        CallNews::Ended(Some(reason)) if reason != CallEndReason::AnsweredElsewhere => {
            Some(format!("{reason:?}"))
        }
        _ => None,
    });
    reasons.collect()
}

fn faults<'a>(
    evidence: &'a Evidence,
    call: &'a CallRecord,
    seen: &Seen<'a>,
) -> Vec<(&'a str, String)> {
    let mut faults = Vec::new();
    let reasons = reasons(seen);
    if reasons.len() > 1 {
        faults.push((call.caller.as_str(), format!("it ended by {reasons:?}")));
    }
    let winners: BTreeSet<&str> = seen
        .iter()
        .filter(|(phone, news)| phone.user == call.callee && news.what == CallNews::Answered)
        .map(|(phone, _)| phone.name.as_str())
        .collect();
    if winners.len() > 1 {
        faults.push((call.caller.as_str(), format!("{winners:?} have it")));
    }
    for phone in &evidence.phones {
        let mut news = phone.calls.iter().filter(|news| news.call == call.id);
        let told = phone
            .calls
            .iter()
            .any(|news| news.call == call.id && matches!(news.what, CallNews::Ended(_)));
        let Some(first) = news.find(|news| !matches!(news.what, CallNews::Ended(_))) else {
            continue;
        };
        let forgot = phone.deaths.iter().any(|at| *at > first.at);
        if !told && !forgot && phone.is_connected() {
            faults.push((&phone.name, format!("{} was never told that it is over", phone.name)));
        }
    }
    let silent = is_silent(evidence, call);
    for phone in callees(evidence, call) {
        let missed = phone.missed.iter().filter(|id| **id == call.id).count();
        let mut wrong = |what: String| faults.push((phone.name.as_str(), what));
        if missed > 1 {
            wrong(format!("{} has {missed} messages that it was missed", phone.name));
        }
        if missed > 0 && (silent || REFUSED.iter().any(|reason| reasons.contains(*reason))) {
            wrong(format!("{} has a message that it was missed: {reasons:?}", phone.name));
        }
        if missed == 0 && !silent && is_missed(&reasons) {
            wrong(format!("{} has no message that it was missed", phone.name));
        }
        let rang = phone.calls.iter().any(|it| it.call == call.id && it.what == CallNews::Screen);
        if silent && rang {
            wrong(format!("it rang at {}, whose user blocks the caller", phone.name));
        }
    }
    faults
}

fn rings(evidence: &Evidence, seen: &HashMap<&str, Seen<'_>>, found: &mut Vec<Violation>) {
    let calls: HashMap<&str, &CallRecord> =
        evidence.calls.iter().map(|call| (call.id.as_str(), call)).collect();
    let mut rung: HashMap<(&str, &str), &PushRecord> = HashMap::new();
    for push in &evidence.pushes {
        let About::Call(id) = &push.about else {
            if push.sort == "voip" {
                let what = format!("a VoIP push to {} is about {:?}", push.phone, push.about);
                found.push(Violation::of_phone(&push.phone, what));
            }
            continue;
        };
        let mut wrong = |what: &str| {
            let what =
                format!("a push to {} at {} rings for {id}, {what}", push.phone, push.seen_at);
            found.push(Violation::of_phone(&push.phone, what));
        };
        let Some(call) = calls.get(id.as_str()) else {
            wrong("which nobody began");
            continue;
        };
        if is_undone(evidence, call, seen) {
            continue;
        }
        let over = seen.get(id.as_str()).into_iter().flatten().filter_map(|(_, news)| {
            matches!(news.what, CallNews::Answered | CallNews::Ended(_)).then_some(news.at)
        });
        if over.min().is_some_and(|over| over + ON_ITS_WAY < push.seen_at)
            && !is_hidden(evidence, push)
        {
            wrong("which was over");
        }
        if push.expires_at.is_some_and(|until| push.seen_at + KEPT < until) {
            wrong("and is kept for longer than 30 seconds");
        }
        if push.taken
            && let Some(before) = rung.insert((id, &push.phone), push)
            && !is_repeat(evidence, before, push)
        {
            wrong("for which it was rung before");
        }
    }
}

/// Whether the transport to Google wrote one ring twice: its connection was lost before the answer
/// came, and the call still rang. The server does not make it anew, and to Apple nothing that rings
/// is written again.
fn is_repeat(evidence: &Evidence, one: &PushRecord, two: &PushRecord) -> bool {
    let same = one.id == two.id && one.made_at == two.made_at;
    one.service != Service::Apple && same && (is_hidden(evidence, one) || is_hidden(evidence, two))
}

/// How many rings were taken a second time, see [`is_repeat`].
pub(crate) fn rung_twice(evidence: &Evidence) -> usize {
    let mut rung = HashSet::new();
    let rings = evidence.pushes.iter().filter(|push| push.taken);
    rings
        .filter_map(|push| match &push.about {
            About::Call(id) => Some((id, &push.phone)),
            _ => None,
        })
        .filter(|ring| !rung.insert(*ring))
        .count()
}

/// Whether what the service saw may have been written long before.
fn is_hidden(evidence: &Evidence, push: &PushRecord) -> bool {
    evidence.mute_services.iter().any(|(service, from, until)| {
        *service == push.service && *from <= push.seen_at && push.seen_at <= *until
    })
}
