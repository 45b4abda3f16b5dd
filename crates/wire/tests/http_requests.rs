//! Bodies that come in over HTTP: every field, and no other.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wire::http::{
    AckPost, AlertTexts, AppCreate, CallAnswerPost, CallRejectPost, CallSignalPost, CredentialKind,
    CredentialUpload, IosRouteName, KeyCreate, KeyScopeName, MaySendName, MessageCreate, Settings,
    TargetPut, TokenAlgorithm, TokenKeyCreate, UserTokenCreate, WebhookChange, WebhookCreate,
    WebhookReplay, WebhookRotate,
};
use wire::push::Content;
use wire::{EnvironmentName, HeldPosition, PushChoice, RejectReason, UrgencyName};

use crate::golden::{check_golden, pretty};

/// The golden files of requests; [`crate::http_answers`] has the others of their folder.
pub(crate) const NAMES: [&str; 17] = [
    "http/ack_post",
    "http/app_create",
    "http/call_answer_post",
    "http/call_reject_post",
    "http/call_signal_post",
    "http/credential_upload",
    "http/key_create",
    "http/message_create",
    "http/settings",
    "http/settings_change",
    "http/target_put",
    "http/token_key_create",
    "http/user_token_create",
    "http/webhook_change",
    "http/webhook_create",
    "http/webhook_replay",
    "http/webhook_rotate",
];

#[test]
fn requests_are_as_agreed_and_read_back() {
    let mut seen = Vec::new();
    let mut check = |name: &'static str, text: String| {
        assert!(!text.is_empty(), "{name}");
        seen.push(name);
    };
    check("http/ack_post", both_ways("http/ack_post", &ack_post()));
    check("http/app_create", both_ways("http/app_create", &AppCreate { name: "My app".into() }));
    check("http/call_answer_post", both_ways("http/call_answer_post", &call_answer()));
    let busy = CallRejectPost { reason: RejectReason::Busy };
    check("http/call_reject_post", both_ways("http/call_reject_post", &busy));
    check("http/call_signal_post", both_ways("http/call_signal_post", &call_signal()));
    check("http/credential_upload", both_ways("http/credential_upload", &credential_upload()));
    check("http/key_create", both_ways("http/key_create", &key_create()));
    check("http/message_create", both_ways("http/message_create", &message_create()));
    check("http/settings", both_ways("http/settings", &settings()));
    let change = Settings { climb_after: Some(60), ..Settings::default() };
    check("http/settings_change", both_ways("http/settings_change", &change));
    check("http/target_put", both_ways("http/target_put", &target_put()));
    check("http/token_key_create", both_ways("http/token_key_create", &token_key_create()));
    let token = UserTokenCreate { ttl: Some(3_600), may_send: MaySendName::None };
    check("http/user_token_create", both_ways("http/user_token_create", &token));
    check("http/webhook_change", both_ways("http/webhook_change", &webhook_change()));
    check("http/webhook_create", both_ways("http/webhook_create", &webhook_create()));
    check("http/webhook_replay", both_ways("http/webhook_replay", &webhook_replay()));
    let rotate = WebhookRotate { keep_old_for: Some(3_600) };
    check("http/webhook_rotate", both_ways("http/webhook_rotate", &rotate));
    assert_eq!(seen, NAMES);
}

#[test]
fn unknown_fields_of_requests_are_refused() {
    refuses_more::<AckPost>("http/ack_post", &ack_post());
    refuses_more::<AppCreate>("http/app_create", &AppCreate { name: "My app".into() });
    refuses_more::<CallAnswerPost>("http/call_answer_post", &call_answer());
    refuses_more::<CallRejectPost>("http/call_reject_post", &CallRejectPost::default());
    refuses_more::<CallSignalPost>("http/call_signal_post", &call_signal());
    refuses_more::<CredentialUpload>("http/credential_upload", &credential_upload());
    refuses_more::<KeyCreate>("http/key_create", &key_create());
    refuses_more::<MessageCreate>("http/message_create", &message_create());
    refuses_more::<Settings>("http/settings", &settings());
    refuses_more::<WebhookChange>("http/webhook_change", &webhook_change());
    refuses_more::<WebhookCreate>("http/webhook_create", &webhook_create());
    refuses_more::<WebhookReplay>("http/webhook_replay", &webhook_replay());
    refuses_more::<WebhookRotate>("http/webhook_rotate", &WebhookRotate::default());
    refuses_more::<TargetPut>("http/target_put", &target_put());
    refuses_more::<TokenKeyCreate>("http/token_key_create", &token_key_create());
    refuses_more::<UserTokenCreate>("http/user_token_create", &UserTokenCreate::default());
}

#[test]
fn a_credential_upload_shows_nothing_secret() {
    let shown = format!("{:?}", credential_upload());
    assert!(!shown.contains("QUJD") && !shown.contains("only an example"), "{shown}");
}

#[test]
fn a_token_key_shows_nothing_secret() {
    let shown = TokenKeyCreate { secret: Some("only an example".into()), ..token_key_create() };
    assert!(!format!("{shown:?}").contains("only an example"));
}

fn key_create() -> KeyCreate {
    KeyCreate { name: "staging".into(), scopes: Some(vec![KeyScopeName::Send]) }
}

fn token_key_create() -> TokenKeyCreate {
    TokenKeyCreate {
        name: "back end".into(),
        algorithm: TokenAlgorithm::Es256,
        audience: "chat".into(),
        public_key: None,
        secret: None,
        jwks_url: Some("https://example.com/.well-known/jwks.json".into()),
    }
}

/// Compares a request with its golden file, which must read back as the same.
fn both_ways<T: Serialize + DeserializeOwned>(name: &str, request: &T) -> String {
    let text = check_golden(name, request);
    let read: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(pretty(&read), text, "{name} is read as something else");
    text
}

/// A misspelt field is not to be taken for its default.
fn refuses_more<T: Serialize + DeserializeOwned>(name: &str, request: &T) {
    let mut fields: Map<String, Value> =
        serde_json::from_str(&pretty(request)).expect("a request is an object");
    fields.insert("misspelt".into(), 1.into());
    let error = serde_json::from_str::<T>(&pretty(&fields)).err();
    let error = error.unwrap_or_else(|| panic!("{name} takes any field")).to_string();
    assert!(error.contains("unknown field `misspelt`"), "{name}: {error}");
}

fn ack_post() -> AckPost {
    AckPost {
        position: HeldPosition {
            epoch: "4611686018427387904".into(),
            offset: 42,
            entry: Some("ent_0000000000000000000000000000002a".into()),
        },
    }
}

fn call_signal() -> CallSignalPost {
    let body = RawValue::from_string(r#"{"candidate":"host"}"#.into()).expect("JSON");
    CallSignalPost { body }
}

fn call_answer() -> CallAnswerPost {
    let answer = RawValue::from_string(r#"{"sdp":"v=0"}"#.into()).expect("JSON");
    CallAnswerPost { answer: Some(answer) }
}

fn credential_upload() -> CredentialUpload {
    CredentialUpload {
        kind: CredentialKind::ApnsKey,
        file: "QUJD".into(),
        file_name: Some("AuthKey_ABC123DEFG.p8".into()),
        password: Some("only an example".into()),
        key_id: Some("ABC123DEFG".into()),
        team_id: Some("DEF456GHIJ".into()),
        bundle_ids: vec!["com.example.reveille".into()],
        environments: Vec::new(),
        subject: None,
        google_services: None,
        probe: None,
    }
}

fn message_create() -> MessageCreate {
    MessageCreate {
        to: vec!["alice".into(), "carol".into()],
        from: Some("bob".into()),
        id: Some("0192f0a1-0000-7000-8000-000000000001".into()),
        thread: Some("lunch".into()),
        body: RawValue::from_string(r#"{"text":"Noon?"}"#.into()).expect("JSON"),
        ttl: Some(86_400),
        urgency: UrgencyName::High,
        push: Some(PushChoice::Content(Content {
            title: Some("Bob".into()),
            body: Some("Noon?".into()),
            sound: Some("none".into()),
            badge: Some(3),
            image: Some("https://example.org/noon.png".into()),
            category: Some("MESSAGE".into()),
            open: Some("lunch".into()),
            data: serde_json::from_str(r#"{"order":17}"#).expect("an object"),
        })),
    }
}

/// All of them, as `GET` answers.
fn settings() -> Settings {
    Settings {
        push_enabled: Some(true),
        background_push: Some(true),
        sound: Some("default".into()),
        collapse_notifications: Some(false),
        sandbox_to_production: Some(false),
        route_ios: Some(IosRouteName::Automatic),
        climb_after: Some(30),
        repeat_after: Some(vec![600, 3_600, 21_600, 86_400]),
        ring_time: Some(45),
        hold_while_active_elsewhere: Some(0),
        resume_time: Some(30),
        default_ttl: Some(2_592_000),
        alert_title: Some("New message".into()),
        alert_body: Some("You have a new message.".into()),
        texts: Some([("de".into(), german())].into()),
        clients_set_push: Some(false),
        print_push_logs: Some(false),
        log_payloads: Some(false),
        kept_events: Some(vec!["message.offline".into()]),
        offline_event_every: Some(3_600),
        offline_event_body: Some(false),
    }
}

fn german() -> AlertTexts {
    AlertTexts { title: Some("Neue Nachricht".into()), body: None }
}

fn target_put() -> TargetPut {
    TargetPut {
        token: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
        environment: Some(EnvironmentName::Production),
        app_id: Some("com.example.reveille".into()),
    }
}

fn webhook_create() -> WebhookCreate {
    WebhookCreate {
        url: "https://hooks.example.com/reveille".into(),
        events: Some(vec!["message.offline".into(), "push.failed".into()]),
        description: Some("wakes our own script".into()),
    }
}

fn webhook_change() -> WebhookChange {
    WebhookChange {
        url: Some("https://hooks.example.com/reveille-2".into()),
        events: Some(vec!["*".into()]),
        description: Some("everything".into()),
        enabled: Some(true),
    }
}

fn webhook_replay() -> WebhookReplay {
    WebhookReplay {
        event: None,
        from: Some("2026-03-01T06:00:00Z".parse().expect("a time")),
        to: Some("2026-03-01T07:00:00Z".parse().expect("a time")),
        parked_only: Some(true),
    }
}
