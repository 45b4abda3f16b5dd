//! Bodies that go out over HTTP.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use wire::http::{
    Acked, Act, App, CallShown, Check, CircuitName, Conclusion, Credential, CredentialKind,
    CredentialPlace, CredentialProbe, Device, DeviceExplained, Examination, Explanation, Figures,
    Finding, Health, InboxPage, Key, KeyScopeName, MessageAccepted, Page, Percentiles, PushFigures,
    Record, Routes, SignalShown, Statistics, StatisticsStep, Target, Timeline, TokenAlgorithm,
    TokenKey, User, UserToken, WakeFigures, WakeState, Webhook, WebhookAnswer, WebhookDelivery,
    WebhookDeliveryState, WebhookReplayed, WebhookStateName,
};
use wire::{
    CallEndReason, CallState, EnvironmentName, FailedRecipient, Gap, Media, PlatformName, Position,
    Problem, ServerFrame, TargetKindName,
};

use crate::golden::{check_complete, check_golden, pretty};
use crate::{http_requests, pushes};

/// The golden files of answers.
const NAMES: [&str; 25] = [
    "http/acked",
    "http/act",
    "http/app",
    "http/call",
    "http/call_ended",
    "http/credential",
    "http/device",
    "http/examination",
    "http/explanation",
    "http/health",
    "http/inbox_page",
    "http/key",
    "http/message_accepted",
    "http/page",
    "http/problem",
    "http/problem_of_push",
    "http/record",
    "http/statistics",
    "http/timeline",
    "http/token_key",
    "http/user",
    "http/user_token",
    "http/webhook",
    "http/webhook_delivery",
    "http/webhook_replayed",
];

#[test]
fn answers_are_as_agreed_and_read_back() {
    both_ways("http/acked", &Acked { position: position(42) });
    both_ways("http/act", &act());
    both_ways("http/app", &app(Some("rvl_app_EXAMPLE")));
    both_ways("http/credential", &credential());
    both_ways("http/device", &device());
    both_ways("http/user", &user());
    both_ways("http/examination", &examination());
    both_ways("http/explanation", &explanation());
    both_ways("http/health", &Health { status: "ok".into() });
    both_ways("http/key", &key());
    both_ways("http/message_accepted", &message_accepted());
    both_ways("http/page", &Page { items: vec![app(None)], next: Some("app_1".into()) });
    both_ways("http/problem", &problem());
    both_ways("http/problem_of_push", &problem_of_push());
    both_ways("http/record", &record());
    both_ways("http/statistics", &statistics());
    both_ways("http/timeline", &timeline());
    both_ways("http/token_key", &token_key());
    both_ways("http/user_token", &user_token());
    both_ways("http/webhook", &webhook());
    both_ways("http/webhook_delivery", &webhook_delivery());
    both_ways("http/webhook_replayed", &WebhookReplayed { events: 17 });
}

#[test]
fn an_inbox_page_holds_the_frames_of_the_websocket() {
    let page = InboxPage {
        entries: vec![Gap { up_to: position(40) }.into()],
        head: position(42),
        more: true,
    };
    let text = check_golden("http/inbox_page", &page);
    let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let frame = ServerFrame::parse(&read["entries"][0].to_string()).expect("a frame");
    assert_eq!(pretty(&frame), pretty(&page.entries[0]));
}

#[test]
fn a_call_is_shown_with_what_the_other_side_sent() {
    for (name, call) in [("http/call", call()), ("http/call_ended", call_ended())] {
        let text = check_golden(name, &call);
        let read: CallShown = serde_json::from_str(&text).expect("a call");
        assert_eq!(pretty(&read), text, "{name} is read as something else");
    }
}

#[test]
fn every_file_of_the_folder_is_compared() {
    check_complete("http", NAMES.into_iter().chain(http_requests::NAMES).chain(pushes::NAMES));
}

fn call() -> CallShown {
    let raw = |json: &str| RawValue::from_string(json.into()).expect("JSON");
    CallShown {
        call: "0192f0a1-7b3c-7d4e-8f50-61728394a5b6".into(),
        state: CallState::Ringing,
        reason: None,
        from: "bob".into(),
        to: "alice".into(),
        media: Media::Video,
        caller_name: "Bob Example".into(),
        caller_handle: Some("bob@example.com".into()),
        expires_at: Some("2026-03-01T06:30:45Z".parse().expect("a time")),
        offer: Some(raw(r#"{"sdp":"v=0"}"#)),
        answer: None,
        signals: vec![SignalShown { sequence: 3, body: raw(r#"{"candidate":"host"}"#) }],
    }
}

fn call_ended() -> CallShown {
    CallShown {
        state: CallState::Ended,
        reason: Some(CallEndReason::Lost),
        expires_at: None,
        offer: None,
        signals: Vec::new(),
        ..call()
    }
}

/// Compares an answer with its golden file, which must read back as the same.
#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    assert!(NAMES.contains(&name), "{name} is in no list");
    let text = check_golden(name, value);
    let read: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(read, *value, "{name}");
}

fn position(offset: i64) -> Position {
    Position { epoch: "4611686018427387904".into(), offset }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn app(key: Option<&str>) -> App {
    App {
        id: "app_1".into(),
        name: "My app".into(),
        created_at: at("2026-03-01T06:00:00Z"),
        key: key.map(str::to_owned),
    }
}

fn act() -> Act {
    Act {
        number: 7,
        at: at("2026-03-01T06:00:00Z"),
        by: "key_2".into(),
        from: "192.0.2.7".into(),
        app: Some("app_2".into()),
        method: "DELETE".into(),
        path: "/v1/apps/app_2/keys/key_1".into(),
        status: Some(204),
    }
}

fn key() -> Key {
    Key {
        id: "key_2".into(),
        name: "staging".into(),
        scopes: vec![KeyScopeName::Read, KeyScopeName::Send],
        created_at: at("2026-03-01T06:00:00Z"),
        last_used_at: Some(at("2026-03-01T07:15:00Z")),
        key: Some("rvl_app_EXAMPLE".into()),
    }
}

fn token_key() -> TokenKey {
    TokenKey {
        id: "tky_1".into(),
        name: "back end".into(),
        algorithm: TokenAlgorithm::Es256,
        audience: "chat".into(),
        public_key: Some("-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n".into()),
        jwks_url: None,
        created_at: at("2026-03-01T06:00:00Z"),
    }
}

fn credential() -> Credential {
    Credential {
        id: "crd_1".into(),
        kind: CredentialKind::ApnsCertificate,
        facts: BTreeMap::from([
            ("environments".into(), json!(["sandbox"])),
            ("not_after".into(), json!("2027-03-01T06:00:00Z")),
            ("team_id".into(), json!("DEF456GHIJ")),
            ("topics".into(), json!(["com.example.reveille"])),
        ]),
        warnings: vec![
            "this is a development certificate: it reaches only apps run from Xcode".into(),
        ],
        probes: vec![CredentialProbe {
            place: "apns sandbox".into(),
            believed: false,
            code: Some(904),
            reason: Some("BadCertificate".into()),
            remedy: Some("Make a new push certificate and upload it.".into()),
        }],
        places: vec![CredentialPlace {
            place: "apns sandbox".into(),
            circuit: CircuitName::Open,
            code: Some(904),
            open_since: Some(at("2026-03-02T06:00:00Z")),
            probe_at: Some(at("2026-03-02T06:01:00Z")),
        }],
        created_at: at("2026-03-01T06:00:00Z"),
        ends_at: Some(at("2027-03-01T06:00:00Z")),
        believed_at: Some(at("2026-03-02T05:58:00Z")),
    }
}

fn statistics() -> Statistics {
    let figures = Figures {
        messages: 120,
        pushes: PushFigures {
            accepted: 95,
            refused: BTreeMap::from([(911, 3), (913, 1)]),
            unknown: 1,
        },
        wakes: WakeFigures { owed: 80, pushed: 78, accepted: 75, connected: 71, drained: 70 },
        time_to_wake_ms: Some(Percentiles { p50: 1_600, p90: 5_000, p99: 31_500 }),
    };
    Statistics {
        since: at("2026-03-01T06:00:00Z"),
        until: at("2026-03-01T08:00:00Z"),
        step: 3_600,
        total: figures.clone(),
        items: vec![
            StatisticsStep { at: at("2026-03-01T06:00:00Z"), figures },
            StatisticsStep { at: at("2026-03-01T07:00:00Z"), figures: Figures::default() },
        ],
    }
}

fn user_token() -> UserToken {
    UserToken {
        token: "rvl_user_EXAMPLE".into(),
        user: "alice".into(),
        expires_at: at("2026-03-02T06:00:00Z"),
    }
}

fn user() -> User {
    User { user: "alice".into(), created_at: at("2026-03-01T06:00:00Z"), devices: 2, live: 1 }
}

fn device() -> Device {
    Device {
        id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff".into(),
        platform: PlatformName::Ios,
        live: false,
        cursor: position(40),
        last_seen_at: Some(at("2026-03-01T06:20:00Z")),
        targets: vec![Target {
            kind: TargetKindName::Apns,
            token_hash: "6b86b273ff34".into(),
            app_id: Some("com.example.reveille".into()),
            environment: Some(EnvironmentName::Production),
            registered_at: at("2026-03-01T06:10:00Z"),
        }],
        routes: Routes { messages: Some(TargetKindName::Apns), calls: None },
        wakes: vec![WakeState {
            id: "wak_000000000000000000000000000000a7".into(),
            kind: "message".into(),
            rung: "alert".into(),
            reason: "climbing".into(),
            due_at: Some(at("2026-03-01T06:30:30Z")),
        }],
    }
}

fn message_accepted() -> MessageAccepted {
    MessageAccepted {
        id: "msg_00000000000000000000000000000007".into(),
        at: at("2026-03-01T06:30:00Z"),
        failed: vec![FailedRecipient { user: "nobody".into(), code: "unknown_user".into() }],
        live: None,
    }
}

fn record() -> Record {
    Record {
        at: at("2026-03-01T06:30:00.5Z"),
        step: "push".into(),
        reason: "refused".into(),
        sentence: "The token is gone; the app registers a new one when it next runs.".into(),
        user: Some("alice".into()),
        device: Some("6f9619ff-8b86-4d01-b42d-00cf4fc964ff".into()),
        wake: Some("wak_000000000000000000000000000000a7".into()),
        attempt: Some("att_00000000000000000000000000000003".into()),
        message: Some("msg_00000000000000000000000000000007".into()),
        call: None,
        push: None,
        code: Some(911),
        detail: Some(json!({ "status": 410, "reason": "Unregistered", "took_ms": 12 })),
    }
}

fn examination() -> Examination {
    Examination {
        at: at("2026-03-01T06:31:00Z"),
        checks: vec![
            Check {
                verdict: "ok".into(),
                check: "push_log".into(),
                about: None,
                text: "The push log has lost nothing since the start.".into(),
                remedy: None,
            },
            Check {
                verdict: "failure".into(),
                check: "credential".into(),
                about: Some("apns_key crd_1 of app_1, apns production".into()),
                text: "The push service does not take it: InvalidProviderToken (904).".into(),
                remedy: Some("Upload another key.".into()),
            },
        ],
    }
}

fn explanation() -> Explanation {
    let text = "The device has registered no push token.".to_owned();
    let remedy = Some("Let the app register its token at each start.".to_owned());
    let finding = |verdict: &str, rule: &str, text: &str, remedy: Option<String>| Finding {
        verdict: verdict.into(),
        rule: rule.into(),
        text: text.into(),
        remedy,
    };
    Explanation {
        at: at("2026-03-01T06:31:00Z"),
        conclusion: Conclusion {
            verdict: "failure".into(),
            rule: Some("no_target".into()),
            device: Some("phone".into()),
            text: text.clone(),
            remedy: remedy.clone(),
        },
        devices: vec![DeviceExplained {
            device: "phone".into(),
            user: "alice".into(),
            platform: PlatformName::Ios,
            acknowledged: Some(false),
            findings: vec![
                finding("note", "asleep", "The device is not connected.", None),
                finding("failure", "no_target", &text, remedy),
            ],
        }],
        timeline: vec![record()],
    }
}

fn timeline() -> Timeline {
    let accepted = Record {
        at: at("2026-03-01T06:30:00Z"),
        step: "accept".into(),
        reason: "accepted".into(),
        sentence: "It was stored, and the sender was told so.".into(),
        device: None,
        wake: None,
        attempt: None,
        code: None,
        detail: None,
        ..record()
    };
    Timeline { id: "msg_00000000000000000000000000000007".into(), items: vec![accepted, record()] }
}

fn problem() -> Problem {
    Problem {
        retry_after_ms: None,
        r#type: "docs/problems.md#invalid_field".into(),
        title: "a field breaks its rule".into(),
        status: 422,
        code: "invalid_field".into(),
        detail: "2 s is given; give 5 to 120 seconds".into(),
        field: Some("ring_time".into()),
        diagnosis: None,
    }
}

fn problem_of_push() -> Problem {
    Problem {
        detail: "give at most 2147483647".into(),
        field: Some("badge".into()),
        diagnosis: Some(913),
        ..problem()
    }
}

fn webhook() -> Webhook {
    Webhook {
        id: "whk_1".into(),
        url: "https://hooks.example.com/reveille".into(),
        events: vec!["*".into()],
        description: "everything".into(),
        state: WebhookStateName::On,
        waiting: 3,
        parked: 1,
        paused_until: Some(at("2026-03-01T06:31:00Z")),
        secret: Some("whsec_EXAMPLE".into()),
        old_secret_until: Some(at("2026-03-02T06:30:00Z")),
        created_at: at("2026-03-01T06:00:00Z"),
    }
}

fn webhook_delivery() -> WebhookDelivery {
    WebhookDelivery {
        event: pushes::event(),
        state: WebhookDeliveryState::Waiting,
        tries: 2,
        due_at: Some(at("2026-03-01T06:30:10Z")),
        answer: Some(WebhookAnswer {
            at: at("2026-03-01T06:30:00Z"),
            took_ms: 17,
            status: Some(500),
            body: Some("the database is away".into()),
            problem: Some("answer with any 2xx once the event is stored".into()),
        }),
    }
}
