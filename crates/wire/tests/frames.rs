//! What is no frame, and what a frame may hold beyond what we know.

use std::collections::BTreeSet;

use wire::{ClientFrame, CloseCode, FrameError, ServerFrame};

#[test]
fn unknown_fields_of_frames_are_ignored() {
    // An app in a store meets a newer server, and the other way round.
    let text = r#"{"color": "red", "type": "state", "state": "background", "since": [1, {}]}"#;
    let frame = ClientFrame::parse(text).expect("a frame");
    assert_eq!(frame.to_text(), r#"{"type":"state","state":"background"}"#);
    let nested = r#"{"type": "connect", "device": {"id": "d", "platform": "ios", "model": "x"}}"#;
    assert!(ClientFrame::parse(nested).is_ok());
    let text = r#"{"type": "gap", "up_to": {"epoch": "1", "offset": 2, "node": 3}, "why": "old"}"#;
    let frame = ServerFrame::parse(text).expect("a frame");
    assert_eq!(frame.to_text(), r#"{"type":"gap","up_to":{"epoch":"1","offset":2}}"#);
}

#[test]
fn what_is_no_frame_is_said_in_words() {
    let table = [
        ("", "not a JSON object with a string field `type`"),
        ("hello", "send one JSON object per text frame"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "missing field `type`"),
        (r#"{"type": 7}"#, "invalid type: integer `7`, expected a string"),
        (r#"{"type": "ack""#, "EOF"),
        (r#"{"type": "dance"}"#, "`type` is \"dance\", which this server does not know"),
        (r#"{"type": "ACK"}"#, "see the list of frames in docs/protocol.md"),
        (r#"{"type": "connected"}"#, "does not know"),
        (r#"{"type": "ack"}"#, "the frame `ack` is malformed: missing field `position`"),
        (r#"{"type": "ack", "position": 7}"#, "the frame `ack` is malformed: invalid type"),
        (
            r#"{"type": "ack", "position": {"epoch": 7, "offset": 1}}"#,
            "integer `7`, expected a string",
        ),
        (r#"{"type": "state", "state": "asleep"}"#, "expected `foreground` or `background`"),
        (r#"{"type": "send", "id": "i", "to": "bob", "body": 1}"#, "expected a sequence"),
        (r#"{"type": "send", "id": "i", "to": []}"#, "missing field `body`"),
        (r#"{"type": "send", "id": "i", "to": [], "body": 1, "ttl": -1}"#, "invalid value"),
        (
            r#"{"type": "push_token", "kind": "hms"}"#,
            "expected one of `apns`, `apns_voip`, `fcm`, `webpush`",
        ),
    ];
    for (text, says) in table {
        let error = ClientFrame::parse(text).expect_err(text).to_string();
        assert!(error.contains(says), "{text}: {error:?} does not say {says:?}");
    }
}

/// The text goes back to the client, and need not be as long as what it sent.
#[test]
fn what_is_wrong_is_said_in_few_words() {
    let long = "ä".repeat(20_000);
    for (text, ends) in [
        (format!("\"{long}\""), "one JSON object per text frame"),
        (format!(r#"{{"type": "{long}"}}"#), "docs/protocol.md"),
        (format!(r#"{{"type": "state", "state": "{long}"}}"#), "at line 1 column 4"),
    ] {
        let error = ClientFrame::parse(&text).expect_err("no frame").to_string();
        assert!(error.len() < 1_000, "{} bytes", error.len());
        assert!(error.contains(" … ") && error.contains(ends), "{error}");
    }
    for (text, most, expected) in [
        ("", 4, ""),
        ("äöüß", 4, "äöüß"),
        ("äöü-ß", 4, "äö … -ß"),
        ("äöü-ß", 5, "äöü-ß"),
        ("äöü-ß.", 5, "äö … ß."),
        ("abc", 2, "a … c"),
    ] {
        assert_eq!(wire::shortened(text, most), expected, "{text} {most}");
    }
}

#[test]
fn errors_are_told_apart_by_what_they_are() {
    let error = ClientFrame::parse("7").expect_err("no object");
    assert!(matches!(error, FrameError::NoType(_)), "{error:?}");
    let error = ClientFrame::parse(r#"{"type": "dance"}"#).expect_err("no such frame");
    assert_eq!(error, FrameError::UnknownType("dance".into()));
    let error = ClientFrame::parse(r#"{"type": "call.end"}"#).expect_err("no call");
    assert!(matches!(error, FrameError::Malformed { kind: "call.end", .. }), "{error:?}");
    let error = ServerFrame::parse(r#"{"type": "ack"}"#).expect_err("the other direction");
    assert_eq!(error, FrameError::UnknownType("ack".into()));
}

#[test]
fn what_a_type_is_shown_as_is_short_whatever_is_in_it() {
    for letter in ["a", "\u{85}", "\u{10ffff}", "\\", "\u{1f469}"] {
        let frame = serde_json::json!({ "type": letter.repeat(400) }).to_string();
        let error = ClientFrame::parse(&frame).expect_err("no such frame").to_string();
        assert!(error.chars().count() <= 400, "{error}");
    }
}

#[test]
fn close_codes_are_distinct_and_in_the_ranges_that_are_free_to_use() {
    let numbers: BTreeSet<u16> = CloseCode::ALL.into_iter().map(CloseCode::number).collect();
    assert_eq!(numbers.len(), CloseCode::ALL.len());
    // RFC 6455, 7.4: 1001 is "going away"; 4000 to 4999 are private.
    assert!(numbers.iter().all(|number| *number == 1001 || (4000..5000).contains(number)));
    let no_use: Vec<u16> = CloseCode::ALL
        .into_iter()
        .filter(|code| !code.reconnect())
        .map(CloseCode::number)
        .collect();
    assert_eq!(no_use, [4400, 4401, 4403, 4409, 4413]);
}
