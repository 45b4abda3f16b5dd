//! The request that each provider gets on each rung, held to its golden file.

use std::path::Path;

use domain::call::Call;
use domain::wake::Plan;
use domain::{
    AppId, AttemptId, CallId, DeviceNumber, InboxId, LaneId, Offset, Platform, Policy, ProviderId,
    Urgency, WakeId,
};
use serde_json::Value;
use store::model::{CallRecord, Newest, Target, WakeKey};

use super::*;

/// Whether the files are to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// 2026-03-01 06:30:00 UTC.
pub(super) const NOW: Time = Time::from_millis(1_772_346_600_000);

#[test]
fn pushes_to_apple() {
    let apple = |rung| claimed(TargetKind::Apns, rung);
    check("push/apns_background.json", &to_apple(&apple(Rung::Background), &settings()));
    check("push/apns_alert.json", &to_apple(&apple(Rung::Alert), &settings()));
    check("push/apns_repeat.json", &to_apple(&apple(Rung::Repeat(1)), &settings()));
    check("push/apns_missed.json", &to_apple(&missed(apple(Rung::Background)), &settings()));
    check("push/apns_bare.json", &to_apple(&bare(apple(Rung::Alert)), &settings()));
    check("push/apns_collapse_on.json", &to_apple(&apple(Rung::Alert), &collapsing()));
    check("push/apns_alert_mode.json", &to_apple(&apple(Rung::Alert), &alert_mode()));
    // A call, to an app with and without a PushKit token.
    check("push/apns_ring.json", &to_apple(&calling(apple(Rung::Ring)), &settings()));
    let voip = calling(claimed(TargetKind::ApnsVoip, Rung::Ring));
    check("push/apns_voip_ring.json", &to_apple(&voip, &settings()));
}

#[test]
fn pushes_to_google() {
    let google = |rung| claimed(TargetKind::Fcm, rung);
    check("push/fcm_background.json", &to_google(&google(Rung::Background), &settings()));
    check("push/fcm_alert.json", &to_google(&google(Rung::Alert), &settings()));
    check("push/fcm_repeat.json", &to_google(&google(Rung::Repeat(1)), &settings()));
    check("push/fcm_missed.json", &to_google(&missed(google(Rung::Background)), &settings()));
    check("push/fcm_bare.json", &to_google(&bare(google(Rung::Alert)), &alert_mode()));
    check("push/fcm_collapse_on.json", &to_google(&google(Rung::Alert), &collapsing()));
    check("push/fcm_alert_mode.json", &to_google(&google(Rung::Alert), &alert_mode()));
    check("push/fcm_ring.json", &to_google(&calling(google(Rung::Ring)), &settings()));
}

#[test]
fn pushes_to_iphones_by_google() {
    let apple = |rung| iphone(claimed(TargetKind::Fcm, rung));
    check("push/fcm_ios_background.json", &to_google(&apple(Rung::Background), &settings()));
    check("push/fcm_ios_alert.json", &to_google(&apple(Rung::Alert), &settings()));
    check("push/fcm_ios_repeat.json", &to_google(&apple(Rung::Repeat(1)), &settings()));
    check("push/fcm_ios_bare.json", &to_google(&bare(apple(Rung::Alert)), &settings()));
    check("push/fcm_ios_alert_mode.json", &to_google(&apple(Rung::Alert), &alert_mode()));
    check("push/fcm_ios_ring.json", &to_google(&calling(apple(Rung::Ring)), &settings()));
    // A device that does not say what it is may be either.
    let other = Claimed { platform: Platform::Other, ..claimed(TargetKind::Fcm, Rung::Alert) };
    check("push/fcm_any_alert_mode.json", &to_google(&other, &alert_mode()));
}

/// What Apple is told does not depend on who carries it, but for what FCM fills in itself.
#[test]
fn an_iphone_is_told_the_same_by_apple_and_by_google() {
    for rung in [Rung::Background, Rung::Alert, Rung::Repeat(1), Rung::Ring] {
        let of = |kind| {
            let claimed = iphone(claimed(kind, rung));
            if rung == Rung::Ring { calling(claimed) } else { claimed }
        };
        let direct = to_apple(&of(TargetKind::Apns), &settings());
        let handed_on = to_google(&of(TargetKind::Fcm), &settings())["message"]["apns"].take();
        assert_eq!(handed_on["payload"]["aps"], direct["body"]["aps"], "{rung:?}");
        let mut headers = direct["headers"].clone();
        for filled_in in ["apns-id", "apns-topic"] {
            headers.as_object_mut().unwrap().remove(filled_in);
        }
        assert_eq!(handed_on["headers"], headers, "{rung:?}");
    }
}

#[test]
fn texts_fall_back_one_by_one() {
    let texts = |title: Option<&str>, body: Option<&str>| store::model::Texts {
        title: title.map(str::to_owned),
        body: body.map(str::to_owned),
    };
    let mut settings = settings();
    settings.texts.insert("de".to_owned(), texts(Some("Neue Nachricht"), Some("Du hast Post.")));
    settings.texts.insert("de-AT".to_owned(), texts(Some("Servus"), None));
    for (locale, title, body) in [
        (Some("de-AT"), "Servus", "Du hast Post."),
        (Some("de_CH"), "Neue Nachricht", "Du hast Post."),
        (Some("fr"), "New message", "You have a new message."),
        (None, "New message", "You have a new message."),
    ] {
        let mut claimed = bare(claimed(TargetKind::Apns, Rung::Alert));
        claimed.locale = locale.map(str::to_owned);
        let said = content(&claimed, &settings);
        let said = (said.title.as_deref(), said.body.as_deref());
        assert_eq!(said, (Some(title), Some(body)), "{locale:?}");
    }
}

#[test]
fn pushes_to_browsers() {
    let browser = |rung| claimed(TargetKind::Webpush, rung);
    check("push/webpush_alert.json", &to_browser(&browser(Rung::Alert), &settings()));
    check("push/webpush_repeat.json", &to_browser(&browser(Rung::Repeat(1)), &settings()));
    check("push/webpush_bare.json", &to_browser(&bare(browser(Rung::Alert)), &settings()));
    check("push/webpush_collapse_on.json", &to_browser(&browser(Rung::Alert), &collapsing()));
    check("push/webpush_alert_mode.json", &to_browser(&browser(Rung::Alert), &alert_mode()));
    check("push/webpush_ring.json", &to_browser(&calling(browser(Rung::Ring)), &settings()));
}

#[test]
fn what_a_message_says_itself_is_shown_and_only_there() {
    let own = |kind, rung| telling(claimed(kind, rung));
    let (apple, google) = (TargetKind::Apns, TargetKind::Fcm);
    check("push/apns_own.json", &to_apple(&own(apple, Rung::Alert), &settings()));
    check("push/fcm_own.json", &to_google(&own(google, Rung::Alert), &settings()));
    check("push/fcm_own_alert_mode.json", &to_google(&own(google, Rung::Alert), &alert_mode()));
    let browser = own(TargetKind::Webpush, Rung::Alert);
    check("push/webpush_own.json", &to_browser(&browser, &settings()));
    // A wake carries nothing of it, and neither does what is left of a push that was refused.
    for (named, unnamed) in [
        (own(apple, Rung::Background), claimed(apple, Rung::Background)),
        (bare(own(apple, Rung::Alert)), bare(claimed(apple, Rung::Alert))),
    ] {
        let said = [&named, &unnamed].map(|claimed| to_apple(claimed, &settings()));
        assert_eq!(said[0], said[1]);
        assert!(!said[0].to_string().contains("Noon?"), "{}", said[0]);
    }
    for rung in [Rung::Background, Rung::Alert] {
        let said = to_google(&own(google, rung), &settings()).to_string();
        assert!(!said.contains("Noon?"), "in the background mode the app says it itself: {said}");
    }
}

#[test]
fn what_replaces_what() {
    let id = |claimed: &Claimed, settings: &Settings| collapse_id(&ids(), claimed, settings);
    let first = claimed(TargetKind::Apns, Rung::Alert);
    let later = |change: fn(&mut Claimed)| {
        let mut later = claimed(TargetKind::Apns, Rung::Repeat(0));
        later.plan.covers = Offset::from_number(43);
        change(&mut later);
        later
    };
    let next = later(|_| {});
    // Off: everything of one wake is one notification, and another wake's is another.
    assert_eq!(id(&first, &settings()), id(&next, &settings()));
    let other_wake = later(|later| later.wake = WakeId::from_bits(0xa8));
    assert_ne!(id(&first, &settings()), id(&other_wake, &settings()));
    // Off in alert mode: each message stands alone, and a retry of one shows once.
    assert_ne!(id(&first, &alert_mode()), id(&next, &alert_mode()));
    assert_eq!(id(&first, &alert_mode()), id(&first, &alert_mode()));
    // On: the thread, over wakes, but not over users.
    assert_eq!(id(&first, &collapsing()), id(&other_wake, &collapsing()));
    let other_user = later(|later| later.inbox = InboxId::from_number(6));
    assert_ne!(id(&first, &collapsing()), id(&other_user, &collapsing()));
    let other_thread = later(|later| {
        later.newest = Some(Newest { thread: Some("dinner".into()), ..texts() });
    });
    assert_ne!(id(&first, &collapsing()), id(&other_thread, &collapsing()));
}

#[test]
fn only_an_alert_says_what_the_message_says() {
    for kind in [TargetKind::Apns, TargetKind::Fcm] {
        let request = |rung, bare| {
            let mut claimed = claimed(kind, rung);
            claimed.plan.bare = bare;
            match kind {
                TargetKind::Fcm => to_google(&claimed, &alert_mode()),
                _ => to_apple(&claimed, &alert_mode()),
            }
            .to_string()
        };
        assert!(request(Rung::Alert, false).contains("Noon?"));
        assert!(!request(Rung::Background, false).contains("Noon?"));
        assert!(!request(Rung::Alert, true).contains("Noon?"));
        // The thread's name goes nowhere.
        for rung in [Rung::Background, Rung::Alert, Rung::Repeat(0)] {
            assert!(!request(rung, false).contains("lunch"));
        }
    }
}

#[test]
fn a_push_outlives_neither_its_messages_nor_what_the_provider_allows() {
    let mut claimed = claimed(TargetKind::Apns, Rung::Background);
    claimed.plan.expires_at = NOW.plus(Duration::from_secs(60));
    assert_eq!(to_apple(&claimed, &settings())["headers"]["apns-expiration"], "1772346660");
    claimed.platform = Platform::Other;
    let google = |claimed: &Claimed| {
        let message = to_google(claimed, &settings())["message"].take();
        let expiration = message["apns"]["headers"]["apns-expiration"].clone();
        (message["android"]["ttl"].clone(), expiration)
    };
    assert_eq!(google(&claimed), (json!("60s"), json!("1772346660")));
    claimed.plan.expires_at = NOW.plus(Duration::from_secs(90 * 86_400));
    assert_eq!(google(&claimed), (json!("2419200s"), json!("1774765800")));
    claimed.plan.expires_at = NOW.minus(Duration::from_secs(1));
    assert_eq!(google(&claimed), (json!("0s"), json!("1772346599")));
}

/// Compares a request with `goldens/<name>`; with `UPDATE_GOLDEN=1` it is written first.
#[track_caller]
pub(super) fn check(name: &str, request: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name);
    let printed = format!("{request:#}\n");
    if UPDATE {
        std::fs::write(&path, &printed).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        printed == agreed,
        "goldens/{name} says\n{agreed}\nand the request is now\n{printed}\n\
         if the change is meant, run the tests with UPDATE_GOLDEN=1 and look at the difference"
    );
}

fn to_apple(claimed: &Claimed, settings: &Settings) -> Value {
    let topic = |push_type| apns::Topic::for_push("com.example.reveille", push_type).unwrap();
    let (plain, voip) = (topic(apns::PushType::Alert), topic(apns::PushType::Voip));
    apple_request(&apns(&ids(), claimed, settings, plain, voip, NOW).unwrap())
}

fn to_google(claimed: &Claimed, settings: &Settings) -> Value {
    google_request(&fcm(&ids(), claimed, settings, NOW))
}

fn to_browser(claimed: &Claimed, settings: &Settings) -> Value {
    browser_request(&webpush(&ids(), claimed, settings, NOW).unwrap())
}

/// The request to Apple: path, headers, body.
pub(super) fn apple_request(push: &apns::Push) -> Value {
    let request = apns::encode(push).unwrap();
    json!({
        "path": std::str::from_utf8(&request.path).unwrap(),
        "headers": headers(&request.headers),
        "body": serde_json::from_slice::<Value>(&request.body).unwrap(),
    })
}

/// The body of the request to Google, which is all of it.
pub(super) fn google_request(message: &fcm::Message) -> Value {
    serde_json::from_slice(&fcm::encode(message).unwrap().body).unwrap()
}

/// The request to a browser's push service, before it is encrypted.
pub(super) fn browser_request(push: &webpush::Push) -> Value {
    let request = webpush::encode(push, 1).unwrap();
    let payload = push.payload.as_ref().unwrap();
    json!({
        "headers": headers(&request.headers),
        "payload": serde_json::from_slice::<Value>(payload).unwrap(),
    })
}

fn headers(headers: &[(::http::HeaderName, ::http::HeaderValue)]) -> Value {
    let text = |value: &::http::HeaderValue| value.to_str().unwrap().into();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    Value::Object(headers.collect())
}

/// A browser's subscription; its public key is some point on the curve.
fn subscription() -> String {
    let point = webpush::VapidKey::generate().unwrap();
    json!({
        "endpoint": "https://push.example.org/a-secret-path",
        "keys": { "p256dh": point.public_key(), "auth": "AAAAAAAAAAAAAAAAAAAAAA" },
    })
    .to_string()
}

pub(super) fn ids() -> Ids {
    Ids::new(&[7; 32])
}

fn settings() -> Settings {
    Settings::default()
}

fn collapsing() -> Settings {
    Settings { collapse_notifications: true, ..settings() }
}

fn alert_mode() -> Settings {
    Settings { policy: Policy { first_rung: FirstRung::Alert, ..Policy::default() }, ..settings() }
}

/// Two messages of one thread, the newer one with texts of its own.
pub(super) fn claimed(kind: TargetKind, rung: Rung) -> Claimed {
    let token = match kind {
        TargetKind::Apns => "a1".repeat(32),
        TargetKind::ApnsVoip => "b2".repeat(32),
        TargetKind::Fcm => "example-registration-token".to_owned(),
        TargetKind::Webpush => subscription(),
    };
    Claimed {
        wake: WakeId::from_bits(0xa7),
        key: WakeKey { device: DeviceNumber::from_number(3), call: 0 },
        lane: LaneId::from_number(2),
        app: AppId::from_number(1),
        inbox: InboxId::from_number(5),
        user: "alice".to_owned(),
        device_name: "alice's phone".to_owned(),
        locale: Some("de-AT".to_owned()),
        platform: match kind {
            TargetKind::Apns | TargetKind::ApnsVoip => Platform::Ios,
            TargetKind::Fcm => Platform::Android,
            TargetKind::Webpush => Platform::Web,
        },
        plan: Plan {
            attempt: AttemptId::from_bits(0xc1),
            provider: ProviderId::from_bits(0x0192_f0a1_7b3c_7d4e_8f50_6172_8394_a5b6),
            rung,
            target: kind,
            bare: false,
            covers: Offset::from_number(42),
            count: 2,
            urgency: Urgency::Normal,
            expires_at: NOW.plus(Duration::from_secs(7 * 86_400)),
            lapsed: None,
        },
        after: Offset::from_number(40),
        target: Target {
            kind,
            token,
            environment: None,
            learned: None,
            suspect_since: None,
            app_id: Some("com.example.reveille".to_owned()),
            registered_at: NOW,
        },
        newest: Some(texts()),
        call: None,
        slot: None,
        first_since: None,
        at: NOW,
    }
}

fn texts() -> Newest {
    Newest {
        thread: Some("lunch".to_owned()),
        push: Some(r#"{"title": "Bob", "body": "Noon?", "sound": "chime.caf"}"#.to_owned()),
        missed_call: false,
    }
}

/// The same to an iPhone, whatever carries it.
fn iphone(mut claimed: Claimed) -> Claimed {
    claimed.platform = Platform::Ios;
    claimed
}

fn missed(mut claimed: Claimed) -> Claimed {
    claimed.newest = Some(Newest { thread: None, push: None, missed_call: true });
    claimed.plan.count = 1;
    claimed
}

fn telling(mut claimed: Claimed) -> Claimed {
    let own = json!({
        "title": "Alice", "body": "Noon?", "sound": "bell.caf", "badge": 3,
        "image": "https://example.org/noon.png", "category": "MESSAGE", "open": "lunch",
        "data": { "order": 17, "shop": "north" },
    });
    claimed.newest.as_mut().expect("a message").push = Some(own.to_string());
    claimed
}

fn bare(mut claimed: Claimed) -> Claimed {
    claimed.plan.bare = true;
    claimed
}

pub(super) fn calling(mut claimed: Claimed) -> Claimed {
    let until = NOW.plus(Duration::from_secs(30));
    claimed.newest = None;
    claimed.plan.count = 0;
    claimed.plan.expires_at = until;
    claimed.call = Some(CallRecord {
        number: 9,
        id: CallId::from_bits(0x0192_f0a1_7b3c_7d4e_8f50_6172_8394_a5b7),
        app: claimed.app,
        call: Call::start(DeviceNumber::from_number(4), until),
        answered_by: None,
        silent: false,
        rings_somewhere: false,
        caller_inbox: InboxId::from_number(6),
        caller_user: "bob".to_owned(),
        callee_inbox: claimed.inbox,
        callee_user: claimed.user.clone(),
        video: true,
        caller_name: "Bob Example".to_owned(),
        caller_handle: Some("bob@example.com".to_owned()),
        offer: None,
        answer: None,
        created_at: NOW,
    });
    claimed
}
