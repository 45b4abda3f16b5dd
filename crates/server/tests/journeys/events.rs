//! Every kind of event from what causes it, held to what `docs/webhooks.md` shows of it and to golden
//! files of what a back end gets.

mod goldens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::EventType;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sim::WebhookSink;
use sim::phone::{Phone, PhoneEvent, Platform};
use sim::pki::{ApnsCertificate, Ca};
use sim::trouble::Scripted;
use sim::world::{APP, Tuning, World, WorldOptions};
use tokio::process::Command;
use wire::TargetKindName;
use wire::http::{CredentialKind, CredentialUpload, Event, Page, Settings};

use super::{PATIENCE, SERVER, pushes, sender, woken};

/// Fields that only an answer which never came has.
const RARE: [(&str, &str); 1] = [("push.failed", "seen")];

async fn world_that_keeps_all() -> World {
    let tuning = Tuning { probe: Some(Duration::from_millis(300)), ..Tuning::default() };
    let options = WorldOptions { back_end: true, tuning, ..WorldOptions::new(SERVER) };
    let world = World::start(options).await.expect("the world starts");
    let all = ["message.offline", "push.sent", "user.connected", "user.disconnected"];
    let settings = Settings {
        climb_after: Some(1),
        repeat_after: Some(vec![1]),
        kept_events: Some(all.map(str::to_owned).to_vec()),
        offline_event_body: Some(true),
        ..Settings::default()
    };
    world.set(&settings).await.expect("set");
    world
}

/// The fields of each kind in the page.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/webhooks.md");
    let page = std::fs::read_to_string(page).expect("docs/webhooks.md");
    let (_, events) = page.split_once("\n## Events\n").expect("the section");
    let kinds = events.split("\n### `").skip(1).map(|part| {
        let (kind, rest) = part.split_once('`').expect("a kind");
        let example = rest.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
        let example: Value =
            serde_json::from_str(example.expect("an example")).unwrap_or_else(|error| {
                panic!("{kind}: {error}");
            });
        (kind.to_owned(), fields(&example))
    });
    kinds.collect()
}

fn fields(data: &Value) -> BTreeSet<String> {
    data.as_object().expect("an object").keys().cloned().collect()
}

async fn events(world: &World) -> Vec<Event> {
    let page: Page<Event> =
        world.call(Method::GET, "/v1/events?limit=1000", None).await.expect("read");
    page.items
}

/// Waits for an event of a kind that fits.
async fn until(world: &World, kind: &str, fits: impl Fn(&Value) -> bool) -> Event {
    let mut after = 0;
    let waiting = async {
        loop {
            let path = format!("/v1/events?after={after}&wait=5");
            let page: Page<Event> = world.call(Method::GET, &path, None).await.expect("read");
            for event in page.items {
                after = event.number;
                if event.r#type == kind && fits(&event.data) {
                    return event;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no {kind} that fits"))
}

async fn asleep(world: &World, user: &str, platform: Platform) -> Phone {
    let phone = world.phone(user, platform, &format!("{user}'s phone")).await;
    let phone = phone.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    until(world, "user.disconnected", |data| data["user"] == user).await;
    phone
}

#[tokio::test]
async fn every_event_is_as_the_page_shows_it() {
    let world = world_that_keeps_all().await;
    let webhook = webhook(&world).await;
    let bob = sender(&world).await;
    let alice = asleep(&world, "alice", Platform::Ios).await;
    until(&world, "user.connected", |data| data["user"] == "alice").await;

    // A message wakes her.
    let mark = alice.mark();
    bob.send("alice", "Noon?").await.expect("accepted");
    alice.wait_since(mark, woken, PATIENCE).await.expect("woken");
    let offline = until(&world, "message.offline", |data| data["user"] == "alice").await;
    assert_eq!((&offline.data["from"], offline.sequence), (&json!("bob"), None));
    until(&world, "device.woken", |data| data["user"] == "alice").await;
    until(&world, "push.sent", |data| data["wake"].is_string()).await;

    // A direct push that Apple refuses for the key, and takes once the key is believed.
    let revoked = Scripted::apns(StatusCode::FORBIDDEN, "InvalidProviderToken");
    world.apns().trouble().answer_next(2, &revoked);
    pushes::push(&world, &json!({ "to": { "users": ["alice"] }, "title": "Lunch" })).await;
    until(&world, "push.failed", |data| data["push"].is_string()).await;
    until(&world, "credential.failed", |data| data["code"] == 904).await;
    until(&world, "credential.recovered", |_| true).await;
    until(&world, "push.sent", |data| data["push"].is_string()).await;

    // A token that is gone.
    let carol = asleep(&world, "carol", Platform::Ios).await;
    world.devices().unregister(&carol.push_token(TargetKindName::Apns).expect("a token"));
    bob.send("carol", "Noon?").await.expect("accepted");
    let failed = until(&world, "push.failed", |data| data["wake"].is_string()).await;
    assert_eq!(
        (&failed.data["diagnosis"], &failed.data["response"]["code"]),
        (&json!(911), &json!(410))
    );
    until(&world, "device.token_dropped", |data| data["user"] == "carol").await;

    // Somebody whom nothing wakes.
    let dave = asleep(&world, "dave", Platform::Android).await;
    dave.force_quit().await;
    bob.send("dave", "Noon?").await.expect("accepted");
    until(&world, "wake.exhausted", |data| data["user"] == "dave").await;

    // A call that its caller gives up.
    let call = bob.start_call("alice", "Bob");
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { .. });
    alice.wait_for(rings, PATIENCE).await.expect("it rings");
    call.cancel();
    until(&world, "call.missed", |data| data["reason"] == "cancelled").await;

    // A token that turns up elsewhere, a device that is taken back, a webhook that is tried out.
    for (user, device) in [("alice", alice.device_id()), ("bob", bob.device_id())] {
        let path = format!("/v1/users/{user}/devices/{device}/targets/fcm");
        let _: Value = world
            .call(Method::PUT, &path, Some(&json!({ "token": "one:token" })))
            .await
            .expect("kept");
    }
    until(&world, "device.target_moved", |_| true).await;
    let path = format!("/v1/users/dave/devices/{}", dave.device_id());
    let gone = world.api(Method::DELETE, &path, world.app_key(), None).await.expect("answered");
    assert_eq!(gone.0, 204);
    until(&world, "device.removed", |data| data["reason"] == "taken_back").await;
    let _: Value = world.call(Method::POST, &format!("{webhook}/test"), None).await.expect("sent");
    until(&world, "webhook.test", |_| true).await;
    // A start looks which credentials end soon.
    end_soon(&world).await;
    until(&world, "credential.expiring", |data| data["days"] == 30).await;

    let seen = events(&world).await;
    check_fields(&seen);
    check_sequences(&seen);
    let phones = [("alice", &alice), ("bob", &bob), ("carol", &carol), ("dave", &dave)];
    let names = phones.map(|(user, phone)| (phone.device_id(), format!("({user}'s device)")));
    goldens::check(&told(&world, &seen).await, &names.into());
    check_terminal(&world, &seen).await;
}

/// A webhook to the world's back end that gets everything; its path in the API.
async fn webhook(world: &World) -> String {
    let sink = world.back_end().expect("a back end");
    let all = EventType::ALL.into_iter().filter(|kind| *kind != EventType::WebhookTest);
    let all: Vec<_> = all.map(EventType::as_str).collect();
    let webhooks = format!("/v1/apps/{}/webhooks", world.app_id());
    let body = json!({ "url": sink.url("/events"), "events": all });
    let made: Value = world.call(Method::POST, &webhooks, Some(&body)).await.expect("kept");
    format!("{webhooks}/{}", made["id"].as_str().expect("an id"))
}

/// Uploads a certificate that ends within a month, and starts the server anew.
async fn end_soon(world: &World) {
    let ca = Ca::generate("Apple").expect("an authority");
    let mut certificate = ApnsCertificate::universal(APP);
    certificate.valid_until = Timestamp::now() + SignedDuration::from_hours(24 * 20);
    let identity = ca.apns_identity(&certificate).expect("a certificate");
    let pem = format!("{}{}", identity.certificate_pem(), identity.key_pem());
    let kind = CredentialKind::ApnsCertificate;
    world.upload(&CredentialUpload::new(kind, STANDARD.encode(pem))).await.expect("taken");
    world.stop().await.expect("it stops");
    world.start_server().await.expect("it starts");
}

/// What the back end got of these events, each of which it has to be told as it is.
async fn told(world: &World, seen: &[Event]) -> Vec<Value> {
    let sink: &WebhookSink = world.back_end().expect("a back end");
    let mut bodies = Vec::new();
    for event in seen {
        let came = sink.wait_for(|it| it.id.as_deref() == Some(&*event.id), PATIENCE).await;
        let came = came.unwrap_or_else(|_| panic!("{event:?} was not told"));
        let body: Value = serde_json::from_slice(&came.payload).expect("JSON");
        assert_eq!(body, serde_json::to_value(event).expect("JSON"));
        bodies.push(body);
    }
    bodies
}

/// Every field is in the page, and every field of the page was there.
fn check_fields(seen: &[Event]) {
    let mut fields_seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in seen {
        fields_seen.entry(event.r#type.clone()).or_default().extend(fields(&event.data));
    }
    let mut documented = documented();
    for (kind, field) in RARE {
        assert!(documented.get_mut(kind).expect("the page has it").remove(field), "{kind}");
        if let Some(fields) = fields_seen.get_mut(kind) {
            fields.remove(field);
        }
    }
    assert_eq!(fields_seen, documented, "what happened on the left, docs/webhooks.md on the right");
}

/// The events about one device are numbered without a hole.
fn check_sequences(seen: &[Event]) {
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for event in seen {
        let (Some(sequence), Some(device)) = (event.sequence, event.data["device"].as_str()) else {
            continue;
        };
        let last = last.entry(device.to_owned()).or_default();
        // A token that moved is numbered for the device that has it now.
        assert!(sequence > *last, "{event:?} after {last}");
        *last = sequence;
    }
    assert!(last.len() >= 4, "{last:?}");
}

/// `reveille webhooks listen` shows the same.
async fn check_terminal(world: &World, seen: &[Event]) {
    let count = seen.len().to_string();
    let server = format!("http://{}", world.address());
    let listening = Command::new(SERVER)
        .args(["webhooks", "listen", "--after", "0", "--json", "--count", &count])
        .args(["--server", &server])
        .env_clear()
        .env("REVEILLE_KEY", world.app_key())
        .current_dir(world.directory())
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(PATIENCE, listening).await.expect("in time").expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let shown: Vec<Event> =
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert_eq!(shown, seen);
}
