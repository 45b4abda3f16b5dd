//! Every frame a client sends.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use wire::push::Content;
use wire::{
    Ack, AppState, CallAnswer, CallCancel, CallEnd, CallReject, CallRinging, CallSignal, CallStart,
    ClientFrame, Connect, DeviceInfo, EnvironmentName, HeldCall, HeldPosition, Media, NoPush,
    PlatformName, Position, Purpose, PushChoice, PushToken, Read, Refresh, RejectReason, Send,
    State, TargetKindName, Typing, UrgencyName, WokenBy,
};

use crate::golden::{check_complete, check_golden, pretty};

/// Every golden file of this direction and the frame that it shows.
fn table() -> Vec<(&'static str, ClientFrame)> {
    vec![
        ("frames/client/ack", Ack { position: held() }.into()),
        ("frames/client/call.answer", call_answer().into()),
        ("frames/client/call.cancel", CallCancel { call: call() }.into()),
        ("frames/client/call.end", CallEnd { call: call() }.into()),
        (
            "frames/client/call.reject",
            CallReject { call: call(), reason: RejectReason::Busy }.into(),
        ),
        ("frames/client/call.ringing", CallRinging { call: call(), from: None }.into()),
        ("frames/client/call.signal", call_signal().into()),
        ("frames/client/call.start", call_start().into()),
        ("frames/client/connect", connect().into()),
        ("frames/client/connect_first", connect_first().into()),
        ("frames/client/connect_secret_alone", connect_secret_alone().into()),
        ("frames/client/push_token", push_token(Some("0f1e2d3c4b5a69788796a5b4c3d2e1f0")).into()),
        ("frames/client/push_token_removed", push_token(None).into()),
        ("frames/client/read", read().into()),
        ("frames/client/refresh", Refresh { token: "rvl_user_EXAMPLE".into() }.into()),
        ("frames/client/send", send(None).into()),
        ("frames/client/send_silent", send(Some(PushChoice::None(NoPush::None))).into()),
        ("frames/client/send_with_texts", send(Some(PushChoice::Content(content()))).into()),
        ("frames/client/state", State { state: AppState::Background }.into()),
        ("frames/client/typing", typing().into()),
    ]
}

#[test]
fn frames_of_clients_are_as_agreed_and_read_back() {
    for (name, frame) in table() {
        let text = check_golden(name, &frame);
        let parsed = ClientFrame::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(pretty(&parsed), text, "{name} is read as something else");
        assert_eq!(parsed.kind(), frame.kind(), "{name}");
        // What goes over the wire is the file without its white space.
        let sent: serde_json::Value = serde_json::from_str(&frame.to_text()).expect("JSON");
        assert_eq!(sent, serde_json::from_str::<serde_json::Value>(&text).expect("JSON"));
    }
}

#[test]
fn every_frame_of_clients_has_a_golden_file() {
    let table = table();
    let shown: BTreeSet<&str> = table.iter().map(|(_, frame)| frame.kind()).collect();
    let all: BTreeSet<&str> = ClientFrame::TYPES.iter().copied().collect();
    assert_eq!(shown, all);
    check_complete("frames/client", table.iter().map(|(name, _)| *name));
}

#[test]
fn what_a_client_leaves_out_has_its_default() {
    let text = r#"{"type": "connect", "device": {"id": "d", "platform": "web"}}"#;
    let Ok(ClientFrame::Connect(connect)) = ClientFrame::parse(text) else { panic!("{text}") };
    assert_eq!((connect.state, connect.purpose), (AppState::Foreground, Purpose::App));
    let text = r#"{"type": "send", "id": "i", "to": ["bob"], "body": null, "push": null}"#;
    let Ok(ClientFrame::Send(send)) = ClientFrame::parse(text) else { panic!("{text}") };
    assert_eq!((send.urgency, send.push, send.ttl), (UrgencyName::Normal, None, None));
    let text = r#"{"type": "call.reject", "call": "c"}"#;
    let Ok(ClientFrame::CallReject(reject)) = ClientFrame::parse(text) else { panic!("{text}") };
    assert_eq!(reject.reason, RejectReason::Declined);
    let text = r#"{"type": "call.start", "call": "c", "to": "bob", "caller_name": "Alice"}"#;
    let Ok(ClientFrame::CallStart(start)) = ClientFrame::parse(text) else { panic!("{text}") };
    assert_eq!(start.media, Media::Audio);
}

fn held() -> HeldPosition {
    HeldPosition {
        epoch: "4611686018427387904".into(),
        offset: 42,
        entry: Some("ent_0000000000000000000000000000002a".into()),
    }
}

fn call() -> String {
    "0192f0a1-7b3c-7d4e-8f50-61728394a5b6".into()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("JSON")
}

fn device(platform: PlatformName) -> DeviceInfo {
    DeviceInfo {
        id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff".into(),
        platform,
        app_version: None,
        locale: None,
        time_zone: None,
    }
}

fn connect_first() -> Connect {
    Connect {
        token: Some("rvl_user_EXAMPLE".into()),
        device: device(PlatformName::Ios),
        device_secret: None,
        position: None,
        state: AppState::Foreground,
        purpose: Purpose::App,
        woken_by: None,
        calls: Vec::new(),
    }
}

fn connect() -> Connect {
    Connect {
        device: DeviceInfo {
            app_version: Some("3.14.1".into()),
            locale: Some("de-AT".into()),
            time_zone: Some("Europe/Vienna".into()),
            ..device(PlatformName::Android)
        },
        device_secret: Some("rvl_device_EXAMPLE".into()),
        position: Some(held()),
        state: AppState::Background,
        woken_by: Some(WokenBy {
            wake: "wak_000000000000000000000000000000a7".into(),
            received_at: Some("2026-03-01T06:30:01.25Z".parse().expect("a time")),
            priority: Some("normal".into()),
            original_priority: Some("high".into()),
        }),
        calls: vec![HeldCall { call: call(), sequence: 17 }],
        ..connect_first()
    }
}

fn connect_secret_alone() -> Connect {
    Connect {
        token: None,
        device_secret: Some("rvl_device_EXAMPLE".into()),
        purpose: Purpose::Fetch,
        ..connect_first()
    }
}

fn send(push: Option<PushChoice>) -> Send {
    Send {
        id: "0192f0a1-0000-7000-8000-000000000001".into(),
        to: vec!["bob".into(), "carol".into()],
        thread: Some("lunch".into()),
        body: raw(r#"{"text":"Noon?"}"#),
        ttl: Some(86_400),
        urgency: UrgencyName::High,
        push,
    }
}

fn content() -> Content {
    Content {
        title: Some("Alice".into()),
        body: Some("Noon?".into()),
        sound: Some("default".into()),
        ..Content::default()
    }
}

fn read() -> Read {
    let up_to = Position { epoch: "4611686018427387904".into(), offset: 42 };
    Read { thread: Some("lunch".into()), up_to: Some(up_to), messages: Vec::new() }
}

fn push_token(token: Option<&str>) -> PushToken {
    PushToken {
        kind: TargetKindName::ApnsVoip,
        token: token.map(str::to_owned),
        environment: token.map(|_| EnvironmentName::Sandbox),
        app_id: token.map(|_| "com.example.reveille".to_owned()),
    }
}

fn typing() -> Typing {
    Typing { to: Some("bob".into()), from: None, thread: "lunch".into() }
}

fn call_start() -> CallStart {
    CallStart {
        call: call(),
        to: "bob".into(),
        media: Media::Video,
        caller_name: "Alice Example".into(),
        caller_handle: Some("alice@example.com".into()),
        offer: Some(raw(r#"{"sdp":"v=0"}"#)),
    }
}

fn call_answer() -> CallAnswer {
    CallAnswer { call: call(), answer: Some(raw(r#"{"sdp":"v=0"}"#)) }
}

fn call_signal() -> CallSignal {
    CallSignal { call: call(), sequence: None, body: raw(r#"{"candidate":"host"}"#) }
}
