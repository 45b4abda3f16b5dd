//! Webhooks: where an app's back end wants events, and what became of them there.

use std::time::Duration;

use domain::{AppId, EventSet, Time, WebhookId, webhook};

use super::Event;

/// An endpoint of an app's back end.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The app it belongs to.
    pub app: AppId,
    /// Where events are sent to. Its path may be a secret.
    pub url: String,
    /// For people.
    pub description: String,
    /// Which events it gets.
    pub events: Subscription,
    /// Whether it gets any.
    pub state: WebhookState,
    /// What signs its events, sealed by the server.
    pub secret: Vec<u8>,
    /// The secret before that, and until when it signs as well.
    pub old_secret: Option<(Vec<u8>, Time)>,
    /// Events up to this number were tried, or are none that it gets.
    pub cursor: i64,
    /// When it was made.
    pub created_at: Time,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("app", &self.app)
            .field("state", &self.state)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

/// Which events an endpoint gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// `*`: all but those that have to be named; new kinds as they come.
    All,
    /// These.
    Named(EventSet),
}

impl Subscription {
    /// The types it stands for.
    pub fn types(self) -> EventSet {
        match self {
            Self::All => EventSet::all_by_default(),
            Self::Named(types) => types,
        }
    }
}

/// Whether an endpoint gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// It does.
    On,
    /// Its back end has switched it off.
    Off,
    /// It said that it is gone for good (410).
    Gone,
}

impl WebhookState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::On, Self::Off, Self::Gone];

    /// The word in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Gone => "gone",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// An endpoint to be kept. It gets what happens from now on.
#[derive(Clone)]
pub struct NewWebhook {
    /// The app it belongs to.
    pub app: AppId,
    /// Where events are sent to.
    pub url: String,
    /// For people.
    pub description: String,
    /// Which events it gets.
    pub events: Subscription,
    /// What signs its events, sealed by the server.
    pub secret: Vec<u8>,
    /// When.
    pub now: Time,
}

impl std::fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewWebhook").field("app", &self.app).finish_non_exhaustive()
    }
}

/// What is to be changed of an endpoint; the rest stays.
#[derive(Clone, Default)]
pub struct ChangeWebhook {
    /// Where events are sent to.
    pub url: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Which events it gets.
    pub events: Option<Subscription>,
    /// Whether it gets any. What happened while it was off it gets once it is on again.
    pub on: Option<bool>,
}

impl std::fmt::Debug for ChangeWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeWebhook").field("on", &self.on).finish_non_exhaustive()
    }
}

/// What there is to send to an endpoint.
#[derive(Clone, Debug, Default)]
pub struct WebhookWork {
    /// Events to be tried again, those that are due longest first.
    pub again: Vec<Tried>,
    /// Events not tried yet, in their order.
    pub fresh: Vec<Event>,
    /// Once the fresh ones are settled, everything up to here is.
    pub cursor: i64,
    /// Whether there may be more fresh ones behind these.
    pub more: bool,
    /// When the next one is to be tried again.
    pub next_due: Option<Time>,
}

/// An event that was tried before, or is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The event.
    pub event: Event,
    /// How often it was tried since then.
    pub tries: u32,
    /// When it happened or was replayed.
    pub since: Time,
}

/// What a try came to.
#[derive(Clone, Debug)]
pub struct SettledTry {
    /// The event's number.
    pub event: i64,
    /// What becomes of it.
    pub delivery: webhook::Delivery,
    /// Tries with this one.
    pub tries: u32,
    /// Since when it is to be delivered.
    pub since: Time,
    /// What was answered.
    pub answer: TryAnswer,
}

/// The last answer of an endpoint to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryAnswer {
    /// When it was asked.
    pub at: Time,
    /// How long it took.
    pub took: Duration,
    /// The HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// The beginning of what it said.
    pub body: Option<String>,
    /// Why there was no answer, or it was none that counts.
    pub problem: Option<String>,
}

/// What some tries at one endpoint came to, kept in one transaction.
#[derive(Clone, Debug)]
pub struct SettleWebhook {
    /// The endpoint.
    pub webhook: WebhookId,
    /// Everything up to here was tried.
    pub cursor: i64,
    /// The tries.
    pub tries: Vec<SettledTry>,
    /// It is back: everything that waits is due at once.
    pub back: bool,
    /// It is gone for good.
    pub gone: bool,
    /// When.
    pub now: Time,
}

/// What became of an event at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// The event.
    pub event: Event,
    /// How it stands.
    pub state: DeliveryStateAt,
    /// How often it was tried.
    pub tries: u32,
    /// The last try.
    pub answer: Option<TryAnswer>,
}

/// How an event stands at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStateAt {
    /// It is tried again then.
    Waiting(Time),
    /// It was taken.
    Delivered,
    /// It is tried no more unless it is replayed.
    Parked,
}

/// Which deliveries are wanted, by how they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFilter {
    /// All.
    All,
    /// Those that wait.
    Waiting,
    /// Those that were taken.
    Delivered,
    /// Those that are parked.
    Parked,
}

/// What is to be sent to an endpoint again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The event of this number, whatever became of it.
    One(i64),
    /// What happened in this time, both ends included.
    Between {
        /// From then on.
        from: Time,
        /// Up to then.
        to: Time,
        /// Only what is parked.
        parked_only: bool,
    },
}

/// How many events wait for an endpoint, and how many were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Tried, and to be tried again.
    pub waiting: u64,
    /// Given up.
    pub parked: u64,
}
