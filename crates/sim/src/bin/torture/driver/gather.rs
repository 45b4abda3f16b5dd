//! Turns what the phones, the push services and the server have to say into evidence.

use std::collections::HashMap;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;
use sim::SeenPush;
use sim::phone::{Life, Logged, Network, Phone, PhoneEvent, Platform};
use sim::world::World;
use wire::TargetKindName;
use wire::push::Kind;

use super::sends::Ledger;
use super::stage::tokens;
use crate::evidence::{
    About, CallNews, CallSeen, Confirmation, ConfirmedBy, Dropped, Evidence, Outcome, PhoneRecord,
    PushRecord, SendRecord, Service, TargetRecord,
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
    let on_screen: HashMap<&str, bool> =
        phones.iter().map(|phone| (phone.name(), phone.life() == Life::Foreground)).collect();
    let waits = |send: &&SendRecord| {
        send.outcome == Outcome::Unanswered
            && send.from.as_deref().is_some_and(|name| on_screen.get(name) == Some(&true))
    };
    evidence.sends.iter().filter(waits).count()
}

/// Everything that phones, push services and the API have to say.
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
    evidence.pushes.extend(phones.iter().flat_map(web_pushes));
    evidence.pushes.sort_by_key(|push| push.made_at);
    evidence.reinstalled =
        dead_tokens.iter().map(|(phone, _)| phones[*phone].name().to_owned()).collect();
    for phone in phones {
        evidence.targets.extend(targets(world, phone).await?);
    }
    Ok(evidence)
}

fn phone_record(phone: &Phone) -> PhoneRecord {
    let events = phone.events();
    let mut record = PhoneRecord {
        name: phone.name().to_owned(),
        user: phone.user().to_owned(),
        browser: phone.platform() == Platform::Web,
        held: phone.held(),
        sessions: sessions(&events),
        ..PhoneRecord::default()
    };
    for Logged { at, event, .. } in events {
        let (call, what) = match event {
            PhoneEvent::DuplicateDropped { id, epoch, offset, .. } => {
                record.dropped.push(Dropped { id, epoch, offset });
                continue;
            }
            PhoneEvent::LifeChanged { to: Life::NotRunning | Life::ForceQuit } => {
                record.deaths.push(at);
                continue;
            }
            PhoneEvent::MessageReceived { missed_call: Some(call), .. } => {
                record.missed.push(call);
                continue;
            }
            PhoneEvent::CallScreen { call, .. } => (call, CallNews::Screen),
            PhoneEvent::CallRinging { call, .. } => (call, CallNews::Ringing),
            PhoneEvent::CallAnswered { call, .. } => (call, CallNews::Answered),
            PhoneEvent::CallEnded { call, reason, .. } => (call, CallNews::Ended(reason)),
            _ => continue,
        };
        record.calls.push(CallSeen { at, call, what });
    }
    record
}

/// From when to when the phone had a session, ran, and had a network. One that still stands ends
/// never.
fn sessions(events: &[Logged]) -> Vec<(Timestamp, Timestamp)> {
    let mut sessions: Vec<(Timestamp, Timestamp)> = Vec::new();
    for logged in events {
        match logged.event {
            PhoneEvent::Connected { .. } => sessions.push((logged.at, Timestamp::MAX)),
            PhoneEvent::Disconnected { .. }
            | PhoneEvent::NetworkChanged { to: Network::Off | Network::Stalled }
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
        PhoneEvent::Acked { offset, confirmed: true } => Some(Confirmation {
            phone: phone.name().to_owned(),
            at: logged.at,
            offset,
            epoch: None,
            by: ConfirmedBy::Answer,
        }),
        _ => None,
    });
    confirmed.collect()
}

/// What a push says it is about.
fn about(kind: &str, wake: &Value, push: &Value, call: &Value) -> Option<About> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match kind {
        "message" | "missed" => Some(About::Messages(text(wake)?)),
        "call" => Some(About::Call(text(call)?)),
        "call_ended" => Some(About::CallEnded(text(call)?)),
        "push" => Some(About::Direct(text(push)?)),
        _ => None,
    }
}

fn apns_push(seen: &SeenPush, owner: &HashMap<String, String>) -> Option<PushRecord> {
    let payload: Value = serde_json::from_slice(&seen.payload).ok()?;
    let ours = &payload["reveille"];
    let header = |name| seen.header(name).map(str::to_owned);
    let expires = header("apns-expiration").and_then(|text| text.parse().ok());
    Some(PushRecord {
        phone: owner.get(seen.path.rsplit('/').next()?)?.clone(),
        service: Service::Apple,
        made_at: ours["sent_at"].as_str()?.parse().ok()?,
        seen_at: seen.at,
        sort: seen.header("apns-push-type").unwrap_or("untyped").to_owned(),
        taken: seen.status.is_success(),
        status: seen.status.as_u16(),
        id: header("apns-id"),
        collapse_id: header("apns-collapse-id"),
        expires_at: expires.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        about: about(ours["kind"].as_str()?, &ours["wake"], &ours["push"], &ours["call"]["id"])?,
    })
}

fn fcm_push(seen: &SeenPush, owner: &HashMap<String, String>) -> Option<PushRecord> {
    let payload: Value = serde_json::from_slice(&seen.payload).ok()?;
    let (message, data) = (&payload["message"], &payload["message"]["data"]);
    Some(PushRecord {
        phone: owner.get(message["token"].as_str()?)?.clone(),
        service: Service::Google,
        made_at: data["reveille_sent_at"].as_str()?.parse().ok()?,
        seen_at: seen.at,
        sort: "data".to_owned(),
        taken: seen.status.is_success(),
        status: seen.status.as_u16(),
        id: None,
        collapse_id: data["reveille_tag"].as_str().map(str::to_owned),
        expires_at: None,
        about: about(
            data["reveille_kind"].as_str()?,
            &data["reveille_wake"],
            &data["reveille_push"],
            &data["reveille_call_id"],
        )?,
    })
}

/// What browsers get is encrypted, so it is taken from those that it reached.
fn web_pushes(phone: &Phone) -> Vec<PushRecord> {
    if phone.platform() != Platform::Web {
        return Vec::new();
    }
    let arrived = phone.events().into_iter().filter_map(|logged| match logged.event {
        PhoneEvent::PushArrived { kind, wake, push, collapse_id, sent_at, .. } => {
            Some(PushRecord {
                phone: phone.name().to_owned(),
                service: Service::Browsers,
                made_at: sent_at?,
                seen_at: logged.at,
                sort: "encrypted".to_owned(),
                taken: true,
                status: 201,
                id: None,
                collapse_id,
                expires_at: None,
                about: match kind? {
                    Kind::Message | Kind::Missed => About::Messages(wake?),
                    Kind::Push => About::Direct(push?),
                    // Which call it is stands in the encrypted part alone.
                    Kind::Call | Kind::CallEnded | Kind::Test => return None,
                },
            })
        }
        _ => None,
    });
    arrived.collect()
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
        assert_eq!(found[0].sort, "background");
        assert_eq!(found[0].about, About::Messages("wak_1".to_owned()));
        assert_eq!(found[1].about, found[0].about);
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
