//! Apps, their keys, settings, credentials and users.

use std::sync::Arc;
use std::time::Duration;

use domain::policy::{FirstRung, Policy};
use domain::{AppId, CredentialId, DeviceNumber, Epoch, InboxId, KeyId, Time};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::lanes::target_row;
use super::rows::{At, WAKE_COLUMNS, offset, stored_wake, word};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    ApiKey, App, Credential, Device, DeviceIdentity, Digest, Effects, OpenWake, Settings, UserToken,
};

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
        hash: Digest,
        now: Time,
    ) -> Result<Option<ApiKey>, Error> {
        if self.one("SELECT 1 FROM apps WHERE id = ?1", [app.number()], |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        self.run(
            "INSERT INTO api_keys (app, name, hash, created_at) VALUES (?1, ?2, ?3, ?4)",
            params![app.number(), name, &hash[..], At(now)],
        )?;
        let id = KeyId::from_number(self.last_id());
        Ok(Some(ApiKey { id, app, name: name.to_owned(), created_at: now }))
    }

    pub(super) fn remove_key(&self, app: AppId, key: KeyId) -> Result<bool, Error> {
        let removed = self
            .run("DELETE FROM api_keys WHERE id = ?1 AND app = ?2", [key.number(), app.number()])?;
        Ok(removed > 0)
    }

    /// An app's settings; the writer remembers them.
    pub(super) fn settings(&mut self, app: AppId) -> Result<Arc<Settings>, Error> {
        if let Some(settings) = self.cache.settings.get(&app) {
            return Ok(Arc::clone(settings));
        }
        let text: Option<String> =
            self.one("SELECT settings FROM apps WHERE id = ?1", [app.number()], |row| row.get(0))?;
        let settings = match text {
            Some(text) => settings_from_json(&text)?,
            None => Settings::default(),
        };
        let settings = Arc::new(settings);
        self.cache.settings.insert(app, Arc::clone(&settings));
        Ok(settings)
    }

    /// Changes an app's settings; open wakes that waited for such a change look again.
    pub(super) fn set_settings(
        &mut self,
        app: AppId,
        settings: &Settings,
        now: Time,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let changed = self.run(
            "UPDATE apps SET settings = ?2 WHERE id = ?1",
            params![app.number(), settings_to_json(settings)?],
        )? > 0;
        if changed {
            self.cache.settings.insert(app, Arc::new(settings.clone()));
            self.retarget_app(app, now, fx)?;
        }
        Ok(changed)
    }

    pub(super) fn add_credential(
        &self,
        app: AppId,
        kind: &str,
        facts: &str,
        sealed: &[u8],
        now: Time,
        fx: &mut Effects,
    ) -> Result<Option<Credential>, Error> {
        if self.one("SELECT 1 FROM apps WHERE id = ?1", [app.number()], |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        self.run(
            "INSERT INTO credentials (app, kind, facts, sealed, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![app.number(), kind, facts, sealed, At(now)],
        )?;
        let id = CredentialId::from_number(self.last_id());
        self.retarget_app(app, now, fx)?;
        Ok(Some(Credential {
            id,
            app,
            kind: kind.to_owned(),
            facts: facts.to_owned(),
            sealed: sealed.to_owned(),
            created_at: now,
        }))
    }

    pub(super) fn remove_credential(&self, app: AppId, id: CredentialId) -> Result<bool, Error> {
        let removed = self.run(
            "DELETE FROM credentials WHERE id = ?1 AND app = ?2",
            [id.number(), app.number()],
        )?;
        Ok(removed > 0)
    }

    /// The parked wakes of an app look again. One transaction; an app with very many parked
    /// wakes wants a job with a cursor.
    fn retarget_app(&self, app: AppId, now: Time, fx: &mut Effects) -> Result<(), Error> {
        let devices = self.all(
            "SELECT DISTINCT w.device FROM wakes w JOIN devices d ON d.id = w.device
             WHERE d.app = ?1
               AND (w.due IS NULL OR w.attempt IS NOT NULL OR w.reason = 'refused')",
            [app.number()],
            |row| row.get(0).map(DeviceNumber::from_number),
        )?;
        for device in devices {
            self.retarget(device, now, fx)?;
        }
        Ok(())
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
        if self.one("SELECT 1 FROM apps WHERE id = ?1", [app.number()], |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        let epoch = Epoch::from_number(rand::random());
        self.run(
            "INSERT INTO inboxes (app, user, epoch, created_at) VALUES (?1, ?2, ?3, ?4)",
            params![app.number(), user, epoch.number(), At(now)],
        )?;
        Ok(Some(InboxId::from_number(self.last_id())))
    }

    pub(super) fn add_user_token(
        &self,
        hash: Digest,
        inbox: InboxId,
        expires_at: Time,
    ) -> Result<(), Error> {
        self.run(
            "INSERT INTO user_tokens (hash, inbox, expires_at) VALUES (?1, ?2, ?3)",
            params![&hash[..], inbox.number(), At(expires_at)],
        )?;
        Ok(())
    }

    /// Forgets what has outlived its use: one slice of the sends each time, expired tokens.
    pub(super) fn sweep_sends(&self, slice: u8, before: Time, now: Time) -> Result<(), Error> {
        let low = [slice];
        let high =
            [slice, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
        self.run(
            "DELETE FROM sends WHERE message >= ?1 AND message <= ?2 AND created_at < ?3",
            params![&low[..], &high[..], At(before)],
        )?;
        self.run("DELETE FROM user_tokens WHERE expires_at <= ?1", [At(now)])?;
        Ok(())
    }
}

pub(super) fn apps(conn: &Connection) -> Result<Vec<App>, Error> {
    let mut statement = conn.prepare_cached("SELECT id, name, created_at FROM apps ORDER BY id")?;
    let rows = statement.query_map([], app_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn app(conn: &Connection, id: AppId) -> Result<Option<App>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT id, name, created_at FROM apps WHERE id = ?1")?;
    Ok(statement.query_row([id.number()], app_row).optional()?)
}

fn app_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<App> {
    Ok(App {
        id: AppId::from_number(row.get(0)?),
        name: row.get(1)?,
        created_at: row.get::<_, At>(2)?.0,
    })
}

pub(super) fn settings(conn: &Connection, app: AppId) -> Result<Option<Settings>, Error> {
    let mut statement = conn.prepare_cached("SELECT settings FROM apps WHERE id = ?1")?;
    let text: Option<String> = statement.query_row([app.number()], |row| row.get(0)).optional()?;
    text.map(|text| settings_from_json(&text)).transpose()
}

pub(super) fn keys(conn: &Connection, app: AppId) -> Result<Vec<ApiKey>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, app, name, created_at FROM api_keys WHERE app = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([app.number()], key_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn key_by_hash(conn: &Connection, hash: Digest) -> Result<Option<ApiKey>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT id, app, name, created_at FROM api_keys WHERE hash = ?1")?;
    Ok(statement.query_row([&hash[..]], key_row).optional()?)
}

fn key_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: KeyId::from_number(row.get(0)?),
        app: AppId::from_number(row.get(1)?),
        name: row.get(2)?,
        created_at: row.get::<_, At>(3)?.0,
    })
}

/// The credentials of one app, or of all; newest first.
pub(super) fn credentials(conn: &Connection, app: Option<AppId>) -> Result<Vec<Credential>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, app, kind, facts, sealed, created_at FROM credentials
         WHERE ?1 IS NULL OR app = ?1 ORDER BY id DESC",
    )?;
    let rows = statement.query_map([app.map(AppId::number)], |row| {
        Ok(Credential {
            id: CredentialId::from_number(row.get(0)?),
            app: AppId::from_number(row.get(1)?),
            kind: row.get(2)?,
            facts: row.get(3)?,
            sealed: row.get(4)?,
            created_at: row.get::<_, At>(5)?.0,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn user_token(conn: &Connection, hash: Digest) -> Result<Option<UserToken>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT i.app, i.id, i.user, t.expires_at FROM user_tokens t
         JOIN inboxes i ON i.id = t.inbox WHERE t.hash = ?1",
    )?;
    let token = statement
        .query_row([&hash[..]], |row| {
            Ok(UserToken {
                app: AppId::from_number(row.get(0)?),
                inbox: InboxId::from_number(row.get(1)?),
                user: row.get(2)?,
                expires_at: row.get::<_, At>(3)?.0,
            })
        })
        .optional()?;
    Ok(token)
}

pub(super) fn device_by_secret(
    conn: &Connection,
    secret: Digest,
) -> Result<Option<DeviceIdentity>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT d.app, d.id, d.name, d.inbox, i.user, d.cursor FROM devices d
         JOIN inboxes i ON i.id = d.inbox WHERE d.secret = ?1",
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

pub(super) fn user(conn: &Connection, app: AppId, user: &str) -> Result<Option<InboxId>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM inboxes WHERE app = ?1 AND user = ?2")?;
    let id: Option<i64> =
        statement.query_row(params![app.number(), user], |row| row.get(0)).optional()?;
    Ok(id.map(InboxId::from_number))
}

/// The devices of a user, with targets and open wakes.
pub(super) fn devices(conn: &Connection, inbox: InboxId) -> Result<Vec<Device>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT d.id, d.name, d.platform,
                EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.id AND s.suspect = 0),
                i.epoch, d.cursor, d.last_seen_at
         FROM devices d JOIN inboxes i ON i.id = d.inbox WHERE d.inbox = ?1 ORDER BY d.id",
    )?;
    let rows = statement.query_map([inbox.number()], |row| {
        Ok(Device {
            number: DeviceNumber::from_number(row.get(0)?),
            name: row.get(1)?,
            platform: word(row, 2, domain::Platform::parse)?,
            live: row.get(3)?,
            epoch: Epoch::from_number(row.get(4)?),
            cursor: offset(row, 5)?,
            last_seen_at: row.get::<_, At>(6)?.0,
            targets: Vec::new(),
            wakes: Vec::new(),
        })
    })?;
    let mut devices: Vec<Device> = rows.collect::<Result<_, _>>()?;
    let sql = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.device = ?1");
    for device in &mut devices {
        let mut targets = conn.prepare_cached(
            "SELECT kind, token, environment, app_id, registered_at FROM targets
             WHERE device = ?1 ORDER BY kind",
        )?;
        device.targets =
            targets.query_map([device.number.number()], target_row)?.collect::<Result<_, _>>()?;
        let mut wakes = conn.prepare_cached(&sql)?;
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

/// Settings as they are stored: whatever is missing has its default.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct SettingsRow {
    push_enabled: bool,
    background_push: bool,
    sound: String,
    collapse_notifications: bool,
    sandbox_to_production: bool,
    climb_after_s: u64,
    repeat_after_s: Vec<u64>,
    ack_deadline_ms: u64,
    ring_time_s: u64,
    default_ttl_s: u32,
    alert_title: String,
    alert_body: String,
}

impl Default for SettingsRow {
    fn default() -> Self {
        Self::from(&Settings::default())
    }
}

impl From<&Settings> for SettingsRow {
    fn from(settings: &Settings) -> Self {
        let policy = &settings.policy;
        Self {
            push_enabled: policy.push_enabled,
            background_push: policy.first_rung == FirstRung::Background,
            sound: settings.sound.clone(),
            collapse_notifications: settings.collapse_notifications,
            sandbox_to_production: settings.sandbox_to_production,
            climb_after_s: policy.climb_after.as_secs(),
            repeat_after_s: policy.repeats.iter().map(Duration::as_secs).collect(),
            ack_deadline_ms: u64::try_from(policy.ack_deadline.as_millis()).unwrap_or(u64::MAX),
            ring_time_s: policy.ring_time.as_secs(),
            default_ttl_s: settings.default_ttl_s,
            alert_title: settings.alert_title.clone(),
            alert_body: settings.alert_body.clone(),
        }
    }
}

fn settings_to_json(settings: &Settings) -> Result<String, Error> {
    serde_json::to_string(&SettingsRow::from(settings))
        .map_err(|error| Error::Database(error.to_string()))
}

fn settings_from_json(text: &str) -> Result<Settings, Error> {
    let row: SettingsRow =
        serde_json::from_str(text).map_err(|error| Error::Database(error.to_string()))?;
    Ok(Settings {
        policy: Policy {
            push_enabled: row.push_enabled,
            first_rung: if row.background_push { FirstRung::Background } else { FirstRung::Alert },
            climb_after: Duration::from_secs(row.climb_after_s),
            repeats: row.repeat_after_s.into_iter().map(Duration::from_secs).collect(),
            ack_deadline: Duration::from_millis(row.ack_deadline_ms),
            ring_time: Duration::from_secs(row.ring_time_s),
        },
        sound: row.sound,
        collapse_notifications: row.collapse_notifications,
        sandbox_to_production: row.sandbox_to_production,
        default_ttl_s: row.default_ttl_s,
        alert_title: row.alert_title,
        alert_body: row.alert_body,
    })
}
