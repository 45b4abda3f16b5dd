//! From the public shapes to the domain's values: parsed, and narrower than what came in.

use domain::inbox::Held;
use domain::session::AppState;
use domain::{CallId, EntryId, Environment, Epoch, KeyScope, Offset, Platform, TargetKind, Time};
use wire::http::KeyScopeName;
use wire::{EnvironmentName, HeldPosition, PlatformName, TargetKindName};

use crate::http::problem::Problem;

/// What a key is to be good for.
pub const fn key_scope(name: KeyScopeName) -> KeyScope {
    match name {
        KeyScopeName::Admin => KeyScope::Admin,
        KeyScopeName::Read => KeyScope::Read,
        KeyScopeName::Send => KeyScope::Send,
    }
}

/// What a device says it holds.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn held(held: &HeldPosition) -> Result<Held, Problem> {
    let epoch: i64 = held.epoch.parse().map_err(|_| {
        Problem::invalid_field("position.epoch", "give the epoch as the server gave it")
    })?;
    if held.offset < 0 {
        return Err(Problem::invalid_field("position.offset", "give 0 or more"));
    }
    let entry = match held.entry.as_deref() {
        None | Some("") => None,
        Some(text) => Some(EntryId::parse(text).ok_or_else(|| {
            Problem::invalid_field("position.entry", "give the entry's id as the server gave it")
        })?),
    };
    Ok(Held { epoch: Epoch::from_number(epoch), offset: Offset::from_number(held.offset), entry })
}

/// An instant, down to the microsecond.
pub fn time(time: jiff::Timestamp) -> Time {
    Time::from_micros(time.as_microsecond())
}

/// A call's id.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub fn call_id(text: &str) -> Result<CallId, Problem> {
    uuid::Uuid::parse_str(text)
        .map(|uuid| CallId::from_bits(uuid.as_u128()))
        .map_err(|_| Problem::invalid_field("call", "give a UUID"))
}

/// The kind of a push target.
pub const fn target_kind(kind: TargetKindName) -> TargetKind {
    match kind {
        TargetKindName::Apns => TargetKind::Apns,
        TargetKindName::ApnsVoip => TargetKind::ApnsVoip,
        TargetKindName::Fcm => TargetKind::Fcm,
        TargetKindName::Webpush => TargetKind::Webpush,
    }
}

/// What a device runs.
pub const fn platform(platform: PlatformName) -> Platform {
    match platform {
        PlatformName::Android => Platform::Android,
        PlatformName::Ios => Platform::Ios,
        PlatformName::Web => Platform::Web,
        PlatformName::Other => Platform::Other,
    }
}

/// To whom a user may send.
pub const fn may_send(may_send: wire::http::MaySendName) -> domain::MaySend {
    match may_send {
        wire::http::MaySendName::None => domain::MaySend::None,
        wire::http::MaySendName::Known => domain::MaySend::Known,
        wire::http::MaySendName::Any => domain::MaySend::Any,
    }
}

/// Apple's environment.
pub const fn environment(environment: EnvironmentName) -> Environment {
    match environment {
        EnvironmentName::Production => Environment::Production,
        EnvironmentName::Sandbox => Environment::Sandbox,
    }
}

/// Whether the user is looking at the app.
pub const fn app_state(state: wire::AppState) -> AppState {
    match state {
        wire::AppState::Foreground => AppState::Foreground,
        wire::AppState::Background => AppState::Background,
    }
}
