//! Entry points for the bodies of requests, for what stands in their paths and queries, and for what
//! the server keeps of a push.

use std::fmt::Display;
use std::time::Duration;

use domain::{
    AppId, CallId, CredentialId, EntryId, KeyId, MessageId, Platform, Policy, ProviderId, PushId,
    TargetKind, Time, WakeId,
};
use providers::{apns, fcm};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use store::log::{Cursor, Step};
use wire::http::{
    AckPost, AppCreate, CallAnswerPost, CallRejectPost, CredentialUpload, KeyCreate, MessageCreate,
    PushCreate, RawTarget, Settings, TargetPut, TopicChange, UserTokenCreate,
};

use super::body::parse;
use super::problem::Problem;
use crate::ids::Ids;
use crate::opaque;
use crate::pushes::address::{Address, Destination};
use crate::pushes::check::{Checked, check};
use crate::pushes::content::Content;
use crate::pushes::preview::Preview;
use crate::pushes::render::{self, Parts};
use crate::secret::{KeyKind, KeyText};

/// 2026-03-01 06:30:00 UTC.
const NOW: Time = Time::from_millis(1_772_346_600_000);
/// The longest text that says what is wrong with a request, in characters.
const LONGEST_DETAIL: usize = 803;
/// The longest name of a field in an answer, with the part that it is in.
const LONGEST_FIELD: usize = 230;

/// A body of any request: read whole, or refused with a place and few words.
pub(crate) fn body(bytes: &[u8]) {
    fn reads<T: DeserializeOwned>(bytes: &[u8]) {
        if let Err(problem) = parse::<T>(bytes) {
            check_problem(problem);
        }
    }
    reads::<AckPost>(bytes);
    reads::<AppCreate>(bytes);
    reads::<CallAnswerPost>(bytes);
    reads::<CallRejectPost>(bytes);
    reads::<CredentialUpload>(bytes);
    reads::<KeyCreate>(bytes);
    reads::<MessageCreate>(bytes);
    reads::<Settings>(bytes);
    reads::<TargetPut>(bytes);
    reads::<TopicChange>(bytes);
    reads::<UserTokenCreate>(bytes);
}

/// A direct push: refused with the field that breaks its rule, or rendered for every platform and
/// good in the eyes of every push service's own check. Nothing invalid costs a round trip.
pub(crate) fn push(bytes: &[u8]) {
    let create = match parse::<PushCreate>(bytes) {
        Ok(create) => create,
        Err(problem) => return check_problem(problem),
    };
    let checked = match check(create, AppId::from_number(1), &Policy::default()) {
        Ok(checked) => checked,
        Err(problem) => return check_named(problem),
    };
    let times = match checked.times(NOW) {
        Ok(times) => times,
        Err(problem) => return check_named(problem),
    };
    assert!(times.send_at >= NOW && times.send_at <= NOW.plus(Duration::from_secs(30 * 86_400)));
    let ids = Ids::new(&[7; 32]);
    let preview = Preview {
        ids: &ids,
        app: AppId::from_number(1),
        push: PushId::from_bits(9),
        kind: checked.kind,
        content: &checked.content,
        fcm_topic: checked.fcm_topic.as_ref(),
        sound: "default",
        times,
    };
    if let Err(problem) = preview.check() {
        return check_named(problem);
    }
    let stored = serde_json::to_string(&checked.content).expect("it is stored as JSON");
    let kept: Content = serde_json::from_str(&stored).expect("what is stored reads back");
    assert_eq!(kept.texts, checked.content.texts);
    check_rendered(&checked, &kept, &ids, times.send_at, times.expires_at);
}

/// Renders what is kept of a push as a device would get it.
fn check_rendered(checked: &Checked, kept: &Content, ids: &Ids, at: Time, expires_at: Time) {
    let locales = kept.translations.keys().map(|tag| Some(tag.as_str())).chain([None]);
    for locale in locales {
        for platform in [Platform::Android, Platform::Ios, Platform::Web, Platform::Other] {
            let parts = Parts {
                ids,
                app: AppId::from_number(1),
                push: PushId::from_bits(9),
                kind: checked.kind,
                content: kept,
                platform: Some(platform),
                locale,
                sound: "default",
                provider: ProviderId::from_bits(1),
                at,
                expires_at,
            };
            let topic = |push_type| apns::Topic::for_push("com.example.app", push_type);
            let topics = render::apns::Topics {
                app: topic(apns::PushType::Alert).expect("a bundle id"),
                voip: topic(apns::PushType::Voip).expect("a bundle id"),
            };
            let push = render::apns::push(&parts, TargetKind::Apns, "00ff", topics, at);
            apns::encode(&push.expect("it renders for Apple")).expect("Apple takes it");
            let token = Destination::Token("token".to_owned());
            let message = render::fcm::message(&parts, &token, at);
            fcm::encode(&message.expect("it renders for Google")).expect("Google takes it");
            render::webpush::push(&parts, at).expect("it renders for browsers");
        }
    }
}

/// A target that is no device's: refused with its field, or stored and read back as it was.
pub(crate) fn target(bytes: &[u8]) {
    if let Ok(raw) = parse::<RawTarget>(bytes) {
        match Address::check(raw) {
            Ok(address) => {
                let stored = address.to_json();
                assert!(Address::from_json(&stored) == Some(address), "it reads back");
            }
            Err(problem) => check_named(problem),
        }
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(address) = Address::from_json(&text) {
        assert!(Address::from_json(&address.to_json()) == Some(address), "it reads back");
    }
}

/// JSON that is passed on: what is taken, the strictest of parsers can read.
pub(crate) fn passed_on(bytes: &[u8]) {
    fn levels(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or_default(),
            Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or_default(),
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => 0,
        }
    }
    let text = String::from_utf8_lossy(bytes);
    // What comes in is JSON by its grammar before it is looked at more closely.
    let Ok(raw) = serde_json::from_str::<&RawValue>(&text) else { return };
    match opaque::check("body", raw.get()) {
        Ok(()) => {
            let value: Value = serde_json::from_str(raw.get()).expect("every parser reads it");
            assert!(levels(&value) <= wire::limits::JSON_DEPTH);
        }
        Err(problem) => check_named(problem),
    }
}

/// A name or a place in a path or a query: what is read is what is written.
pub(crate) fn name(bytes: &[u8]) {
    fn reads<T: Display>(parse: fn(&str) -> Option<T>, text: &str) {
        assert!(parse(text).is_none_or(|read| read.to_string() == text), "{text}");
    }
    let text = String::from_utf8_lossy(bytes);
    reads(AppId::parse, &text);
    reads(CallId::parse, &text);
    reads(CredentialId::parse, &text);
    reads(Cursor::parse, &text);
    reads(EntryId::parse, &text);
    reads(KeyId::parse, &text);
    reads(MessageId::parse, &text);
    reads(PushId::parse, &text);
    reads(WakeId::parse, &text);
    let word = TargetKind::parse(&text).map(TargetKind::as_str);
    assert!(word.is_none_or(|word| word == text));
    let step = Step::parse(&text).map(Step::as_str);
    assert!(step.is_none_or(|step| step == text));
}

/// A key in a header.
pub(crate) fn key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match KeyText::parse(&text) {
        Ok(key) => {
            assert_eq!(key.expose(), text);
            assert!(!format!("{key:?}").contains(&*text));
        }
        Err(error) => check_problem(Problem::from(&error)),
    }
    if let Err(error) = KeyText::parse_kind(&text, KeyKind::App) {
        let said = error.to_string();
        assert!(text.len() < 20 || !said.contains(&*text), "a key is not repeated: {said}");
    }
}

/// Every refusal says what is wrong in few words.
fn check_problem(problem: Problem) {
    let problem = wire::Problem::from(problem);
    let said = problem.detail.chars().count();
    assert!((1..=LONGEST_DETAIL).contains(&said), "{said} characters: {:.300}", problem.detail);
    let named = problem.field.as_ref().map_or(0, |field| field.chars().count());
    assert!(named <= LONGEST_FIELD, "{named} characters: {:.300}", problem.detail);
    assert!((400..500).contains(&problem.status), "{}", problem.status);
}

/// A refusal for a rule that is broken names the field.
fn check_named(problem: Problem) {
    let shown = wire::Problem::from(problem.clone());
    assert!(shown.field.is_some_and(|field| !field.is_empty()), "{}", shown.detail);
    check_problem(problem);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The golden files of the crate `wire` whose names begin so.
    fn goldens(start: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/goldens/http");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(start);
        let mut files: Vec<_> = entries.filter(|path| named(path)).collect();
        // The order of a folder is the machine's.
        files.sort();
        files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    #[test]
    fn request_body() {
        fuzz::run("request_body", body, goldens(""));
    }

    #[test]
    fn push_request() {
        let more = [
            r#"{"to":{"users":["alice"]},"title":"Hi","texts":{"de":{"title":"Hallo"}},"data":{"a":[1,2.5]},"ttl":60}"#,
            r#"{"to":{"all":true},"body":"x","rate":100,"send_at":"2026-03-01T07:00:00Z","collapse_id":"c"}"#,
            r#"{"to":{"targets":[{"kind":"fcm","topic":"news"},{"kind":"fcm","condition":"'a' in topics"}]},"title":"x","sound":"none","badge":1}"#,
            r#"{"to":{"devices":["d"]},"kind":"background","data":{"a":"b"},"apns":{"headers":{"apns-priority":"5","apns-expiration":"0"},"payload":{"own":1}}}"#,
            r#"{"to":{"users":["a"]},"title":"x","fcm":{"android":{"ttl":"3.5s","notification":{"channel_id":"c"}},"apns":{"headers":{"apns-priority":"5"}}},"webpush":{"urgency":"low","topic":"t","ttl":5,"payload":null}}"#,
            r#"{"to":{"users":["a"]},"kind":"voip","call":{"id":"0192f0a1-7b3c-7d4e-8f50-61728394a5b6","caller_name":"Bob","media":"video","rings_until":"2026-03-01T06:30:45Z"}}"#,
        ];
        let examples = [goldens("push_create"), more.map(Vec::from).to_vec()].concat();
        fuzz::run("push_request", push, examples);
    }

    #[test]
    fn raw_target() {
        let key = providers::webpush::VapidKey::generate().unwrap();
        let keys =
            format!(r#"{{"p256dh":"{}","auth":"BwcHBwcHBwcHBwcHBwcHBw"}}"#, key.public_key());
        let examples = [
            r#"{"kind":"apns","token":"00FF","environment":"sandbox","app_id":"com.example.app"}"#
                .to_owned(),
            r#"{"kind":"apns_voip","token":"00ff"}"#.to_owned(),
            r#"{"kind":"fcm","fid":"cAbC_-123"}"#.to_owned(),
            r#"{"kind":"fcm","topic":"news"}"#.to_owned(),
            r#"{"kind":"fcm","condition":"'a' in topics && !('b' in topics)"}"#.to_owned(),
            format!(
                r#"{{"kind":"webpush","subscription":{{"endpoint":"https://push.example.org/x","keys":{keys}}}}}"#
            ),
            r#"{"kind":"apns","to":{"token":"00ff"},"environment":"sandbox"}"#.to_owned(),
            r#"{"kind":"fcm","to":{"condition":"'a' in topics"},"app_id":"com.example.app"}"#
                .to_owned(),
        ];
        fuzz::run("raw_target", target, examples.map(Vec::from).to_vec());
    }

    #[test]
    fn opaque_json() {
        let examples = [
            r#"{"text":"caf\u00e9","list":[1,-2.5e3,null,true],"deep":{"a":[[]]}}"#,
            r#""\ud83d\ude00""#,
            "18446744073709551616",
        ];
        fuzz::run("opaque_json", passed_on, examples.map(Vec::from).to_vec());
    }

    #[test]
    fn path_name() {
        let examples = [
            AppId::from_number(12).to_string(),
            PushId::from_bits(9).to_string(),
            MessageId::from_bits(9).to_string(),
            "1772346600000000.42".to_owned(),
            "apns_voip".to_owned(),
            "0192f0a1-7b3c-7d4e-8f50-61728394a5b6".to_owned(),
        ];
        fuzz::run("path_name", name, examples.map(Vec::from).to_vec());
    }

    #[test]
    fn bearer_key() {
        let examples =
            KeyKind::ALL.map(|kind| KeyText::generate(kind).expose().as_bytes().to_vec());
        fuzz::run("bearer_key", key, examples.to_vec());
    }
}
