//! FCM: whom a message reaches, by installation id, topic and condition, and how a project is named.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sim::{
    Delivery, Fate,
    apns::UnknownTokens,
    device::{FcmPlatform, Reach},
};
use tokio::{net::TcpStream, sync::mpsc::UnboundedReceiver};

use crate::{
    client::{Answer, PATIENCE, tls},
    fcm::{PROJECT, Sender, World, error_code, field},
};

/// A good message to another target than the token.
fn to(world: &World, target: &str, name: &str) -> Value {
    world.message(|message| {
        message.as_object_mut().unwrap().remove("token");
        message[target] = name.into();
    })
}

async fn send(sender: &Sender, body: &Value) -> Answer {
    let answer = sender.send(body).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    answer
}

/// What became of the latest request.
fn fate(world: &World) -> Fate {
    world.sim.seen().last().unwrap().fate
}

/// The ids of what has arrived. An answer comes after what it answers was handed over.
fn arrived(deliveries: &mut UnboundedReceiver<Delivery>) -> Vec<String> {
    std::iter::from_fn(|| deliveries.try_recv().ok()).map(|delivery| delivery.id).collect()
}

fn name(answer: &Answer) -> String {
    answer.json()["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_installation_is_reached_by_its_id() {
    let world = World::new().await;
    let sender = world.sender().await;
    let token = world.devices.register_fcm(PROJECT);
    let fid = world.devices.installation(&token).unwrap();
    let mut deliveries = world.devices.deliveries(&token);
    let answer = send(&sender, &to(&world, "fid", &fid)).await;
    let delivery = deliveries.try_recv().unwrap();
    assert_eq!((delivery.id, delivery.token), (name(&answer), token.clone()));
    assert_eq!(world.sim.seen().last().unwrap().token, fid, "what was addressed is recorded");

    let stranger = "dAAAAAAAAAAAAAAAAAAAAA";
    let foreign = world.devices.register_fcm("another-project");
    let foreign = world.devices.installation(&foreign).unwrap();
    let invalid = (400, Some("INVALID_ARGUMENT"), Some("message.fid"));
    for (case, fid, expected) in [
        ("one nobody has", stranger, invalid),
        ("a token in its place", &*token, invalid),
        ("one too short", &fid[..21], invalid),
        ("one that does not begin with 0111", "zAAAAAAAAAAAAAAAAAAAAA", invalid),
        ("another alphabet", "d+AAAAAAAAAAAAAAAAAAAA", invalid),
        ("of another project", &foreign, (403, Some("SENDER_ID_MISMATCH"), None)),
    ] {
        let answer = sender.send(&to(&world, "fid", fid)).await;
        let (code, field) = (error_code(&answer), field(&answer));
        assert_eq!((answer.status.as_u16(), code.as_deref(), field.as_deref()), expected, "{case}");
    }
    world.devices.unregister(&token);
    let answer = sender.send(&to(&world, "fid", &fid)).await;
    assert_eq!(
        (answer.status.as_u16(), error_code(&answer).as_deref()),
        (404, Some("UNREGISTERED"))
    );
}

#[tokio::test]
async fn unknown_installations_are_taken_where_unknown_tokens_are() {
    let world = World::with(|options| options.unknown_tokens = UnknownTokens::Accept).await;
    let sender = world.sender().await;
    send(&sender, &to(&world, "fid", "dAAAAAAAAAAAAAAAAAAAAA")).await;
    // Its form is checked all the same.
    for fid in [
        "dAAAAAAAAAAAAAAAAAAAA",
        "dAAAAAAAAAAAAAAAAAAAAAA",
        "zAAAAAAAAAAAAAAAAAAAAA",
        "d+AAAAAAAAAAAAAAAAAAAA",
    ] {
        let answer = sender.send(&to(&world, "fid", fid)).await;
        assert_eq!(field(&answer).as_deref(), Some("message.fid"), "{fid}");
    }
}

#[tokio::test]
async fn a_topic_reaches_who_has_subscribed() {
    let world = World::new().await;
    let sender = world.sender().await;
    let devices = &world.devices;
    let [subscriber, another, other_topic, foreign, dead] = std::array::from_fn(|place| {
        devices.register_fcm(if place == 3 { "another-project" } else { PROJECT })
    });
    for token in [&subscriber, &another, &foreign, &dead] {
        assert!(devices.subscribe(token, "news"));
    }
    devices.subscribe(&other_topic, "sport");
    devices.unregister(&dead);
    assert!(!devices.subscribe("nobody", "news"));
    let mut channels: Vec<_> = [&subscriber, &another, &other_topic, &foreign]
        .map(|token| devices.deliveries(token))
        .into();
    let mut heard = || channels.iter_mut().map(arrived).collect::<Vec<_>>();

    let answer = send(&sender, &to(&world, "topic", "news")).await;
    let one = vec![name(&answer)];
    assert_eq!(heard(), [one.clone(), one, vec![], vec![]]);
    assert_eq!(fate(&world), Fate::Delivered);

    let mut dry = to(&world, "topic", "news");
    dry["validate_only"] = true.into();
    send(&sender, &dry).await;
    assert_eq!((heard().concat(), fate(&world)), (vec![], Fate::NotAPush));

    send(&sender, &to(&world, "topic", "weather")).await;
    assert_eq!((heard().concat(), fate(&world)), (vec![], Fate::Discarded));

    assert!(devices.unsubscribe(&another, "news"));
    assert!(!devices.unsubscribe(&another, "news"));
    devices.set_reach(&subscriber, Reach::Offline);
    send(&sender, &to(&world, "topic", "news")).await;
    assert_eq!((heard().concat(), fate(&world)), (vec![], Fate::Stored));
    devices.set_reach(&subscriber, Reach::Online);
    assert_eq!(heard().concat().len(), 1, "it had waited");
}

#[tokio::test]
async fn a_condition_reaches_whom_it_means() {
    let world = World::new().await;
    let sender = world.sender().await;
    let devices = &world.devices;
    let tokens: Vec<_> = ["news", "sport", "news sport"]
        .map(|topics| {
            let token = devices.register_fcm(PROJECT);
            for topic in topics.split(' ') {
                devices.subscribe(&token, topic);
            }
            token
        })
        .into();
    let mut channels: Vec<_> = tokens.iter().map(|token| devices.deliveries(token)).collect();
    for (condition, expected) in [
        ("'news' in topics", [1, 0, 1]),
        ("'news' in topics && 'sport' in topics", [0, 0, 1]),
        ("'news' in topics || 'sport' in topics", [1, 1, 1]),
        ("'news' in topics && !('sport' in topics)", [1, 0, 0]),
    ] {
        send(&sender, &to(&world, "condition", condition)).await;
        let heard: Vec<_> = channels.iter_mut().map(|channel| arrived(channel).len()).collect();
        assert_eq!(heard, expected, "{condition}");
    }
}

#[tokio::test]
async fn of_a_topic_each_device_keeps_its_own_rules() {
    let world = World::new().await;
    let sender = world.sender().await;
    let devices = &world.devices;
    let app = |package, platform| {
        let token = devices.register_fcm_app(PROJECT, package, platform);
        devices.subscribe(&token, "news");
        devices.deliveries(&token)
    };
    let mut channels = [
        app("com.example.app", FcmPlatform::Android),
        app("com.example.other", FcmPlatform::Android),
        app("com.example.app", FcmPlatform::Ios),
        app("com.example.app", FcmPlatform::IosWithoutKey),
    ];
    let mut body = to(&world, "topic", "news");
    body["message"]["android"]["restricted_package_name"] = "com.example.app".into();
    send(&sender, &body).await;
    assert_eq!(channels.each_mut().map(|channel| arrived(channel).len()), [1, 0, 1, 0]);
    body["message"]["apns"] = json!({ "headers": { "apns-priority": "10" } });
    send(&sender, &body).await;
    assert_eq!(
        channels.each_mut().map(|channel| arrived(channel).len()),
        [1, 0, 0, 0],
        "urgent data is not for an iPhone"
    );
}

#[tokio::test]
async fn a_project_is_named_by_id_or_number() {
    let world = World::new().await;
    let sender = world.sender().await;
    let good = world.message(|_| {});
    let number = &world.account.project_number;
    let answer = sender.post(number, &good).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let another = "1".repeat(12);
    for project in [&*another, &format!("0{number}"), ""] {
        let answer = sender.post(project, &good).await;
        let expected = if project.is_empty() { 404 } else { 403 };
        assert_eq!((answer.status.as_u16(), error_code(&answer)), (expected, None), "{project}");
    }
}

#[tokio::test]
async fn id_and_number_of_a_project_share_one_quota() {
    let world = World::with(|options| options.quota_per_minute = 2).await;
    let sender = world.sender().await;
    let good = world.message(|_| {});
    let number = world.account.project_number.clone();
    for (project, status) in [(PROJECT, 200), (&*number, 200), (PROJECT, 429), (&*number, 429)] {
        assert_eq!(sender.post(project, &good).await.status.as_u16(), status, "{project}");
    }
}

#[tokio::test]
async fn http_1_1_is_judged_as_http_2_is() {
    let world = World::new().await;
    let sender = world.sender().await;
    let (h1, h2): (&[u8], &[u8]) = (b"http/1.1", b"h2");
    for (offered, agreed) in
        [(&[h2, h1][..], Some(h2)), (&[h1], Some(h1)), (&[], None), (&[b"spdy/3"], None)]
    {
        let tcp = TcpStream::connect(world.sim.addr()).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(tls(world.sim.ca_pem(), None, offered));
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, tcp).await;
        if offered == [b"spdy/3"] {
            assert!(stream.is_err(), "nothing in common");
            continue;
        }
        let stream = stream.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        if agreed == Some(h2) {
            continue;
        }
        let (mut http1, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let bad = world.message(|message| message["loud"] = true.into());
        for (body, status) in [(world.message(|_| {}), 200), (bad, 400)] {
            let request = Request::post("/v1/projects/demo-project/messages:send")
                .header("host", "localhost")
                .header("authorization", sender.authorization())
                .body(Full::new(Bytes::from(body.to_string())))
                .unwrap();
            let answer = tokio::time::timeout(PATIENCE, http1.send_request(request)).await;
            let answer = answer.unwrap().unwrap();
            assert_eq!(answer.status().as_u16(), status);
            answer.into_body().collect().await.unwrap();
        }
        assert_eq!(world.sim.seen().last().unwrap().stream, 0);
    }
}
