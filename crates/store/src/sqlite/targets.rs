//! Push targets: registered, moved, removed.

use domain::{DeviceNumber, EventType, TargetKind, Time};
use rusqlite::{Connection, params};

use super::rows::At;
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, SetTarget, TargetSet};

/// So many targets of browsers are counted by their services; who looks after the server wants the
/// common ones, and an answer soon.
const COUNTED: i64 = 100_000;

/// The Web Push services with the most targets.
pub(super) fn webpush_services(conn: &Connection, limit: usize) -> Result<Vec<String>, Error> {
    // An endpoint is `https://`, of eight letters, and goes on up to a slash. The apps stand first
    // so that the index by app and kind is used.
    let mut statement = conn.prepare_cached(
        "SELECT substr(endpoint, 1, 7 + instr(substr(endpoint, 9) || '/', '/')) AS origin
         FROM (SELECT json_extract(token, '$.endpoint') AS endpoint
               FROM apps CROSS JOIN targets ON targets.app = apps.id AND targets.kind = ?1
               WHERE json_valid(token) LIMIT ?2)
         WHERE endpoint IS NOT NULL
         GROUP BY origin ORDER BY COUNT(*) DESC, origin LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement
        .query_map(params![TargetKind::Webpush.as_str(), COUNTED, limit], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

impl Tx<'_> {
    /// Registers a push target; a token that was another device's moves here.
    pub(super) fn set_target(&mut self, set: &SetTarget) -> Result<TargetSet, Error> {
        let Some(device) = self.device(set.device)? else { return Ok(TargetSet::NoDevice) };
        let app = device.app.number();
        let other = match set.kind {
            TargetKind::Apns => Some(TargetKind::ApnsVoip),
            TargetKind::ApnsVoip => Some(TargetKind::Apns),
            TargetKind::Fcm | TargetKind::Webpush => None,
        };
        if let Some(other) = other {
            let taken = self.one(
                "SELECT 1 FROM targets WHERE app = ?1 AND kind = ?2 AND token = ?3",
                params![app, other.as_str(), set.token],
                |_| Ok(()),
            )?;
            if taken.is_some() {
                return Ok(TargetSet::TokenOfOtherKind);
            }
        }
        let mut effects = Effects::default();
        let moved_from = self.all(
            "DELETE FROM targets WHERE app = ?1 AND kind = ?2 AND token = ?3 AND device <> ?4
             RETURNING device",
            params![app, set.kind.as_str(), set.token, set.device.number()],
            |row| row.get(0).map(DeviceNumber::from_number),
        )?;
        // The same token again keeps what was learned of it, and is suspect no more: the app is
        // there, and got it from the phone.
        self.run(
            "INSERT INTO targets (device, kind, app, token, environment, app_id, registered_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (device, kind) DO UPDATE SET
                learned = CASE token WHEN excluded.token THEN learned END,
                learning = CASE token WHEN excluded.token THEN learning ELSE 0 END,
                tried_at = CASE token WHEN excluded.token THEN tried_at END,
                token = excluded.token, environment = excluded.environment,
                app_id = excluded.app_id, registered_at = excluded.registered_at,
                suspect_since = NULL",
            params![
                set.device.number(),
                set.kind.as_str(),
                app,
                set.token,
                set.environment.map(domain::Environment::as_str),
                set.app_id,
                At(set.now),
            ],
        )?;
        for from in &moved_from {
            self.target_moved(*from, &device, set)?;
            self.reroute(*from, set.now, &mut effects)?;
        }
        self.reroute(set.device, set.now, &mut effects)?;
        Ok(TargetSet::Yes { moved_from, effects })
    }

    fn target_moved(
        &self,
        from: DeviceNumber,
        to: &DeviceRow,
        set: &SetTarget,
    ) -> Result<(), Error> {
        let Some(from) = self.device(from)? else { return Ok(()) };
        let body = serde_json::json!({
            "target": set.kind.as_str(),
            "from": { "user": self.user_of(from.inbox)?, "device": from.name },
            "to": { "user": self.user_of(to.inbox)?, "device": to.name },
        });
        self.add_event(to.app, Some(to.number), EventType::TargetMoved, &body, set.now)
    }

    /// Forgets a push target, or all of a device's.
    pub(super) fn remove_targets(
        &mut self,
        device: DeviceNumber,
        kind: Option<TargetKind>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<usize, Error> {
        let removed = match kind {
            Some(kind) => self.run(
                "DELETE FROM targets WHERE device = ?1 AND kind = ?2",
                params![device.number(), kind.as_str()],
            )?,
            None => self.run("DELETE FROM targets WHERE device = ?1", [device.number()])?,
        };
        self.reroute(device, now, fx)?;
        Ok(removed)
    }
}
