//! Topics: named sets of devices.

use domain::{AppId, DeviceNumber, Time};
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::rows::At;
use super::writer::Tx;
use crate::Error;
use crate::model::{Topic, TopicChanged};

impl Sqlite {
    pub(crate) async fn subscribe(
        &self,
        app: AppId,
        topic: String,
        devices: Vec<String>,
        now: Time,
    ) -> Result<TopicChanged, Error> {
        self.writer.change(move |tx| tx.subscribe(app, &topic, &devices, now)).await
    }

    pub(crate) async fn unsubscribe(
        &self,
        app: AppId,
        topic: String,
        devices: Vec<String>,
    ) -> Result<Option<TopicChanged>, Error> {
        self.writer.change(move |tx| tx.unsubscribe(app, &topic, &devices)).await
    }

    pub(crate) async fn remove_topic(&self, app: AppId, topic: String) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.remove_topic(app, &topic)).await
    }

    pub(crate) async fn topics(
        &self,
        app: AppId,
        after: String,
        limit: usize,
    ) -> Result<Vec<Topic>, Error> {
        self.readers.read(move |conn| topics(conn, app, &after, limit)).await
    }

    pub(crate) async fn topic_devices(
        &self,
        app: AppId,
        topic: String,
        after: Option<DeviceNumber>,
        limit: usize,
    ) -> Result<Option<Vec<(DeviceNumber, String)>>, Error> {
        self.readers.read(move |conn| topic_devices(conn, app, &topic, after, limit)).await
    }

    pub(crate) async fn topics_of_device(
        &self,
        device: DeviceNumber,
    ) -> Result<Vec<String>, Error> {
        self.readers.read(move |conn| topics_of_device(conn, device)).await
    }
}

impl Tx<'_> {
    fn subscribe(
        &self,
        app: AppId,
        topic: &str,
        devices: &[String],
        now: Time,
    ) -> Result<TopicChanged, Error> {
        let mut done = TopicChanged::default();
        let mut id = self.topic(app, topic)?;
        for name in devices {
            let Some(device) = self.device_named(app, name)? else {
                done.unknown.push(name.clone());
                continue;
            };
            let topic = match id {
                Some(id) => id,
                None => {
                    // Made by its first device, so that a misspelt list makes no empty topic.
                    self.run(
                        "INSERT INTO topics (app, name, created_at) VALUES (?1, ?2, ?3)",
                        params![app.number(), topic, At(now)],
                    )?;
                    *id.insert(self.last_id())
                }
            };
            let added = self.run(
                "INSERT INTO topic_devices (topic, device) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![topic, device.number()],
            )?;
            done.changed += u64::try_from(added).unwrap_or(0);
        }
        Ok(done)
    }

    fn unsubscribe(
        &self,
        app: AppId,
        topic: &str,
        devices: &[String],
    ) -> Result<Option<TopicChanged>, Error> {
        let Some(id) = self.topic(app, topic)? else { return Ok(None) };
        let mut done = TopicChanged::default();
        for name in devices {
            let Some(device) = self.device_named(app, name)? else {
                done.unknown.push(name.clone());
                continue;
            };
            let removed = self.run(
                "DELETE FROM topic_devices WHERE topic = ?1 AND device = ?2",
                params![id, device.number()],
            )?;
            done.changed += u64::try_from(removed).unwrap_or(0);
        }
        Ok(Some(done))
    }

    fn remove_topic(&self, app: AppId, topic: &str) -> Result<bool, Error> {
        let Some(id) = self.topic(app, topic)? else { return Ok(false) };
        self.run("DELETE FROM topic_devices WHERE topic = ?1", [id])?;
        Ok(self.run("DELETE FROM topics WHERE id = ?1", [id])? > 0)
    }

    /// The number of a topic.
    pub(super) fn topic(&self, app: AppId, name: &str) -> Result<Option<i64>, Error> {
        self.one(
            "SELECT id FROM topics WHERE app = ?1 AND name = ?2",
            params![app.number(), name],
            |row| row.get(0),
        )
    }

    /// The device of the client's own id.
    pub(super) fn device_named(
        &self,
        app: AppId,
        name: &str,
    ) -> Result<Option<DeviceNumber>, Error> {
        self.one(
            "SELECT id FROM devices WHERE app = ?1 AND name = ?2",
            params![app.number(), name],
            |row| row.get(0).map(DeviceNumber::from_number),
        )
    }
}

fn topics(conn: &Connection, app: AppId, after: &str, limit: usize) -> Result<Vec<Topic>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT name, (SELECT COUNT(*) FROM topic_devices d WHERE d.topic = t.id), created_at
         FROM topics t WHERE app = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![app.number(), after, limit], |row| {
        Ok(Topic {
            name: row.get(0)?,
            devices: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            created_at: row.get::<_, At>(2)?.0,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn topic_devices(
    conn: &Connection,
    app: AppId,
    topic: &str,
    after: Option<DeviceNumber>,
    limit: usize,
) -> Result<Option<Vec<(DeviceNumber, String)>>, Error> {
    let id: Option<i64> = conn
        .prepare_cached("SELECT id FROM topics WHERE app = ?1 AND name = ?2")?
        .query_row(params![app.number(), topic], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(None) };
    let mut statement = conn.prepare_cached(
        "SELECT d.id, d.name FROM topic_devices t JOIN devices d ON d.id = t.device
         WHERE t.topic = ?1 AND t.device > ?2 ORDER BY t.device LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map_or(0, DeviceNumber::number);
    let rows = statement.query_map(params![id, after, limit], |row| {
        Ok((DeviceNumber::from_number(row.get(0)?), row.get(1)?))
    })?;
    Ok(Some(rows.collect::<Result<_, _>>()?))
}

fn topics_of_device(conn: &Connection, device: DeviceNumber) -> Result<Vec<String>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT t.name FROM topic_devices d JOIN topics t ON t.id = d.topic
         WHERE d.device = ?1 ORDER BY t.name",
    )?;
    let rows = statement.query_map([device.number()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
