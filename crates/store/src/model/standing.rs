//! How much there is of everything, for whoever watches over the process.

use std::time::Duration;

use domain::{AppId, WebhookId};

/// What is in the store, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Open wakes for messages.
    pub message_wakes: Waiting,
    /// Open wakes for calls.
    pub call_wakes: Waiting,
    /// Deliveries of direct pushes that are not over; none is `parked`.
    pub deliveries: Waiting,
    /// Broadcasts that have begun and are not over.
    pub broadcasts: u64,
    /// Calls that ring or go on.
    pub calls: u64,
    /// What endpoints have not taken.
    pub webhooks: Vec<WebhookStanding>,
    /// Bytes of the database's pages, those that are free for reuse included.
    pub database_bytes: u64,
}

/// What waits to be pushed, by what it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Its time has come: it waits for room, or for a circuit.
    pub due: u64,
    /// Its time will come.
    pub later: u64,
    /// A push is on its way.
    pub under_way: u64,
    /// It waits for something other than time.
    pub parked: u64,
}

/// What an endpoint has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookStanding {
    /// The endpoint's app.
    pub app: AppId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// Events to be tried again.
    pub waiting: u64,
    /// Events that were given up until somebody replays them.
    pub parked: u64,
}

/// What the one writer has done since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Transactions that were committed.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
    /// How long they took, flush included.
    pub busy: Duration,
    /// Changes that wait now.
    pub waiting: u64,
}
