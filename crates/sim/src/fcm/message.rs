//! The rules of FCM on a message whose fields are known and rightly typed.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{answer::Refusal, condition::Condition, schema};
use crate::device::{Expiration, FcmPlatform, Priority, PushType};

/// Keys and values of data and notification.
const MAX_BYTES: usize = 4096;
/// The same for a topic or condition.
const MAX_TOPIC_BYTES: usize = 2048;
/// Four weeks, also the default.
const MAX_TTL_S: i64 = 2_419_200;

/// A message that passed all checks that do not need its device.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) validate_only: bool,
    pub(super) target: Target,
    /// The `message` object with names in snake_case.
    pub(super) json: Value,
    ttl_s: i64,
}

#[derive(Debug)]
pub(super) enum Target {
    /// A Firebase installation id.
    Installation(String),
    Token(String),
    /// Whoever has subscribed to a topic, or as a condition says.
    Topics(Condition),
}

impl Message {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let json: Value = serde_json::from_slice(body).map_err(|error| {
            Refusal::malformed("", format!("Invalid JSON payload received. {error}"))
        })?;
        let Value::Object(request) = json else {
            return Err(Refusal::malformed(
                "",
                "Invalid JSON payload received. Expected an object.",
            ));
        };
        let mut request = schema::check(request, schema::REQUEST, "")?;
        let validate_only =
            request.get("validate_only").and_then(Value::as_bool).unwrap_or_default();
        let Some(Value::Object(message)) = request.remove("message") else {
            return Err(Refusal::invalid("message", "Message is not set."));
        };
        let target = target(&message)?;
        check_data(&message)?;
        let limit = match target {
            Target::Installation(_) | Target::Token(_) => MAX_BYTES,
            Target::Topics(_) => MAX_TOPIC_BYTES,
        };
        if size(&message) > limit {
            return Err(Refusal::too_big());
        }
        let ttl_s = ttl(&message)?;
        check_loc_args(&message)?;
        check_forms(&message)?;
        Ok(Self { validate_only, target, json: Value::Object(message), ttl_s })
    }

    /// Rules that need the app the token belongs to.
    pub(super) fn check_for(&self, package: &str, platform: FcmPlatform) -> Result<(), Refusal> {
        match platform {
            FcmPlatform::Android => {
                let only = self.text(&["android", "restricted_package_name"]);
                if only.is_some_and(|only| only != package) {
                    let field = "message.android.restricted_package_name";
                    let description = "The package name of the registration token does not match.";
                    return Err(Refusal::invalid(field, description));
                }
            }
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => {
                let urgent = self.text(&["apns", "headers", "apns-priority"]) == Some("10");
                if urgent && !self.shows(platform) {
                    let field = "message.apns.headers";
                    return Err(Refusal::invalid(
                        field,
                        "apns-priority must be 5 for a data message.",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether the phone's system shows something.
    fn shows(&self, platform: FcmPlatform) -> bool {
        let own: &[&str] = match platform {
            FcmPlatform::Android => &["android", "notification"],
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => &["apns", "payload", "aps", "alert"],
        };
        self.find(&["notification"]).or_else(|| self.find(own)).is_some()
    }

    /// What it is to the phone: an iPhone gets it from Apple, whose header decides, or else what
    /// there is to show. Without either, and without `content-available`, an app off the screen
    /// never sees it.
    pub(super) fn push_type(&self, platform: FcmPlatform) -> PushType {
        let shows = self.shows(platform);
        match platform {
            FcmPlatform::Android if shows => PushType::Notification,
            FcmPlatform::Android => PushType::Data,
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => {
                let wakes = self.find(&["apns", "payload", "aps", "content-available"]);
                let wakes = wakes.and_then(Value::as_i64) == Some(1);
                match self.text(&["apns", "headers", "apns-push-type"]) {
                    None | Some("alert") if shows => PushType::Alert,
                    None | Some("background") if wakes => PushType::Background,
                    _ => PushType::Data,
                }
            }
        }
    }

    /// What arrives on the phone: on an iPhone the payload for Apple with the notification in
    /// `aps.alert`, and beside `aps` the data.
    pub(super) fn payload(&self, platform: FcmPlatform) -> Value {
        match platform {
            FcmPlatform::Android => self.json.clone(),
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => {
                let object = |path: &[&str]| self.find(path).and_then(Value::as_object).cloned();
                let mut payload = object(&["data"]).unwrap_or_default();
                payload.extend(object(&["apns", "payload"]).unwrap_or_default());
                let aps = payload.entry("aps").or_insert_with(|| Value::Object(Map::new()));
                if let (Value::Object(aps), Some(shown)) = (aps, self.find(&["notification"])) {
                    aps.entry("alert").or_insert_with(|| shown.clone());
                }
                Value::Object(payload)
            }
        }
    }

    pub(super) fn priority(&self, platform: FcmPlatform) -> Priority {
        match platform {
            FcmPlatform::Android => {
                let high = self
                    .text(&["android", "priority"])
                    .is_some_and(|word| word.eq_ignore_ascii_case("high"));
                if high { Priority::High } else { Priority::Normal }
            }
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => {
                match self.text(&["apns", "headers", "apns-priority"]) {
                    Some("1") => Priority::Low,
                    Some("5") => Priority::Normal,
                    None if !self.shows(platform) => Priority::Normal,
                    _ => Priority::High,
                }
            }
        }
    }

    pub(super) fn expiration(&self, platform: FcmPlatform, now: Timestamp) -> Expiration {
        match platform {
            FcmPlatform::Android if self.ttl_s == 0 => Expiration::Never,
            FcmPlatform::Android => {
                let end = now.saturating_add(SignedDuration::from_secs(self.ttl_s));
                end.map_or(Expiration::Vendor, Expiration::Until)
            }
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => {
                let second: Option<i64> = self
                    .text(&["apns", "headers", "apns-expiration"])
                    .and_then(|text| text.parse().ok());
                match second {
                    Some(0) => Expiration::Never,
                    Some(second) => {
                        Timestamp::from_second(second).map_or(Expiration::Vendor, Expiration::Until)
                    }
                    None => Expiration::Vendor,
                }
            }
        }
    }

    pub(super) fn collapse_key(&self, platform: FcmPlatform) -> Option<String> {
        let path = match platform {
            FcmPlatform::Android => ["android", "collapse_key"].as_slice(),
            FcmPlatform::Ios | FcmPlatform::IosWithoutKey => {
                &["apns", "headers", "apns-collapse-id"]
            }
        };
        self.text(path).map(str::to_owned)
    }

    fn find(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.json, |value, name| value.get(name))
    }

    fn text(&self, path: &[&str]) -> Option<&str> {
        self.find(path).and_then(Value::as_str)
    }
}

/// Exactly one target, well formed.
fn target(message: &Map<String, Value>) -> Result<Target, Refusal> {
    let named: Vec<(&str, &str)> = ["token", "fid", "topic", "condition"]
        .into_iter()
        .filter_map(|name| Some((name, message.get(name)?.as_str()?)))
        .collect();
    match named.as_slice() {
        [] | [(_, "")] => Err(Refusal::invalid("message", "Recipient of the message is not set.")),
        [("token", token)] => Ok(Target::Token((*token).to_owned())),
        [("fid", fid)] if is_installation(fid) => Ok(Target::Installation((*fid).to_owned())),
        [("fid", _)] => Err(Refusal::bad_installation()),
        [("topic", topic)] => {
            let topic = Condition::topic(topic).map(Target::Topics);
            topic.ok_or_else(|| Refusal::invalid("message.topic", "Invalid topic name"))
        }
        [(_, condition)] => {
            let condition = Condition::parse(condition).map(Target::Topics);
            condition.ok_or_else(|| {
                Refusal::invalid("message.condition", "Invalid condition expression")
            })
        }
        _ => Err(Refusal::invalid("message", "Only one recipient may be set.")),
    }
}

/// 17 bytes in base64url that begin with the bits 0111, cut to 22 characters; that is how Google's
/// open SDKs for installations make them.
fn is_installation(fid: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    fid.len() == 22 && fid.starts_with(['c', 'd', 'e', 'f']) && fid.bytes().all(is_letter)
}

/// Google keeps some keys to itself.
fn check_data(message: &Map<String, Value>) -> Result<(), Refusal> {
    let android = message.get("android").and_then(|android| android.get("data"));
    for (field, data) in [("message.data", message.get("data")), ("message.android.data", android)]
    {
        let keys = data.and_then(Value::as_object).into_iter().flat_map(Map::keys);
        for key in keys {
            if key == "from" || key == "gcm" || key.starts_with("gcm.") || key.starts_with("google")
            {
                return Err(Refusal::invalid(field, format!("Invalid data payload key: {key}")));
            }
        }
    }
    Ok(())
}

/// Keys and values of data and notification; Android's own data takes the place of the general one.
fn size(message: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Object(map) => map.iter().map(|(key, value)| key.len() + of(value)).sum(),
            Value::Array(items) => items.iter().map(of).sum(),
            Value::String(text) => text.len(),
            Value::Bool(_) | Value::Null | Value::Number(_) => value.to_string().len(),
        }
    }
    let inside =
        |part: &str, name: &str| message.get(part).and_then(|part| part.get(name)).map_or(0, of);
    let general = message.get("data").map_or(0, of) + message.get("notification").map_or(0, of);
    let android = inside("android", "data").max(message.get("data").map_or(0, of))
        + inside("android", "notification")
        + message.get("notification").map_or(0, of);
    general.max(android).max(inside("apns", "payload"))
}

fn ttl(message: &Map<String, Value>) -> Result<i64, Refusal> {
    let Some(text) =
        message.get("android").and_then(|android| android.get("ttl")).and_then(Value::as_str)
    else {
        return Ok(MAX_TTL_S);
    };
    // The form was checked before; a number too long for i64 is out of range as well. Rounded down to seconds.
    let whole = text.trim_end_matches('s').split('.').next().unwrap_or_default();
    let seconds = if text.starts_with('-') { -1 } else { whole.parse().unwrap_or(i64::MAX) };
    if (0..=MAX_TTL_S).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Refusal::invalid(
            "message.android.ttl",
            "Invalid TTL: must be from 0 to 2419200 seconds.",
        ))
    }
}

/// Arguments without the text they go into.
fn check_loc_args(message: &Map<String, Value>) -> Result<(), Refusal> {
    let notification = message.get("android").and_then(|android| android.get("notification"));
    for (args, key) in [("body_loc_args", "body_loc_key"), ("title_loc_args", "title_loc_key")] {
        let has =
            |name: &str| notification.is_some_and(|notification| notification.get(name).is_some());
        if has(args) && !has(key) {
            let field = format!("message.android.notification.{args}");
            return Err(Refusal::invalid(&field, format!("{key} is required")));
        }
    }
    Ok(())
}

/// Texts that have a form of their own: a colour, a link.
fn check_forms(message: &Map<String, Value>) -> Result<(), Refusal> {
    let text = |path: [&str; 3]| -> Option<&str> {
        let [part, inside, name] = path;
        message.get(part)?.get(inside)?.get(name)?.as_str()
    };
    if text(["android", "notification", "color"]).is_some_and(|color| !is_color(color)) {
        let field = "message.android.notification.color";
        return Err(Refusal::invalid(field, "Invalid color: must be in the form #RRGGBB"));
    }
    if text(["webpush", "fcm_options", "link"]).is_some_and(|link| !link.starts_with("https://")) {
        let field = "message.webpush.fcm_options.link";
        return Err(Refusal::invalid(field, "Invalid link: must be an HTTPS URL"));
    }
    Ok(())
}

fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
