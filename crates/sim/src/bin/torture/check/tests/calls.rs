use wire::CallEndReason;

use super::*;
use crate::evidence::{CallNews, CallRecord, CallSeen};

fn news(millis: i64, what: CallNews) -> CallSeen {
    CallSeen { at: at(millis), call: "c1".to_owned(), what }
}

const ENDED: CallNews = CallNews::Ended(Some(CallEndReason::HungUp));

/// Carol calls bob, whose first phone takes it; she hangs up.
fn call() -> Evidence {
    let mut run = good();
    let caller = PhoneRecord {
        name: "p03".to_owned(),
        user: "carol".to_owned(),
        calls: vec![news(110, CallNews::Ringing), news(150, CallNews::Answered), news(900, ENDED)],
        sessions: vec![(at(0), Timestamp::MAX)],
        ..PhoneRecord::default()
    };
    run.phones[0].calls =
        vec![news(105, CallNews::Screen), news(150, CallNews::Answered), news(905, ENDED)];
    let elsewhere = CallNews::Ended(Some(CallEndReason::AnsweredElsewhere));
    run.phones[1].calls = vec![news(105, CallNews::Screen), news(155, elsewhere)];
    for phone in &mut run.phones {
        phone.sessions = vec![(at(0), Timestamp::MAX)];
    }
    run.phones.push(caller);
    run.calls = vec![CallRecord {
        id: "c1".to_owned(),
        caller: "p03".to_owned(),
        callee: "bob".to_owned(),
        at: at(100),
    }];
    run
}

/// Nobody takes it.
fn unanswered() -> Evidence {
    let mut run = call();
    let end = CallNews::Ended(Some(CallEndReason::Unanswered));
    for phone in &mut run.phones {
        phone.calls = vec![news(105, CallNews::Screen), news(900, end)];
        phone.missed = vec!["c1".to_owned()];
    }
    run.phones[2].calls[0].what = CallNews::Ringing;
    run.phones[2].missed.clear();
    let data = serde_json::json!({ "user": "bob", "call": "c1", "reason": "unanswered" });
    tell(&mut run, event(1, "call.missed", data));
    run
}

fn ring(seen_at: i64) -> PushRecord {
    PushRecord {
        sort: "voip".to_owned(),
        about: About::Call("c1".to_owned()),
        expires_at: Some(at(seen_at + 30_000)),
        ..push(seen_at)
    }
}

#[test]
fn a_call_ends_in_one_way_and_is_one_devices() {
    holds(&call());
    let mut run = call();
    run.phones[2].calls[2].what = CallNews::Ended(Some(CallEndReason::Lost));
    fails(&run, "it ended by {\"HungUp\", \"Lost\"}");
    // Undone before anybody was told; and what was told before the snapshot stands.
    run.restores = vec![restore(500, 2_000)];
    holds(&run);
    run.restores = vec![restore(1_500, 2_000)];
    fails(&run, "it ended by");
    let mut run = call();
    run.phones[1].calls[1].what = CallNews::Answered;
    fails(&run, "have it");
}

#[test]
fn who_rang_and_is_there_is_told_that_it_is_over() {
    let mut run = call();
    run.phones[0].calls.pop();
    fails(&run, "p01 was never told that it is over");
    run.phones[0].deaths = vec![at(500)];
    holds(&run);
    run.phones[0].deaths.clear();
    run.phones[0].sessions = vec![(at(0), at(500))];
    holds(&run);
}

#[test]
fn a_missed_call_leaves_one_message_and_no_other_call_any() {
    holds(&unanswered());
    let mut run = unanswered();
    run.phones[1].missed.clear();
    fails(&run, "p02 has no message that it was missed");
    assert_eq!(missing_calls(&run), [("c1".to_owned(), "p02".to_owned())]);
    run.phones[1].missed = vec!["c1".to_owned(); 2];
    fails(&run, "p02 has 2 messages");
    let mut run = call();
    run.phones[0].missed = vec!["c1".to_owned()];
    fails(&run, "p01 has a message that it was missed");
}

#[test]
fn whoever_is_blocked_rings_nobody() {
    let mut run = unanswered();
    run.blocks = vec![("bob".to_owned(), "carol".to_owned())];
    fails(&run, "it rang at p01, whose user blocks the caller");
    fails(&run, "p01 has a message that it was missed");
    for phone in &mut run.phones[..2] {
        phone.missed.clear();
        phone.calls.clear();
    }
    fails(&run, "call c1 to bob is told to be missed");
    run.events = Default::default();
    holds(&run);
}

#[test]
fn a_push_rings_once_and_only_while_the_call_does() {
    let ringing = |pushes| Evidence { pushes, ..call() };
    holds(&ringing(vec![ring(120)]));
    fails(&ringing(vec![ring(120), ring(140)]), "for which it was rung before");
    // The transport lost its connection, and wrote the same ring once more: it may to Google.
    for service in [Service::Google, Service::Apple] {
        let once = PushRecord { service, ..ring(120) };
        let again = PushRecord { seen_at: at(140), ..once.clone() };
        let mut lost = ringing(vec![once, again]);
        fails(&lost, "for which it was rung before");
        lost.mute_services = vec![(service, at(100), at(3_000))];
        if service == Service::Apple {
            fails(&lost, "for which it was rung before");
        } else {
            holds(&lost);
        }
        assert_eq!(rung_twice(&lost), 1);
    }
    // The caller was told of the answer at 150; a second may pass on the way.
    holds(&ringing(vec![ring(1_140)]));
    fails(&ringing(vec![ring(1_160)]), "which was over");
    let mut hidden = ringing(vec![ring(1_160)]);
    hidden.mute_services = vec![(Service::Apple, at(1_000), at(3_000))];
    holds(&hidden);
    let kept = PushRecord { expires_at: Some(at(32_000)), ..ring(120) };
    fails(&ringing(vec![kept]), "kept for longer");
    let unknown = PushRecord { about: About::Call("c2".to_owned()), ..ring(120) };
    fails(&ringing(vec![unknown]), "which nobody began");
}

#[test]
fn a_voip_push_does_nothing_but_ring() {
    let mut run = good();
    run.pushes = vec![PushRecord { sort: "voip".to_owned(), ..push(3_000) }];
    fails(&run, "a VoIP push to p01 is about");
}
