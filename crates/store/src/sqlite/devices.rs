//! Devices and their sessions.

use std::collections::HashSet;
use std::time::Duration;

use domain::inbox::{Held, Known, Owing, Verdict, judge, starting_cursor};
use domain::session::AppState;
use domain::wake::{Rung, Wake};
use domain::{DeviceNumber, Epoch, EventType, InboxId, Offset, Reason, SessionId, Time};
use rusqlite::{Connection, params};
use subtle::ConstantTimeEq;

use super::inboxes::InboxRow;
use super::rows::{At, Bits};
use super::wakes::{DEVICE_COLUMNS, DEVICE_WIDTH, DeviceRow, device_row};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Connect, Connected, ConnectedDevice, Digest, Effects, Identity, WakeKey, WokenBy,
};

/// How long a connection may be dead before its session ends: until then its device counts as
/// seen, and may have missed what it was told.
const NOTICED: Duration = Duration::from_secs(120);

/// A device and what proves it.
struct Proof {
    row: DeviceRow,
    secret: Digest,
    proven: bool,
}

/// Why a session no longer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It ended.
    Ended,
    /// The process that held it is gone.
    Restart,
    /// It missed its ack deadline.
    Suspect,
}

impl Tx<'_> {
    /// A device connects: proves itself, acks what it holds, and has a session.
    pub(super) fn connect(&mut self, connect: &Connect) -> Result<Connected, Error> {
        let mut fx = Effects::default();
        let found = self.proof(connect)?;
        let app = match &connect.identity {
            Identity::User { app, .. } => Some(*app),
            Identity::Secret => found.as_ref().map(|proof| proof.row.app),
        };
        // It may be deleted since somebody looked whom the token is of.
        if let Some(app) = app
            && !self.is_app(app)?
        {
            return Ok(Connected::BadSecret);
        }
        let mut ended = Vec::new();
        let (device, secret_issued) = match (&connect.identity, found) {
            (Identity::Secret, None) => return Ok(Connected::BadSecret),
            (Identity::Secret, Some(proof)) => {
                self.prove(&proof)?;
                (proof.row, false)
            }
            (Identity::User { app, inbox }, None) => {
                let number = self.add_device(connect, app.number(), *inbox)?;
                let row = self.device(number)?;
                (row.ok_or_else(|| gone("a device just added"))?, true)
            }
            (Identity::User { inbox, .. }, Some(proof)) => {
                let shown = connect.secret.as_ref();
                let proves = shown.is_some_and(|shown| shown.ct_eq(&proof.secret).into());
                if !proves && (proof.proven || proof.row.inbox != *inbox) {
                    return Ok(match connect.secret {
                        None => Connected::SecretRequired,
                        Some(_) => Connected::BadSecret,
                    });
                }
                if proof.row.inbox == *inbox {
                    if proves {
                        self.prove(&proof)?;
                    } else {
                        self.replace_secret(proof.row.number, connect.new_secret)?;
                    }
                    (proof.row, !proves)
                } else {
                    let moved = self.move_device(&proof.row, *inbox, connect, &mut fx)?;
                    ended = moved.1;
                    (moved.0, true)
                }
            }
        };
        let mut connected = self.open_session(device, connect, secret_issued, fx)?;
        connected.replaced.extend(ended);
        Ok(Connected::Yes(Box::new(connected)))
    }

    fn proof(&self, connect: &Connect) -> Result<Option<Proof>, Error> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Proof {
                row: device_row(row)?,
                secret: row.get(DEVICE_WIDTH)?,
                proven: row.get(DEVICE_WIDTH + 1)?,
            })
        };
        match &connect.identity {
            Identity::User { app, .. } => {
                let sql = format!(
                    "SELECT {DEVICE_COLUMNS}, d.secret, d.proven FROM devices d
                     WHERE d.app = ?1 AND d.name = ?2"
                );
                self.one(&sql, params![app.number(), connect.device], read)
            }
            Identity::Secret => {
                let Some(secret) = connect.secret else { return Ok(None) };
                let sql = format!(
                    "SELECT {DEVICE_COLUMNS}, d.secret, d.proven FROM devices d
                     WHERE d.secret = ?1 AND d.name = ?2"
                );
                self.one(&sql, params![&secret[..], connect.device], read)
            }
        }
    }

    fn prove(&self, proof: &Proof) -> Result<(), Error> {
        if !proof.proven {
            self.run("UPDATE devices SET proven = 1 WHERE id = ?1", [proof.row.number.number()])?;
        }
        Ok(())
    }

    fn replace_secret(&self, device: DeviceNumber, secret: Digest) -> Result<(), Error> {
        self.run(
            "UPDATE devices SET secret = ?2, proven = 0 WHERE id = ?1",
            params![device.number(), &secret[..]],
        )?;
        Ok(())
    }

    fn add_device(
        &self,
        connect: &Connect,
        app: i64,
        inbox: InboxId,
    ) -> Result<DeviceNumber, Error> {
        let cursor = self.starting_cursor(inbox, None)?;
        self.run(
            "INSERT INTO devices (app, name, inbox, platform, secret, cursor, last_seen_at,
                created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
            params![
                app,
                connect.device,
                inbox.number(),
                connect.platform.as_str(),
                &connect.new_secret[..],
                cursor.number(),
                At(connect.now),
            ],
        )?;
        Ok(DeviceNumber::from_number(self.last_id()))
    }

    /// Where a device new to this inbox starts.
    fn starting_cursor(
        &self,
        inbox: InboxId,
        besides: Option<DeviceNumber>,
    ) -> Result<Offset, Error> {
        let row = self.inbox(inbox)?.ok_or_else(|| gone("the inbox of a valid token"))?;
        let others = self.one(
            "SELECT 1 FROM devices WHERE inbox = ?1 AND id <> ?2 LIMIT 1",
            params![inbox.number(), besides.map_or(0, DeviceNumber::number)],
            |_| Ok(()),
        )?;
        Ok(starting_cursor(others.is_some(), row.floor, row.delivered))
    }

    /// Another user signed in on the device: its old cursor, wakes and sessions end.
    fn move_device(
        &mut self,
        device: &DeviceRow,
        inbox: InboxId,
        connect: &Connect,
        fx: &mut Effects,
    ) -> Result<(DeviceRow, Vec<SessionId>), Error> {
        let key = WakeKey { device: device.number, call: 0 };
        if let Some(stored) = self.wake(key)? {
            self.close_wake(&stored, device, Reason::Changed, fx)?;
        }
        self.run("DELETE FROM wakes WHERE device = ?1", [device.number.number()])?;
        let cursor = self.starting_cursor(inbox, Some(device.number))?;
        self.run(
            "UPDATE devices SET inbox = ?2, cursor = ?3, secret = ?4, proven = 0 WHERE id = ?1",
            params![
                device.number.number(),
                inbox.number(),
                cursor.number(),
                &connect.new_secret[..],
            ],
        )?;
        let sessions = self.end_sessions_of(device, connect.now)?;
        self.legs_lost(device.number, device.inbox, connect.now, fx)?;
        let row = self.device(device.number)?.ok_or_else(|| gone("a device just moved"))?;
        Ok((row, sessions))
    }

    /// Ends every session of a device at once, as one that goes or gets another user; `device` is
    /// its row from before that.
    pub(super) fn end_sessions_of(
        &mut self,
        device: &DeviceRow,
        now: Time,
    ) -> Result<Vec<SessionId>, Error> {
        let ended = self.all(
            "DELETE FROM sessions WHERE device = ?1 RETURNING id, fetch",
            [device.number.number()],
            |row| Ok((session_id(row)?, row.get::<_, bool>(1)?)),
        )?;
        if ended.iter().any(|(_, fetch)| !fetch) {
            self.tell_disconnected(device, device.inbox, now)?;
        }
        Ok(ended.into_iter().map(|(session, _)| session).collect())
    }

    fn open_session(
        &mut self,
        device: DeviceRow,
        connect: &Connect,
        secret_issued: bool,
        mut fx: Effects,
    ) -> Result<ConnectedDevice, Error> {
        let wake = self.came(device.number, device.app, connect.now, &mut fx)?;
        let wake = wake.map(|stored| stored.id);
        let pushed_at = self.answer_to_push(device.number)?;
        if let Some(woken) = connect.woken_by.filter(|woken| wake == Some(woken.wake)) {
            self.woken(&device, woken, connect.now)?;
        }
        let is_news = connect.replaces
            && self.wants(device.app, EventType::UserConnected)?
            && !self.is_connected(device.inbox)?;
        let mut closed = Vec::new();
        if connect.replaces {
            // Deleted before the new one is written: their late close will find nothing.
            closed = self.all(
                "DELETE FROM sessions WHERE device = ?1 AND fetch = 0 RETURNING id",
                [device.number.number()],
                session_id,
            )?;
        }
        let inbox = self.inbox(device.inbox)?.ok_or_else(|| gone("the inbox of a device"))?;
        let rolled_back = match connect.held {
            Some(held) => self.hold(&device, &inbox, held, connect.now, &mut fx)?,
            None => None,
        };
        let seen_before = self.one(
            "SELECT last_seen_at FROM devices WHERE id = ?1",
            [device.number.number()],
            |row| row.get::<_, At>(0),
        )?;
        self.run(
            "UPDATE devices SET platform = ?2, app_version = ?3, locale = ?4, time_zone = ?5,
                    last_seen_at = ?6 WHERE id = ?1",
            params![
                device.number.number(),
                connect.platform.as_str(),
                connect.app_version,
                connect.locale,
                connect.time_zone,
                At(connect.now),
            ],
        )?;
        self.run(
            "INSERT INTO sessions (id, device, inbox, incarnation, fetch, foreground, connected_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                Bits(connect.session.bits()),
                device.number.number(),
                device.inbox.number(),
                connect.incarnation.number(),
                !connect.replaces,
                connect.state == AppState::Foreground,
                At(connect.now),
            ],
        )?;
        self.legs_back(device.number, device.inbox, connect.now, &mut fx)?;
        self.end_offline(device.inbox)?;
        if is_news {
            self.tell_presence(EventType::UserConnected, &device, connect.now)?;
        }
        let seen_before = seen_before.map_or(connect.now, |at| at.0.minus(NOTICED));
        let rolled_back_any = rolled_back.is_some();
        closed.extend(rolled_back.unwrap_or_default());
        let row = self.device(device.number)?.ok_or_else(|| gone("a device that connects"))?;
        self.rung_by_frame(&row, connect.state, connect.now, &mut fx)?;
        let inbox = self.inbox(device.inbox)?.ok_or_else(|| gone("the inbox of a device"))?;
        Ok(ConnectedDevice {
            app: row.app,
            device: row.number,
            inbox: row.inbox,
            user: self.user_of(row.inbox)?,
            epoch: inbox.epoch,
            head: inbox.head,
            cursor: row.cursor,
            secret_issued,
            targets: self.targets(row.number)?.into_iter().map(|target| target.kind).collect(),
            replaced: closed,
            rolled_back: rolled_back_any,
            calls: self.calls_to_tell(row.number, row.inbox, seen_before)?,
            seen_before,
            wake,
            pushed_at,
            effects: fx,
        })
    }

    /// When the last push to a device that comes went out, if nobody has come since.
    fn answer_to_push(&self, device: DeviceNumber) -> Result<Option<Time>, Error> {
        let pushed_at = self.one(
            "SELECT MAX(pushed_at) FROM wakes WHERE device = ?1",
            [device.number()],
            |row| row.get::<_, Option<At>>(0),
        )?;
        let Some(At(pushed_at)) = pushed_at.flatten() else { return Ok(None) };
        self.run("UPDATE wakes SET pushed_at = NULL WHERE device = ?1", [device.number()])?;
        Ok(Some(pushed_at))
    }

    fn woken(&self, device: &DeviceRow, woken: WokenBy, now: Time) -> Result<(), Error> {
        let body = serde_json::json!({
            "user": self.user_of(device.inbox)?,
            "device": device.name,
            "platform": device.platform.as_str(),
            "wake": woken.wake.to_string(),
            "demoted": woken.demoted,
        });
        self.add_event(device.app, Some(device.number), EventType::DeviceWoken, &body, now)
    }

    /// What a connecting device says it holds counts as an ack. Where it contradicts the store,
    /// the store was rolled back: a new epoch begins, which keeps offsets and stored cursors and
    /// ends the user's sessions. Returns the ended ones then.
    fn hold(
        &mut self,
        device: &DeviceRow,
        inbox: &InboxRow,
        held: Held,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Option<Vec<SessionId>>, Error> {
        let entry_there = self.entry_at(inbox.id, held.offset)?;
        let known =
            Known { epoch: inbox.epoch, head: inbox.head, cursor: device.cursor, entry_there };
        match judge(held, known) {
            Verdict::Nothing | Verdict::OtherEpoch => Ok(None),
            Verdict::Progress(offset) => {
                self.progress(device, inbox, offset, None, now, fx)?;
                Ok(None)
            }
            Verdict::Contradiction => {
                let epoch = Epoch::from_number(rand::random());
                self.run(
                    "UPDATE inboxes SET epoch = ?2 WHERE id = ?1",
                    [inbox.id.number(), epoch.number()],
                )?;
                let sessions = self.all(
                    "SELECT id FROM sessions WHERE inbox = ?1",
                    [inbox.id.number()],
                    session_id,
                )?;
                for session in &sessions {
                    self.end_session(*session, now, fx)?;
                }
                Ok(Some(sessions))
            }
        }
    }

    /// A session ended. Conditional on its id: a late close of a replaced one does nothing.
    pub(super) fn end_session(
        &mut self,
        session: SessionId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let ended = self.one(
            "DELETE FROM sessions WHERE id = ?1 RETURNING device, inbox, fetch",
            [Bits(session.bits())],
            |row| {
                let device = DeviceNumber::from_number(row.get(0)?);
                Ok((device, InboxId::from_number(row.get(1)?), row.get::<_, bool>(2)?))
            },
        )?;
        let Some((device, inbox, fetch)) = ended else { return Ok(()) };
        if !fetch && let Some(row) = self.device(device)? {
            self.tell_disconnected(&row, inbox, now)?;
        }
        self.run(
            "UPDATE devices SET last_seen_at = ?2 WHERE id = ?1",
            params![device.number(), At(now)],
        )?;
        self.legs_lost(device, inbox, now, fx)?;
        self.lost(device, Loss::Ended, now, now, fx)
    }

    /// A session missed its ack deadline. Conditional on its id.
    pub(super) fn suspect(
        &mut self,
        session: SessionId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let device = self.one(
            "UPDATE sessions SET suspect = 1 WHERE id = ?1 AND suspect = 0 RETURNING device",
            [Bits(session.bits())],
            |row| row.get(0).map(DeviceNumber::from_number),
        )?;
        match device {
            None => Ok(()),
            Some(device) => self.lost(device, Loss::Suspect, now, now, fx),
        }
    }

    /// A session shows life while nothing is owed.
    pub(super) fn clear_suspect(&self, session: SessionId) -> Result<(), Error> {
        self.run(
            "UPDATE sessions SET suspect = 0 WHERE id = ?1 AND suspect = 1",
            [Bits(session.bits())],
        )?;
        Ok(())
    }

    /// A session of this device no longer counts: if none is left and something is owed, the wake
    /// is open from here on, due at `due`.
    fn lost(
        &mut self,
        device: DeviceNumber,
        loss: Loss,
        due: Time,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let Some(row) = self.device(device)? else { return Ok(()) };
        if row.live {
            return Ok(());
        }
        if let Some(mut stored) = self.wake(WakeKey { device, call: 0 })? {
            let next = match loss {
                Loss::Ended => stored.wake.disconnected(due),
                Loss::Restart => stored.wake.restarted(due),
                Loss::Suspect => stored.wake.suspected(due),
            };
            if let Some(next) = next {
                stored.wake = next;
                self.save_wake(stored, &row, None, fx)?;
            }
            return Ok(());
        }
        let owing = self.owing(row.inbox, row.cursor, Offset::ZERO, now)?;
        if owing.is_nothing() {
            return Ok(());
        }
        let settings = self.settings(row.app)?;
        let reason = match loss {
            Loss::Ended => Reason::Disconnected,
            Loss::Restart => Reason::Restart,
            Loss::Suspect => Reason::Suspect,
        };
        let wake = Wake::open(Rung::first(&settings.policy, row.platform), due, reason);
        self.open_wake(&row, None, wake, owing, None, now, fx)?;
        match owing {
            Owing::Owed(owed) => self.tell_offline(row.app, row.inbox, owed.head, now),
            Owing::Quiet(_) | Owing::Nothing => Ok(()),
        }
    }

    /// The process starts anew: what the last one held is void.
    ///
    /// Sessions are dead; their devices get until `grace` to come back before they are pushed.
    /// Attempts are nobody's; their wakes are due at once.
    pub(super) fn void_last_life(
        &mut self,
        now: Time,
        grace: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let sessions =
            self.all("DELETE FROM sessions RETURNING device, inbox, fetch", [], |row| {
                let device = DeviceNumber::from_number(row.get(0)?);
                Ok((device, InboxId::from_number(row.get(1)?), row.get::<_, bool>(2)?))
            })?;
        let mut told = HashSet::new();
        for (device, inbox, fetch) in sessions {
            // All are gone by now: each user's first one is their last one too.
            if !fetch
                && told.insert(inbox)
                && let Some(row) = self.device(device)?
            {
                self.tell_disconnected(&row, inbox, now)?;
            }
            self.lost(device, Loss::Restart, grace, now, fx)?;
        }
        let orphans =
            self.all("SELECT device, call FROM wakes WHERE attempt IS NOT NULL", [], |row| {
                let device = DeviceNumber::from_number(row.get(0)?);
                Ok(WakeKey { device, call: row.get(1)? })
            })?;
        for key in orphans {
            let (Some(mut stored), Some(device)) = (self.wake(key)?, self.device(key.device)?)
            else {
                continue;
            };
            if let Some(orphan) = stored.wake.orphaned(now) {
                stored.wake = orphan;
                self.save_wake(stored, &device, None, fx)?;
            }
        }
        self.all_legs_lost(now, fx)?;
        self.orphan_deliveries(now)?;
        fx.relane = self.one("SELECT 1 FROM relanes LIMIT 1", [], |_| Ok(()))?.is_some();
        Ok(())
    }

    /// A push handler read the inbox by HTTP.
    pub(super) fn fetched(
        &self,
        device: DeviceNumber,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let Some(row) = self.device(device)? else { return Ok(()) };
        let Some(mut stored) = self.came(device, row.app, now, fx)? else { return Ok(()) };
        if let Some(moved) = stored.wake.fetched(now) {
            stored.wake = moved;
            self.save_wake(stored, &row, None, fx)?;
        }
        Ok(())
    }

    /// The app came to the foreground or left it.
    pub(super) fn set_state(&self, session: SessionId, state: AppState) -> Result<(), Error> {
        self.run(
            "UPDATE sessions SET foreground = ?2 WHERE id = ?1",
            params![Bits(session.bits()), state == AppState::Foreground],
        )?;
        Ok(())
    }
}

/// The sessions that connected before `before` and have not ended.
pub(super) fn sessions(conn: &Connection, before: Time) -> Result<Vec<SessionId>, Error> {
    let mut statement = conn.prepare_cached("SELECT id FROM sessions WHERE connected_at < ?1")?;
    let rows = statement.query_map([At(before)], session_id)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn session_id(row: &rusqlite::Row<'_>) -> rusqlite::Result<SessionId> {
    row.get::<_, Bits>(0).map(|bits| SessionId::from_bits(bits.0))
}

fn gone(what: &str) -> Error {
    Error::Database(format!("{what} is not there"))
}
