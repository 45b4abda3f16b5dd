//! The walk of one broadcast over its devices.

use std::sync::Arc;
use std::time::Duration;

use domain::policy::Router;
use domain::{DeviceNumber, Outcome, PushId};
use serde_json::json;
use store::log::{Record, Step};
use store::model::{BroadcastPage, BroadcastRest, BroadcastStep, Push, PushState};

use super::FAILED_PAUSE;
use super::send::{Sender, Sent};
use crate::attempt::settled;
use crate::node::Node;

/// Devices read, sent to and stored in one piece.
const PAGE: usize = 2_000;

/// A slow broadcast has smaller pages, of so many seconds: a pause is to be felt.
const PAGE_S: usize = 2;

/// How often it is looked whether the app's pushes are enabled again.
const DISABLED_LOOK: Duration = Duration::from_secs(5);

/// Walks until the end, until the broadcast is paused or cancelled, or the node stops.
pub(super) async fn walk(node: &Arc<Node>, push: Push) {
    let (app, id) = (push.app, push.id);
    tracing::info!(app.id = %app, push.id = %id, after = %push.cursor, "a broadcast is walked");
    match begin(node, id).await {
        Ok(()) | Err(store::Error::Closed) => {}
        Err(error) => {
            tracing::warn!(%error, app.id = %app, push.id = %id, "a broadcast goes on soon");
            tokio::select! {
                () = node.tasks.stopped() => {}
                () = tokio::time::sleep(FAILED_PAUSE) => {}
            }
        }
    }
}

async fn begin(node: &Arc<Node>, id: PushId) -> Result<(), store::Error> {
    // First what a cancel reaches, then the store: a cancel looks at them in the other order.
    let sending = node.sending.begin(id);
    let Some(push) = node.store.start_broadcast(id, node.clock.now()).await? else {
        return Ok(());
    };
    if push.state != PushState::Open {
        return Ok(());
    }
    let sender = Sender::new(node, &push, sending);
    let walk = Walk { node, push: &push, state: push.state, cursor: push.cursor };
    let Walk { state, cursor, .. } = walk.run(&sender).await?;
    tracing::info!(
        app.id = %push.app, push.id = %id, state = state.as_str(), %cursor,
        "a broadcast is no longer walked"
    );
    Ok(())
}

/// A broadcast, and how far it has come.
struct Walk<'a> {
    node: &'a Arc<Node>,
    push: &'a Push,
    state: PushState,
    cursor: DeviceNumber,
}

impl Walk<'_> {
    async fn run(mut self, sender: &Sender) -> Result<Self, store::Error> {
        let (node, push) = (self.node, self.push);
        if sender.is_too_late() {
            return self.expire().await;
        }
        let router = node.store.router(push.app).await?;
        let mut page = self.read(router, self.cursor).await?;
        // The page before, to be stored while this one is sent.
        let mut done: Option<BroadcastStep> = None;
        loop {
            let Some(last) = page.last else {
                self.store(done.take()).await?;
                return self.finish().await;
            };
            if !self.may_go(sender, &mut done).await? {
                self.store(done.take()).await?;
                return Ok(self);
            }
            if sender.is_too_late() {
                self.store(done.take()).await?;
                return self.expire().await;
            }
            let settings = node.settings(push.app).await?;
            let BroadcastPage { devices, skipped, .. } = page;
            let next = self.read(router, last);
            let (sent, next, stored) =
                tokio::join!(sender.send(&settings, devices), next, store(node, done.take()));
            self.stand(stored?);
            let is_cut = sent.cut.is_some();
            done = Some(self.step(last, &skipped, sent));
            if is_cut || self.state != PushState::Open {
                self.store(done.take()).await?;
                return Ok(self);
            }
            page = match next {
                Ok(next) => next,
                Err(error) => {
                    self.store(done.take()).await?;
                    return Err(error);
                }
            };
        }
    }

    fn read(
        &self,
        router: Router,
        after: DeviceNumber,
    ) -> impl Future<Output = Result<BroadcastPage, store::Error>> + use<> {
        let (node, push) = (Arc::clone(self.node), self.push.clone());
        let slow = push.rate.and_then(|rate| usize::try_from(rate).ok());
        let limit = slow.map_or(PAGE, |rate| rate.saturating_mul(PAGE_S).clamp(1, PAGE));
        async move { node.store.broadcast_page(push, router, after, limit).await }
    }

    /// Waits until the app's pushes are enabled, or nobody wants this one any more. `false`: the
    /// broadcast does not go on. What was done before is stored before the wait.
    async fn may_go(
        &mut self,
        sender: &Sender,
        done: &mut Option<BroadcastStep>,
    ) -> Result<bool, store::Error> {
        let (node, app) = (self.node, self.push.app);
        let mut waiting = None;
        loop {
            let changed = node.settings_cache.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if node.settings(app).await?.policy.push_enabled || !sender.is_wanted() {
                return Ok(true);
            }
            self.store(done.take()).await?;
            waiting.get_or_insert_with(|| node.broadcasts.wait());
            tokio::select! {
                () = node.tasks.stopped() => return Ok(false),
                () = changed => {}
                () = tokio::time::sleep(DISABLED_LOOK) => {}
            }
            let push = node.store.push(app, self.push.id).await?;
            self.state = push.map_or(PushState::Cancelled, |push| push.state);
            if self.state != PushState::Open {
                return Ok(false);
            }
        }
    }

    /// Its time is over: whoever is left is counted, in one piece however many they are.
    async fn expire(mut self) -> Result<Self, store::Error> {
        if self.state != PushState::Open {
            return Ok(self);
        }
        let rest = self.node.store.broadcast_rest(self.push.clone(), self.cursor).await?;
        let Some(BroadcastRest { last, reachable, unreachable }) = rest else {
            return self.finish().await;
        };
        let mut record =
            Record::new(self.node.clock.now(), self.push.app, None, Step::Push, "withdrawn");
        record.push = Some(self.push.id);
        let first = DeviceNumber::from_number(self.cursor.number() + 1);
        let detail = json!({
            "kind": self.push.kind.as_str(),
            "devices": { "first": first.to_string(), "last": last.to_string() },
            "expired": reachable,
            "skipped": unreachable,
        });
        record.detail = Some(detail.to_string());
        self.node.report(record);
        let end = BroadcastStep {
            cursor: last,
            finished: true,
            expired: reachable,
            skipped: unreachable,
            ..self.standing()
        };
        self.store(Some(end)).await?;
        Ok(self)
    }

    /// The step of a page that was sent, and its record: one for all but those that were refused.
    fn step(&self, last: DeviceNumber, skipped: &[DeviceNumber], sent: Sent) -> BroadcastStep {
        let Sent { first, accepted, expired, cleared, others, cut } = sent;
        let cancelled = others.iter().filter(|other| other.outcome == Outcome::Withdrawn).count();
        let cursor = cut.map_or(last, |cut| DeviceNumber::from_number(cut.number() - 1));
        let skipped = skipped.iter().filter(|number| number.number() <= cursor.number()).count();
        let word = if accepted > 0 { "accepted" } else { "withdrawn" };
        let worth_a_record = accepted > 0 || expired > 0 || cancelled > 0;
        if let Some(first) = first.filter(|_| worth_a_record) {
            let now = self.node.clock.now();
            let mut record = Record::new(now, self.push.app, None, Step::Push, word);
            record.push = Some(self.push.id);
            let detail = json!({
                "kind": self.push.kind.as_str(),
                "devices": { "first": first.to_string(), "last": cursor.to_string() },
                "accepted": accepted,
                "expired": expired,
                "cancelled": cancelled,
                "others": others.len() - cancelled,
                "skipped": skipped,
            });
            record.detail = Some(detail.to_string());
            self.node.report(record);
        }
        let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
        BroadcastStep { cursor, accepted, expired, skipped, cleared, others, ..self.standing() }
    }

    /// A step that says nothing yet.
    fn standing(&self) -> BroadcastStep {
        BroadcastStep {
            push: self.push.id,
            cursor: self.cursor,
            finished: false,
            accepted: 0,
            expired: 0,
            skipped: 0,
            cleared: Vec::new(),
            others: Vec::new(),
            now: self.node.clock.now(),
        }
    }

    /// All devices were come to.
    async fn finish(mut self) -> Result<Self, store::Error> {
        if self.state == PushState::Open {
            let end = BroadcastStep { finished: true, ..self.standing() };
            self.store(Some(end)).await?;
        }
        Ok(self)
    }

    async fn store(&mut self, step: Option<BroadcastStep>) -> Result<(), store::Error> {
        let stored = store(self.node, step).await?;
        self.stand(stored);
        Ok(())
    }

    fn stand(&mut self, stored: Option<(PushState, DeviceNumber)>) {
        if let Some((state, cursor)) = stored {
            (self.state, self.cursor) = (state, cursor);
        }
    }
}

/// Stores a step; says how the broadcast stands then. `None`: there was no step.
async fn store(
    node: &Arc<Node>,
    step: Option<BroadcastStep>,
) -> Result<Option<(PushState, DeviceNumber)>, store::Error> {
    let Some(step) = step else { return Ok(None) };
    let cursor = step.cursor;
    let stored = settled(node, || node.store.broadcast_step(step.clone())).await;
    let (state, effects) = stored.ok_or(store::Error::Closed)?;
    node.carry_out(effects);
    Ok(Some((state, cursor)))
}
