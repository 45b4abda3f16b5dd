//! What a push says, for each provider and rung.
//!
//! The contract with the phone's push handler is `wire::push`; no message text is in it unless the
//! message's own push content says so, and threads appear as keyed hashes.

mod apple;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use domain::wake::Rung;
use domain::{Diagnosis, FirstRung, Refusal, RetryRule, TargetKind, Time, locale};
use providers::webpush::Subscription;
use providers::{FieldFault, PushToken, apns, fcm, webpush};
use serde_json::json;
use store::model::{Claimed, Settings};
use wire::push::{CallPayload, Content, Kind, Payload, VERSION};

pub use apple::{Readers, call_alert};

use crate::ids::Ids;
use crate::pushes::render::fcm::data_texts;
use crate::to_wire;
use apple::ForApple;

/// What a call's alert says under the caller's name.
const INCOMING_CALL: &str = "Incoming call";

/// FCM's longest time to live (28 days), and near enough Apple's longest storage (30 days).
const LONGEST: Duration = Duration::from_secs(2_419_200);

/// The push for Apple.
///
/// # Errors
///
/// A refusal (913) should the payload not become JSON.
pub(super) fn apns(
    ids: &Ids,
    claimed: &Claimed,
    settings: &Settings,
    topic: apns::Topic,
    voip_topic: apns::Topic,
    now: Time,
) -> Result<apns::Push, Refusal> {
    let ForApple { push_type, priority, collapse_id, aps } = ForApple::of(ids, claimed, settings);
    // The app's own fields first: none of them may take the place of ours.
    let mut body = own(claimed).data;
    body.insert("aps".to_owned(), aps);
    body.insert("reveille".to_owned(), json!(payload(claimed)));
    let body = serde_json::to_vec(&body).map_err(|error| unsendable(&error))?;
    let voip = claimed.target.kind == TargetKind::ApnsVoip;
    Ok(apns::Push {
        device_token: PushToken::new(claimed.target.token.as_str()),
        topic: if voip { voip_topic } else { topic },
        push_type,
        priority,
        expiration: apns::Expiration::At(claimed.plan.expires_at.min(now.plus(LONGEST))),
        collapse_id,
        id: uuid::Uuid::from_u128(claimed.plan.provider.bits()),
        payload: Bytes::from(body),
    })
}

/// The push for Google: for Android phones, and for iPhones that FCM reaches.
pub(super) fn fcm(ids: &Ids, claimed: &Claimed, settings: &Settings, now: Time) -> fcm::Message {
    let own = own(claimed);
    let mut data: BTreeMap<String, String> = data_texts(&own.data).collect();
    data.extend(payload(claimed).to_fcm_data());
    let readers = Readers::of(Some(claimed.platform));
    let mut android = fcm::Android::default();
    if readers.has_android() {
        android.priority = fcm::Priority::High;
        android.ttl = Some(now.until(claimed.plan.expires_at).min(LONGEST));
    }
    if matches!(claimed.plan.rung, Rung::Alert | Rung::Repeat(_)) {
        let tag = collapse_id(ids, claimed, settings);
        // In the background mode the app shows the notification itself, under this tag.
        if readers.has_android() && settings.policy.first_rung == FirstRung::Alert {
            let content = content(claimed, settings);
            android.notification = Some(fcm::AndroidNotification {
                title: content.title,
                body: content.body,
                tag: Some(tag.clone()),
                image: own.image,
                notification_count: own.badge,
                sound: sound(claimed, content.sound, settings),
                ..fcm::AndroidNotification::default()
            });
        }
        data.insert("reveille_tag".to_owned(), tag);
    }
    let expires_at = claimed.plan.expires_at.min(now.plus(LONGEST));
    let apple = readers.has_apple().then(|| ForApple::of(ids, claimed, settings));
    fcm::Message {
        target: fcm::Target::Token(PushToken::new(claimed.target.token.as_str())),
        content: fcm::Content {
            data,
            android,
            apns: apple.map(|apple| apple.by_fcm(expires_at)),
            ..fcm::Content::default()
        },
    }
}

/// The push for a browser, or for UnifiedPush: the `reveille` object, and what its service worker
/// should show, because a browser must show something for every push.
///
/// # Errors
///
/// A refusal (911) should the stored subscription not be one, 913 should the payload not become
/// JSON.
pub(super) fn webpush(
    ids: &Ids,
    claimed: &Claimed,
    settings: &Settings,
    now: Time,
) -> Result<webpush::Push, Refusal> {
    let subscription =
        Subscription::parse(claimed.target.token.as_bytes()).map_err(FieldFault::into_refusal)?;
    let topic = match claimed.plan.rung {
        Rung::Background | Rung::Alert | Rung::Repeat(_) => {
            Some(collapse_id(ids, claimed, settings))
        }
        Rung::Ring => None,
    };
    let notification = match &claimed.call {
        Some(call) => json!({ "title": call.caller_name, "body": INCOMING_CALL }),
        None => {
            let content = content(claimed, settings);
            let silent = sound(claimed, content.sound, settings).is_none();
            let mut notification = json!({
                "title": content.title,
                "body": content.body,
                "tag": topic,
                "silent": silent,
            });
            if let Some(image) = content.image {
                notification["image"] = image.into();
            }
            notification
        }
    };
    let mut body = json!({ "reveille": payload(claimed), "notification": notification });
    let data = own(claimed).data;
    if !data.is_empty() {
        body["data"] = data.into();
    }
    let body = serde_json::to_vec(&body).map_err(|error| unsendable(&error))?;
    Ok(webpush::Push {
        subscription,
        ttl: now.until(claimed.plan.expires_at).min(LONGEST),
        urgency: webpush::Urgency::High,
        topic,
        payload: Some(Bytes::from(body)),
    })
}

/// The `reveille` object.
fn payload(claimed: &Claimed) -> Payload {
    let missed = claimed.newest.as_ref().is_some_and(|newest| newest.missed_call);
    let call = claimed.call.as_ref().map(|call| CallPayload {
        id: to_wire::call_id(call.id),
        caller_name: call.caller_name.clone(),
        caller_handle: call.caller_handle.clone(),
        media: to_wire::media(call.video),
    });
    let Content { open, image, .. } = own(claimed);
    Payload {
        v: VERSION,
        kind: match (&call, missed) {
            (Some(_), _) => Kind::Call,
            (None, true) => Kind::Missed,
            (None, false) => Kind::Message,
        },
        wake: Some(claimed.wake.to_string()),
        push: None,
        count: call.is_none().then_some(claimed.plan.count),
        // The claim is the decision to push; what follows is waiting and transport.
        sent_at: to_wire::time(claimed.at),
        expires_at: to_wire::time(claimed.plan.expires_at),
        open,
        action: None,
        image,
        call,
    }
}

/// What the newest message itself says of its notification. A push that nobody sees says nothing of
/// it, and neither does a bare one.
fn own(claimed: &Claimed) -> Content {
    let is_shown = matches!(claimed.plan.rung, Rung::Alert | Rung::Repeat(_));
    claimed
        .newest
        .as_ref()
        .filter(|_| is_shown && !claimed.plan.bare)
        .and_then(|newest| newest.push.as_deref())
        .and_then(|push| serde_json::from_str(push).ok())
        .unwrap_or_default()
}

/// What a notification says: the message's own texts, else the app's in the device's language. A
/// bare push says only the app's.
fn content(claimed: &Claimed, settings: &Settings) -> Content {
    let own = own(claimed);
    let locale = claimed.locale.as_deref();
    let texts = || locale.into_iter().flat_map(|tag| locale::lookup(tag, &settings.texts));
    let title = || texts().find_map(|texts| texts.title.clone());
    let body = || texts().find_map(|texts| texts.body.clone());
    Content {
        title: own.title.or_else(title).or_else(|| Some(settings.alert_title.clone())),
        body: own.body.or_else(body).or_else(|| Some(settings.alert_body.clone())),
        ..own
    }
}

/// A repeat makes no sound; else the message's, else the app's; `none` is none.
fn sound(claimed: &Claimed, own: Option<String>, settings: &Settings) -> Option<String> {
    if let Rung::Repeat(_) = claimed.plan.rung {
        return None;
    }
    let sound = own.unwrap_or_else(|| settings.sound.clone());
    (sound != "none").then_some(sound)
}

/// What notifications replace one another by: with collapse on, the thread of the newest message;
/// off, the message itself in alert mode, else the wake.
fn collapse_id(ids: &Ids, claimed: &Claimed, settings: &Settings) -> String {
    let thread = claimed.newest.as_ref().and_then(|newest| newest.thread.as_deref());
    match (settings.collapse_notifications, thread, settings.policy.first_rung) {
        (true, Some(thread), _) => hashed(ids, "collapse thread", claimed, thread),
        (false, _, FirstRung::Alert) => {
            let message = claimed.plan.covers.number().to_string();
            hashed(ids, "collapse message", claimed, &message)
        }
        (true, None, _) | (false, _, FirstRung::Background) => {
            hashed(ids, "collapse wake", claimed, &claimed.wake.to_string())
        }
    }
}

/// A keyed hash in 22 characters of base64url: Web Push topics take 32.
fn hashed(ids: &Ids, domain: &str, claimed: &Claimed, text: &str) -> String {
    let hash =
        ids.keyed_hash(domain, &[&claimed.app.to_string(), &claimed.inbox.to_string(), text]);
    URL_SAFE_NO_PAD.encode(hash)
}

fn unsendable(error: &serde_json::Error) -> Refusal {
    Refusal::unsent(
        Diagnosis::BadPayload,
        RetryRule::Bare,
        format!("the payload is no JSON: {error}"),
        "Please report this; it is a fault of the server.",
    )
}

#[cfg(test)]
mod switches;
#[cfg(test)]
mod tests;
