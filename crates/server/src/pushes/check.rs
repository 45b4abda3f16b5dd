//! Every field of a push, within its limits: what comes in is a wire shape, what goes on is what
//! the store and the renderers take.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use domain::delivery::PushKind;
use domain::wake::VOIP_LEAST_LEFT;
use domain::{AppId, Policy, Time, locale};
use http::Uri;
use serde_json::{Map, Value};
use store::model::{Lane, NewAudience, RawTarget, Subject};
use wire::http::{PriorityName, PushCall, PushCreate, PushKindName, PushTexts, PushTo};
use wire::limits;

use super::address::{Address, Destination};
use super::content::{Call, Content, Overrides, Priority, Texts};
use super::render::LONGEST_TTL_S;
use crate::accept::check_name;
use crate::calls::check_caller;
use crate::http::problem::{Problem, ProblemCode};
use crate::{from_wire, to_wire};

/// How long a push is of use when nothing is said: one day.
const USUAL_TTL: Duration = Duration::from_secs(86_400);
/// How far ahead a push may be sent.
const FARTHEST: Duration = Duration::from_secs(30 * 86_400);
/// The longest that a call rings.
const LONGEST_RINGING: Duration = Duration::from_secs(300);
/// A VoIP push of a given ttl is of use for at most this long: later it is a ghost call.
const VOIP_LONGEST_TTL_S: u32 = 30;
/// A broadcast's highest rate.
const FASTEST: u32 = 100_000;
/// A sound's name, in bytes.
const SOUND_BYTES: usize = 64;
/// The largest badge: what Google's JSON takes.
const LARGEST_BADGE: u32 = i32::MAX.unsigned_abs();
/// How much an error's text shows of what was given, in characters.
const SHOWN: usize = 35;

/// A push whose every field is good by itself.
#[derive(Clone, Debug)]
pub struct Checked {
    /// To whom.
    pub audience: NewAudience,
    /// What it is.
    pub kind: PushKind,
    /// What it says.
    pub content: Content,
    /// Its targets that are no device's, each with its place in the request.
    pub addresses: Vec<(String, Address)>,
    /// A topic or condition of FCM's among its targets, for which FCM's own rules are stricter.
    pub fcm_topic: Option<Destination>,
    /// Pushes a second at most, for a broadcast.
    pub rate: Option<u32>,
    /// How long it is of use, where its sender says.
    ttl: Option<Duration>,
    /// When it goes out, where its sender says.
    send_at: Option<Time>,
    /// When the call's ringing ends.
    rings_until: Option<Time>,
}

/// When a push goes out and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it goes out.
    pub send_at: Time,
    /// When it is no longer of use.
    pub expires_at: Time,
}

/// Checks every field.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn check(create: PushCreate, app: AppId, policy: &Policy) -> Result<Checked, Problem> {
    let kind = match create.kind {
        PushKindName::Alert => PushKind::Alert,
        PushKindName::Background => PushKind::Background,
        PushKindName::Voip => PushKind::Voip,
    };
    check_for_kind(&create, kind)?;
    let broadcast = create.to.topic.is_some() || create.to.all;
    if kind == PushKind::Voip && broadcast {
        return Err(Problem::invalid_field(
            "to",
            "a call rings for users, devices or targets, never for a topic or all",
        ));
    }
    match create.rate {
        Some(_) if !broadcast => {
            return Err(Problem::invalid_field("rate", "give it with `to.topic` or `to.all` only"));
        }
        Some(rate) if !(1..=FASTEST).contains(&rate) => {
            return Err(Problem::invalid_field("rate", format!("give 1 to {FASTEST} a second")));
        }
        Some(_) | None => {}
    }
    let (least, most) = match kind {
        PushKind::Voip => (VOIP_LEAST_LEFT.as_secs(), u64::from(VOIP_LONGEST_TTL_S)),
        PushKind::Alert | PushKind::Background => (1, LONGEST_TTL_S),
    };
    if create.ttl.is_some_and(|ttl| !(least..=most).contains(&u64::from(ttl))) {
        return Err(Problem::invalid_field("ttl", format!("give {least} to {most} seconds")));
    }
    let priority = match (create.priority, kind) {
        (Some(PriorityName::Normal), PushKind::Voip) => {
            return Err(Problem::invalid_field("priority", "a call is always `high`"));
        }
        (Some(PriorityName::High), _) | (None, PushKind::Alert | PushKind::Voip) => Priority::High,
        (Some(PriorityName::Normal), _) | (None, PushKind::Background) => Priority::Normal,
    };
    if create.send_at.is_some() && kind == PushKind::Voip {
        return Err(Problem::invalid_field("send_at", "a call rings at once; leave it out"));
    }
    let rings_until = create.call.as_ref().map(|call| from_wire::time(call.rings_until));
    let Reached { audience, addresses, fcm_topic } = audience(create.to, app, kind, policy)?;
    Ok(Checked {
        audience,
        addresses,
        fcm_topic,
        kind,
        rate: create.rate,
        ttl: create.ttl.map(|ttl| Duration::from_secs(u64::from(ttl))),
        send_at: create.send_at.map(from_wire::time),
        rings_until,
        content: Content {
            texts: texts(
                "",
                PushTexts { title: create.title, subtitle: create.subtitle, body: create.body },
            )?,
            translations: translations(create.texts)?,
            image: create.image.map(image).transpose()?,
            sound: short("sound", create.sound, SOUND_BYTES)?,
            badge: badge(create.badge)?,
            thread: short("thread", create.thread, limits::NAME_BYTES)?,
            category: short("category", create.category, limits::NAME_BYTES)?,
            action: short("action", create.action, limits::NAME_BYTES)?,
            open: short("open", create.open, limits::URL_BYTES)?,
            data: data(create.data)?,
            call: create.call.map(call).transpose()?,
            test: false,
            collapse_id: short("collapse_id", create.collapse_id, limits::COLLAPSE_BYTES)?,
            priority,
            overrides: Overrides {
                apns: an_override("apns", create.apns)?,
                fcm: an_override("fcm", create.fcm)?,
                webpush: an_override("webpush", create.webpush)?,
            },
        },
    })
}

impl Checked {
    /// When it goes out and when it is over, for a push that comes in now.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field: it is too early or too late for it.
    pub fn times(&self, now: Time) -> Result<Times, Problem> {
        let send_at = self.send_at.unwrap_or(now).max(now);
        if now.until(send_at) > FARTHEST {
            return Err(Problem::invalid_field("send_at", "give at most 30 days ahead"));
        }
        let Some(rings_until) = self.rings_until else {
            let expires_at = send_at.plus(self.ttl.unwrap_or(USUAL_TTL));
            return Ok(Times { send_at, expires_at });
        };
        let left = now.until(rings_until);
        if left < VOIP_LEAST_LEFT || left > LONGEST_RINGING {
            let (least, most) = (VOIP_LEAST_LEFT.as_secs(), LONGEST_RINGING.as_secs());
            return Err(Problem::invalid_field(
                "call.rings_until",
                format!("it is {} s ahead; give {least} to {most} seconds", left.as_secs()),
            ));
        }
        let expires_at = self.ttl.map_or(rings_until, |ttl| rings_until.min(now.plus(ttl)));
        Ok(Times { send_at: now, expires_at })
    }
}

/// What a push of this kind must have, and what it cannot.
fn check_for_kind(create: &PushCreate, kind: PushKind) -> Result<(), Problem> {
    let seen = [
        ("title", create.title.is_some()),
        ("subtitle", create.subtitle.is_some()),
        ("body", create.body.is_some()),
        ("texts", !create.texts.is_empty()),
        ("image", create.image.is_some()),
        ("sound", create.sound.is_some()),
        ("badge", create.badge.is_some()),
        ("thread", create.thread.is_some()),
        ("category", create.category.is_some()),
        ("action", create.action.is_some()),
        ("open", create.open.is_some()),
    ];
    let seen = seen.into_iter().find(|(_, given)| *given);
    match (kind, seen, &create.call) {
        (PushKind::Alert | PushKind::Background, _, Some(_)) => {
            Err(Problem::invalid_field("call", "give it with the kind `voip` only"))
        }
        (PushKind::Voip, _, None) => {
            Err(Problem::invalid_field("call", "a push of the kind `voip` needs a call"))
        }
        (PushKind::Background, Some((field, _)), None) => Err(Problem::invalid_field(
            field,
            "a push of the kind `background` is for the app alone; put it into `data`",
        )),
        (PushKind::Voip, Some((field, _)), Some(_)) => Err(Problem::invalid_field(
            field,
            "a push of the kind `voip` shows its call; put what the app needs into `data`",
        )),
        (PushKind::Alert, _, None) => {
            let shown = create.title.is_some() || create.body.is_some() || create.badge.is_some();
            if shown {
                return Ok(());
            }
            Err(Problem::invalid_field(
                "title",
                "an alert needs a `title`, a `body` or a `badge`; or send it with the kind \
                 `background`",
            ))
        }
        (PushKind::Background, None, None) | (PushKind::Voip, None, Some(_)) => Ok(()),
    }
}

/// To whom a push goes.
struct Reached {
    audience: NewAudience,
    addresses: Vec<(String, Address)>,
    fcm_topic: Option<Destination>,
}

impl From<NewAudience> for Reached {
    fn from(audience: NewAudience) -> Self {
        Self { audience, addresses: Vec::new(), fcm_topic: None }
    }
}

fn audience(to: PushTo, app: AppId, kind: PushKind, policy: &Policy) -> Result<Reached, Problem> {
    let PushTo { users, devices, targets, topic, all } = to;
    let named = users.len() + devices.len() + targets.len();
    match (named, topic, all) {
        (0, Some(topic), false) => {
            check_name("to.topic", &topic)?;
            return Ok(Reached::from(NewAudience::Topic(topic)));
        }
        (0, None, true) => return Ok(Reached::from(NewAudience::All)),
        (0, None, false) => {
            return Err(Problem::invalid_field(
                "to",
                "name users, devices or targets, or give a topic or all",
            ));
        }
        (_, None, false) => {}
        (_, Some(_), _) | (_, None, true) => {
            return Err(Problem::invalid_field(
                "to",
                "`topic` and `all` stand alone: send to others by a push of its own",
            ));
        }
    }
    if named > limits::PUSH_RECIPIENTS {
        let most = limits::PUSH_RECIPIENTS;
        return Err(Problem::new(
            ProblemCode::TooManyRecipients,
            format!(
                "{named} users, devices and targets are named, {most} are allowed; send in parts, \
                 or to a topic"
            ),
        )
        .with_field("to"));
    }
    for user in &users {
        check_name("to.users", user)?;
    }
    for device in &devices {
        check_name("to.devices", device)?;
    }
    let mut raw_targets = Vec::with_capacity(targets.len());
    let mut addresses = Vec::with_capacity(targets.len());
    let mut seen = HashSet::new();
    let mut fcm_topic = None;
    for (index, raw) in targets.into_iter().enumerate() {
        let place = format!("to.targets[{index}]");
        let address = Address::check(raw).map_err(|problem| problem.within(&place))?;
        if address.kind == domain::TargetKind::ApnsVoip && kind != PushKind::Voip {
            return Err(Problem::invalid_field(
                format!("{place}.kind"),
                "PushKit's tokens take pushes of the kind `voip` only",
            ));
        }
        let of_many = match &address.to {
            Destination::Topic(_) => Some("topic"),
            Destination::Condition(_) => Some("condition"),
            Destination::Fid(_) | Destination::Subscription(_) | Destination::Token(_) => None,
        };
        if let Some(field) = of_many {
            if kind == PushKind::Voip {
                return Err(Problem::invalid_field(
                    format!("{place}.{field}"),
                    "a call rings for single devices, never for a topic",
                ));
            }
            fcm_topic = fcm_topic.or_else(|| Some(address.to.clone()));
        }
        // The same target twice is one push.
        if seen.insert(address.clone()) {
            raw_targets.push(raw_target(&address, app, policy));
            addresses.push((place, address));
        }
    }
    let audience = NewAudience::Listed { users, devices, targets: raw_targets };
    Ok(Reached { audience, addresses, fcm_topic })
}

fn raw_target(address: &Address, app: AppId, policy: &Policy) -> RawTarget {
    let environment = address.kind.is_apns().then(|| policy.environment(address.environment, None));
    RawTarget {
        lane: Lane {
            app,
            subject: Subject::Push,
            kind: address.kind,
            app_id: address.app_id.clone().unwrap_or_default(),
            environment,
        },
        target: address.to_json(),
    }
}

/// The texts of one language; `place` stands before their names.
fn texts(place: &str, texts: PushTexts) -> Result<Texts, Problem> {
    let checked = |field: &str, text: Option<String>, most: usize| match text {
        Some(text) if !(1..=most).contains(&text.len()) => Err(Problem::invalid_field(
            format!("{place}{field}"),
            format!("{} bytes; give 1 to {most}, or leave it out", text.len()),
        )),
        text => Ok(text),
    };
    Ok(Texts {
        title: checked("title", texts.title, limits::PUSH_TEXT_BYTES)?,
        subtitle: checked("subtitle", texts.subtitle, limits::PUSH_TEXT_BYTES)?,
        body: checked("body", texts.body, limits::PUSH_BODY_BYTES)?,
    })
}

fn translations(given: BTreeMap<String, PushTexts>) -> Result<BTreeMap<String, Texts>, Problem> {
    if given.len() > limits::PUSH_LOCALES {
        return Err(Problem::invalid_field(
            "texts",
            format!("{} languages are given, {} are allowed", given.len(), limits::PUSH_LOCALES),
        ));
    }
    let mut translations = BTreeMap::new();
    for (tag, of_tag) in given {
        if !locale::is_tag(&tag) {
            return Err(Problem::invalid_field(
                "texts",
                format!("{:?} is no BCP 47 tag; give such as `de` or `pt-BR`", shortened(&tag)),
            ));
        }
        let checked = texts(&format!("texts.{tag}."), of_tag)?;
        if translations.insert(tag.to_ascii_lowercase(), checked).is_some() {
            return Err(Problem::invalid_field(
                format!("texts.{tag}"),
                "the same language is given twice; tags do not differ by upper and lower case",
            ));
        }
    }
    Ok(translations)
}

/// What was given, for an error's text.
fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// A short text without control characters.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn short(
    field: &'static str,
    text: Option<String>,
    most: usize,
) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if !(1..=most).contains(&text.len()) || text.chars().any(char::is_control) => {
            Err(Problem::invalid_field(
                field,
                format!("give 1 to {most} bytes without control characters, or leave it out"),
            ))
        }
        text => Ok(text),
    }
}

/// The URL of a picture.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn image(url: String) -> Result<String, Problem> {
    let secure = |url: &str| {
        url.parse::<Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some())
    };
    if url.len() <= limits::URL_BYTES && secure(&url) {
        return Ok(url);
    }
    let most = limits::URL_BYTES;
    Err(Problem::invalid_field("image", format!("give an https URL of at most {most} bytes")))
}

/// The number on an app's icon.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn badge(badge: Option<u32>) -> Result<Option<u32>, Problem> {
    if badge.is_some_and(|badge| badge > LARGEST_BADGE) {
        return Err(Problem::invalid_field("badge", format!("give at most {LARGEST_BADGE}")));
    }
    Ok(badge)
}

/// The app's own fields, which stand beside ours and the push services'.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn data(data: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    check_size("data", &data, limits::PUSH_DATA_BYTES)?;
    let reserved = |key: &&String| {
        key.is_empty()
            || matches!(key.as_str(), "aps" | "from" | "gcm" | "message_type")
            || ["google", "gcm.", "reveille"].iter().any(|prefix| key.starts_with(prefix))
    };
    if let Some(key) = data.keys().find(reserved) {
        return Err(Problem::invalid_field(
            "data",
            format!(
                "the key {:?} is reserved; use keys other than aps, from, gcm, message_type, and \
                 not starting with google, gcm. or reveille",
                shortened(key)
            ),
        ));
    }
    Ok(data)
}

fn an_override(
    field: &'static str,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    check_size(field, &given, limits::PUSH_OVERRIDE_BYTES)?;
    Ok(given)
}

fn check_size(field: &'static str, map: &Map<String, Value>, most: usize) -> Result<(), Problem> {
    if map.is_empty() {
        return Ok(());
    }
    let size = serde_json::to_vec(map).map_or(usize::MAX, |text| text.len());
    if size <= most {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::BodyTooLarge,
        format!("{field} has {size} bytes, {most} are allowed; send a link to what is larger"),
    )
    .with_field(field))
}

fn call(call: PushCall) -> Result<Call, Problem> {
    let id = from_wire::call_id(&call.id).map_err(|problem| problem.with_field("call.id"))?;
    check_caller("call.caller_name", &call.caller_name)?;
    if let Some(handle) = &call.caller_handle {
        check_caller("call.caller_handle", handle)?;
    }
    Ok(Call {
        id: to_wire::call_id(id),
        caller_name: call.caller_name,
        caller_handle: call.caller_handle,
        video: call.media == wire::Media::Video,
    })
}

#[cfg(test)]
mod tests;
