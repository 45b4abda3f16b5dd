//! What tells the series of a metric apart. The values of a label are few: ids of what the operator
//! made, and words of closed sets.

use std::fmt::{Display, Error, Write as _};

use domain::{AppId, CredentialId, TargetKind, WebhookId};
use http::Method;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// A set of labels.
pub trait Labels {
    /// Their names, in their order.
    const NAMES: &'static [&'static str];
}

/// An id, as everybody else writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<T>(pub T);

impl<T: Display> EncodeLabelValue for Id<T> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
        write!(encoder, "{}", self.0)
    }
}

macro_rules! labels {
    ($($(#[$doc:meta])* $set:ident { $($label:ident: $value:ty),* })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        #[expect(missing_docs, reason = "docs/metrics.md says what the labels are")]
        pub struct $set { $(pub $label: $value),* }

        impl Labels for $set {
            const NAMES: &'static [&'static str] = &[$(stringify!($label)),*];
        }
    )+};
}

/// None: a metric of one series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Whole {}

impl Labels for Whole {
    const NAMES: &'static [&'static str] = &[];
}

labels! {
    /// By app.
    OfApp { app: Id<AppId> }
    /// By app and what it is about.
    OfSubject { app: Id<AppId>, subject: &'static str }
    /// By app, what it is about, and why.
    OfReason { app: Id<AppId>, subject: &'static str, reason: &'static str }
    /// A push, by all that tells pushes apart.
    OfPush {
        app: Id<AppId>,
        subject: &'static str,
        provider: &'static str,
        rung: &'static str,
        outcome: &'static str,
        code: Option<u16>
    }
    /// By app and push service.
    OfTarget { app: Id<AppId>, provider: &'static str }
    /// By push service and what it is about.
    OfWay { subject: &'static str, provider: &'static str }
    /// By push service.
    OfProvider { provider: &'static str }
    /// By what the device runs.
    OfPlatform { platform: &'static str }
    /// By app and how it ended.
    OfEnd { app: Id<AppId>, reason: &'static str }
    /// By endpoint.
    OfWebhook { app: Id<AppId>, webhook: Id<WebhookId> }
    /// By endpoint and what came of it.
    OfDelivery { app: Id<AppId>, webhook: Id<WebhookId>, outcome: &'static str }
    /// By route and answer.
    OfRequest { method: &'static str, route: String, status: u16 }
    /// By route.
    OfRoute { method: &'static str, route: String }
    /// By what it is about and what it waits for.
    OfState { subject: &'static str, state: &'static str }
    /// By queue.
    OfQueue { queue: &'static str }
    /// By credential and where it is used.
    OfCircuit { app: Id<AppId>, credential: Id<CredentialId>, place: &'static str }
    /// By credential.
    OfCredential { app: Id<AppId>, credential: Id<CredentialId>, kind: String }
    /// By version of this server.
    OfVersion { version: &'static str }
}

/// The label `provider` of a target: the push service that takes its pushes.
pub const fn provider(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Apns | TargetKind::ApnsVoip => "apns",
        TargetKind::Fcm => "fcm",
        TargetKind::Webpush => "webpush",
    }
}

/// The label `method` of a request; whoever asks may have made up others.
pub fn method(method: &Method) -> &'static str {
    match *method {
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => "other",
    }
}
