//! The payload of a push, from "Generating a remote notification", "Pushing background updates to
//! your App" and "Starting and updating Live Activities with ActivityKit push notifications".
//!
//! Apple says that a push type which does not fit the payload "may cause an error, delay or dropping"; here it is
//! always an error, `InvalidPushType`, so that a faulty client is seen. That a key of `aps` has
//! another type than the documented one is not said to be an error at all, and the device drops it
//! silently; see [`Undocumented`].

mod aps;
mod shape;

use super::{Reason, Undocumented, push_type::Row, reason::Refusal};
use crate::device::PushType;

use aps::Payload;

const MAX_BYTES: usize = 4096;
const MAX_VOIP_BYTES: usize = 5120;
/// Of a broadcast.
const MAX_BROADCAST_BYTES: usize = 5120;

/// Checks a payload; `row` is the push type named by header or topic.
pub(super) fn check(
    body: &[u8],
    row: Option<&Row>,
    undocumented: Undocumented,
) -> Result<(), Refusal> {
    let push_type = row.map(|row| row.push_type);
    let voip = push_type == Some(PushType::Voip);
    let limit = if voip { MAX_VOIP_BYTES } else { MAX_BYTES };
    let Payload { aps, mdm } = read(body, limit, undocumented)?;
    let strict = !undocumented.accepts();
    let (fits, why) = match push_type {
        Some(PushType::Alert) => {
            (aps.is_visible(), "an alert has `alert`, `badge` or `sound` in `aps`")
        }
        Some(PushType::Background) => (
            aps.wakes && aps.keys == 1,
            "a background push has `content-available`: 1 in `aps`, and nothing else",
        ),
        Some(PushType::LiveActivity) => (
            !strict || aps.is_live_activity(),
            "a Live Activity has `timestamp` and `event` in `aps`, and what the event needs",
        ),
        // "Device management: sending push notifications": the key holds the push magic.
        Some(PushType::Mdm) => (mdm, "device management has the text `mdm`"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(Reason::InvalidPushType.because(why)) }
}

/// Checks the payload of a broadcast: an update or the end of a Live Activity, as nothing is
/// subscribed to a channel before it has started.
pub(super) fn check_broadcast(body: &[u8], undocumented: Undocumented) -> Result<(), Refusal> {
    let aps = read(body, MAX_BROADCAST_BYTES, undocumented)?.aps;
    let fits = undocumented.accepts() || aps.is_live_activity() && !aps.starts();
    let why = "a broadcast is the update or the end of a Live Activity";
    if fits { Ok(()) } else { Err(Reason::InvalidPushType.because(why)) }
}

/// What any payload has to be.
fn read(body: &[u8], limit: usize, undocumented: Undocumented) -> Result<Payload, Refusal> {
    if body.is_empty() {
        return Err(Reason::PayloadEmpty.into());
    }
    if body.len() > limit {
        return Err(Reason::PayloadTooLarge.into());
    }
    let payload: Payload = serde_json::from_slice(body).map_err(|_| Reason::BadRequestPayload)?;
    if !undocumented.accepts() && payload.aps.wrongly_typed {
        let why = "a key of `aps` has another type than Apple documents";
        return Err(Reason::BadRequestPayload.because(why));
    }
    Ok(payload)
}

/// What a push without push type and suffix is taken for.
pub(super) fn infer_type(body: &[u8]) -> PushType {
    let payload: Payload = serde_json::from_slice(body).unwrap_or_default();
    if payload.mdm {
        PushType::Mdm
    } else if payload.aps.is_visible() {
        PushType::Alert
    } else {
        PushType::Background
    }
}

#[cfg(test)]
mod tests {
    use super::{super::push_type, *};

    fn check(name: &str, undocumented: Undocumented, body: &str) -> Result<(), Reason> {
        let checked = super::check(body.as_bytes(), push_type::named(name), undocumented);
        checked.map_err(|refusal| refusal.reason)
    }

    #[test]
    fn what_a_payload_may_say() {
        let invalid = Err(Reason::InvalidPushType);
        let malformed = Err(Reason::BadRequestPayload);
        for (name, body, expected) in [
            ("alert", r#"{"aps":{"alert":"x"},"own":[1]}"#, Ok(())),
            ("alert", r#"{"aps":{"alert":{"title":"x"},"mutable-content":1}}"#, Ok(())),
            ("alert", r#"{"aps":{"badge":0}}"#, Ok(())),
            ("alert", r#"{"aps":{"sound":{"critical":1,"name":"x","volume":1}}}"#, Ok(())),
            ("alert", r#"{"aps":{"alert":null}}"#, invalid),
            ("alert", r#"{"aps":{"content-available":1}}"#, invalid),
            ("alert", r#"{"alert":"beside aps"}"#, invalid),
            ("alert", r#"[{"alert":"x"}]"#, malformed),
            ("alert", r#"{"aps":[]}"#, malformed),
            ("alert", r#"{"aps":{"alert":"x"}} "#, Ok(())),
            ("alert", r#"{"aps":{"alert":"x"}}x"#, malformed),
            ("background", r#"{"aps":{"content-available":1},"own":1}"#, Ok(())),
            ("background", r#"{"aps":{"content-available":1,"sound":""}}"#, invalid),
            ("background", r#"{"aps":{"content-available":1,"thread-id":"x"}}"#, invalid),
            ("background", r#"{"aps":{"content-available":1,"own":1}}"#, invalid),
            ("background", r#"{"aps":{"content-available":0}}"#, invalid),
            ("background", r#"{"aps":{}}"#, invalid),
            ("mdm", r#"{"mdm":"magic"}"#, Ok(())),
            ("mdm", r#"{"aps":{}}"#, invalid),
            ("voip", r#"{"own":1}"#, Ok(())),
            ("location", r#"{"aps":{}}"#, Ok(())),
        ] {
            assert_eq!(check(name, Undocumented::Refuse, body), expected, "{name} {body}");
        }
    }

    #[test]
    fn the_keys_of_aps_have_types() {
        for bad in [
            r#""alert":1"#,
            r#""alert":["x"]"#,
            r#""badge":"1""#,
            r#""sound":1"#,
            r#""thread-id":1"#,
            r#""category":{}"#,
            r#""target-content-id":1"#,
            r#""filter-criteria":1"#,
            r#""content-available":true"#,
            r#""content-available":2"#,
            r#""mutable-content":"1""#,
            r#""interruption-level":"loud""#,
            r#""relevance-score":1.5"#,
            r#""timestamp":"1""#,
            r#""event":"pause""#,
            r#""content-state":"x""#,
            r#""attributes":"x""#,
            r#""attributes-type":1"#,
            r#""stale-date":"x""#,
            r#""dismissal-date":"x""#,
        ] {
            let body = format!(r#"{{"aps":{{{bad}}}}}"#);
            let found = check("location", Undocumented::Refuse, &body);
            assert_eq!(found, Err(Reason::BadRequestPayload), "{body}");
            assert_eq!(check("location", Undocumented::Accept, &body), Ok(()), "{body}");
        }
        let good = r#"{"aps":{"interruption-level":"time-sensitive","relevance-score":0.5}}"#;
        assert_eq!(check("location", Undocumented::Refuse, good), Ok(()));
        let high = r#"{"aps":{"event":"end","timestamp":1,"relevance-score":75}}"#;
        assert_eq!(check("liveactivity", Undocumented::Refuse, high), Ok(()), "any double");
    }

    #[test]
    fn a_live_activity_is_started_updated_and_ended() {
        let invalid = Err(Reason::InvalidPushType);
        for (aps, expected) in [
            (r#""timestamp":1,"event":"update","content-state":{}"#, Ok(())),
            (r#""timestamp":1,"event":"update""#, invalid),
            (r#""timestamp":1,"event":"end""#, Ok(())),
            (r#""event":"end""#, invalid),
            (r#""timestamp":1"#, invalid),
            (
                r#""timestamp":1,"event":"start","content-state":{},"attributes-type":"A","attributes":{},"alert":{}"#,
                Ok(()),
            ),
            (
                r#""timestamp":1,"event":"start","content-state":{},"attributes-type":"A","attributes":{}"#,
                invalid,
            ),
            (r#""timestamp":1,"event":"start","content-state":{},"alert":{}"#, invalid),
        ] {
            let body = format!(r#"{{"aps":{{{aps}}}}}"#);
            assert_eq!(check("liveactivity", Undocumented::Refuse, &body), expected, "{body}");
            assert_eq!(check("liveactivity", Undocumented::Accept, &body), Ok(()), "{body}");
        }
    }
}
