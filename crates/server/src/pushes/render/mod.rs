//! A direct push in the form of each push service.
//!
//! ```text
//!   Content, locale, call ─▶ what is generated, as JSON ─▶ merge patch ─▶ the provider's type
//!                                                          (overrides)      │
//!                                        at acceptance: its own check ◀─────┴─▶ sent
//! ```
//!
//! What a device's app reads is the same everywhere: the `reveille` object, and the push's `data`.

pub mod apns;
pub mod fcm;
mod patch;
pub mod webpush;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::delivery::PushKind;
use domain::{AppId, Diagnosis, Platform, ProviderId, PushId, Refusal, RetryRule, Time};
use providers::FieldFault;
use wire::push::{CallPayload, Kind, Payload, VERSION};

use super::content::{Content, Priority, Texts};
use crate::ids::Ids;
use crate::to_wire;

/// The longest a push service keeps a push: FCM's 28 days. Apple's storage ends after about 30.
pub const LONGEST_TTL_S: u64 = 2_419_200;

/// What a push is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Names that are keyed hashes.
    pub ids: &'a Ids,
    /// The app.
    pub app: AppId,
    /// The push.
    pub push: PushId,
    /// What it is.
    pub kind: PushKind,
    /// What it says.
    pub content: &'a Content,
    /// What the device runs; `None`: the target is no device's, and may be anything's.
    pub platform: Option<Platform>,
    /// The device's language, BCP 47.
    pub locale: Option<&'a str>,
    /// The app's sound.
    pub sound: &'a str,
    /// The push service's name for it.
    pub provider: ProviderId,
    /// When it was claimed; what follows is waiting and transport.
    pub at: Time,
    /// When it is no longer of use.
    pub expires_at: Time,
}

/// Why a push cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An override is not of the form of its push service.
    Override {
        /// The field, from the request's on.
        field: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The whole breaks a rule of its push service.
    Rule(FieldFault),
}

impl Fault {
    /// The outcome of a push that was never sent because of this.
    pub fn into_refusal(self) -> Refusal {
        match self {
            Self::Override { field, problem } => Refusal::unsent(
                Diagnosis::BadPayload,
                RetryRule::Bare,
                format!("{field}: {problem}"),
                "Correct the override, and push again.",
            ),
            Self::Rule(fault) => fault.into_refusal(),
        }
    }
}

impl From<FieldFault> for Fault {
    fn from(fault: FieldFault) -> Self {
        Self::Rule(fault)
    }
}

impl Parts<'_> {
    /// The `reveille` object.
    pub fn payload(&self) -> Payload {
        let Content { open, action, image, call, .. } = self.content;
        Payload {
            v: VERSION,
            kind: if self.content.test { Kind::Test } else { Kind::Push },
            wake: None,
            push: Some(self.push.to_string()),
            count: None,
            sent_at: to_wire::time(self.at),
            expires_at: to_wire::time(self.expires_at),
            open: open.clone(),
            action: action.clone(),
            image: image.clone(),
            call: call.as_ref().map(|call| CallPayload {
                id: call.id.clone(),
                caller_name: call.caller_name.clone(),
                caller_handle: call.caller_handle.clone(),
                media: to_wire::media(call.video),
            }),
        }
    }

    /// The texts in the device's language.
    fn texts(&self) -> Texts {
        self.content.texts_for(self.locale)
    }

    /// The push's sound, else the app's where there is a text to be shown; `none` is none.
    fn sound(&self) -> Option<&str> {
        let usual = self.content.texts.is_shown().then_some(self.sound);
        self.content.sound.as_deref().or(usual).filter(|sound| *sound != "none")
    }

    /// What it replaces and is replaced by: what its sender says, else nothing but itself.
    fn collapse_id(&self) -> String {
        match &self.content.collapse_id {
            Some(id) => id.clone(),
            None => self.hashed("collapse push", &self.push.to_string()),
        }
    }

    /// A keyed hash in 22 characters of base64url: Web Push topics take 32.
    fn hashed(&self, domain: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.ids.keyed_hash(domain, &[&self.app.to_string(), text]))
    }

    /// Whether it may wake the phone.
    fn is_urgent(&self) -> bool {
        self.content.priority == Priority::High
    }
}

#[cfg(test)]
mod tests;
