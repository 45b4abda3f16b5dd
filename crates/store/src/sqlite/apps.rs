//! Apps, their keys and users.

use domain::{AppId, DeviceNumber, Epoch, InboxId, KeyId, KeyScope, KeyScopes, Time};
use rusqlite::{Connection, OptionalExtension, params};

use super::lanes::{TARGET_COLUMNS, target_row};
use super::rows::{At, WAKE_COLUMNS, offset, stored_wake, word};
use super::settings::settings_to_json;
use super::writer::Tx;
use crate::Error;
use crate::model::{ApiKey, App, Device, DeviceIdentity, Digest, OpenWake, Settings};

impl Tx<'_> {
    pub(super) fn add_app(&self, name: &str, now: Time) -> Result<App, Error> {
        let settings = settings_to_json(&Settings::default())?;
        self.run(
            "INSERT INTO apps (name, settings, created_at) VALUES (?1, ?2, ?3)",
            params![name, settings, At(now)],
        )?;
        Ok(App { id: AppId::from_number(self.last_id()), name: name.to_owned(), created_at: now })
    }

    pub(super) fn add_key(
        &self,
        app: AppId,
        name: &str,
        scopes: KeyScopes,
        hash: Digest,
        now: Time,
    ) -> Result<Option<ApiKey>, Error> {
        if !self.is_app(app)? {
            return Ok(None);
        }
        self.run(
            "INSERT INTO api_keys (app, name, scopes, hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![app.number(), name, scope_words(scopes), &hash[..], At(now)],
        )?;
        let id = KeyId::from_number(self.last_id());
        let name = name.to_owned();
        Ok(Some(ApiKey { id, app, name, scopes, created_at: now, last_used_at: None }))
    }

    /// A key was used; what was noted later stays.
    pub(super) fn note_key_use(&self, key: KeyId, now: Time) -> Result<(), Error> {
        self.run(
            "UPDATE api_keys SET last_used_at = ?2
             WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
            params![key.number(), At(now)],
        )?;
        Ok(())
    }

    pub(super) fn remove_key(&self, app: AppId, key: KeyId) -> Result<bool, Error> {
        let removed = self
            .run("DELETE FROM api_keys WHERE id = ?1 AND app = ?2", [key.number(), app.number()])?;
        Ok(removed > 0)
    }

    /// The inbox of a user, made if it is new.
    pub(super) fn ensure_user(
        &self,
        app: AppId,
        user: &str,
        now: Time,
    ) -> Result<Option<InboxId>, Error> {
        if let Some(inbox) = self.inbox_of(app, user)? {
            return Ok(Some(inbox.id));
        }
        if !self.is_app(app)? {
            return Ok(None);
        }
        let epoch = Epoch::from_number(rand::random());
        self.run(
            "INSERT INTO inboxes (app, user, epoch, created_at) VALUES (?1, ?2, ?3, ?4)",
            params![app.number(), user, epoch.number(), At(now)],
        )?;
        Ok(Some(InboxId::from_number(self.last_id())))
    }

    /// Forgets what has outlived its use: one slice of the sends each time, and tokens that expired
    /// so long ago. Whoever shows one earlier than that hears that it was good once.
    pub(super) fn sweep_sends(&self, slice: u8, before: Time) -> Result<(), Error> {
        let low = [slice];
        let high =
            [slice, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
        self.run(
            "DELETE FROM sends WHERE message >= ?1 AND message <= ?2 AND created_at < ?3",
            params![&low[..], &high[..], At(before)],
        )?;
        self.run("DELETE FROM user_tokens WHERE expires_at < ?1", [At(before)])?;
        Ok(())
    }
}

pub(super) fn apps(conn: &Connection) -> Result<Vec<App>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, created_at FROM apps WHERE deleted_at IS NULL ORDER BY id",
    )?;
    let rows = statement.query_map([], app_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn app(conn: &Connection, id: AppId) -> Result<Option<App>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, created_at FROM apps WHERE id = ?1 AND deleted_at IS NULL",
    )?;
    Ok(statement.query_row([id.number()], app_row).optional()?)
}

fn app_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<App> {
    Ok(App {
        id: AppId::from_number(row.get(0)?),
        name: row.get(1)?,
        created_at: row.get::<_, At>(2)?.0,
    })
}

pub(super) fn keys(conn: &Connection, app: AppId) -> Result<Vec<ApiKey>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, app, name, scopes, created_at, last_used_at FROM api_keys
         WHERE app = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([app.number()], key_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn key_by_hash(conn: &Connection, hash: Digest) -> Result<Option<ApiKey>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, app, name, scopes, created_at, last_used_at FROM api_keys WHERE hash = ?1",
    )?;
    Ok(statement.query_row([&hash[..]], key_row).optional()?)
}

fn key_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: KeyId::from_number(row.get(0)?),
        app: AppId::from_number(row.get(1)?),
        name: row.get(2)?,
        scopes: row.get::<_, String>(3)?.split(' ').filter_map(KeyScope::parse).collect(),
        created_at: row.get::<_, At>(4)?.0,
        last_used_at: row.get::<_, Option<At>>(5)?.map(|at| at.0),
    })
}

fn scope_words(scopes: KeyScopes) -> String {
    scopes.iter().map(KeyScope::as_str).collect::<Vec<_>>().join(" ")
}

pub(super) fn device_by_secret(
    conn: &Connection,
    secret: Digest,
) -> Result<Option<DeviceIdentity>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT d.app, d.id, d.name, d.inbox, i.user, d.cursor FROM devices d
         JOIN inboxes i ON i.id = d.inbox
         JOIN apps a ON a.id = d.app AND a.deleted_at IS NULL WHERE d.secret = ?1",
    )?;
    Ok(statement.query_row([&secret[..]], device_identity).optional()?)
}

pub(super) fn device_by_name(
    conn: &Connection,
    app: AppId,
    name: &str,
) -> Result<Option<DeviceIdentity>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT d.app, d.id, d.name, d.inbox, i.user, d.cursor FROM devices d
         JOIN inboxes i ON i.id = d.inbox WHERE d.app = ?1 AND d.name = ?2",
    )?;
    Ok(statement.query_row(params![app.number(), name], device_identity).optional()?)
}

fn device_identity(row: &rusqlite::Row<'_>) -> rusqlite::Result<DeviceIdentity> {
    Ok(DeviceIdentity {
        app: AppId::from_number(row.get(0)?),
        device: DeviceNumber::from_number(row.get(1)?),
        name: row.get(2)?,
        inbox: InboxId::from_number(row.get(3)?),
        user: row.get(4)?,
        cursor: offset(row, 5)?,
    })
}

/// The devices of a user, with targets and open wakes.
pub(super) fn devices(conn: &Connection, inbox: InboxId) -> Result<Vec<Device>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT d.id, d.name, d.platform,
                EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.id AND s.suspect = 0),
                i.epoch, d.cursor, d.last_seen_at,
                EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.id AND s.suspect = 1)
         FROM devices d JOIN inboxes i ON i.id = d.inbox WHERE d.inbox = ?1 ORDER BY d.id",
    )?;
    let rows = statement.query_map([inbox.number()], |row| {
        Ok(Device {
            number: DeviceNumber::from_number(row.get(0)?),
            name: row.get(1)?,
            platform: word(row, 2, domain::Platform::parse)?,
            live: row.get(3)?,
            suspect: row.get(7)?,
            epoch: Epoch::from_number(row.get(4)?),
            cursor: offset(row, 5)?,
            last_seen_at: row.get::<_, At>(6)?.0,
            targets: Vec::new(),
            wakes: Vec::new(),
        })
    })?;
    let mut devices: Vec<Device> = rows.collect::<Result<_, _>>()?;
    let of_targets =
        format!("SELECT {TARGET_COLUMNS} FROM targets WHERE device = ?1 ORDER BY kind");
    let of_wakes = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.device = ?1");
    for device in &mut devices {
        let mut targets = conn.prepare_cached(&of_targets)?;
        device.targets =
            targets.query_map([device.number.number()], target_row)?.collect::<Result<_, _>>()?;
        let mut wakes = conn.prepare_cached(&of_wakes)?;
        let rows = wakes.query_map([device.number.number()], |row| stored_wake(row, 0))?;
        for stored in rows {
            device.wakes.extend(stored?.map(|stored| OpenWake {
                id: stored.id,
                call: stored.key.call != 0,
                wake: stored.wake,
            }));
        }
    }
    Ok(devices)
}
