//! Every frame the server sends.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::value::RawValue;
use wire::{
    Accepted, CallAnswered, CallEndReason, CallEnded, CallResumed, CallRing, CallRinging,
    CallSignal, CallState, Connected, Error, FailedRecipient, Gap, Limits, Media, Message,
    MissedCall, Position, Problem, PushTarget, PushTargetState, ReadSync, Receipt, ReceiptRow,
    ReceiptState, Rejected, ServerFrame, TargetKindName, Typing,
};

use crate::golden::{check_complete, check_golden, pretty};

/// Every golden file of this direction and the frame that it shows.
fn table() -> Vec<(&'static str, ServerFrame)> {
    vec![
        ("frames/server/accepted", accepted().into()),
        ("frames/server/accepted_live", accepted_live().into()),
        ("frames/server/call.answered", answered().into()),
        ("frames/server/call.ended", ended().into()),
        ("frames/server/call.resumed", resumed().into()),
        ("frames/server/call.resumed_calling", resumed_calling().into()),
        ("frames/server/call.ring", ring().into()),
        ("frames/server/call.ringing", ringing().into()),
        ("frames/server/call.signal", signal().into()),
        ("frames/server/connected", connected(None).into()),
        ("frames/server/connected_first", connected(Some("rvl_device_EXAMPLE")).into()),
        ("frames/server/error", error().into()),
        ("frames/server/gap", Gap { up_to: position(40) }.into()),
        ("frames/server/message", message().into()),
        ("frames/server/message_missed_call", missed_call().into()),
        ("frames/server/message_own_copy", own_copy().into()),
        ("frames/server/push_target", push_target().into()),
        ("frames/server/push_target_warned", push_target_warned().into()),
        ("frames/server/read", read().into()),
        ("frames/server/receipt", receipt().into()),
        ("frames/server/rejected", rejected().into()),
        ("frames/server/typing", typing().into()),
    ]
}

#[test]
fn frames_of_the_server_are_as_agreed_and_read_back() {
    for (name, frame) in table() {
        let text = check_golden(name, &frame);
        let parsed = ServerFrame::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(pretty(&parsed), text, "{name} is read as something else");
        assert_eq!(parsed.kind(), frame.kind(), "{name}");
    }
}

#[test]
fn every_frame_of_the_server_has_a_golden_file() {
    let table = table();
    let shown: BTreeSet<&str> = table.iter().map(|(_, frame)| frame.kind()).collect();
    let all: BTreeSet<&str> = ServerFrame::TYPES.iter().copied().collect();
    assert_eq!(shown, all);
    check_complete("frames/server", table.iter().map(|(name, _)| *name));
}

#[test]
fn a_body_arrives_as_the_bytes_that_were_sent() {
    // An order of fields, a number and a space that a parser would not keep.
    let body = r#"{"b": 1.50, "a": 18446744073709551616}"#;
    let frame = Message { body: raw(body), ..message() };
    let text = ServerFrame::from(frame).to_text();
    assert!(text.contains(body), "{text}");
    let Ok(ServerFrame::Message(read)) = ServerFrame::parse(&text) else { panic!("{text}") };
    assert_eq!(read.body.get(), body);
}

fn position(offset: i64) -> Position {
    Position { epoch: "4611686018427387904".into(), offset }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("JSON")
}

fn entry() -> String {
    "ent_0000000000000000000000000000002a".into()
}

fn message_id() -> String {
    "msg_00000000000000000000000000000007".into()
}

fn call() -> String {
    "0192f0a1-7b3c-7d4e-8f50-61728394a5b6".into()
}

fn connected(device_secret: Option<&str>) -> Connected {
    Connected {
        session: "ses_00000000000000000000000000000001".into(),
        user: "alice".into(),
        head: position(42),
        cursor: position(40),
        device_secret: device_secret.map(str::to_owned),
        targets: vec![TargetKindName::Apns, TargetKindName::ApnsVoip],
        server_time: at("2026-03-01T06:30:01.25Z"),
        ping_interval: 25,
        limits: Limits::default(),
    }
}

fn message() -> Message {
    Message {
        position: position(42),
        entry: entry(),
        id: message_id(),
        from: Some("bob".into()),
        thread: Some("lunch".into()),
        body: raw(r#"{"text":"Noon?"}"#),
        sent_at: at("2026-03-01T06:30:00Z"),
        expires_at: at("2026-03-31T06:30:00Z"),
        own_copy_to: None,
        missed_call: None,
    }
}

fn own_copy() -> Message {
    Message { from: None, own_copy_to: Some(vec!["bob".into(), "carol".into()]), ..message() }
}

fn missed_call() -> Message {
    let missed = MissedCall { call: call(), media: Media::Audio, caller_name: "Bob".into() };
    Message { thread: None, body: raw("null"), missed_call: Some(missed), ..message() }
}

fn receipt() -> Receipt {
    let row = |user: &str, state| ReceiptRow {
        id: message_id(),
        user: user.into(),
        state,
        at: at("2026-03-01T06:30:02Z"),
    };
    Receipt {
        position: position(43),
        entry: entry(),
        receipts: vec![
            row("bob", ReceiptState::Delivered),
            row("carol", ReceiptState::Read),
            row("dave", ReceiptState::Expired),
        ],
    }
}

fn read() -> ReadSync {
    ReadSync {
        position: position(44),
        entry: entry(),
        thread: Some("lunch".into()),
        up_to: Some(position(42)),
        messages: Vec::new(),
    }
}

fn accepted() -> Accepted {
    Accepted {
        client_id: "0192f0a1-0000-7000-8000-000000000001".into(),
        id: message_id(),
        at: at("2026-03-01T06:30:00Z"),
        failed: vec![FailedRecipient { user: "nobody".into(), code: "unknown_user".into() }],
        own_copy: Some(position(43)),
        live: None,
    }
}

fn accepted_live() -> Accepted {
    Accepted { failed: Vec::new(), own_copy: None, live: Some(2), ..accepted() }
}

fn rejected() -> Rejected {
    Rejected {
        client_id: "0192f0a1-0000-7000-8000-000000000001".into(),
        problem: Problem {
            retry_after_ms: None,
            r#type: "docs/problems.md#unknown_user".into(),
            title: "unknown user".into(),
            status: 404,
            code: "unknown_user".into(),
            detail: "the app has no user \"nobody\"; make a user token for them first".into(),
            field: Some("to".into()),
            diagnosis: None,
        },
    }
}

fn push_target() -> PushTarget {
    PushTarget {
        kind: TargetKindName::Fcm,
        state: PushTargetState::Active,
        code: None,
        message: None,
    }
}

fn push_target_warned() -> PushTarget {
    PushTarget {
        kind: TargetKindName::Apns,
        code: Some(901),
        message: Some("upload an APNs key or certificate for com.example.reveille".into()),
        ..push_target()
    }
}

fn typing() -> Typing {
    Typing { to: None, from: Some("bob".into()), thread: "lunch".into() }
}

fn ring() -> CallRing {
    CallRing {
        call: call(),
        from: "bob".into(),
        media: Media::Video,
        caller_name: "Bob Example".into(),
        caller_handle: Some("bob@example.com".into()),
        offer: Some(raw(r#"{"sdp":"v=0"}"#)),
        expires_at: at("2026-03-01T06:30:45Z"),
    }
}

fn ringing() -> CallRinging {
    CallRinging { call: call(), from: Some("alice".into()) }
}

fn answered() -> CallAnswered {
    CallAnswered { call: call(), by: "alice".into(), answer: Some(raw(r#"{"sdp":"v=0"}"#)) }
}

fn ended() -> CallEnded {
    CallEnded { call: call(), reason: CallEndReason::AnsweredElsewhere }
}

fn resumed() -> CallResumed {
    CallResumed {
        call: call(),
        state: CallState::Answered,
        expires_at: None,
        answer: Some(raw(r#"{"sdp":"v=0"}"#)),
        sent: 4,
    }
}

fn resumed_calling() -> CallResumed {
    CallResumed {
        state: CallState::Calling,
        expires_at: Some(at("2026-03-01T06:30:45Z")),
        answer: None,
        sent: 0,
        ..resumed()
    }
}

fn signal() -> CallSignal {
    CallSignal { call: call(), sequence: Some(3), body: raw(r#"{"candidate":"host"}"#) }
}

fn error() -> Error {
    Error {
        code: "unavailable".into(),
        message: "the server is stopping; connect again".into(),
        field: None,
        retry_after_ms: Some(1_000),
        reconnect: true,
    }
}
