//! A broadcast: one push to whoever subscribed to a channel, from "Sending broadcast push
//! notification requests to APNs" and "Handling error responses from Apple Push Notification
//! service". Channels are made by [`Devices::create_channel`](crate::Devices::create_channel), as
//! Apple's API for that is a service of its own.
//!
//! A request is checked in this order: method, path, repeated headers; authentication; whether the
//! credential covers the app and the app has channels; `apns-request-id`, `apns-push-type`,
//! `apns-expiration`, `apns-priority`; the payload; the channel. Apple does not promise an order.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, request::Parts};

use super::{
    Reason,
    judge::{Checked, Judge},
    payload, push_type,
    push_type::Topic,
    reason::Refusal,
    request::{self, Endpoint, Push},
    session::Session,
};
use crate::device::{ChannelStorage, Expiration, Registration};

/// The header that names the channel.
pub(super) const CHANNEL: &str = "apns-channel-id";

impl Judge {
    pub(super) fn check_broadcast(
        &self,
        session: &mut Session,
        request: &Parts,
        body: &Bytes,
    ) -> Result<Checked, Refusal> {
        request::check_method(&request.method)?;
        let bundle_id = request::bundle_id(request.uri.path())?;
        request::check_repeats(&request.headers)?;
        let (headers, now) = (&request.headers, self.now());
        session.authenticate(headers, &self.keys, now, self.options.clock_skew)?;
        let topic = Topic::parse(bundle_id);
        session.check_topic(&topic)?;
        let (devices, environment) = (&self.options.devices, self.options.environment);
        if !devices.has_channels(bundle_id, environment) {
            return Err(Reason::FeatureNotEnabled.into());
        }
        request::id(headers, Endpoint::Broadcast)?;
        check_push_type(headers)?;
        let expiration = request::expiration(headers, now)?;
        let undocumented = self.options.undocumented;
        // Apple calls the header required, and names no word for its absence.
        if expiration == Expiration::Vendor && !undocumented.accepts() {
            return Err(Reason::BadExpirationDate.because("`apns-expiration` is missing"));
        }
        let priority = request::priority(headers)?;
        payload::check_broadcast(body, undocumented)?;
        let channel = channel(headers)?;
        let device = devices.find(channel).ok_or(Reason::ChannelNotRegistered)?;
        let Registration::ApnsChannel { bundle_id: owner, environment: home, storage } =
            &device.registration
        else {
            return Err(Reason::ChannelNotRegistered.into());
        };
        if *home != environment {
            return Err(Reason::ChannelNotRegistered.into());
        }
        if owner != bundle_id {
            return Err(Reason::TopicMismatch.into());
        }
        // What is not stored has no time to live; that this is refused is ours.
        let lives = matches!(expiration, Expiration::Until(_));
        if *storage == ChannelStorage::Nothing && lives && !undocumented.accepts() {
            let why = "the channel keeps nothing: `apns-expiration` has to be 0";
            return Err(Reason::BadExpirationDate.because(why));
        }
        let row = push_type::named(LIVE_ACTIVITY);
        let push = Push { row, priority, expiration, collapse_id: None };
        Ok(Checked { token: channel.to_owned(), topic, push, device: Some(device) })
    }
}

/// The only push type there is for channels.
const LIVE_ACTIVITY: &str = "liveactivity";

fn check_push_type(headers: &HeaderMap) -> Result<(), Refusal> {
    match request::text(headers, "apns-push-type", Reason::InvalidPushType)? {
        None => Err(Reason::MissingPushType.into()),
        Some(LIVE_ACTIVITY) => Ok(()),
        Some(_) => Err(Reason::InvalidPushType.because("a broadcast is a `liveactivity`")),
    }
}

/// The channel's id, base64 as Apple gave it out.
fn channel(headers: &HeaderMap) -> Result<&str, Reason> {
    let channel = request::text(headers, CHANNEL, Reason::BadChannelId)?;
    let channel = channel.filter(|id| !id.is_empty()).ok_or(Reason::MissingChannelId)?;
    STANDARD.decode(channel).map_err(|_| Reason::BadChannelId)?;
    Ok(channel)
}
