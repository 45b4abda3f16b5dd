//! Broadcasts: one push to many devices, walked in the order of their numbers.
//!
//! The cursor and all that was done up to it are one transaction. A kill between sending and
//! storing sends some devices the push once more, under the same names; it skips nobody. A step
//! that is not ahead of the cursor was stored before, and counts no second time.

use domain::delivery::{Delivery, End, Facts, Phase};
use domain::policy::Router;
use domain::{
    AppId, DeviceNumber, Environment, InboxId, Outcome, Platform, PushId, TargetKind, Time,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::deliveries::PushHead;
use super::ends::{no_target, said};
use super::pushes::Place;
use super::rows::{At, Bits, target_kind, word, word_or_null};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Audience, BroadcastOther, BroadcastPage, BroadcastRest, BroadcastStep, DeliveryKey,
    DeviceAddress, Effects, Push, PushState, Target,
};

impl Sqlite {
    pub(crate) async fn broadcasts(&self) -> Result<Vec<Push>, Error> {
        self.writer.change(|tx| tx.broadcasts()).await
    }

    pub(crate) async fn start_broadcast(
        &self,
        push: PushId,
        now: Time,
    ) -> Result<Option<Push>, Error> {
        self.writer.change(move |tx| tx.start_broadcast(push, now)).await
    }

    pub(crate) async fn broadcast_page(
        &self,
        push: Push,
        router: Router,
        after: DeviceNumber,
        limit: usize,
    ) -> Result<BroadcastPage, Error> {
        self.readers.read(move |conn| page(conn, &push, router, after, limit)).await
    }

    pub(crate) async fn broadcast_rest(
        &self,
        push: Push,
        after: DeviceNumber,
    ) -> Result<Option<BroadcastRest>, Error> {
        self.readers.read(move |conn| rest(conn, &push, after)).await
    }

    pub(crate) async fn broadcast_step(
        &self,
        step: BroadcastStep,
    ) -> Result<(PushState, Effects), Error> {
        self.with_effects(move |tx, fx| tx.broadcast_step(&step, fx)).await
    }

    pub(crate) async fn router(&self, app: AppId) -> Result<Router, Error> {
        self.writer.change(move |tx| tx.router(app)).await
    }
}

impl Tx<'_> {
    /// Broadcasts that go on, or wait for their time; those that stand still are left out.
    fn broadcasts(&self) -> Result<Vec<Push>, Error> {
        let ids = self.all(
            "SELECT id, app FROM pushes WHERE state = 'open' AND audience <> 'listed'
               AND (bound IS NULL OR cursor < bound) ORDER BY send_at",
            [],
            |row| Ok((row.get::<_, Bits>(0)?.0, AppId::from_number(row.get(1)?))),
        )?;
        let mut found = Vec::with_capacity(ids.len());
        for (id, app) in ids {
            found.extend(self.push(app, PushId::from_bits(id))?);
        }
        Ok(found)
    }

    /// Takes the bound: devices that register from here on are not part of it. One that was paused
    /// or cancelled meanwhile does not begin.
    fn start_broadcast(&self, id: PushId, now: Time) -> Result<Option<Push>, Error> {
        let app = self.one("SELECT app FROM pushes WHERE id = ?1", [Bits(id.bits())], |row| {
            row.get(0).map(AppId::from_number)
        })?;
        let Some(app) = app else { return Ok(None) };
        self.run(
            "UPDATE pushes SET started_at = ?2, bound = CASE audience
                WHEN 'all' THEN (SELECT COALESCE(MAX(id), 0) FROM devices WHERE app = pushes.app)
                ELSE (SELECT COALESCE(MAX(device), 0) FROM topic_devices
                      WHERE topic = pushes.topic) END
             WHERE id = ?1 AND bound IS NULL AND state = 'open'",
            params![Bits(id.bits()), At(now)],
        )?;
        self.end_push(id, now)?;
        self.push(app, id)
    }

    /// Stores how far a broadcast has come; says whether it goes on.
    fn broadcast_step(
        &mut self,
        step: &BroadcastStep,
        fx: &mut Effects,
    ) -> Result<PushState, Error> {
        let Some(head) = self.push_head(step.push)? else { return Ok(PushState::Cancelled) };
        if step.cursor > head.cursor {
            self.count_step(step)?;
            let accepted = Outcome::Accepted { provider_id: None };
            for token in &step.cleared {
                self.judge_token(token, &accepted, step.now, fx)?;
            }
            let facts = Facts { kind: head.kind, expires_at: head.expires_at, budget_at: None };
            for other in &step.others {
                let judgement = self.judge_token(&other.token, &other.outcome, step.now, fx)?;
                let spread = rand::random();
                let mut delivery =
                    Delivery::tried(other.provider, &other.outcome, &facts, spread, step.now);
                let goes_on = delivery.phase == Phase::Ended(End::Refused)
                    && self.has_another_target(
                        head.kind,
                        &other.token,
                        judgement,
                        &other.outcome,
                    )?;
                if goes_on {
                    delivery = delivery.elsewhere(step.now);
                }
                self.add_other(step, &head, other, delivery, fx)?;
            }
        }
        if step.finished {
            self.run(
                "UPDATE pushes SET cursor = MAX(cursor, bound) WHERE id = ?1",
                [Bits(step.push.bits())],
            )?;
        }
        self.end_push(step.push, step.now)?;
        Ok(self.push_head(step.push)?.map_or(head.state, |head| head.state))
    }

    /// Moves the cursor, and counts whom it came to.
    fn count_step(&self, step: &BroadcastStep) -> Result<(), Error> {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let others = count(u64::try_from(step.others.len()).unwrap_or(u64::MAX));
        self.run(
            "UPDATE pushes SET cursor = ?2, devices = devices + ?3 + ?4 + ?6,
                accepted = accepted + ?3, skipped = skipped + ?5, waiting = waiting + ?4,
                expired = expired + ?6
             WHERE id = ?1",
            params![
                Bits(step.push.bits()),
                step.cursor.number(),
                count(step.accepted),
                others,
                count(step.skipped),
                count(step.expired),
            ],
        )?;
        Ok(())
    }

    /// A device whose push was not taken by the walk: it has a delivery of its own, or it is over.
    fn add_other(
        &mut self,
        step: &BroadcastStep,
        head: &PushHead,
        other: &BroadcastOther,
        delivery: Delivery,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let device = other.token.device;
        let said = said(&other.outcome);
        let (end, said) = match delivery.phase {
            Phase::Ended(end) => (end, said),
            // Nothing of it is sent any more.
            Phase::Due(_) | Phase::Claimed { .. } if head.state == PushState::Cancelled => {
                (End::Cancelled, None)
            }
            Phase::Due(_) | Phase::Claimed { .. } => match self.delivery_lane(head.kind, device)? {
                None => (End::Refused, Some(no_target())),
                Some(lane) => {
                    let place = Place { device: Some(device), inbox: None, target: None, lane };
                    // Device numbers are unique in a broadcast, and so name its rows.
                    let number = device.number();
                    self.insert_delivery(step.push, number, head.app, &place, &delivery)?;
                    let key = DeliveryKey { push: step.push, number };
                    self.note(key, said.as_ref(), step.now)?;
                    fx.due.extend(delivery.due().map(|due| (lane, due)));
                    return Ok(());
                }
            },
        };
        let code = said.filter(|_| end == End::Refused).map(|(code, _)| code);
        self.count(step.push, end, code)
    }
}

/// Some devices behind `after`, up to the bound.
fn page(
    conn: &Connection,
    push: &Push,
    router: Router,
    after: DeviceNumber,
    limit: usize,
) -> Result<BroadcastPage, Error> {
    let bound = push.bound.map_or(0, DeviceNumber::number);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let from = match &push.audience {
        Audience::Listed => return Ok(BroadcastPage::default()),
        Audience::All => {
            "(SELECT id AS device FROM devices WHERE app = ?1 AND id > ?2 AND id <= ?3
              ORDER BY id LIMIT ?4)"
        }
        Audience::Topic(_) => {
            "(SELECT device FROM topic_devices WHERE topic = ?1 AND device > ?2 AND device <= ?3
              ORDER BY device LIMIT ?4)"
        }
    };
    let scope = scope(conn, push)?;
    let sql = format!(
        "SELECT d.id, d.name, d.platform, d.locale, t.kind, t.token, t.environment, t.learned,
                t.app_id, t.registered_at, t.suspect_since, d.inbox
         FROM {from} w JOIN devices d ON d.id = w.device
         LEFT JOIN targets t ON t.device = d.id ORDER BY d.id"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![scope, after.number(), bound, limit])?;
    let mut page = BroadcastPage::default();
    let mut current: Option<Candidate> = None;
    while let Some(row) = rows.next()? {
        let number = DeviceNumber::from_number(row.get(0)?);
        if current.as_ref().is_none_or(|candidate| candidate.number != number) {
            if let Some(done) = current.take() {
                done.into_page(&mut page, router);
            }
            current = Some(Candidate {
                number,
                name: row.get(1)?,
                inbox: InboxId::from_number(row.get(11)?),
                platform: word(row, 2, Platform::parse)?,
                locale: row.get(3)?,
                targets: Vec::with_capacity(2),
            });
        }
        let has_target = !matches!(row.get_ref(4)?, rusqlite::types::ValueRef::Null);
        if let (true, Some(candidate)) = (has_target, &mut current) {
            candidate.targets.push(Target {
                kind: target_kind(row, 4)?,
                token: row.get(5)?,
                environment: word_or_null(row, 6, Environment::parse)?,
                learned: word_or_null(row, 7, Environment::parse)?,
                app_id: row.get(8)?,
                registered_at: row.get::<_, At>(9)?.0,
                suspect_since: row.get::<_, Option<At>>(10)?.map(|at| at.0),
            });
        }
    }
    if let Some(done) = current {
        done.into_page(&mut page, router);
    }
    Ok(page)
}

/// What a broadcast's devices have in common: the topic, or the app.
fn scope(conn: &Connection, push: &Push) -> Result<i64, Error> {
    match &push.audience {
        // By its number: a topic that was made anew under the same name is another one.
        Audience::Topic(_) => {
            let topic: Option<i64> = conn
                .prepare_cached("SELECT topic FROM pushes WHERE id = ?1")?
                .query_row([Bits(push.id.bits())], |row| row.get(0))
                .optional()?;
            Ok(topic.unwrap_or(0))
        }
        Audience::All | Audience::Listed => Ok(push.app.number()),
    }
}

/// The devices behind `after`, up to the bound, counted.
fn rest(
    conn: &Connection,
    push: &Push,
    after: DeviceNumber,
) -> Result<Option<BroadcastRest>, Error> {
    let (device, scoped) = match &push.audience {
        Audience::Listed => return Ok(None),
        Audience::All => ("w.id", "devices w WHERE w.app"),
        Audience::Topic(_) => ("w.device", "topic_devices w WHERE w.topic"),
    };
    let sql = format!(
        "SELECT MAX(number), COUNT(*), COALESCE(SUM(reachable), 0) FROM (
             SELECT {device} AS number,
                 EXISTS (SELECT 1 FROM targets t WHERE t.device = {device}) AS reachable
             FROM {scoped} = ?1 AND {device} > ?2 AND {device} <= ?3)"
    );
    let bound = push.bound.map_or(0, DeviceNumber::number);
    let found: (Option<i64>, i64, i64) = conn
        .prepare_cached(&sql)?
        .query_row(params![scope(conn, push)?, after.number(), bound], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let (last, all, reachable) = found;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(last.map(|last| BroadcastRest {
        last: DeviceNumber::from_number(last),
        reachable: count(reachable),
        unreachable: count(all - reachable),
    }))
}

/// A device with all its targets.
struct Candidate {
    number: DeviceNumber,
    name: String,
    inbox: InboxId,
    platform: Platform,
    locale: Option<String>,
    targets: Vec<Target>,
}

impl Candidate {
    fn into_page(mut self, page: &mut BroadcastPage, router: Router) {
        let kinds: Vec<TargetKind> = self.targets.iter().map(|target| target.kind).collect();
        let chosen = router.messages(self.platform, &kinds);
        let at = chosen.and_then(|kind| self.targets.iter().position(|target| target.kind == kind));
        page.last = Some(self.number);
        match at {
            Some(at) => page.devices.push(DeviceAddress {
                number: self.number,
                name: self.name,
                inbox: self.inbox,
                platform: self.platform,
                locale: self.locale,
                target: self.targets.swap_remove(at),
            }),
            None => page.skipped.push(self.number),
        }
    }
}
