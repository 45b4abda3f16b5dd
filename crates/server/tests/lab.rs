//! The lab over sockets: who may ask, what each action does, what is refused and how it is said.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use server::lab::routes::ROUTES;
use server::lab::{Action, Fault, Lab, Service, What, listen, serve};
use server::tasks::Tasks;
use sim::webpush::Vendor;
use sim::world::{Tuning, World, WorldOptions};
use tokio::net::TcpStream;

use super::journeys::{PATIENCE, SERVER};

/// A lab that is served, and its world.
struct Stage {
    address: SocketAddr,
    world: Arc<World>,
    tasks: Tasks,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// A refusal with this status that names this field.
    #[track_caller]
    fn refused(&self, status: u16, field: Option<&str>) {
        let body = self.json();
        assert_eq!((self.status, body["field"].as_str()), (status, field), "{body}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{body}");
    }
}

impl Stage {
    async fn set() -> Self {
        let soon = Some(Duration::from_millis(200));
        let tuning =
            Tuning { probe: soon, apns_retry_after_unavailable: soon, ..Tuning::default() };
        let world = World::start(WorldOptions {
            webpush: Some(Vendor::Mozilla),
            tuning,
            ..WorldOptions::new(SERVER)
        });
        let world = Arc::new(world.await.expect("a world"));
        let listener = listen(Some(([127, 0, 0, 1], 0).into())).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tasks = Tasks::default();
        let lab = Lab::open(Arc::clone(&world), address, &tasks).await.expect("a lab");
        tasks.start("lab", serve(lab, listener, tasks.clone()));
        Self { address, world, tasks }
    }

    async fn end(self) {
        self.tasks.stop();
        self.tasks.ended().await;
        assert_eq!(self.tasks.panics(), 0);
        self.world.stop().await.expect("the server stops");
    }

    /// A request as a page of the lab sends it, but for what is said otherwise.
    async fn ask(&self, method: Method, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(&method).uri(path);
        let own = (self.address.to_string(), format!("http://{}", self.address));
        let usual = [
            ("host", own.0.as_str()),
            ("origin", own.1.as_str()),
            ("accept", "application/json"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let said = |name: &str| more.iter().any(|(other, _)| *other == name);
        for (name, value) in usual.into_iter().filter(|(name, _)| !said(name)) {
            request = request.header(name, value);
        }
        for (name, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request");
        let stream = TcpStream::connect(self.address).await.expect("the lab listens");
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let asked = async {
            let answer = sender.send_request(request).await.expect("an answer");
            let (parts, body) = answer.into_parts();
            // A stream of events has no end; its first one is enough.
            let bytes = if parts.headers["content-type"] == "text/event-stream" {
                let mut body = body;
                let frame = body.frame().await.expect("an event").expect("a good answer");
                frame.into_data().expect("data")
            } else {
                body.collect().await.expect("a whole answer").to_bytes()
            };
            let text = String::from_utf8(bytes.to_vec()).expect("text");
            Answer { status: parts.status.as_u16(), headers: parts.headers, text }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time")
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, &[], body).await
    }

    /// Does something to a phone.
    async fn act(&self, phone: &str, action: Action) -> Answer {
        let answer = self.post(&format!("/lab/phones/{phone}/{}", action.as_str()), "").await;
        assert_eq!(answer.status, 200, "{phone} {action:?}: {}", answer.text);
        answer
    }

    /// Waits until something that a page shows is so.
    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let state = self.get("/lab/state").await.json();
                if holds(&state) {
                    return state;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(state) => state,
            Err(_) => panic!("{what} did not come: {}", self.get("/lab/state").await.text),
        }
    }
}

/// A phone of the state.
fn phone<'a>(state: &'a Value, id: &str) -> &'a Value {
    let phones = state["phones"].as_array().expect("phones");
    phones.iter().find(|phone| phone["id"] == id).unwrap_or_else(|| panic!("no {id}"))
}

fn is(state: &Value, id: &str, field: &str, value: impl Into<Value>) -> bool {
    phone(state, id)[field] == value.into()
}

/// How the steps of the way to the only phone stand.
fn steps(state: &Value) -> Vec<&str> {
    let steps = state["strip"]["rows"][0]["steps"].as_array();
    steps.into_iter().flatten().filter_map(|step| step["state"].as_str()).collect()
}

#[tokio::test]
async fn strangers_are_refused_by_every_route() {
    let stage = Stage::set().await;
    for route in ROUTES {
        let path = route.path.replace("{phone}", "bob-android").replace("{action}", "sleep");
        let path = path.replace("{name}", "lab.css").replace("{file}", "index.html");
        let refused = [
            [("host", "evil.example"), ("origin", "")],
            [("host", "evil.example"), ("origin", "http://evil.example")],
            [("origin", "http://evil.example"), ("sec-fetch-site", "")],
            [("origin", "null"), ("sec-fetch-site", "cross-site")],
        ];
        for strange in refused {
            let answer = stage.ask(route.method.clone(), &path, &strange, "").await;
            answer.refused(403, None);
            let policy = answer.headers["content-security-policy"].to_str().expect("text");
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        }
        if route.method == Method::POST {
            stage.ask(Method::POST, &path, &[("origin", "")], "").await.refused(403, None);
        }
    }
    let state = stage.get("/lab/state").await.json();
    assert!(is(&state, "bob-android", "condition", "live"), "{state}");
    stage.end().await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_the_name_of_its_field() {
    let stage = Stage::set().await;
    let message = "from=alice-iphone&to=bob&what=message&text=hi";
    for (path, body, status, field) in [
        ("/lab/phones/nobody/sleep", "", 404, "phone"),
        ("/lab/phones/bob-android/explode", "", 404, "action"),
        ("/lab/phones/alice-browser/lock", "", 422, "action"),
        ("/lab/phones/bob-android/answer", "", 409, "action"),
        ("/lab/send", &message.replace("alice-iphone", "nobody"), 404, "from"),
        ("/lab/send", &message.replace("to=bob", "to=nobody"), 422, "to"),
        ("/lab/send", &message.replace("to=bob", "to=alice"), 422, "to"),
        ("/lab/send", &message.replace("what=message", "what=letter"), 422, "what"),
        ("/lab/send", &message.replace("text=hi", "text="), 422, "text"),
        (
            "/lab/send",
            &message.replace("text=hi", &format!("text={}", "x".repeat(501))),
            422,
            "text",
        ),
        ("/lab/send", "to=bob&what=message&text=hi", 422, "from"),
        ("/lab/send", &format!("{message}&sound=loud"), 422, "sound"),
        ("/lab/faults", "service=adm&fault=down", 422, "service"),
        ("/lab/faults", "service=fcm&fault=on+fire", 422, "fault"),
        ("/lab/faults", "service=fcm", 422, "fault"),
        ("/lab/phones", "user=dora&platform=fridge", 422, "platform"),
        ("/lab/phones", "user=D%C3%B6rte&platform=iphone", 422, "user"),
        ("/lab/phones", "user=&platform=iphone", 422, "user"),
    ] {
        let answer = stage.post(path, body).await;
        assert_eq!(answer.json()["field"], field, "{path} {body}: {}", answer.text);
        answer.refused(status, Some(field));
    }
    let state = stage.get("/lab/state").await.json();
    assert_eq!(state["strip"], Value::Null, "nothing was sent");
    // A page gets a page.
    let page = [("accept", "text/html")];
    let answer = stage.ask(Method::POST, "/lab/phones/nobody/sleep", &page, "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("there is no such phone") && answer.text.contains("<code>phone"));
    stage.end().await;
}

#[tokio::test]
async fn each_action_does_what_it_says() {
    let stage = Stage::set().await;
    let (bob, alice) = ("bob-android", "alice-browser");
    for (id, action, field, value) in [
        (bob, Action::Lock, "condition", Value::from("background")),
        (bob, Action::Unlock, "condition", "live".into()),
        (bob, Action::Sleep, "condition", "asleep".into()),
        (bob, Action::Unlock, "screen", "app".into()),
        (bob, Action::Freeze, "condition", "frozen".into()),
        (bob, Action::Open, "condition", "live".into()),
        (bob, Action::AirplaneOn, "condition", "offline".into()),
        (bob, Action::AirplaneOff, "condition", "live".into()),
        (bob, Action::LowBatteryOn, "dozing", true.into()),
        (bob, Action::LowBatteryOff, "dozing", false.into()),
        (bob, Action::ExpireToken, "token_expired", true.into()),
        (bob, Action::RenewToken, "token_expired", false.into()),
        (bob, Action::ForceQuit, "condition", "force_quit".into()),
        (bob, Action::Open, "condition", "live".into()),
        (bob, Action::Read, "unread", 0.into()),
        (alice, Action::Sleep, "condition", "closed".into()),
        (alice, Action::Open, "condition", "live".into()),
        (alice, Action::ForceQuit, "condition", "force_quit".into()),
    ] {
        stage.act(id, action).await;
        let what = format!("{id} {action:?}: {field} {value}");
        stage.until(&what, |state| phone(state, id)[field] == value).await;
    }
    // The push service has forgotten the token, so the server is told that it is gone.
    stage.act(bob, Action::Sleep).await;
    stage.act(bob, Action::ForgetToken).await;
    stage.post("/lab/send", "from=alice-iphone&to=bob&what=message&text=hi").await;
    let gone = |state: &Value| steps(state).get(2) == Some(&"failed");
    let state = stage.until("the refusal", gone).await;
    assert_eq!(state["strip"]["rows"][0]["steps"][2]["text"], "FCM answered 404", "{state}");
    stage.end().await;
}

#[tokio::test]
async fn a_sleeping_phone_is_woken_and_its_five_steps_are_told() {
    let stage = Stage::set().await;
    stage.act("bob-android", Action::Sleep).await;
    let send = "from=alice-iphone&to=bob&text=Good+morning&what=";
    let answer = stage.post("/lab/send", &format!("{send}{}", What::Message.as_str())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let state = stage.until("five steps", |state| steps(state) == ["done"; 5]).await;
    let (bob, push) = (phone(&state, "bob-android"), &state["pushes"][0]);
    assert_eq!(bob["notes"][0]["title"], "Alice", "{bob}");
    assert_eq!(bob["notes"][0]["body"], "Good morning", "{bob}");
    assert_eq!((&push["service"], &push["status"]), (&"FCM".into(), &200.into()), "{push}");
    let token = stage.world.fcm().seen().last().expect("a push").token.clone();
    let all = state.to_string();
    assert!(!all.contains(&token) && !all.contains("Bearer"), "a secret is shown: {push}");
    // The page has it without any script, and so has the stream of changes.
    let page = stage.ask(Method::GET, "/lab", &[("accept", "text/html")], "").await.text;
    assert!(page.contains("Good morning") && page.contains("FCM took it: 200"), "{page}");
    let events = stage.get("/lab/events").await.text;
    assert!(events.starts_with("event: parts\ndata: {"), "{events}");

    stage.act("bob-android", Action::Sleep).await;
    stage.post("/lab/send", &format!("{send}{}", What::Burst.as_str())).await;
    let ten = |state: &Value| state["strip"]["rows"][0]["received"] == 10;
    let state = stage.until("ten messages", ten).await;
    assert_eq!(state["strip"]["rows"][0]["of"], 10);
    let state = stage.until("five steps", |state| steps(state) == ["done"; 5]).await;
    assert_eq!(state["strip"]["rows"][0]["pushes"], 1, "{}", state["strip"]);
    stage.end().await;
}

#[tokio::test]
async fn a_call_rings_on_a_locked_iphone_and_has_both_its_ends() {
    let stage = Stage::set().await;
    let call = "from=alice-iphone&to=carol&what=call";
    let rings = |state: &Value| phone(state, "carol-iphone")["call"]["phase"] == "rings";
    let over = |state: &Value| {
        ["carol-iphone", "alice-iphone"].iter().all(|id| phone(state, id)["call"].is_null())
    };
    let talks = |state: &Value| {
        let phase = |id| phone(state, id)["call"]["phase"].clone();
        phase("carol-iphone") == "talks" && phase("alice-iphone") == "talks"
    };
    stage.post("/lab/send", call).await;
    let state = stage.until("a call", rings).await;
    assert!(is(&state, "carol-iphone", "screen", "call"), "{state}");
    stage.act("carol-iphone", Action::Answer).await;
    stage.until("both to talk", talks).await;
    stage.until("five steps", |state| steps(state) == ["done"; 5]).await;
    stage.act("carol-iphone", Action::HangUp).await;
    stage.until("its end", over).await;
    stage.act("carol-iphone", Action::Sleep).await;
    stage.post("/lab/send", call).await;
    stage.until("another call", rings).await;
    stage.act("carol-iphone", Action::Reject).await;
    stage.until("its end", over).await;
    stage.end().await;
}

#[tokio::test]
async fn a_fault_is_one_of_its_service_and_ends() {
    let stage = Stage::set().await;
    let set = async |service: Service, fault: Fault| {
        let form = format!("service={}&fault={}", service.as_str(), fault.as_str());
        let answer = stage.post("/lab/faults", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let cases = [
        (Service::Apns, Fault::Down, "carol", "APNs answered 503"),
        (Service::Fcm, Fault::Throttled, "bob", "FCM answered 429"),
        (Service::Fcm, Fault::Refused, "bob", "FCM answered 401"),
        (Service::Fcm, Fault::Dropped, "bob", "no answer of FCM"),
    ];
    for (service, fault, user, says) in cases {
        let phone = if user == "bob" { "bob-android" } else { "carol-iphone" };
        stage.act(phone, Action::Sleep).await;
        let state = set(service, fault).await;
        for other in state["services"].as_array().expect("services") {
            let expected = if other["service"] == service.as_str() { fault } else { Fault::None };
            assert_eq!(other["fault"], expected.as_str(), "{other}");
        }
        stage
            .post("/lab/send", &format!("from=alice-iphone&to={user}&what=message&text=Patience"))
            .await;
        let told = |state: &Value| state["strip"]["rows"][0]["steps"][2]["text"] == says;
        stage.until(says, told).await;
        set(service, Fault::None).await;
        stage.until("the message", |state| steps(state).last() == Some(&"done")).await;
    }
    set(Service::Apns, Fault::Slow).await;
    set(Service::Apns, Fault::None).await;
    stage.end().await;
}

#[tokio::test]
async fn it_listens_on_this_machine_alone() {
    let error = listen(Some(([0, 0, 0, 0], 0).into())).await.expect_err("everybody could reach it");
    assert!(error.to_string().contains("for this machine alone"), "{error}");
    let first = listen(Some(([127, 0, 0, 1], 0).into())).await.expect("a port");
    let taken = first.local_addr().expect("an address");
    let error = listen(Some(taken)).await.expect_err("it is taken");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}
