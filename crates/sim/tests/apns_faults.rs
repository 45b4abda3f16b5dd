//! APNs: every fault of a request is refused with its reason, and in the order that is promised.

use http::StatusCode;
use sim::{apns::Undocumented, device::ApnsTokenKind, pki::ApnsCertificate};

use crate::{
    apns::{ALERT, APP, World, alert_headers, refusal},
    client::Client,
};

const BACKGROUND: &[u8] = br#"{"aps":{"content-available":1}}"#;

/// One fault, in what the good push is changed to, and the answer it must get.
struct Fault {
    name: &'static str,
    method: &'static str,
    path: Option<&'static str>,
    /// Replaces or, with an empty value, removes a header.
    headers: &'static [(&'static str, &'static str)],
    /// Added to what is there.
    more: Option<(&'static str, &'static str)>,
    body: &'static [u8],
    status: u16,
    reason: &'static str,
}

const GOOD: Fault = Fault {
    name: "",
    method: "POST",
    path: None,
    headers: &[],
    more: None,
    body: ALERT,
    status: 400,
    reason: "",
};

const SIXTY_FIVE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// How a compressed body begins (RFC 1952, section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
const IN_APS: &[u8] = br#"{"aps":{"content-available":1,"own":1}}"#;

fn faults() -> Vec<Fault> {
    let header = |name, header: &'static [(&'static str, &'static str)], reason| Fault {
        name,
        headers: header,
        reason,
        ..GOOD
    };
    let body = |name, headers, body, reason| Fault { name, headers, body, reason, ..GOOD };
    let path =
        |name, path, status, reason| Fault { name, path: Some(path), status, reason, ..GOOD };
    let background = &[("apns-push-type", "background"), ("apns-priority", "5")];
    vec![
        Fault { name: "a GET", method: "GET", status: 405, reason: "MethodNotAllowed", ..GOOD },
        path("another path", "/4/device/00ff", 404, "BadPath"),
        path("a path behind the token", "/3/device/00ff/more", 404, "BadPath"),
        path("a path that only starts alike", "/3/devices/00ff", 404, "BadPath"),
        path("no token", "/3/device/", 400, "MissingDeviceToken"),
        path("a token that is not hex", "/3/device/xyz0", 400, "BadDeviceToken"),
        path("half a byte", "/3/device/00f", 400, "BadDeviceToken"),
        path("an unknown token", "/3/device/00ff", 400, "BadDeviceToken"),
        Fault {
            name: "a header twice",
            more: Some(("apns-topic", APP)),
            reason: "DuplicateHeaders",
            ..GOOD
        },
        header("no topic", &[("apns-topic", "")], "MissingTopic"),
        header("a topic the key lacks", &[("apns-topic", "com.example.other")], "TopicDisallowed"),
        header("a VoIP topic for an alert", &[("apns-topic", "com.example.app.voip")], "BadTopic"),
        header("a plain topic for VoIP", &[("apns-push-type", "voip")], "BadTopic"),
        header(
            "a VoIP push to the notification token",
            &[("apns-topic", "com.example.app.voip"), ("apns-push-type", "voip")],
            "DeviceTokenNotForTopic",
        ),
        header("an unknown push type", &[("apns-push-type", "loud")], "InvalidPushType"),
        header(
            "an upper-case id",
            &[("apns-id", "7F3C8A52-1D6E-4B90-8A11-02C5D9E4F601")],
            "BadMessageId",
        ),
        header(
            "an id without hyphens",
            &[("apns-id", "7f3c8a521d6e4b908a1102c5d9e4f601")],
            "BadMessageId",
        ),
        header("a long collapse id", &[("apns-collapse-id", SIXTY_FIVE)], "BadCollapseId"),
        header("a date as expiration", &[("apns-expiration", "tomorrow")], "BadExpirationDate"),
        header("a negative expiration", &[("apns-expiration", "-1")], "BadExpirationDate"),
        header("milliseconds", &[("apns-expiration", "1700000000000000")], "BadExpirationDate"),
        header("an unknown priority", &[("apns-priority", "7")], "BadPriority"),
        header("a priority with a sign", &[("apns-priority", "+5")], "BadPriority"),
        Fault {
            status: 403,
            ..header("device management with a key", &[("apns-push-type", "mdm")], "Forbidden")
        },
        body(
            "a background push at priority 10",
            &[("apns-push-type", "background"), ("apns-priority", "10")],
            BACKGROUND,
            "BadPriority",
        ),
        body(
            "a background push at the default priority",
            &[("apns-push-type", "background")],
            BACKGROUND,
            "BadPriority",
        ),
        body(
            "a background push with text",
            background,
            br#"{"aps":{"content-available":1,"alert":"x"}}"#,
            "InvalidPushType",
        ),
        body(
            "a background push that wakes nobody",
            background,
            br#"{"aps":{}}"#,
            "InvalidPushType",
        ),
        body("an alert that shows nothing", &[], BACKGROUND, "InvalidPushType"),
        body("no payload", &[], b"", "PayloadEmpty"),
        body("a compressed payload", &[("content-encoding", "gzip")], GZIP, "BadRequestPayload"),
        body("custom keys inside aps", background, IN_APS, "InvalidPushType"),
        body("a badge as text", &[], br#"{"aps":{"badge":"1"}}"#, "BadRequestPayload"),
        body("a payload that is not JSON", &[], b"hello", "BadRequestPayload"),
    ]
}

#[tokio::test]
async fn every_fault_is_refused_with_its_reason() {
    let world = World::new().await;
    let client = world.connect().await;
    let authorization = format!("bearer {}", world.jwt(0));
    for fault in faults() {
        let mut headers = alert_headers(&authorization);
        for (name, value) in fault.headers {
            headers.retain(|(other, _)| other != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        headers.extend(fault.more);
        let path = world.path();
        let path = fault.path.unwrap_or(&path);
        let answer = client.request(fault.method, path, &headers, fault.body).await.unwrap();
        assert_eq!(refusal(&answer), (fault.status, fault.reason.into()), "{}", fault.name);
        assert_eq!(answer.headers["content-type"], "application/json", "{}", fault.name);
        assert!(answer.headers.contains_key("apns-id"), "{}", fault.name);
    }
    // The table changes one thing each: what it starts from is good.
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sizes_end_at_4096_and_5120_for_voip() {
    let world = World::new().await;
    let voip = world.register(ApnsTokenKind::Voip);
    let client = world.connect().await;
    let authorization = format!("bearer {}", world.jwt(0));
    let voip_topic = format!("{APP}.voip");
    for (token, topic, push_type, limit) in
        [(&world.token, APP, "alert", 4096), (&voip, voip_topic.as_str(), "voip", 5120)]
    {
        for (size, status) in [(limit, 200), (limit + 1, 413)] {
            let empty = br#"{"aps":{"alert":""}}"#.len();
            let body = format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "x".repeat(size - empty));
            let headers = [
                ("authorization", authorization.as_str()),
                ("apns-topic", topic),
                ("apns-push-type", push_type),
            ];
            let answer =
                client.post(&format!("/3/device/{token}"), &headers, body.as_bytes()).await;
            assert_eq!(answer.status.as_u16(), status, "{push_type} of {size} bytes");
        }
    }
}

/// A request that can be mended one fault at a time.
struct Broken {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Broken {
    /// Gives a header this one value; an empty one takes the header out.
    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            self.headers.push((name, value.to_owned()));
        }
    }

    async fn send(&self, client: &Client) -> crate::client::Answer {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.request(self.method, &self.path, &headers, &self.body).await.unwrap()
    }
}

#[tokio::test]
async fn of_many_faults_the_first_in_order_answers() {
    let world = World::new().await;
    let client = world.connect().await;
    let (path, voip) = (world.path(), world.register(ApnsTokenKind::Voip));
    world.devices.unregister(&world.token);
    let authorization = format!("bearer {}", world.jwt(0));
    let mut broken = Broken {
        method: "GET",
        path: "/3/somewhere".to_owned(),
        headers: vec![
            ("apns-topic", String::new()),
            ("apns-topic", String::new()),
            ("apns-id", "1".to_owned()),
            ("apns-collapse-id", SIXTY_FIVE.to_owned()),
            ("apns-expiration", "soon".to_owned()),
            ("apns-push-type", "loud".to_owned()),
            ("apns-priority", "7".to_owned()),
        ],
        body: Vec::new(),
    };
    type Mend<'a> = Box<dyn Fn(&mut Broken) + 'a>;
    let set = |name: &'static str, value: &str| -> Mend<'_> {
        let value = value.to_owned();
        Box::new(move |it: &mut Broken| it.set(name, &value))
    };
    let body = |body: &[u8]| -> Mend<'_> {
        let body = body.to_vec();
        Box::new(move |it: &mut Broken| it.body.clone_from(&body))
    };
    let goes =
        |to: String| -> Mend<'_> { Box::new(move |it: &mut Broken| it.path.clone_from(&to)) };
    let steps: Vec<(&str, Mend<'_>)> = vec![
        ("MethodNotAllowed", Box::new(|it: &mut Broken| it.method = "POST")),
        ("BadPath", goes("/3/device/xyz".to_owned())),
        ("DuplicateHeaders", set("apns-topic", "")),
        ("MissingProviderToken", set("authorization", "bearer nonsense")),
        ("InvalidProviderToken", set("authorization", &authorization)),
        ("MissingTopic", set("apns-topic", "com.example.other")),
        ("TopicDisallowed", set("apns-topic", "com.example.app.voip")),
        ("BadMessageId", set("apns-id", "7f3c8a52-1d6e-4b90-8a11-02c5d9e4f601")),
        ("BadCollapseId", set("apns-collapse-id", "thread")),
        ("BadExpirationDate", set("apns-expiration", "0")),
        ("InvalidPushType", set("apns-push-type", "mdm")),
        ("BadTopic", set("apns-topic", APP)),
        ("BadPriority", set("apns-priority", "10")),
        ("Forbidden", set("apns-push-type", "alert")),
        ("PayloadEmpty", body(&[b'x'; 4097])),
        ("PayloadTooLarge", body(b"x")),
        ("BadRequestPayload", body(BACKGROUND)),
        ("InvalidPushType", body(ALERT)),
        ("BadDeviceToken", goes(format!("/3/device/{voip}"))),
        ("DeviceTokenNotForTopic", goes(path)),
        ("Unregistered", Box::new(|_| {})),
    ];
    for (reason, mend) in steps {
        assert_eq!(broken.send(&client).await.reason(), reason);
        mend(&mut broken);
    }
}

/// A push type: its name, its topic's suffix, its token, a priority, a payload.
type PushType = (&'static str, &'static str, ApnsTokenKind, &'static str, &'static [u8]);

const ACTIVITY: &[u8] = br#"{"aps":{"timestamp":1,"event":"end"}}"#;

/// Every push type that a key may send.
const PUSH_TYPES: [PushType; 10] = [
    ("alert", "", ApnsTokenKind::App, "10", ALERT),
    ("background", "", ApnsTokenKind::App, "5", BACKGROUND),
    ("complication", ".complication", ApnsTokenKind::Complication, "10", ALERT),
    ("controls", ".push-type.controls", ApnsTokenKind::Controls, "5", ALERT),
    ("fileprovider", ".pushkit.fileprovider", ApnsTokenKind::FileProvider, "5", ALERT),
    ("liveactivity", ".push-type.liveactivity", ApnsTokenKind::LiveActivity, "5", ACTIVITY),
    ("location", ".location-query", ApnsTokenKind::Location, "5", ALERT),
    ("pushtotalk", ".voip-ptt", ApnsTokenKind::PushToTalk, "10", ALERT),
    ("voip", ".voip", ApnsTokenKind::Voip, "10", ALERT),
    ("widgets", ".push-type.widgets", ApnsTokenKind::Widgets, "5", ALERT),
];

#[tokio::test]
async fn a_push_type_goes_to_its_own_topic_and_token() {
    let world = World::new().await;
    let client = world.connect().await;
    let authorization = format!("bearer {}", world.jwt(0));
    let send = async |token: &str, suffix: &str, name: &str, priority: &str, body: &[u8]| {
        let topic = format!("{APP}{suffix}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("apns-topic", topic.as_str()),
            ("apns-push-type", name),
            ("apns-priority", priority),
        ];
        client.post(&format!("/3/device/{token}"), &headers, body).await
    };
    for (name, suffix, kind, priority, body) in PUSH_TYPES {
        let token = world.register(kind);
        let answer = send(&token, suffix, name, priority, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        for (other, foreign, other_kind, ..) in PUSH_TYPES {
            if foreign != suffix {
                let answer = send(&token, foreign, name, priority, body).await;
                assert_eq!(refusal(&answer), (400, "BadTopic".into()), "{name} to {foreign:?}");
            }
            if other_kind != kind {
                let token = world.register(other_kind);
                let answer = send(&token, suffix, name, priority, body).await;
                let expected = (400, "DeviceTokenNotForTopic".into());
                assert_eq!(refusal(&answer), expected, "{name} to the token of {other}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_sends_what_its_topics_and_its_kind_allow() {
    for undocumented in [Undocumented::Refuse, Undocumented::Accept] {
        let world = World::with(|options| options.undocumented = undocumented).await;
        let location = format!("{APP}.location-query");
        let talk = format!("{APP}.voip-ptt");
        let certificate = ApnsCertificate::universal(APP)
            .and_topic(&location, "location")
            .and_topic(&talk, "ptt");
        let identity = world.ca.apns_identity(&certificate).unwrap();
        let client = Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await;
        let push_to_talk = match undocumented {
            Undocumented::Accept => None,
            Undocumented::Refuse => Some("Forbidden"),
        };
        for (kind, topic, name, body, reason) in [
            (ApnsTokenKind::Mdm, APP, "mdm", br#"{"mdm":"magic"}"#.as_slice(), None),
            (ApnsTokenKind::Location, &location, "location", ALERT, Some("Forbidden")),
            (ApnsTokenKind::PushToTalk, &talk, "pushtotalk", ALERT, push_to_talk),
            (
                ApnsTokenKind::Widgets,
                "com.example.app.push-type.widgets",
                "widgets",
                ALERT,
                Some("BadTopic"),
            ),
        ] {
            let path = format!("/3/device/{}", world.register(kind));
            let headers = [("apns-topic", topic), ("apns-push-type", name)];
            let answer = client.post(&path, &headers, body).await;
            let found = if answer.body.is_empty() { None } else { Some(answer.reason()) };
            assert_eq!(found.as_deref(), reason, "{name}, {undocumented:?}");
        }
    }
}

#[tokio::test]
async fn what_apple_only_advises_against_can_be_let_pass() {
    let voip = format!("{APP}.voip");
    let faint = [("apns-topic", voip.as_str()), ("apns-push-type", "voip"), ("apns-priority", "5")];
    let typo = br#"{"aps":{"alert":"x","badge":"1"}}"#.as_slice();
    for (undocumented, expected) in
        [(Undocumented::Refuse, [400, 400]), (Undocumented::Accept, [200, 200])]
    {
        let world = World::with(|options| options.undocumented = undocumented).await;
        let client = world.connect().await;
        let authorization = format!("bearer {}", world.jwt(0));
        let mut headers = faint.to_vec();
        headers.push(("authorization", &authorization));
        let path = format!("/3/device/{}", world.register(ApnsTokenKind::Voip));
        let faint = client.post(&path, &headers, ALERT).await.status.as_u16();
        let typo = client.post(&world.path(), &alert_headers(&authorization), typo).await;
        assert_eq!([faint, typo.status.as_u16()], expected, "{undocumented:?}");
    }
}
