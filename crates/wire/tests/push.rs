//! What arrives in a phone's push handler: the `reveille` object, and FCM's flat map.

use std::collections::BTreeMap;

use wire::Media;
use wire::push::{CallPayload, Kind, Payload, VERSION};

use crate::golden::{check_complete, check_golden, pretty};

/// The golden files of each kind: the object, the flat map, and the payload they show.
fn table() -> [(&'static str, &'static str, Payload); 6] {
    [
        ("push/object/call", "push/fcm/call", call(Kind::Call)),
        ("push/object/call_ended", "push/fcm/call_ended", call(Kind::CallEnded)),
        ("push/object/message", "push/fcm/message", about(Kind::Message, Some(10))),
        ("push/object/missed", "push/fcm/missed", about(Kind::Missed, Some(1))),
        ("push/object/push", "push/fcm/push", direct()),
        ("push/object/test", "push/fcm/test", about(Kind::Test, None)),
    ]
}

#[test]
fn payloads_are_as_agreed_and_read_back() {
    for (object, flat, payload) in table() {
        let text = check_golden(object, &payload);
        let parsed: Payload = serde_json::from_str(&text).expect(object);
        assert_eq!(parsed, payload, "{object}");
        let text = check_golden(flat, &payload.to_fcm_data());
        let data: BTreeMap<String, String> = serde_json::from_str(&text).expect(flat);
        assert_eq!(Payload::from_fcm_data(&data), Some(payload), "{flat}");
    }
}

#[test]
fn every_kind_of_push_has_a_golden_file() {
    let table = table();
    for (object, flat, payload) in &table {
        // The word is the same in the object, in the flat map and in the file's name. A new kind
        // does not compile here without its word.
        let word = match payload.kind {
            Kind::Message => "message",
            Kind::Call => "call",
            Kind::CallEnded => "call_ended",
            Kind::Missed => "missed",
            Kind::Push => "push",
            Kind::Test => "test",
        };
        assert_eq!(payload.kind.as_str(), word);
        assert_eq!(pretty(&payload.kind).trim(), format!("{word:?}"));
        assert_eq!(*object, format!("push/object/{word}"));
        assert_eq!(*flat, format!("push/fcm/{word}"));
    }
    check_complete("push/object", table.iter().map(|row| row.0));
    check_complete("push/fcm", table.iter().map(|row| row.1));
}

#[test]
fn keys_that_nobody_knows_are_ignored() {
    let mut data = about(Kind::Message, Some(1)).to_fcm_data();
    data.insert("reveille_tag".into(), "t".into());
    data.insert("of_the_app".into(), "x".into());
    assert_eq!(Payload::from_fcm_data(&data), Some(about(Kind::Message, Some(1))));
    let mut object = serde_json::to_value(about(Kind::Missed, Some(1))).expect("JSON");
    object["later"] = 1.into();
    let read: Payload = serde_json::from_value(object).expect("a payload");
    assert_eq!(read, about(Kind::Missed, Some(1)));
}

#[test]
fn a_push_without_our_fields_is_somebody_elses() {
    let whole = call(Kind::Call).to_fcm_data();
    let theirs = BTreeMap::from([("kind".to_owned(), "message".to_owned())]);
    assert_eq!(Payload::from_fcm_data(&theirs), None);
    for key in whole.keys().filter(|key| *key != "reveille_call_caller_handle") {
        let mut data = whole.clone();
        data.remove(key);
        // Without its id there is no call in it; the others it cannot do without.
        let read = Payload::from_fcm_data(&data);
        let expected =
            (key == "reveille_call_id").then(|| Payload { call: None, ..call(Kind::Call) });
        assert_eq!(read, expected, "without {key}");
    }
    // A direct push has its own id instead of a wake's.
    let mut data = direct().to_fcm_data();
    assert!(!data.contains_key("reveille_wake"));
    data.remove("reveille_push");
    assert_eq!(Payload::from_fcm_data(&data), None);
    let mut data = whole;
    data.insert("reveille_kind".into(), "dance".into());
    assert_eq!(Payload::from_fcm_data(&data), None);
}

/// A direct push with everything that may be in one, as a VoIP push has it.
fn direct() -> Payload {
    Payload {
        wake: None,
        push: Some("psh_00000000000000000000000000000009".into()),
        open: Some("https://example.com/orders/7".into()),
        action: Some("OPEN_ORDER".into()),
        image: Some("https://example.com/7.jpg".into()),
        ..call(Kind::Push)
    }
}

fn about(kind: Kind, count: Option<u32>) -> Payload {
    Payload {
        v: VERSION,
        kind,
        wake: Some("wak_000000000000000000000000000000a7".into()),
        push: None,
        count,
        sent_at: "2026-03-01T06:30:00.5Z".parse().expect("a time"),
        expires_at: "2026-03-31T06:30:00Z".parse().expect("a time"),
        open: None,
        action: None,
        image: None,
        call: None,
    }
}

fn call(kind: Kind) -> Payload {
    let call = CallPayload {
        id: "0192f0a1-7b3c-7d4e-8f50-61728394a5b6".into(),
        caller_name: "Bob Example".into(),
        caller_handle: Some("bob@example.com".into()),
        media: Media::Video,
    };
    Payload { call: Some(call), ..about(kind, None) }
}
