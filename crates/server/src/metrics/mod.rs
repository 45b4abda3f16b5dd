//! Metrics for Prometheus, as `GET /metrics` on the internal address shows them.
//!
//! ```text
//!   step 1 … 5 ──count──▶ Happened ─┐
//!   store, hub, circuits ─▶ Found ──┼─▶ registry ─▶ OpenMetrics text
//!   /proc ───────────────▶ Process ─┘
//!         └── read at each scrape ──┘
//! ```
//!
//! What happens is counted where it happens, in memory, and begins at zero with each start. What is
//! there is read when it is asked for, into a registry of that moment's own.
//!
//! Read first: [`table`], which has a row for each; then [`Metrics`].

mod found;
pub mod labels;
mod process;
pub mod table;

#[cfg(test)]
mod page;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::call::EndReason;
use domain::webhook::Tried;
use domain::{AppId, Outcome, Platform, TargetKind, Time};
use http::Method;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use store::model::{Decision, Subject, Webhook};

use crate::node::Node;
use crate::report;
use labels::{
    Id, OfApp, OfDelivery, OfEnd, OfPlatform, OfProvider, OfPush, OfReason, OfRequest, OfRoute,
    OfSubject, OfTarget, OfWay, provider,
};
use process::Reading;
use table::{Found, Happened, Process};

/// The media type of the page: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is counted while the server runs.
pub struct Metrics {
    registry: Registry,
    /// What happens.
    pub happened: Happened,
    started_at: Time,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A push, by all that tells pushes apart.
#[derive(Clone, Copy, Debug)]
pub struct Pushed {
    /// Its app.
    pub app: AppId,
    /// What it was for.
    pub subject: PushSubject,
    /// Where it went; `None`: what it was to go to is not readable.
    pub target: Option<TargetKind>,
    /// The rung of its wake, or the kind of a direct push.
    pub rung: &'static str,
}

/// What pushes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushSubject {
    /// A broadcast.
    Broadcast,
    /// A wake for a call.
    Call,
    /// A wake for messages.
    Message,
    /// A direct push.
    Push,
}

impl PushSubject {
    /// The word of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Call => Subject::Call.as_str(),
            Self::Message => Subject::Message.as_str(),
            Self::Push => Subject::Push.as_str(),
        }
    }
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new(now: Time) -> Self {
        let mut registry = Registry::default();
        let happened = Happened::registered(&mut registry);
        Self { registry, happened, started_at: now }
    }

    /// A message was stored.
    pub fn accepted(&self, app: AppId) {
        self.happened.messages_accepted.get_or_create(&OfApp { app: Id(app) }).inc();
    }

    /// Something was decided about a wake.
    pub fn decided(&self, decision: &Decision) {
        let app = Id(decision.app);
        let subject = decision.subject.as_str();
        let of_reason = OfReason { app, subject, reason: decision.reason.as_str() };
        if decision.opened {
            self.happened.wakes_opened.get_or_create(&OfSubject { app, subject }).inc();
        }
        if decision.closed {
            self.happened.wakes_closed.get_or_create(&of_reason).inc();
        }
        self.happened.wake_decisions.get_or_create(&of_reason).inc();
    }

    /// A push ended.
    pub fn pushed(&self, push: Pushed, outcome: &Outcome) {
        let code = match outcome {
            Outcome::Refused(refusal) => Some(refusal.diagnosis.code()),
            Outcome::Accepted { .. } | Outcome::Unknown { .. } | Outcome::Withdrawn => None,
        };
        let labels = OfPush {
            app: Id(push.app),
            subject: push.subject.as_str(),
            provider: push.target.map_or("none", provider),
            rung: push.rung,
            outcome: report::outcome_word(outcome),
            code,
        };
        self.happened.pushes.get_or_create(&labels).inc();
    }

    /// How long a push service took.
    pub fn answered(&self, provider: &'static str, took: Duration) {
        let of_provider = OfProvider { provider };
        let histogram = self.happened.wire_to_answer_seconds.get_or_create(&of_provider);
        histogram.observe(took.as_secs_f64());
    }

    /// A first push was written.
    pub fn wrote(&self, subject: PushSubject, target: Option<TargetKind>, since: Duration) {
        let provider = target.map_or("none", provider);
        let of_way = OfWay { subject: subject.as_str(), provider };
        let histogram = self.happened.accept_to_wire_seconds.get_or_create(&of_way);
        histogram.observe(since.as_secs_f64());
    }

    /// A push target was dropped.
    pub fn dropped(&self, app: AppId, target: TargetKind) {
        let of_target = OfTarget { app: Id(app), provider: provider(target) };
        self.happened.targets_dropped.get_or_create(&of_target).inc();
    }

    /// A session was opened; `since_push`: since its device was pushed.
    pub fn connected(&self, app: AppId, platform: Platform, since_push: Option<Duration>) {
        self.happened.sessions_opened.get_or_create(&OfApp { app: Id(app) }).inc();
        if let Some(waited) = since_push {
            let of_platform = OfPlatform { platform: platform.as_str() };
            let histogram = self.happened.push_to_connected_seconds.get_or_create(&of_platform);
            histogram.observe(waited.as_secs_f64());
        }
    }

    /// A device that came back has acknowledged all that waited for it.
    pub fn drained(&self, platform: Platform, took: Duration) {
        let of_platform = OfPlatform { platform: platform.as_str() };
        let histogram = self.happened.connected_to_drained_seconds.get_or_create(&of_platform);
        histogram.observe(took.as_secs_f64());
    }

    /// Entries went to a device.
    pub fn delivered(&self, app: AppId, entries: usize) {
        let entries = u64::try_from(entries).unwrap_or_default();
        self.happened.entries_delivered.get_or_create(&OfApp { app: Id(app) }).inc_by(entries);
    }

    /// A call rings.
    pub fn call_started(&self, app: AppId) {
        self.happened.calls_started.get_or_create(&OfApp { app: Id(app) }).inc();
    }

    /// A call is over.
    pub fn call_ended(&self, app: AppId, reason: EndReason) {
        let of_end = OfEnd { app: Id(app), reason: reason.as_str() };
        self.happened.calls_ended.get_or_create(&of_end).inc();
    }

    /// A webhook was sent an event, and answered with this status or not at all.
    pub fn told(&self, webhook: &Webhook, tried: Tried, status: Option<u16>) {
        let outcome = match (tried, status) {
            (Tried::Taken, _) => "taken",
            (Tried::Failed { .. } | Tried::Gone, Some(_)) => "refused",
            (Tried::Failed { .. } | Tried::Gone, None) => "unanswered",
        };
        let labels = OfDelivery { app: Id(webhook.app), webhook: Id(webhook.id), outcome };
        self.happened.webhook_deliveries.get_or_create(&labels).inc();
    }

    /// A request was answered.
    pub fn requested(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let (method, route) = (labels::method(method), route.to_owned());
        let of_request = OfRequest { method, route: route.clone(), status };
        self.happened.http_requests.get_or_create(&of_request).inc();
        let histogram =
            self.happened.http_request_seconds.get_or_create(&OfRoute { method, route });
        histogram.observe(took.as_secs_f64());
    }

    /// A session ended; `reason` is the word of the push log.
    pub fn ended(&self, app: AppId, reason: &'static str) {
        self.happened.sessions_ended.get_or_create(&OfEnd { app: Id(app), reason }).inc();
    }
}

/// The page as it is now.
///
/// # Errors
///
/// When it cannot be written, which a text in memory always can.
pub async fn page(node: &Arc<Node>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let found = Found::registered(&mut registry);
    let process = Process::registered(&mut registry);
    found::look(node, &found).await;
    let reading = node.tasks.work("process metrics", Reading::now).await;
    reading.unwrap_or_default().show(&process, node.metrics.started_at);
    let mut page = String::new();
    encode_registry(&mut page, &node.metrics.registry)?;
    encode_registry(&mut page, &registry)?;
    encode_eof(&mut page)?;
    // The encoder writes the braces of a family whose labels are none. No label has them in it.
    Ok(page.replace("{} ", " "))
}
