//! Webhooks: the endpoints of apps' back ends, and what became of each event there.
//!
//! ```text
//!   events:   … 41 42 43 44 45 46          webhook_deliveries of an endpoint
//!                      │                     41 delivered   42 waiting, due 12:00   43 delivered
//!             cursor ──┘ 44 45 46: not tried yet
//! ```
//!
//! An event is written once, however many endpoints there are; a row for an endpoint comes with its
//! first try. Cursor and rows of a page are one transaction, so that after a kill a page is sent
//! again and nothing is left out.

use std::time::Duration;

use domain::webhook::Delivery;
use domain::{AppId, EventSet, EventType, Time, WebhookId};
use rusqlite::{Connection, Row, params};

use super::Sqlite;
use super::bodies::{json, parse};
use super::events::{EVENT_COLUMNS, EVENT_WIDTH, event_row, newest_event};
use super::rows::{At, word};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    ChangeWebhook, DeliveryFilter, DeliveryStateAt, Event, NewWebhook, Replay, SettleWebhook,
    SettledTry, Subscription, Tried, TryAnswer, Webhook, WebhookCounts, WebhookDelivery,
    WebhookState, WebhookWork,
};
use crate::webhooks::webhook_context;

/// What stands for all but what has to be named.
const ALL: &str = "*";

const DELIVERED: &str = "delivered";
const PARKED: &str = "parked";
const WAITING: &str = "waiting";

const COLUMNS: &str =
    "id, app, url, description, events, state, secret, old_secret, old_until, cursor, created_at";

impl Sqlite {
    pub(crate) async fn add_webhook(&self, new: NewWebhook) -> Result<Option<Webhook>, Error> {
        self.writer.change(move |tx| tx.add_webhook(&new)).await
    }

    pub(crate) async fn webhooks(&self, app: Option<AppId>) -> Result<Vec<Webhook>, Error> {
        self.readers.read(move |conn| webhooks(conn, app)).await
    }

    pub(crate) async fn change_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        change: ChangeWebhook,
    ) -> Result<Option<Webhook>, Error> {
        self.writer.change(move |tx| tx.change_webhook(app, id, &change)).await
    }

    pub(crate) async fn remove_webhook(&self, app: AppId, id: WebhookId) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.remove_webhook(app, id)).await
    }

    pub(crate) async fn rotate_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        secret: Vec<u8>,
        old_until: Time,
    ) -> Result<Option<Webhook>, Error> {
        self.writer.change(move |tx| tx.rotate_webhook(app, id, &secret, old_until)).await
    }

    pub(crate) async fn test_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        body: serde_json::Value,
        now: Time,
    ) -> Result<Option<Event>, Error> {
        self.writer.change(move |tx| tx.test_webhook(app, id, &body, now)).await
    }

    pub(crate) async fn replay_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        replay: Replay,
        now: Time,
    ) -> Result<Option<usize>, Error> {
        self.writer.change(move |tx| tx.replay_webhook(app, id, replay, now)).await
    }

    pub(crate) async fn webhook_work(
        &self,
        webhook: Webhook,
        limit: usize,
        now: Time,
    ) -> Result<WebhookWork, Error> {
        self.readers.read(move |conn| work(conn, &webhook, limit, now)).await
    }

    pub(crate) async fn settle_webhook(&self, settle: SettleWebhook) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.settle_webhook(&settle)).await
    }

    pub(crate) async fn park_events(
        &self,
        webhook: Webhook,
        before: Time,
        limit: usize,
        problem: String,
    ) -> Result<i64, Error> {
        self.writer.change(move |tx| tx.park_events(&webhook, before, limit, &problem)).await
    }

    pub(crate) async fn webhook_deliveries(
        &self,
        id: WebhookId,
        filter: DeliveryFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        self.readers.read(move |conn| deliveries(conn, id, filter, before, limit)).await
    }

    pub(crate) async fn webhook_counts(&self, id: WebhookId) -> Result<WebhookCounts, Error> {
        self.readers.read(move |conn| counts(conn, id)).await
    }
}

impl Tx<'_> {
    /// Which events the endpoints of an app get that get any.
    pub(super) fn subscriptions(&self, app: AppId) -> Result<Vec<Subscription>, Error> {
        self.all(
            "SELECT events FROM webhooks WHERE app = ?1 AND state <> 'gone'",
            [app.number()],
            |row| subscription(row, 0),
        )
    }

    fn add_webhook(&mut self, new: &NewWebhook) -> Result<Option<Webhook>, Error> {
        let app = new.app.number();
        if !self.is_app(new.app)? {
            return Ok(None);
        }
        self.run(
            "INSERT INTO webhooks (app, url, description, events, state, secret, cursor, created_at)
             VALUES (?1, ?2, ?3, ?4, 'on', ?5,
                     COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0), ?6)",
            params![
                app,
                new.url,
                new.description,
                subscription_to_json(new.events)?,
                new.secret,
                At(new.now)
            ],
        )?;
        self.cache.wanted.remove(&new.app);
        self.webhook(new.app, WebhookId::from_number(self.last_id()))
    }

    fn webhook(&self, app: AppId, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE id = ?1 AND app = ?2");
        self.one(&sql, [id.number(), app.number()], webhook_row)
    }

    fn change_webhook(
        &mut self,
        app: AppId,
        id: WebhookId,
        change: &ChangeWebhook,
    ) -> Result<Option<Webhook>, Error> {
        let state = change.on.map(|on| if on { WebhookState::On } else { WebhookState::Off });
        self.run(
            "UPDATE webhooks SET url = COALESCE(?3, url), description = COALESCE(?4, description),
                    events = COALESCE(?5, events), state = COALESCE(?6, state)
             WHERE id = ?1 AND app = ?2",
            params![
                id.number(),
                app.number(),
                change.url,
                change.description,
                change.events.map(subscription_to_json).transpose()?,
                state.map(WebhookState::as_str),
            ],
        )?;
        self.cache.wanted.remove(&app);
        self.webhook(app, id)
    }

    fn remove_webhook(&mut self, app: AppId, id: WebhookId) -> Result<bool, Error> {
        let removed = self
            .run("DELETE FROM webhooks WHERE id = ?1 AND app = ?2", [id.number(), app.number()])?;
        if removed > 0 {
            self.run("DELETE FROM webhook_deliveries WHERE webhook = ?1", [id.number()])?;
            self.cache.wanted.remove(&app);
        }
        Ok(removed > 0)
    }

    /// The secret there is signs until `old_until` beside the new one.
    fn rotate_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        secret: &[u8],
        old_until: Time,
    ) -> Result<Option<Webhook>, Error> {
        self.run(
            // One that a restore left without a secret has no old one to sign with.
            "UPDATE webhooks SET secret = ?3,
                old_secret = CASE WHEN length(secret) > 0 THEN secret END,
                old_until = CASE WHEN length(secret) > 0 THEN ?4 END
             WHERE id = ?1 AND app = ?2",
            params![id.number(), app.number(), secret, At(old_until)],
        )?;
        self.webhook(app, id)
    }

    /// An event for this endpoint alone.
    fn test_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        body: &serde_json::Value,
        now: Time,
    ) -> Result<Option<Event>, Error> {
        if self.webhook(app, id)?.is_none() {
            return Ok(None);
        }
        self.add_event(app, None, EventType::WebhookTest, body, now)?;
        let number = self.last_id();
        self.deliver_again(id, number, now)?;
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events e WHERE e.number = ?1");
        self.one(&sql, [number], event_row)
    }

    fn deliver_again(&self, id: WebhookId, event: i64, now: Time) -> Result<(), Error> {
        self.run(
            "REPLACE INTO webhook_deliveries (webhook, event, state, due, since, tries)
             VALUES (?1, ?2, 'waiting', ?3, ?3, 0)",
            params![id.number(), event, At(now)],
        )?;
        Ok(())
    }

    /// Makes events due again; how many. What was not tried yet comes anyway. `None`: no such
    /// endpoint.
    fn replay_webhook(
        &self,
        app: AppId,
        id: WebhookId,
        replay: Replay,
        now: Time,
    ) -> Result<Option<usize>, Error> {
        let Some(webhook) = self.webhook(app, id)? else { return Ok(None) };
        let replayed = match replay {
            Replay::One(number) => {
                let there = self.one(
                    "SELECT 1 FROM events WHERE number = ?1 AND app = ?2",
                    [number, app.number()],
                    |_| Ok(()),
                )?;
                if there.is_some() {
                    self.deliver_again(id, number, now)?;
                }
                usize::from(there.is_some())
            }
            Replay::Between { from, to, parked_only: true } => self.run(
                "UPDATE webhook_deliveries SET state = 'waiting', due = ?4, since = ?4, tries = 0
                 WHERE webhook = ?1 AND state = 'parked' AND event IN
                     (SELECT number FROM events WHERE app = ?5 AND at BETWEEN ?2 AND ?3)",
                params![id.number(), At(from), At(to), At(now), app.number()],
            )?,
            Replay::Between { from, to, parked_only: false } => {
                let sql = format!(
                    "REPLACE INTO webhook_deliveries (webhook, event, state, due, since, tries)
                     SELECT ?1, number, 'waiting', ?4, ?4, 0 FROM events
                     WHERE app = ?5 AND at BETWEEN ?2 AND ?3 AND number <= ?6 AND type IN ({})",
                    types(webhook.events.types())
                );
                self.run(
                    &sql,
                    params![id.number(), At(from), At(to), At(now), app.number(), webhook.cursor],
                )?
            }
        };
        Ok(Some(replayed))
    }

    /// Keeps what some tries came to. `false`: there is no such endpoint any more.
    fn settle_webhook(&mut self, settle: &SettleWebhook) -> Result<bool, Error> {
        let id = settle.webhook.number();
        let app = self.one(
            "UPDATE webhooks SET cursor = MAX(cursor, ?2),
                    state = CASE WHEN ?3 THEN 'gone' ELSE state END
             WHERE id = ?1 RETURNING app",
            params![id, settle.cursor, settle.gone],
            |row| row.get(0).map(AppId::from_number),
        )?;
        let Some(app) = app else { return Ok(false) };
        if settle.gone {
            self.cache.wanted.remove(&app);
        }
        for tried in &settle.tries {
            self.keep_try(settle.webhook, tried)?;
        }
        if settle.back {
            self.run(
                "UPDATE webhook_deliveries SET due = ?2 WHERE webhook = ?1 AND due > ?2",
                params![id, At(settle.now)],
            )?;
        }
        Ok(true)
    }

    fn keep_try(&self, webhook: WebhookId, tried: &SettledTry) -> Result<(), Error> {
        let (state, due) = match tried.delivery {
            Delivery::Delivered => (DELIVERED, None),
            Delivery::Waiting { due } => (WAITING, Some(At(due))),
            Delivery::Parked => (PARKED, None),
        };
        self.run(
            "REPLACE INTO webhook_deliveries (webhook, event, state, due, since, tries, tried_at,
                took_ms, status, answer, problem)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                webhook.number(),
                tried.event,
                state,
                due,
                At(tried.since),
                tried.tries,
                At(tried.answer.at),
                i64::try_from(tried.answer.took.as_millis()).unwrap_or(i64::MAX),
                tried.answer.status,
                tried.answer.body,
                tried.answer.problem,
            ],
        )?;
        Ok(())
    }

    /// Parks what has waited since before `before` for an endpoint that is not tried: what is
    /// behind its cursor, up to `limit` at once, and what was tried once. Returns the new cursor.
    fn park_events(
        &self,
        webhook: &Webhook,
        before: Time,
        limit: usize,
        problem: &str,
    ) -> Result<i64, Error> {
        let id = webhook.id.number();
        self.run(
            "UPDATE webhook_deliveries SET state = 'parked', due = NULL
             WHERE webhook = ?1 AND due IS NOT NULL AND since <= ?2",
            params![id, At(before)],
        )?;
        let sql = format!(
            "SELECT number, at FROM events
             WHERE app = ?1 AND number > ?2 AND at <= ?3 AND type IN ({})
             ORDER BY number LIMIT ?4",
            types(webhook.events.types())
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let old = self.all(
            &sql,
            params![webhook.app.number(), webhook.cursor, At(before), limit],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        for (event, since) in &old {
            self.run(
                "INSERT INTO webhook_deliveries (webhook, event, state, since, tries, problem)
                 VALUES (?1, ?2, 'parked', ?3, 0, ?4) ON CONFLICT DO NOTHING",
                params![id, event, since, problem],
            )?;
        }
        let cursor = old.last().map_or(webhook.cursor, |(event, _)| *event);
        self.run(
            "UPDATE webhooks SET cursor = MAX(cursor, ?2) WHERE id = ?1",
            params![id, cursor],
        )?;
        Ok(cursor)
    }

    /// Forgets what became of events that are gone.
    pub(super) fn sweep_webhook_deliveries(&self) -> Result<(), Error> {
        self.run(
            "DELETE FROM webhook_deliveries
             WHERE event < COALESCE((SELECT MIN(number) FROM events),
                 (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'events'), 0)",
            [],
        )?;
        Ok(())
    }

    /// Seals the secrets of webhooks anew.
    pub(super) fn reseal_webhooks(
        &self,
        again: &mut impl FnMut(&str, &[u8]) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        // A restore without the master key has left some without a secret.
        let sql = "SELECT id, app, secret, old_secret FROM webhooks WHERE length(secret) > 0";
        let all = self.all(sql, [], |row| {
            let id_and_app: (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((id_and_app, row.get::<_, Vec<u8>>(2)?, row.get::<_, Option<Vec<u8>>>(3)?))
        })?;
        for ((id, app), secret, old) in all {
            let context = webhook_context(AppId::from_number(app));
            let secret = again(&context, &secret)?;
            let old = old.map(|old| again(&context, &old)).transpose()?;
            self.run(
                "UPDATE webhooks SET secret = ?2, old_secret = ?3 WHERE id = ?1",
                params![id, secret, old],
            )?;
        }
        Ok(())
    }
}

fn webhooks(conn: &Connection, app: Option<AppId>) -> Result<Vec<Webhook>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE ?1 IS NULL OR app = ?1 ORDER BY id");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([app.map(AppId::number)], webhook_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What there is to send, behind the cursor of the endpoint as the caller knows it.
fn work(
    conn: &Connection,
    webhook: &Webhook,
    limit: usize,
    now: Time,
) -> Result<WebhookWork, Error> {
    let snapshot = conn.unchecked_transaction()?;
    let id = webhook.id.number();
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let again = {
        let mut statement = snapshot.prepare_cached(&format!(
            "SELECT {EVENT_COLUMNS}, d.tries, d.since FROM webhook_deliveries d
             JOIN events e ON e.number = d.event
             WHERE d.webhook = ?1 AND d.due <= ?2 ORDER BY d.due LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![id, At(now), limit_rows], |row| {
            Ok(Tried {
                event: event_row(row)?,
                tries: row.get(EVENT_WIDTH)?,
                since: row.get::<_, At>(EVENT_WIDTH + 1)?.0,
            })
        })?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    let next_due = snapshot
        .prepare_cached("SELECT MIN(due) FROM webhook_deliveries WHERE webhook = ?1 AND due > ?2")?
        .query_row(params![id, At(now)], |row| row.get::<_, Option<At>>(0))?
        .map(|at| at.0);
    let newest = newest_event(&snapshot, webhook.app)?;
    let fresh = {
        // A test is for the endpoint it was asked for, which has a row for it.
        let mut statement = snapshot.prepare_cached(&format!(
            "SELECT {EVENT_COLUMNS} FROM events e
             WHERE e.app = ?1 AND e.number > ?2 AND e.type IN ({}) ORDER BY e.number LIMIT ?3",
            types(webhook.events.types())
        ))?;
        let rows = statement
            .query_map(params![webhook.app.number(), webhook.cursor, limit_rows], event_row)?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    let more = fresh.len() >= limit;
    let cursor = match fresh.last() {
        Some(last) if more => last.number,
        Some(_) | None => newest.max(webhook.cursor),
    };
    Ok(WebhookWork { again, fresh, cursor, more, next_due })
}

fn deliveries(
    conn: &Connection,
    id: WebhookId,
    filter: DeliveryFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<WebhookDelivery>, Error> {
    let states = match filter {
        DeliveryFilter::All => "",
        DeliveryFilter::Waiting => " AND d.due IS NOT NULL",
        DeliveryFilter::Delivered => " AND d.state = 'delivered'",
        DeliveryFilter::Parked => " AND d.state = 'parked'",
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS}, d.state, d.due, d.tries, d.tried_at, d.took_ms, d.status,
                d.answer, d.problem
         FROM webhook_deliveries d JOIN events e ON e.number = d.event
         WHERE d.webhook = ?1 AND d.event < ?2{states} ORDER BY d.event DESC LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let before = before.unwrap_or(i64::MAX);
    let rows = statement.query_map(params![id.number(), before, limit], delivery_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<WebhookDelivery> {
    let at = EVENT_WIDTH;
    let due = row.get::<_, Option<At>>(at + 1)?.map(|due| due.0);
    let state = word(row, at, |state| match (state, due) {
        (WAITING, Some(due)) => Some(DeliveryStateAt::Waiting(due)),
        (DELIVERED, None) => Some(DeliveryStateAt::Delivered),
        (PARKED, None) => Some(DeliveryStateAt::Parked),
        _ => None,
    })?;
    let answer = match row.get::<_, Option<At>>(at + 3)? {
        Some(tried_at) => Some(TryAnswer {
            at: tried_at.0,
            took: Duration::from_millis(count(row.get::<_, Option<i64>>(at + 4)?.unwrap_or(0))),
            status: row.get(at + 5)?,
            body: row.get(at + 6)?,
            problem: row.get(at + 7)?,
        }),
        None => None,
    };
    Ok(WebhookDelivery { event: event_row(row)?, state, tries: row.get(at + 2)?, answer })
}

fn counts(conn: &Connection, id: WebhookId) -> Result<WebhookCounts, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT (SELECT COUNT(*) FROM webhook_deliveries WHERE webhook = ?1 AND due IS NOT NULL),
                (SELECT COUNT(*) FROM webhook_deliveries
                 WHERE webhook = ?1 AND state = 'parked')",
    )?;
    Ok(statement.query_row([id.number()], |row| {
        Ok(WebhookCounts { waiting: count(row.get(0)?), parked: count(row.get(1)?) })
    })?)
}

/// A column that is never negative.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn webhook_row(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    let old_secret: Option<Vec<u8>> = row.get(7)?;
    let old_until = row.get::<_, Option<At>>(8)?.map(|at| at.0);
    Ok(Webhook {
        id: WebhookId::from_number(row.get(0)?),
        app: AppId::from_number(row.get(1)?),
        url: row.get(2)?,
        description: row.get(3)?,
        events: subscription(row, 4)?,
        state: word(row, 5, WebhookState::parse)?,
        secret: row.get(6)?,
        old_secret: old_secret.zip(old_until),
        cursor: row.get(9)?,
        created_at: row.get::<_, At>(10)?.0,
    })
}

fn subscription(row: &Row<'_>, column: usize) -> rusqlite::Result<Subscription> {
    word(row, column, |text| {
        let words: Vec<String> = parse(text).ok()?;
        if words.iter().any(|word| word == ALL) {
            return Some(Subscription::All);
        }
        // A kind of a newer version than this is none that could happen here.
        Some(Subscription::Named(words.iter().filter_map(|word| EventType::parse(word)).collect()))
    })
}

fn subscription_to_json(subscription: Subscription) -> Result<String, Error> {
    match subscription {
        Subscription::All => json(&[ALL]),
        Subscription::Named(types) => {
            json(&types.iter().map(EventType::as_str).collect::<Vec<_>>())
        }
    }
}

/// The words of some types as SQL has them in a list; they are ours, and have no quotes in them.
fn types(types: EventSet) -> String {
    types.iter().map(|event| format!("'{}'", event.as_str())).collect::<Vec<_>>().join(", ")
}
