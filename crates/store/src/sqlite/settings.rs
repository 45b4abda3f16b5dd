//! Apps' settings, and how they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::policy::{FirstRung, IosRoute, Policy};
use domain::{AppId, EventType, Time};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::relane::Scope;
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, Settings, Texts};

impl Tx<'_> {
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

    /// Changes an app's settings; what waited for such a change looks again.
    pub(super) fn set_settings(
        &mut self,
        app: AppId,
        settings: &Settings,
        now: Time,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let before = self.settings(app)?;
        let changed = self.run(
            "UPDATE apps SET settings = ?2 WHERE id = ?1",
            params![app.number(), settings_to_json(settings)?],
        )? > 0;
        if changed {
            self.cache.settings.insert(app, Arc::new(settings.clone()));
            self.cache.wanted.remove(&app);
            let same_routes = before.policy.ios_route == settings.policy.ios_route
                && before.policy.sandbox_to_production == settings.policy.sandbox_to_production;
            let scope = if same_routes { Scope::Parked } else { Scope::All };
            self.begin_relane(app, scope, now, fx)?;
        }
        Ok(changed)
    }
}

pub(super) fn settings(conn: &Connection, app: AppId) -> Result<Option<Settings>, Error> {
    let mut statement = conn.prepare_cached("SELECT settings FROM apps WHERE id = ?1")?;
    let text: Option<String> = statement.query_row([app.number()], |row| row.get(0)).optional()?;
    text.map(|text| settings_from_json(&text)).transpose()
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
    ios_through_fcm: bool,
    climb_after_s: u64,
    repeat_after_s: Vec<u64>,
    ack_deadline_ms: u64,
    ring_time_s: u64,
    hold_while_active_elsewhere_s: u64,
    resume_time_s: u64,
    default_ttl_s: u32,
    alert_title: String,
    alert_body: String,
    texts: BTreeMap<String, TextsRow>,
    clients_set_push: bool,
    print_push_logs: bool,
    log_payloads: bool,
    kept_events: Vec<String>,
    offline_event_every_s: u64,
    offline_event_body: bool,
}

/// What an alert says in one language.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct TextsRow {
    title: Option<String>,
    body: Option<String>,
}

impl Default for SettingsRow {
    fn default() -> Self {
        Self::from(&Settings::default())
    }
}

impl From<&Settings> for SettingsRow {
    fn from(settings: &Settings) -> Self {
        let policy = &settings.policy;
        let texts = settings.texts.iter().map(|(locale, texts)| {
            let Texts { title, body } = texts.clone();
            (locale.clone(), TextsRow { title, body })
        });
        Self {
            push_enabled: policy.push_enabled,
            background_push: policy.first_rung == FirstRung::Background,
            sound: settings.sound.clone(),
            collapse_notifications: settings.collapse_notifications,
            sandbox_to_production: policy.sandbox_to_production,
            ios_through_fcm: policy.ios_route == IosRoute::Fcm,
            climb_after_s: policy.climb_after.as_secs(),
            repeat_after_s: policy.repeats.iter().map(Duration::as_secs).collect(),
            ack_deadline_ms: u64::try_from(policy.ack_deadline.as_millis()).unwrap_or(u64::MAX),
            ring_time_s: policy.ring_time.as_secs(),
            hold_while_active_elsewhere_s: policy
                .hold_while_active_elsewhere
                .map_or(0, |hold| hold.as_secs()),
            resume_time_s: policy.resume_time.as_secs(),
            default_ttl_s: settings.default_ttl_s,
            alert_title: settings.alert_title.clone(),
            alert_body: settings.alert_body.clone(),
            texts: texts.collect(),
            clients_set_push: settings.clients_set_push,
            print_push_logs: settings.print_push_logs,
            log_payloads: settings.log_payloads,
            kept_events: settings
                .kept_events
                .iter()
                .map(|event| event.as_str().to_owned())
                .collect(),
            offline_event_every_s: settings.offline_event_every.as_secs(),
            offline_event_body: settings.offline_event_body,
        }
    }
}

pub(super) fn settings_to_json(settings: &Settings) -> Result<String, Error> {
    serde_json::to_string(&SettingsRow::from(settings))
        .map_err(|error| Error::Database(error.to_string()))
}

fn settings_from_json(text: &str) -> Result<Settings, Error> {
    let row: SettingsRow =
        serde_json::from_str(text).map_err(|error| Error::Database(error.to_string()))?;
    let texts = row
        .texts
        .into_iter()
        .map(|(locale, TextsRow { title, body })| (locale, Texts { title, body }));
    Ok(Settings {
        policy: Policy {
            push_enabled: row.push_enabled,
            first_rung: if row.background_push { FirstRung::Background } else { FirstRung::Alert },
            climb_after: Duration::from_secs(row.climb_after_s),
            repeats: row.repeat_after_s.into_iter().map(Duration::from_secs).collect(),
            ack_deadline: Duration::from_millis(row.ack_deadline_ms),
            ring_time: Duration::from_secs(row.ring_time_s),
            hold_while_active_elsewhere: (row.hold_while_active_elsewhere_s > 0)
                .then(|| Duration::from_secs(row.hold_while_active_elsewhere_s)),
            resume_time: Duration::from_secs(row.resume_time_s),
            ios_route: if row.ios_through_fcm { IosRoute::Fcm } else { IosRoute::Automatic },
            sandbox_to_production: row.sandbox_to_production,
        },
        sound: row.sound,
        collapse_notifications: row.collapse_notifications,
        default_ttl_s: row.default_ttl_s,
        alert_title: row.alert_title,
        alert_body: row.alert_body,
        texts: texts.collect(),
        clients_set_push: row.clients_set_push,
        print_push_logs: row.print_push_logs,
        log_payloads: row.log_payloads,
        kept_events: row.kept_events.iter().filter_map(|word| EventType::parse(word)).collect(),
        offline_event_every: Duration::from_secs(row.offline_event_every_s),
        offline_event_body: row.offline_event_body,
    })
}
