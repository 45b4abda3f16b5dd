//! From the domain's values to the public shapes.

use domain::{Environment, Epoch, KeyScope, Offset, Platform, TargetKind, Time};
use serde_json::value::RawValue;
use store::model::{CallRecord, Entry, EntryKind, ReceiptState};
use wire::http::KeyScopeName;
use wire::{
    CallRing, EnvironmentName, Media, Message, MissedCall, PlatformName, Position, ReadSync,
    Receipt, ServerFrame, TargetKindName,
};

use crate::http::problem::Problem;
use crate::ids::Ids;

/// An instant.
pub fn time(time: Time) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or(jiff::Timestamp::MAX)
}

/// An event, as it is told and as a webhook gets it.
pub fn event(ids: &Ids, event: &store::model::Event) -> wire::http::Event {
    wire::http::Event {
        id: ids.event(event.app, event.number, event.at).to_string(),
        number: event.number,
        r#type: event.kind.as_str().to_owned(),
        timestamp: time(event.at),
        sequence: event.sequence,
        // Written by the server as JSON.
        data: serde_json::from_str(&event.body).unwrap_or_default(),
    }
}

/// What a key is good for.
pub const fn key_scope(scope: KeyScope) -> KeyScopeName {
    match scope {
        KeyScope::Admin => KeyScopeName::Admin,
        KeyScope::Read => KeyScopeName::Read,
        KeyScope::Send => KeyScopeName::Send,
    }
}

/// A position.
pub fn position(epoch: Epoch, offset: Offset) -> Position {
    Position { epoch: epoch.number().to_string(), offset: offset.number() }
}

/// What a live-only message has instead of a position.
pub fn no_position() -> Position {
    Position { epoch: "0".to_owned(), offset: 0 }
}

/// An entry of an inbox as a frame.
pub fn entry(epoch: Epoch, entry: Entry) -> ServerFrame {
    let at = position(epoch, entry.offset);
    let id = entry.id.to_string();
    let message = |message: String, from, thread, body, own_copy_to, missed_call| {
        ServerFrame::Message(Message {
            position: at.clone(),
            entry: id.clone(),
            id: message,
            from,
            thread,
            body,
            sent_at: time(entry.created_at),
            expires_at: time(entry.expires_at),
            own_copy_to,
            missed_call,
        })
    };
    match entry.kind {
        EntryKind::Message { message: of, from, thread, body } => {
            message(of.to_string(), from, thread, raw(body), None, None)
        }
        EntryKind::OwnCopy { message: of, to, thread, body } => {
            message(of.to_string(), None, thread, raw(body), Some(to), None)
        }
        EntryKind::MissedCall { call, from, caller_name, video } => {
            let missed = MissedCall { call: call_id(call), media: media(video), caller_name };
            // A missed call is no message of anybody's: its entry names it.
            let name = domain::MessageId::from_bits(entry.id.bits()).to_string();
            message(name, Some(from), None, raw("null".to_owned()), None, Some(missed))
        }
        EntryKind::Read { thread, messages } => {
            let (thread, up_to) = thread.unzip();
            ServerFrame::ReadSync(ReadSync {
                position: at,
                entry: id,
                thread,
                up_to: up_to.map(|up_to| position(epoch, up_to)),
                messages: messages.iter().map(ToString::to_string).collect(),
            })
        }
        EntryKind::Receipt { rows } => ServerFrame::Receipt(Receipt {
            position: at,
            entry: id,
            receipts: rows
                .into_iter()
                .map(|row| wire::ReceiptRow {
                    id: row.message.to_string(),
                    user: row.user,
                    state: match row.state {
                        ReceiptState::Delivered => wire::ReceiptState::Delivered,
                        ReceiptState::Read => wire::ReceiptState::Read,
                        ReceiptState::Expired => wire::ReceiptState::Expired,
                    },
                    at: time(row.at),
                })
                .collect(),
        }),
    }
}

/// A call that rings.
pub fn call_ring(call: &CallRecord) -> ServerFrame {
    ServerFrame::CallRing(CallRing {
        call: call_id(call.id),
        from: call.caller_user.clone(),
        media: media(call.video),
        caller_name: call.caller_name.clone(),
        caller_handle: call.caller_handle.clone(),
        offer: call.offer.clone().map(raw),
        expires_at: time(call.call.rings_until().unwrap_or(call.created_at)),
    })
}

/// A call's id: the UUID that its caller made.
pub fn call_id(call: domain::CallId) -> String {
    uuid::Uuid::from_u128(call.bits()).to_string()
}

/// Audio or video.
pub const fn media(video: bool) -> Media {
    if video { Media::Video } else { Media::Audio }
}

/// The kind of a push target.
pub const fn target_kind(kind: TargetKind) -> TargetKindName {
    match kind {
        TargetKind::Apns => TargetKindName::Apns,
        TargetKind::ApnsVoip => TargetKindName::ApnsVoip,
        TargetKind::Fcm => TargetKindName::Fcm,
        TargetKind::Webpush => TargetKindName::Webpush,
    }
}

/// What a device runs.
pub const fn platform(platform: Platform) -> PlatformName {
    match platform {
        Platform::Android => PlatformName::Android,
        Platform::Ios => PlatformName::Ios,
        Platform::Web => PlatformName::Web,
        Platform::Other => PlatformName::Other,
    }
}

/// Apple's environment.
pub const fn environment(environment: Environment) -> EnvironmentName {
    match environment {
        Environment::Production => EnvironmentName::Production,
        Environment::Sandbox => EnvironmentName::Sandbox,
    }
}

/// What was wrong, for a connected client; `reconnect` says whether connecting again can help.
pub fn error(problem: &Problem, reconnect: bool) -> wire::Error {
    wire::Error {
        code: problem.code().as_str().to_owned(),
        message: problem.detail().to_owned(),
        field: problem.field().map(str::to_owned),
        retry_after_ms: problem.retry_after_ms(),
        reconnect,
    }
}

/// JSON text that was checked when it came in.
pub fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
