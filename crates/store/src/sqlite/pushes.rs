//! Direct pushes: taken in, read, cancelled, paused.

use std::collections::HashMap;

use domain::delivery::{Delivery, End, PushKind};
use domain::{AppId, DeviceNumber, InboxId, LaneId, PushId, Time};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Sqlite;
use super::deliveries::{DELIVERY_COLUMNS, stored_delivery};
use super::rows::{At, Bits, word, word_or_null};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Audience, DeliveryRecord, Effects, Listing, NewAudience, NewPush, Push, PushAdded, PushCounts,
    PushFault, PushState,
};

/// The columns of a [`Push`], from the table or alias `p`.
const PUSH_COLUMNS: &str = "p.id, p.app, p.audience, \
     (SELECT name FROM topics t WHERE t.id = p.topic), p.kind, p.rate, p.state, \
     p.created_at, p.send_at, p.expires_at, p.started_at, p.ended_at, p.cursor, p.bound, \
     p.devices, p.waiting, p.accepted, p.refused, p.expired, p.cancelled, p.skipped, p.codes, \
     CASE p.audience WHEN 'all' THEN (SELECT MIN(id) FROM devices WHERE app = p.app) \
     WHEN 'topic' THEN (SELECT MIN(device) FROM topic_devices WHERE topic = p.topic) END";

/// How many [`PUSH_COLUMNS`] there are.
const PUSH_WIDTH: usize = 23;

impl Sqlite {
    pub(crate) async fn add_push(&self, push: NewPush) -> Result<PushAdded, Error> {
        self.writer.change(move |tx| tx.add_push(&push)).await
    }

    pub(crate) async fn push(&self, app: AppId, push: PushId) -> Result<Option<Push>, Error> {
        self.readers.read(move |conn| self::push(conn, app, push)).await
    }

    pub(crate) async fn pushes(
        &self,
        app: AppId,
        listing: Listing,
        before: Option<PushId>,
        limit: usize,
    ) -> Result<Vec<Push<()>>, Error> {
        self.readers.read(move |conn| pushes(conn, app, listing, before, limit)).await
    }

    pub(crate) async fn deliveries(
        &self,
        push: PushId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        self.readers.read(move |conn| deliveries(conn, push, after, limit)).await
    }

    pub(crate) async fn cancel_push(
        &self,
        app: AppId,
        push: PushId,
        now: Time,
    ) -> Result<Option<Push>, Error> {
        self.writer.change(move |tx| tx.cancel_push(app, push, now)).await
    }

    pub(crate) async fn move_push(
        &self,
        app: AppId,
        push: PushId,
        state: PushState,
        now: Time,
    ) -> Result<(Option<Push>, Effects), Error> {
        self.with_effects(move |tx, fx| tx.move_push(app, push, state, now, fx)).await
    }
}

/// What was answered to a push, kept for whoever sends it again.
#[derive(Serialize, Deserialize)]
struct Answer {
    failed: Vec<(String, String)>,
}

impl Tx<'_> {
    fn add_push(&mut self, new: &NewPush) -> Result<PushAdded, Error> {
        let earlier = self.one(
            "SELECT request, result FROM pushes WHERE id = ?1 AND app = ?2",
            params![Bits(new.id.bits()), new.app.number()],
            |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?)),
        )?;
        if let Some((request, result)) = earlier {
            if request != new.request {
                return Ok(PushAdded::IdReused);
            }
            let answer: Answer = serde_json::from_str(&result)
                .map_err(|error| Error::Database(error.to_string()))?;
            let failed = answer
                .failed
                .into_iter()
                .filter_map(|(who, fault)| Some((who, PushFault::parse(&fault)?)))
                .collect();
            let push = self.push(new.app, new.id)?;
            return Ok(PushAdded::Added {
                push: Box::new(push.ok_or_else(|| gone("a push just read"))?),
                failed,
                replayed: true,
                effects: Effects::default(),
            });
        }
        let mut effects = Effects::default();
        let mut failed = Vec::new();
        let (audience, topic, places) = match &new.audience {
            NewAudience::All => ("all", None, Vec::new()),
            NewAudience::Topic(name) => match self.topic(new.app, name)? {
                Some(topic) => ("topic", Some(topic), Vec::new()),
                None => {
                    return Ok(PushAdded::Nobody(vec![(name.clone(), PushFault::UnknownTopic)]));
                }
            },
            NewAudience::Listed { users, devices, targets } => {
                let mut places = self.places_of(new, users, devices, &mut failed)?;
                for target in targets {
                    let lane = self.lane_id(target.lane.clone())?;
                    places.push(Place {
                        device: None,
                        inbox: None,
                        target: Some(&target.target),
                        lane,
                    });
                }
                if places.is_empty() {
                    return Ok(PushAdded::Nobody(failed));
                }
                ("listed", None, places)
            }
        };
        let answer = Answer {
            failed: failed
                .iter()
                .map(|(who, fault)| (who.clone(), fault.as_str().to_owned()))
                .collect(),
        };
        let waiting = i64::try_from(places.len()).unwrap_or(i64::MAX);
        self.run(
            "INSERT INTO pushes (id, app, request, audience, topic, kind, content, rate, state,
                result, created_at, send_at, expires_at, devices, waiting)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', ?9, ?10, ?11, ?12, ?13, ?13)",
            params![
                Bits(new.id.bits()),
                new.app.number(),
                &new.request[..],
                audience,
                topic,
                new.kind.as_str(),
                new.content,
                new.rate,
                serde_json::to_string(&answer)
                    .map_err(|error| Error::Database(error.to_string()))?,
                At(new.now),
                At(new.send_at),
                At(new.expires_at),
                waiting,
            ],
        )?;
        for (number, place) in (1_i64..).zip(places) {
            self.add_delivery(new, number, &place, &mut effects)?;
        }
        let push = self.push(new.app, new.id)?;
        Ok(PushAdded::Added {
            push: Box::new(push.ok_or_else(|| gone("a push just written"))?),
            failed,
            replayed: false,
            effects,
        })
    }

    /// The devices of these users, and these devices; each once. A user is reached if one device
    /// is; a device that was named itself is missed all the same.
    fn places_of<'a>(
        &mut self,
        new: &NewPush,
        users: &[String],
        devices: &[String],
        failed: &mut Vec<(String, PushFault)>,
    ) -> Result<Vec<Place<'a>>, Error> {
        let mut places = Vec::new();
        let mut seen = HashMap::new();
        for user in users {
            let Some(inbox) = self.inbox_of(new.app, user)? else {
                failed.push((user.clone(), PushFault::UnknownUser));
                continue;
            };
            let mut is_reached = false;
            for device in self.devices_of(inbox.id)? {
                is_reached |=
                    self.add_place(new.kind, device, Some(inbox.id), &mut seen, &mut places)?;
            }
            if !is_reached {
                failed.push((user.clone(), PushFault::NoTarget));
            }
        }
        for name in devices {
            let Some(device) = self.device_named(new.app, name)? else {
                failed.push((name.clone(), PushFault::UnknownDevice));
                continue;
            };
            if !self.add_place(new.kind, device, None, &mut seen, &mut places)? {
                failed.push((name.clone(), PushFault::NoTarget));
            }
        }
        Ok(places)
    }

    /// Adds a device that was not seen before; says whether it is reached, now or before.
    fn add_place(
        &mut self,
        kind: PushKind,
        device: DeviceNumber,
        inbox: Option<InboxId>,
        seen: &mut HashMap<DeviceNumber, bool>,
        places: &mut Vec<Place<'_>>,
    ) -> Result<bool, Error> {
        if let Some(is_reached) = seen.get(&device) {
            return Ok(*is_reached);
        }
        let lane = self.delivery_lane(kind, device)?;
        places.extend(lane.map(|lane| Place { device: Some(device), inbox, target: None, lane }));
        seen.insert(device, lane.is_some());
        Ok(lane.is_some())
    }

    fn devices_of(&self, inbox: InboxId) -> Result<Vec<DeviceNumber>, Error> {
        self.all("SELECT id FROM devices WHERE inbox = ?1 ORDER BY id", [inbox.number()], |row| {
            row.get(0).map(DeviceNumber::from_number)
        })
    }

    fn add_delivery(
        &self,
        new: &NewPush,
        number: i64,
        place: &Place<'_>,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let delivery = Delivery::new(new.send_at.max(new.now));
        self.insert_delivery(new.id, number, new.app, place, &delivery)?;
        fx.due.extend(delivery.due().map(|due| (place.lane, due)));
        Ok(())
    }

    pub(super) fn insert_delivery(
        &self,
        push: PushId,
        number: i64,
        app: AppId,
        place: &Place<'_>,
        delivery: &Delivery,
    ) -> Result<(), Error> {
        self.run(
            "INSERT INTO deliveries (push, number, app, device, inbox, target, lane, due, provider,
                refused)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                Bits(push.bits()),
                number,
                app.number(),
                place.device.map(DeviceNumber::number),
                place.inbox.map(InboxId::number),
                place.target,
                place.lane.number(),
                delivery.due().map(At),
                delivery.provider.map(|provider| Bits(provider.bits())),
                delivery.refused,
            ],
        )?;
        Ok(())
    }

    pub(super) fn push(&self, app: AppId, push: PushId) -> Result<Option<Push>, Error> {
        let sql = format!(
            "SELECT {PUSH_COLUMNS}, p.content FROM pushes p WHERE p.id = ?1 AND p.app = ?2"
        );
        self.one(&sql, params![Bits(push.bits()), app.number()], whole_push)
    }

    /// Cancels a push: what was not sent is not sent. One that is over stays as it is.
    fn cancel_push(&self, app: AppId, id: PushId, now: Time) -> Result<Option<Push>, Error> {
        let Some(push) = self.push(app, id)? else { return Ok(None) };
        if !matches!(push.state, PushState::Open | PushState::Paused) {
            return Ok(Some(push));
        }
        self.run("UPDATE pushes SET state = 'cancelled' WHERE id = ?1", [Bits(id.bits())])?;
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d
             WHERE d.push = ?1 AND d.due IS NOT NULL AND d.attempt IS NULL"
        );
        for stored in self.all(&sql, [Bits(id.bits())], stored_delivery)? {
            if stored.delivery.cancelled().is_some() {
                self.end_delivery(&stored, End::Cancelled, None, now)?;
            }
        }
        self.end_push(id, now)?;
        self.push(app, id)
    }

    /// Pauses a broadcast, or resumes it. Any other push, or one that is over, stays as it is.
    fn move_push(
        &self,
        app: AppId,
        id: PushId,
        state: PushState,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Option<Push>, Error> {
        let Some(push) = self.push(app, id)? else { return Ok(None) };
        let from = match state {
            PushState::Paused => PushState::Open,
            PushState::Open => PushState::Paused,
            PushState::Cancelled | PushState::Done => return Ok(Some(push)),
        };
        if push.state != from || push.audience == Audience::Listed {
            return Ok(Some(push));
        }
        self.run(
            "UPDATE pushes SET state = ?2 WHERE id = ?1",
            params![Bits(id.bits()), state.as_str()],
        )?;
        if state == PushState::Open {
            // What was put off while it stood still is due; a refusal's pause ends before the ttl.
            let lanes = self.all(
                "UPDATE deliveries SET due = ?2
                 WHERE push = ?1 AND due >= ?3 AND attempt IS NULL RETURNING lane",
                params![Bits(id.bits()), At(now), At(push.expires_at)],
                |row| row.get::<_, Option<i64>>(0),
            )?;
            fx.due.extend(lanes.into_iter().flatten().map(|lane| (LaneId::from_number(lane), now)));
        }
        self.push(app, id)
    }

    /// Forgets pushes that were over before `before`.
    pub(super) fn sweep_pushes(&self, before: Time, limit: i64) -> Result<(), Error> {
        let ids = self.all(
            "SELECT id FROM pushes WHERE ended_at < ?1 LIMIT ?2",
            params![At(before), limit],
            |row| row.get::<_, Bits>(0),
        )?;
        for id in ids {
            self.run("DELETE FROM deliveries WHERE push = ?1", [id])?;
            self.run("DELETE FROM pushes WHERE id = ?1", [id])?;
        }
        Ok(())
    }
}

/// Where a delivery goes.
pub(super) struct Place<'a> {
    pub(super) device: Option<DeviceNumber>,
    /// The user, where the user was listed: it is for nobody who signs in there later.
    pub(super) inbox: Option<InboxId>,
    pub(super) target: Option<&'a str>,
    pub(super) lane: LaneId,
}

/// A push with what it says, which stands behind [`PUSH_COLUMNS`].
fn whole_push(row: &Row<'_>) -> rusqlite::Result<Push> {
    push_row(row, row.get(PUSH_WIDTH)?)
}

fn push_row<C>(row: &Row<'_>, content: C) -> rusqlite::Result<Push<C>> {
    let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
    let device = |column| {
        row.get::<_, Option<i64>>(column).map(|number| number.map(DeviceNumber::from_number))
    };
    let topic: Option<String> = row.get(3)?;
    let audience = word(row, 2, |text| match text {
        "all" => Some(Audience::All),
        "listed" => Some(Audience::Listed),
        // A topic that is gone has no devices, and no name.
        "topic" => Some(Audience::Topic(topic.clone().unwrap_or_default())),
        _ => None,
    })?;
    Ok(Push {
        id: PushId::from_bits(row.get::<_, Bits>(0)?.0),
        app: AppId::from_number(row.get(1)?),
        audience,
        kind: word(row, 4, PushKind::parse)?,
        content,
        rate: row.get(5)?,
        state: word(row, 6, PushState::parse)?,
        created_at: row.get::<_, At>(7)?.0,
        send_at: row.get::<_, At>(8)?.0,
        expires_at: row.get::<_, At>(9)?.0,
        started_at: row.get::<_, Option<At>>(10)?.map(|at| at.0),
        ended_at: row.get::<_, Option<At>>(11)?.map(|at| at.0),
        cursor: DeviceNumber::from_number(row.get(12)?),
        bound: device(13)?,
        first: device(22)?,
        counts: PushCounts {
            devices: count(14)?,
            waiting: count(15)?,
            accepted: count(16)?,
            refused: count(17)?,
            expired: count(18)?,
            cancelled: count(19)?,
            skipped: count(20)?,
        },
        codes: row.get(21)?,
    })
}

fn push(conn: &Connection, app: AppId, id: PushId) -> Result<Option<Push>, Error> {
    let sql =
        format!("SELECT {PUSH_COLUMNS}, p.content FROM pushes p WHERE p.id = ?1 AND p.app = ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_row(params![Bits(id.bits()), app.number()], whole_push).optional()?)
}

/// The pushes of an app, newest first, from behind `before` on.
fn pushes(
    conn: &Connection,
    app: AppId,
    listing: Listing,
    before: Option<PushId>,
    limit: usize,
) -> Result<Vec<Push<()>>, Error> {
    let chosen = match listing {
        Listing::All => "",
        Listing::Broadcasts => "AND p.audience <> 'listed'",
    };
    let sql = format!(
        "SELECT {PUSH_COLUMNS} FROM pushes p
         WHERE p.app = ?1 {chosen} AND (?2 IS NULL OR (p.created_at, p.id) <
            (SELECT b.created_at, b.id FROM pushes b WHERE b.id = ?2))
         ORDER BY p.created_at DESC, p.id DESC LIMIT ?3"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let before = before.map(|push| Bits(push.bits()));
    let rows =
        statement.query_map(params![app.number(), before, limit], |row| push_row(row, ()))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn deliveries(
    conn: &Connection,
    push: PushId,
    after: i64,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT d.number, (SELECT name FROM devices v WHERE v.id = d.device), d.target, d.due,
                d.attempt IS NOT NULL, d.refused, d.ended, d.settled_at, d.code, d.reason
         FROM deliveries d WHERE d.push = ?1 AND d.number > ?2 ORDER BY d.number LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![Bits(push.bits()), after, limit], |row| {
        Ok(DeliveryRecord {
            number: row.get(0)?,
            device: row.get(1)?,
            target: row.get(2)?,
            due: row.get::<_, Option<At>>(3)?.map(|at| at.0),
            claimed: row.get(4)?,
            refused: row.get(5)?,
            ended: word_or_null(row, 6, End::parse)?,
            settled_at: row.get::<_, Option<At>>(7)?.map(|at| at.0),
            code: row.get(8)?,
            reason: row.get(9)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn gone(what: &str) -> Error {
    Error::Database(format!("{what} is not there"))
}
