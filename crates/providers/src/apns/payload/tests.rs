use domain::Diagnosis;
use proptest::prelude::*;

use super::*;

/// Fails unless the body passes, or is refused with this problem.
#[track_caller]
fn check_body(push_type: PushType, body: &str, expected: Result<(), &str>) {
    let result = check(push_type, body.as_bytes());
    let problem = result.as_ref().copied().map_err(|fault| fault.problem.as_str());
    assert_eq!(problem, expected, "{push_type:?} {body}");
    if let Err(fault) = result {
        assert_eq!((&*fault.field, fault.diagnosis), ("payload", Diagnosis::BadPayload));
        assert!(fault.remedy.ends_with('.'), "{fault}: {}", fault.remedy);
    }
}

/// A body that the push type takes.
fn good(push_type: PushType) -> &'static str {
    match push_type {
        PushType::Alert => r#"{"aps":{"alert":"x","mutable-content":1},"x":1}"#,
        PushType::Background => r#"{"x":1,"aps":{"content-available":1}}"#,
        PushType::LiveActivity => {
            r#"{"aps":{"event":"update","timestamp":1700000000,"content-state":{"x":1}}}"#
        }
        PushType::Mdm => r#"{"mdm":"6F0A5D3E-0000-0000-0000-000000000000"}"#,
        PushType::Controls | PushType::Widgets => r#"{"aps":{"content-changed":true}}"#,
        PushType::Complication
        | PushType::FileProvider
        | PushType::Location
        | PushType::PushToTalk
        | PushType::Voip => r#"{"x":1}"#,
    }
}

#[test]
fn every_type_takes_its_own_payload_up_to_its_limit() {
    for push_type in PushType::ALL {
        let (body, most) = (good(push_type), push_type.largest_payload_bytes());
        check_body(push_type, body, Ok(()));
        // Spaces are bytes too.
        let longest = format!("{body:most$}");
        check_body(push_type, &longest, Ok(()));
        let problem =
            format!("{} bytes, at most {most} for {} pushes", most + 1, push_type.as_str());
        check_body(push_type, &(longest + " "), Err(&problem));
        check_body(push_type, "", Err("empty"));
    }
}

#[test]
fn every_type_wants_an_object_with_an_object_in_it() {
    for push_type in PushType::ALL {
        for body in ["[1]", "[]", r#"[{"alert":"x"}]"#, "hello", "null", " 1"] {
            check_body(push_type, body, Err("not a JSON object"));
        }
        for body in [r#"{"aps":1}"#, r#"{"aps":[]}"#, r#"{"aps":{}"#, "{", r#"{"aps":{},"aps":{}}"#]
        {
            let fault = check(push_type, body.as_bytes()).expect_err(body);
            assert_eq!(fault.remedy, NO_OBJECT, "{push_type:?} {body}");
        }
    }
}

#[test]
fn what_nobody_looks_into_is_utf_8_too() {
    let body = b"{\"own\":\"\xaf\",\"aps\":{\"alert\":\"x\"}}";
    let fault = check(PushType::Alert, body).expect_err("a broken text");
    assert_eq!((&*fault.field, &*fault.problem), ("payload", "not UTF-8"));
}

#[test]
fn an_alert_shows_something() {
    for body in [
        r#"{"aps":{"alert":{"body":"x"}}}"#,
        r#"{"aps":{"sound":"default"}}"#,
        r#"{"aps":{"badge":0}}"#,
    ] {
        check_body(PushType::Alert, body, Ok(()));
    }
    for body in
        ["{}", r#"{"aps":null}"#, r#"{"aps":{"content-available":1}}"#, r#"{"aps":{"alert":null}}"#]
    {
        check_body(PushType::Alert, body, Err("aps has no alert, sound or badge"));
    }
}

#[test]
fn a_background_push_shows_nothing() {
    for body in [
        "{}",
        r#"{"aps":{}}"#,
        r#"{"aps":{"content-available":0}}"#,
        r#"{"aps":{"content-available":true}}"#,
        r#"{"aps":{"content-available":"1"}}"#,
        r#"{"aps":{"content-available":1,"sound":"x"}}"#,
        r#"{"aps":{"content-available":1,"x":"y"}}"#,
    ] {
        check_body(PushType::Background, body, Err("aps is not just content-available: 1"));
    }
}

#[test]
fn a_live_activity_says_what_when_and_how() {
    let check = |aps: &str, expected| {
        check_body(PushType::LiveActivity, &format!("{{\"aps\":{{{aps}}}}}"), expected);
    };
    check(r#""event":"start","timestamp":1,"content-state":{},"attributes-type":"X""#, Ok(()));
    check(r#""event":"end","timestamp":0,"dismissal-date":9"#, Ok(()));
    check(r#""event":"end","timestamp":0,"content-state":{}"#, Ok(()));
    let event = Err("aps.event is not start, update or end");
    check(r#""timestamp":1,"content-state":{}"#, event);
    check(r#""event":"stop","timestamp":1,"content-state":{}"#, event);
    check(r#""event":1,"timestamp":1,"content-state":{}"#, event);
    let timestamp = Err("aps.timestamp is not a number of seconds");
    check(r#""event":"update","content-state":{}"#, timestamp);
    check(r#""event":"update","timestamp":"1","content-state":{}"#, timestamp);
    check(r#""event":"update","timestamp":-1,"content-state":{}"#, timestamp);
    check(r#""event":"update","timestamp":1.5,"content-state":{}"#, timestamp);
    let state = Err("aps.content-state is not an object");
    check(r#""event":"update","timestamp":1"#, state);
    check(r#""event":"start","timestamp":1"#, state);
    check(r#""event":"end","timestamp":1,"content-state":1"#, state);
    let no_aps = r#"{"event":"update","timestamp":1,"content-state":{}}"#;
    check_body(PushType::LiveActivity, no_aps, event);
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), object: bool) {
        let mut bytes = if object { b"{\"aps\":{\"alert\":".to_vec() } else { Vec::new() };
        bytes.extend(body);
        for push_type in PushType::ALL {
            let _ = check(push_type, &bytes);
        }
    }
}
