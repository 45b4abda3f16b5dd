//! The journey that uses everything, and keeps account of what it used.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use http::Method;
use serde_json::{Value, json};
use sim::phone::{Phone, PhoneEvent, Platform};
use sim::pki::{ApnsCertificate, Ca, VapidKey};
use sim::trouble::Scripted;
use sim::webpush::Vendor;
use sim::world::{APP, World, WorldOptions};
use sim::{SeenPush, WebhookSink};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use wire::TargetKindName;
use wire::http::Settings;

use super::{TEXTS, Used, text_of};
use crate::journeys::calls::Side;
use crate::journeys::pushes::{done, push};
use crate::journeys::{PATIENCE, SERVER};

/// A world whose back end takes webhooks, and logs all that it may.
pub(super) async fn world(
    log_level: &str,
    log_format: &str,
    log_payloads: bool,
) -> (World, WebhookSink) {
    let mut options = WorldOptions::new(SERVER);
    options.webpush = Some(Vendor::Mozilla);
    options.tuning.log_level = log_level.to_owned();
    options.tuning.log_format = log_format.to_owned();
    options.settings = Settings {
        background_push: Some(false),
        clients_set_push: Some(true),
        print_push_logs: Some(true),
        log_payloads: Some(log_payloads),
        ..Settings::default()
    };
    let world = World::start(options).await.expect("the world starts");
    let ca = Ca::generate("back ends").expect("an authority");
    let sink = WebhookSink::start(&ca, &sim::Clock::default()).await.expect("a back end");
    world.stop().await.expect("it stops");
    let trusted = world.directory().join("ca.pem");
    let both = [std::fs::read_to_string(&trusted).expect("a file"), ca.pem().to_owned()].concat();
    std::fs::write(&trusted, both).expect("written");
    let file = world.directory().join("reveille.toml");
    let config = std::fs::read_to_string(&file).expect("a configuration");
    let allowed = format!("allow_private = \"{},", sink.addr());
    let config = config.replace("allow_private = \"", &allowed);
    std::fs::write(&file, format!("{config}\n[webhooks]\nretry_ms = 100\n")).expect("written");
    world.start_server().await.expect("it starts again");
    (world, sink)
}

/// Uses everything; returns what must not be in the log.
pub(super) async fn use_everything(world: &World, sink: &WebhookSink) -> Used {
    let mut used: Used = TEXTS.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    used.push(("admin key", world.admin_key().to_owned()));
    used.push(("app key", world.app_key().to_owned()));
    let master = std::fs::read_to_string(world.data_dir().join("master.key"));
    used.push(("master key", master.expect("a file").trim().to_owned()));
    upload(world, &mut used).await;
    tell_back_ends(world, sink, &mut used).await;
    let phones = phones(world, &mut used).await;
    be_rude(world, &mut used).await;
    talk(world, &phones, &mut used).await;
    call(world, &phones, &mut used).await;
    let services = [world.apns().seen(), world.fcm().seen(), webpush(world).seen(), sink.seen()];
    for seen in services.iter().flatten() {
        authorizations(seen, &mut used);
    }
    used
}

/// Credentials, in use and refused.
async fn upload(world: &World, used: &mut Used) {
    for (name, credential) in
        [(".p8", world.apple_credential()), ("service account", world.google_credential())]
    {
        let file = STANDARD.decode(&credential.file).expect("base64");
        used.push((name, credential.file[..80].to_owned()));
        // What is between the first and the last line of its PEM, whose lines a JSON writes as \n.
        let text = String::from_utf8(file).expect("text").replace("\\n", "\n");
        let (_, inside) = text.split_once("PRIVATE KEY-----\n").expect("a private key");
        used.push((name, inside.lines().next().expect("a line").to_owned()));
    }
    let path = format!("/v1/apps/{}/credentials", world.app_id());
    let made: Value = world.call(Method::GET, &path, None).await.expect("credentials");
    let of_server = made["items"].as_array().expect("a list").iter();
    let of_server = of_server.filter(|credential| credential["kind"] == "webpush_vapid");
    for credential in of_server {
        let path = format!("{path}/{}", credential["id"].as_str().expect("an id"));
        world.api(Method::DELETE, &path, world.admin_key(), None).await.expect("deleted");
    }
    let vapid = VapidKey::generate();
    used.push(("VAPID key", vapid.private_key()));
    let imported = json!({
        "kind": "webpush_vapid", "subject": "mailto:push@example.org",
        "file": STANDARD.encode(vapid.private_key()),
    });
    used.push(("VAPID key", STANDARD.encode(vapid.private_key())));
    let identity = Ca::generate("not Apple").expect("an authority");
    let identity = identity.apns_identity(&ApnsCertificate::universal(APP)).expect("an identity");
    let password = "papa-password";
    let certificate = STANDARD.encode(identity.pkcs12(password, &[]).await.expect("a .p12"));
    used.push(("password", password.to_owned()));
    used.push(("wrong password", "quebec-password".to_owned()));
    let other = json!({ "name": "Other app" });
    let other = world.api(Method::POST, "/v1/apps", world.admin_key(), Some(&other)).await;
    let other = other.expect("an app").1["id"].as_str().expect("an id").to_owned();
    let others = format!("/v1/apps/{other}/credentials");
    let p12 = |password: &str| json!({ "kind": "apns_certificate", "file": certificate, "password": password });
    for (path, body, expected) in [
        (&path, imported, 201),
        (&others, p12(password), 201),
        (&others, p12("quebec-password"), 422),
    ] {
        let answer = world.api(Method::POST, path, world.admin_key(), Some(&body)).await;
        let (status, answer) = answer.expect("an answer");
        assert_eq!(status, expected, "{answer}");
    }
}

/// Webhooks, one of which is refused, and a key for tokens.
async fn tell_back_ends(world: &World, sink: &WebhookSink, used: &mut Used) {
    let path = format!("/v1/apps/{}/webhooks", world.app_id());
    for (hook, events) in [("/good", json!(["push.sent"])), ("/bad", json!(["*"]))] {
        let body =
            json!({ "url": sink.url(&format!("{hook}?key=romeo-in-a-url")), "events": events });
        let made: Value = world.call(Method::POST, &path, Some(&body)).await.expect("a webhook");
        used.push(("webhook secret", made["secret"].as_str().expect("shown").to_owned()));
        let rotate = format!("{path}/{}/rotate", made["id"].as_str().expect("an id"));
        let rotated: Value = world.call(Method::POST, &rotate, None).await.expect("rotated");
        used.push(("webhook secret", rotated["secret"].as_str().expect("shown").to_owned()));
    }
    used.push(("key in a webhook's URL", "romeo-in-a-url".to_owned()));
    let answer = text_of("what a webhook answered");
    let refusal = Scripted::new(http::StatusCode::INTERNAL_SERVER_ERROR, answer);
    sink.trouble().on("/bad").answer_next(2, &refusal);

    let secret = "sierra secret of thirty-two bytes or more";
    used.push(("shared secret", secret.to_owned()));
    let key = json!({ "name": "ours", "algorithm": "HS256", "audience": "chat", "secret": secret });
    let path = format!("/v1/apps/{}/token-keys", world.app_id());
    let _: Value = world.call(Method::POST, &path, Some(&key)).await.expect("a key");
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "app": world.app_id(), "sub": "hal", "aud": "chat", "iat": now, "exp": now + 3_600,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let secret = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &secret).expect("signed");
    let device = json!({ "id": "hals", "platform": "android" });
    let hello = json!({ "type": "connect", "token": token, "device": device });
    let heard = say(world, hello.to_string()).await;
    assert!(heard.contains("\"connected\""), "{heard}");
    used.push(("signed user token", token));
}

/// Alice's three, asleep, with their tokens; and one whose token is gone.
async fn phones(world: &World, used: &mut Used) -> Vec<Phone> {
    let mut phones = Vec::new();
    for (platform, name) in [
        (Platform::Android, "phone"),
        (Platform::Ios, "iPhone"),
        (Platform::Web, "browser"),
        (Platform::Android, "gone"),
    ] {
        let user = if name == "gone" { "carol" } else { "alice" };
        let phone = phone(world, user, platform, used).await;
        phone.launch().await.expect("it connects");
        let kinds: &[TargetKindName] = match platform {
            Platform::Android => &[TargetKindName::Fcm],
            Platform::Ios => &[TargetKindName::Apns, TargetKindName::ApnsVoip],
            Platform::Web => &[TargetKindName::Webpush],
        };
        for kind in kinds {
            let told = |event: &PhoneEvent| matches!(event, PhoneEvent::TargetAnswered { kind: of, .. } if of == kind);
            phone.wait_for(told, PATIENCE).await.expect("the target is known");
            let token = phone.push_token(*kind).expect("a token");
            if name == "gone" {
                world.devices().unregister(&token);
            }
            let secret = token.strip_prefix(webpush(world).origin()).unwrap_or(&token);
            used.push(("push token", secret.to_owned()));
        }
        used.push(("device secret", phone.device_secret().expect("it has connected")));
        phone.suspend().await;
        phones.push(phone);
    }
    phones
}

async fn phone(world: &World, user: &str, platform: Platform, used: &mut Used) -> Phone {
    let options = world.phone_options(user, platform, user).await.expect("a token");
    used.push(("user token", options.token.clone()));
    Phone::install(options)
}

/// Whatever is refused is not written down either.
async fn be_rude(world: &World, used: &mut Used) {
    let wrong = |kind: &str| format!("rvl_{kind}_{}", "t".repeat(43));
    for kind in ["admin", "app", "user", "device"] {
        used.push(("wrong key", wrong(kind)));
        let answer = world.api(Method::GET, "/v1/apps", &wrong(kind), None).await;
        assert!(matches!(answer.expect("an answer").0, 401 | 403));
    }
    let mike = text_of("what was no JSON");
    let device = json!({ "id": "rude", "platform": "android" });
    for frame in [
        json!({ "type": "connect", "token": wrong("user"), "device": device }).to_string(),
        json!({ "type": "connect", "device_secret": wrong("device"), "device": device })
            .to_string(),
        format!("{{\"type\": \"connect\", \"token\": {mike}"),
        json!({ "type": mike }).to_string(),
    ] {
        let heard = say(world, frame).await;
        assert!(heard.contains("\"error\""), "{heard}");
    }
    for body in [json!({ "to": [mike], "body": 1 }), json!({ mike: 1 }), json!(mike)] {
        let answer = world.api(Method::POST, "/v1/messages", world.app_key(), Some(&body)).await;
        assert!(matches!(answer.expect("an answer").0, 400 | 404 | 422));
    }
}

/// Messages and direct pushes to all of them.
async fn talk(world: &World, phones: &[Phone], used: &mut Used) {
    let oscar = phone(world, text_of("user"), Platform::Android, used).await;
    oscar.launch().await.expect("it connects");
    let mut message = sim::phone::message(&["alice", "carol"], text_of("body of a user's message"));
    message.thread = Some(text_of("thread").to_owned());
    let push_text = json!({
        "title": text_of("title of a user's message"), "body": text_of("text of a user's message"),
    });
    message.push = Some(serde_json::from_value(push_text).expect("what a push says"));
    all_woken(phones, async { drop(oscar.send_with(message).await.expect("accepted")) }, 1).await;
    let body = json!({
        "to": ["alice"], "body": { "text": text_of("body of a back end's message") },
        "push": { "title": text_of("title of a back end's message") },
    });
    let sent = world.call::<Value>(Method::POST, "/v1/messages", Some(&body));
    all_woken(phones, async { drop(sent.await.expect("accepted")) }, 2).await;
    let direct = json!({
        "to": { "users": ["alice", "carol"] }, "title": "Hi",
        "body": text_of("text of a direct push"), "data": { "key": text_of("data of a direct push") },
    });
    done(world, &push(world, &direct).await).await;
}

/// Puts alice's phones to sleep, waits until all have shown what they are sent, and opens their
/// apps, until all have so many messages.
async fn all_woken(phones: &[Phone], send: impl Future<Output = ()>, messages: usize) {
    let alices = &phones[..3];
    let mut marks = Vec::new();
    for phone in alices {
        phone.suspend().await;
        marks.push(phone.mark());
    }
    send.await;
    for (phone, mark) in alices.iter().zip(marks) {
        let shown = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { .. });
        phone.wait_since(mark, shown, PATIENCE).await.expect("an alert");
        phone.launch().await.expect("it connects");
        phone.wait_messages(messages, PATIENCE).await.expect("all of them");
    }
}

/// A call that rings on a phone asleep, is taken, and ends.
async fn call(world: &World, phones: &[Phone], used: &mut Used) {
    let iphone = &phones[1];
    iphone.suspend().await;
    let mut caller = Side::connected(world, "victor", "victors").await;
    used.push(("device secret", caller.secret.clone().expect("it has connected")));
    let mut callee = Side::connected(world, "alice", "alices").await;
    let call = uuid::Uuid::new_v4().to_string();
    caller
        .say(json!({
            "type": "call.start", "call": call, "to": "alice",
            "caller_name": text_of("name of a caller"),
            "offer": { "sdp": text_of("offer of a call") },
        }))
        .await;
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { .. });
    iphone.wait_for(rings, PATIENCE).await.expect("it rings");
    let answer = json!({ "sdp": text_of("answer to a call") });
    callee.say(json!({ "type": "call.answer", "call": call, "answer": answer })).await;
    while caller.hear().await["type"] != "call.answered" {}
    let signal = json!({ "candidate": text_of("signal of a call") });
    callee.say(json!({ "type": "call.signal", "call": call, "body": signal })).await;
    while caller.hear().await["type"] != "call.signal" {}
    caller.say(json!({ "type": "call.end", "call": call })).await;
    while callee.hear().await["type"] != "call.ended" {}
}

/// What a request proved itself with.
fn authorizations(seen: &SeenPush, used: &mut Used) {
    for name in ["authorization", "webhook-signature"] {
        let Some(value) = seen.header(name) else { continue };
        // `bearer X`, `vapid t=X, k=Y`, `v1,X`.
        let longest = value.split([' ', ',', '=']).max_by_key(|part| part.len());
        used.push((name, longest.expect("a part").to_owned()));
    }
    if seen.path.ends_with("/token") {
        let form = String::from_utf8_lossy(&seen.payload);
        let assertion = form.split_once("assertion=").expect("an assertion").1;
        used.push(("assertion", assertion.to_owned()));
        let answer: Value = serde_json::from_slice(&seen.answer).expect("JSON");
        used.push(("access token", answer["access_token"].as_str().expect("a token").to_owned()));
    }
}

fn webpush(world: &World) -> &sim::WebPushSim {
    world.webpush().expect("a Web Push service")
}

/// Opens a WebSocket, says one thing, and returns the first that is answered.
async fn say(world: &World, frame: String) -> String {
    let stream = TcpStream::connect(world.address()).await.expect("the server listens");
    let url = format!("ws://{}{}", world.address(), wire::CONNECT_PATH);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("WebSocket");
    socket.send(Message::text(frame)).await.expect("the server takes it");
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an answer");
        match next.expect("an answer").expect("a message") {
            Message::Text(text) => return text.to_string(),
            Message::Close(frame) => panic!("closed with {frame:?}"),
            _ => {}
        }
    }
}
