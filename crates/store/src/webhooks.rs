//! Events and webhooks: the part of [`Store`] that looks after them.

use domain::{AppId, EventSet, Time, WebhookId};
use tokio::sync::watch;

use crate::model::{
    ChangeWebhook, DeliveryFilter, Event, NewEvent, NewWebhook, Replay, SettleWebhook, Webhook,
    WebhookCounts, WebhookDelivery, WebhookWork,
};
use crate::{Error, Store};

impl Store {
    /// Writes an event; a frequent one only if its app wants it.
    pub async fn add_event(&self, app: AppId, event: NewEvent, now: Time) -> Result<(), Error> {
        self.sqlite().add_event(app, event, now).await
    }

    /// Up to `limit` events of an app behind the one numbered `after`.
    pub async fn events(&self, app: AppId, after: i64, limit: usize) -> Result<Vec<Event>, Error> {
        self.sqlite().events(app, after, limit).await
    }

    /// The number of the newest event of an app; 0: there is none.
    pub async fn newest_event(&self, app: AppId) -> Result<i64, Error> {
        self.sqlite().newest_event(app).await
    }

    /// Which frequent events an app keeps, because a webhook or its settings ask for them.
    pub async fn wanted_events(&self, app: AppId) -> Result<EventSet, Error> {
        self.sqlite().wanted_events(app).await
    }

    /// Changes whenever an event of the app was committed.
    pub fn new_events(&self, app: AppId) -> watch::Receiver<i64> {
        self.sqlite().new_events(app)
    }

    /// Keeps an endpoint; it gets what happens from now on. `None`: no such app.
    pub async fn add_webhook(&self, new: NewWebhook) -> Result<Option<Webhook>, Error> {
        self.sqlite().add_webhook(new).await
    }

    /// The endpoints of an app, or of all; oldest first.
    pub async fn webhooks(&self, app: Option<AppId>) -> Result<Vec<Webhook>, Error> {
        self.sqlite().webhooks(app).await
    }

    /// Changes an endpoint. `None`: the app has no such.
    pub async fn change_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        change: ChangeWebhook,
    ) -> Result<Option<Webhook>, Error> {
        self.sqlite().change_webhook(app, id, change).await
    }

    /// Takes an endpoint away, with all that waits for it; returns whether there was one.
    pub async fn remove_webhook(&self, app: AppId, id: WebhookId) -> Result<bool, Error> {
        self.sqlite().remove_webhook(app, id).await
    }

    /// Gives an endpoint another secret; the one before signs as well until `old_until`.
    pub async fn rotate_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        secret: Vec<u8>,
        old_until: Time,
    ) -> Result<Option<Webhook>, Error> {
        self.sqlite().rotate_webhook(app, id, secret, old_until).await
    }

    /// Writes an event for one endpoint alone, due at once. `None`: the app has no such endpoint.
    pub async fn test_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        body: serde_json::Value,
        now: Time,
    ) -> Result<Option<Event>, Error> {
        self.sqlite().test_webhook(app, id, body, now).await
    }

    /// Makes events due again at an endpoint; returns how many. `None`: the app has no such
    /// endpoint.
    pub async fn replay_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        replay: Replay,
        now: Time,
    ) -> Result<Option<usize>, Error> {
        self.sqlite().replay_webhook(app, id, replay, now).await
    }

    /// What there is to send to an endpoint: up to `limit` of each sort, behind the cursor that the
    /// caller knows.
    pub async fn webhook_work(
        &self,
        webhook: Webhook,
        limit: usize,
        now: Time,
    ) -> Result<WebhookWork, Error> {
        self.sqlite().webhook_work(webhook, limit, now).await
    }

    /// Keeps what some tries came to. `false`: there is no such endpoint any more.
    pub async fn settle_webhook(&self, settle: SettleWebhook) -> Result<bool, Error> {
        self.sqlite().settle_webhook(settle).await
    }

    /// Parks what has waited since before `before` for an endpoint that is left in peace, up to
    /// `limit` of those not tried yet; returns its new cursor.
    pub async fn park_events(
        &self,
        webhook: Webhook,
        before: Time,
        limit: usize,
        problem: String,
    ) -> Result<i64, Error> {
        self.sqlite().park_events(webhook, before, limit, problem).await
    }

    /// What became of events at an endpoint, the newest first: up to `limit` before the one numbered
    /// `before`.
    pub async fn webhook_deliveries(
        &self,
        id: WebhookId,
        filter: DeliveryFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        self.sqlite().webhook_deliveries(id, filter, before, limit).await
    }

    /// How many events wait for an endpoint, and how many were given up.
    pub async fn webhook_counts(&self, id: WebhookId) -> Result<WebhookCounts, Error> {
        self.sqlite().webhook_counts(id).await
    }
}

/// What a webhook's sealed secret is bound to: its table, column and app.
pub fn webhook_context(app: AppId) -> String {
    format!("webhooks/secret/{app}")
}
