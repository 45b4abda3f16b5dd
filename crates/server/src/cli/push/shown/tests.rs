use std::sync::Arc;
use std::time::Duration;

use domain::RetryRule;
use providers::{AnswerRecord, RequestRecord};

use super::*;

fn exchange(outcome: Outcome, answer: Option<&'static str>) -> Exchange {
    Exchange {
        request: RequestRecord {
            host: Arc::from("api.push.apple.com"),
            path: Arc::from("/3/device/"),
            path_token: None,
            headers: Vec::new(),
            body: "{}".into(),
        },
        answer: answer.map(|body| AnswerRecord {
            status: http::StatusCode::BAD_GATEWAY,
            headers: http::HeaderMap::new(),
            body: body.into(),
        }),
        outcome,
        queued: Duration::ZERO,
        took: Duration::from_millis(12),
    }
}

fn shown(outcome: Outcome, answer: Option<&'static str>) -> String {
    let told = Told::of_exchange(&exchange(outcome, answer), "a key".to_owned());
    anstream::adapter::strip_str(&told.text()).to_string()
}

const HEAD: &str =
    "with      a key\n\nrequest   POST https://api.push.apple.com/3/device/\n\n          {}\n\n";

#[test]
fn a_loss_says_to_look_before_it_is_sent_again() {
    let lost = Outcome::Unknown { detail: "the connection broke".to_owned() };
    let expected = "answer    none\n\nunknown   it may have been taken or not\nreason    the connection broke\nremedy    Look at the device";
    let seen = shown(lost, None);
    assert!(seen.starts_with(&format!("{HEAD}{expected}")), "{seen}");
}

#[test]
fn what_a_service_answers_cannot_take_over_the_terminal() {
    let refusal =
        Refusal::unsent(Diagnosis::TemporarilyDisabled, RetryRule::WhenChanged, "a\u{1b}[2J", "b");
    let seen = shown(Outcome::Refused(refusal), Some("<html>\u{1b}[2J\nsecond"));
    let expected = "answer    HTTP 502 after 12 ms\n\n          <html>\\u{1b}[2J\n          second\n\nrefused   902 push service for the app is temporarily disabled\nreason    a\\u{1b}[2J\nremedy    b";
    assert_eq!(seen, format!("{HEAD}{expected}"));
}

#[test]
fn what_is_not_sent_has_no_answer() {
    assert_eq!(shown(Outcome::Withdrawn, None), format!("{HEAD}not sent  --dry-run"));
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let record = |detail: Value| Record {
        at: jiff::Timestamp::UNIX_EPOCH,
        step: "push".to_owned(),
        reason: "unknown".to_owned(),
        sentence: String::new(),
        user: None,
        device: None,
        wake: None,
        attempt: None,
        message: None,
        call: None,
        push: None,
        code: None,
        detail: Some(detail),
    };
    let told = |word, detail| Told::of_record("psh_1".to_owned(), word, Some(record(detail)));
    let seen = json!({ "request": { "host": "h" }, "answer": null, "took_ms": 3, "seen": "lost" });
    let unknown = json!(told(Word::Unknown, seen));
    assert_eq!(
        unknown,
        json!({ "outcome": "unknown", "push": "psh_1", "request": { "host": "h" },
                "reason": "lost", "remedy": LOOK })
    );
    // The log may lose its last second; the delivery knows the code.
    let lost = Told::of_record("psh_1".to_owned(), Word::Refused, None);
    let lost = json!(lost.because(Some(911), Some("Unregistered".to_owned())));
    assert_eq!(
        (&lost["code"], &lost["diagnosis"], &lost["reason"]),
        (&json!(911), &json!("bad push token"), &json!("Unregistered"))
    );
    // An earlier refusal of a push that was taken in the end is over.
    let taken = told(Word::Accepted, json!({ "provider_id": "1" })).because(Some(902), None);
    assert_eq!(json!(taken), json!({ "outcome": "accepted", "push": "psh_1", "provider_id": "1" }));
}
