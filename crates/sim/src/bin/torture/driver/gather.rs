//! Turns what the phones, the push services and the server have to say into evidence.

use std::collections::HashMap;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;
use sim::SeenPush;
use sim::phone::{Life, Logged, Phone, PhoneEvent, Platform};
use sim::world::World;
use wire::TargetKindName;

use super::sends::Ledger;
use super::tokens;
use crate::evidence::{
    Confirmation, ConfirmedBy, Evidence, Outcome, PhoneRecord, PushRecord, SendRecord, TakenRecord,
    TargetRecord,
};
use crate::observer::Confirmed;

/// The phones' and senders' own records.
pub(super) fn records(phones: &[Phone], ledger: &Ledger) -> Evidence {
    Evidence {
        phones: phones.iter().map(phone_record).collect(),
        sends: ledger.records(phones),
        ..Evidence::default()
    }
}

/// How many sends of phones on the screen have no answer yet. Those of a phone that sleeps wait for
/// its next session, which is nobody's promise.
pub(super) fn unanswered_on_screen(phones: &[Phone], evidence: &Evidence) -> usize {
    let on_screen = |name: &str| {
        phones.iter().any(|phone| phone.name() == name && phone.life() == Life::Foreground)
    };
    let waits = |send: &&SendRecord| {
        send.outcome == Outcome::Unanswered && send.from.as_deref().is_some_and(on_screen)
    };
    evidence.sends.iter().filter(waits).count()
}

/// Everything.
pub(super) async fn evidence(
    world: &World,
    phones: &[Phone],
    ledger: &Ledger,
    confirmed: &Confirmed,
    dead_tokens: &[(usize, Vec<String>)],
) -> Result<Evidence> {
    let mut owner: HashMap<String, String> = HashMap::new();
    for phone in phones {
        owner.extend(tokens(phone).into_iter().map(|token| (token, phone.name().to_owned())));
    }
    for (phone, dead) in dead_tokens {
        let name = phones[*phone].name();
        owner.extend(dead.iter().map(|token| (token.clone(), name.to_owned())));
    }
    let mut evidence = records(phones, ledger);
    evidence.confirmations = confirmed.all();
    evidence.confirmations.extend(phones.iter().flat_map(confirmed_by_http));
    let apple = world.apns().seen();
    let google = world.fcm().seen();
    evidence.pushes.extend(apple.iter().filter_map(|seen| apns_push(seen, &owner)));
    evidence.pushes.extend(google.iter().filter_map(|seen| fcm_push(seen, &owner)));
    evidence.pushes.sort_by_key(|push| push.made_at);
    evidence.taken.extend(apple.iter().filter_map(|seen| taken_by_apple(seen, &owner)));
    evidence.taken.extend(google.iter().filter_map(|seen| taken_by_google(seen, &owner)));
    evidence.reinstalled =
        dead_tokens.iter().map(|(phone, _)| phones[*phone].name().to_owned()).collect();
    for phone in phones {
        evidence.targets.extend(targets(world, phone).await?);
    }
    Ok(evidence)
}

fn phone_record(phone: &Phone) -> PhoneRecord {
    let events = phone.events();
    let dropped = events.iter().filter_map(|logged| match &logged.event {
        PhoneEvent::DuplicateDropped { id, offset, .. } => Some((id.clone(), *offset)),
        _ => None,
    });
    PhoneRecord {
        name: phone.name().to_owned(),
        user: phone.user().to_owned(),
        held: phone.held(),
        dropped: dropped.collect(),
        sessions: sessions(&events),
    }
}

/// From when to when the phone had a session and ran. One that still stands ends never.
fn sessions(events: &[Logged]) -> Vec<(Timestamp, Timestamp)> {
    let mut sessions: Vec<(Timestamp, Timestamp)> = Vec::new();
    for logged in events {
        match logged.event {
            PhoneEvent::Connected { .. } => sessions.push((logged.at, Timestamp::MAX)),
            PhoneEvent::Disconnected { .. }
            | PhoneEvent::LifeChanged {
                to: Life::Frozen | Life::Suspended | Life::NotRunning | Life::ForceQuit,
            } => {
                if let Some((_, until)) = sessions.last_mut() {
                    *until = logged.at.min(*until);
                }
            }
            _ => {}
        }
    }
    sessions
}

fn confirmed_by_http(phone: &Phone) -> Vec<Confirmation> {
    let confirmed = phone.events().into_iter().filter_map(|logged| match logged.event {
        PhoneEvent::Acked { offset, confirmed: true } => {
            let by = ConfirmedBy::Answer;
            Some(Confirmation { phone: phone.name().to_owned(), at: logged.at, offset, by })
        }
        _ => None,
    });
    confirmed.collect()
}

/// A wake through Apple.
fn apns_push(seen: &SeenPush, owner: &HashMap<String, String>) -> Option<PushRecord> {
    let payload: Value = serde_json::from_slice(&seen.payload).ok()?;
    if payload["reveille"]["push"].is_string() {
        return None;
    }
    let token = seen.path.rsplit('/').next()?;
    Some(PushRecord {
        phone: owner.get(token)?.clone(),
        made_at: payload["reveille"]["sent_at"].as_str()?.parse().ok()?,
        kind: format!("apns {}", seen.header("apns-push-type").unwrap_or("untyped")),
        status: seen.status.as_u16(),
    })
}

/// A wake through Google.
fn fcm_push(seen: &SeenPush, owner: &HashMap<String, String>) -> Option<PushRecord> {
    let payload: Value = serde_json::from_slice(&seen.payload).ok()?;
    let message = &payload["message"];
    if message["data"]["reveille_push"].is_string() {
        return None;
    }
    Some(PushRecord {
        phone: owner.get(message["token"].as_str()?)?.clone(),
        made_at: message["data"]["reveille_sent_at"].as_str()?.parse().ok()?,
        kind: "fcm data".to_owned(),
        status: seen.status.as_u16(),
    })
}

/// A direct push that Apple took.
fn taken_by_apple(seen: &SeenPush, owner: &HashMap<String, String>) -> Option<TakenRecord> {
    let payload: Value = serde_json::from_slice(&seen.payload).ok()?;
    let push = payload["reveille"]["push"].as_str()?.to_owned();
    let phone = owner.get(seen.path.rsplit('/').next()?)?.clone();
    let collapse_id = seen.header("apns-collapse-id").unwrap_or_default().to_owned();
    seen.status.is_success().then_some(TakenRecord { push, phone, collapse_id })
}

/// A direct push that Google took.
fn taken_by_google(seen: &SeenPush, owner: &HashMap<String, String>) -> Option<TakenRecord> {
    let payload: Value = serde_json::from_slice(&seen.payload).ok()?;
    let message = &payload["message"];
    let push = message["data"]["reveille_push"].as_str()?.to_owned();
    let phone = owner.get(message["token"].as_str()?)?.clone();
    let collapse_id = message["data"]["reveille_tag"].as_str().unwrap_or_default().to_owned();
    seen.status.is_success().then_some(TakenRecord { push, phone, collapse_id })
}

/// The targets that the phone's app has registered, against those that the server holds.
async fn targets(world: &World, phone: &Phone) -> Result<Vec<TargetRecord>> {
    let devices = world.devices_of(phone.user()).await?;
    let device = devices.into_iter().find(|device| device.id == phone.device_id());
    let held: Vec<TargetKindName> = device
        .map(|device| device.targets.into_iter().map(|target| target.kind).collect())
        .unwrap_or_default();
    let kinds: &[TargetKindName] = match phone.platform() {
        Platform::Android => &[TargetKindName::Fcm],
        Platform::Ios => &[TargetKindName::Apns, TargetKindName::ApnsVoip],
        Platform::Web => &[TargetKindName::Webpush],
    };
    let targets = kinds.iter().map(|kind| TargetRecord {
        phone: phone.name().to_owned(),
        kind: *kind,
        held: held.contains(kind),
    });
    Ok(targets.collect())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method, StatusCode};
    use serde_json::json;
    use sim::Fate;

    use super::*;

    fn payload() -> wire::push::Payload {
        serde_json::from_value(json!({
            "v": 1, "kind": "message", "wake": "wak_1", "count": 2,
            "sent_at": "2026-01-01T00:00:01Z", "expires_at": "2026-02-01T00:00:00Z",
        }))
        .unwrap()
    }

    fn seen(path: &str, payload: &Value) -> SeenPush {
        SeenPush {
            at: Timestamp::UNIX_EPOCH,
            connection: 1,
            stream: 1,
            method: Method::POST,
            authority: String::new(),
            path: path.to_owned(),
            headers: HeaderMap::from_iter([(
                http::HeaderName::from_static("apns-push-type"),
                HeaderValue::from_static("background"),
            )]),
            token: String::new(),
            payload: Bytes::from(payload.to_string()),
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: None,
            why: None,
            answer: Bytes::new(),
            id: None,
            fate: Fate::Refused,
        }
    }

    #[test]
    fn a_push_is_found_by_the_token_it_addresses_whatever_was_answered() {
        let owner = HashMap::from([("abc".to_owned(), "p01".to_owned())]);
        let apple = json!({ "aps": {}, "reveille": payload() });
        let google = json!({"message": {"token": "abc", "data": payload().to_fcm_data()}});
        let found = [
            apns_push(&seen("/3/device/abc", &apple), &owner).unwrap(),
            fcm_push(&seen("/v1/projects/p/messages:send", &google), &owner).unwrap(),
        ];
        for push in &found {
            assert_eq!((push.phone.as_str(), push.status), ("p01", 503));
            assert_eq!(push.made_at, payload().sent_at);
        }
        assert_eq!(found[0].kind, "apns background");
        assert!(apns_push(&seen("/3/device/other", &apple), &owner).is_none());
    }

    #[test]
    fn a_session_ends_when_the_app_stops_running_though_tcp_stays_up() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let log = |second, event| Logged { at: at(second), instant: Instant::now(), event };
        let connected = || PhoneEvent::Connected {
            session: String::new(),
            cursor: 0,
            head: 0,
            secret_only: false,
            woken_by: None,
        };
        let events = [
            log(1, connected()),
            log(2, PhoneEvent::LifeChanged { to: Life::Frozen }),
            log(3, PhoneEvent::Disconnected { code: None }),
            log(4, connected()),
        ];
        assert_eq!(sessions(&events), [(at(1), at(2)), (at(4), Timestamp::MAX)]);
    }
}
