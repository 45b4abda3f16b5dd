//! The payload of a push, from "Generating a remote notification" and "Pushing background updates to your App".
//!
//! Apple says that a push type which does not fit the payload "may cause an error, delay or dropping"; here it is
//! always an error, `InvalidPushType`, so that a faulty client is seen.

use serde::{Deserialize, de::IgnoredAny};

use super::Reason;
use crate::device::PushType;

const MAX_BYTES: usize = 4096;
const MAX_VOIP_BYTES: usize = 5120;

/// The parts of a payload that rules speak of.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    aps: Option<Aps<'a>>,
}

/// The keys of `aps` that rules speak of; the others are not looked at.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    alert: Option<IgnoredAny>,
    badge: Option<IgnoredAny>,
    sound: Option<IgnoredAny>,
    #[serde(borrow)]
    content_available: Option<&'a serde_json::value::RawValue>,
    mutable_content: Option<IgnoredAny>,
}

pub(super) fn check(
    body: &[u8],
    push_type: Option<PushType>,
    topic: Option<PushType>,
) -> Result<(), Reason> {
    if body.is_empty() {
        return Err(Reason::PayloadEmpty);
    }
    let voip = topic == Some(PushType::Voip);
    if body.len() > if voip { MAX_VOIP_BYTES } else { MAX_BYTES } {
        return Err(Reason::PayloadTooLarge);
    }
    let payload: Payload<'_> =
        serde_json::from_slice(body).map_err(|_| Reason::BadRequestPayload)?;
    let aps = payload.aps.unwrap_or_default();
    let visible = aps.alert.is_some() || aps.badge.is_some() || aps.sound.is_some();
    let wakes = aps.content_available.is_some_and(|value| value.get() == "1");
    let fits = match push_type {
        Some(PushType::Alert) => visible,
        Some(PushType::Background) => wakes && !visible && aps.mutable_content.is_none(),
        _ => true,
    };
    if fits { Ok(()) } else { Err(Reason::InvalidPushType) }
}

/// What a push without `apns-push-type` is taken for.
pub(super) fn infer_type(body: &[u8], topic: Option<PushType>) -> PushType {
    let visible = serde_json::from_slice::<Payload<'_>>(body)
        .ok()
        .and_then(|payload| payload.aps)
        .is_some_and(|aps| aps.alert.is_some() || aps.badge.is_some() || aps.sound.is_some());
    topic.unwrap_or(if visible { PushType::Alert } else { PushType::Background })
}
