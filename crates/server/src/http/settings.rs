//! An app's settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use domain::{EventSet, EventType, FirstRung, IosRoute};
use store::model::{Settings, Texts};
use tokio::sync::Mutex;
use wire::http::{AlertTexts, IosRouteName};

use super::auth::OwnApp;
use super::body::Body;
use super::problem::{Problem, ProblemCode};
use crate::accept::{LONGEST_TTL, storage_problem};
use crate::node::Node;

/// Repeats of an alert at most.
const REPEATS: usize = 8;

/// Locales of an app's texts at most.
const LOCALES: usize = 100;

/// Whose turn it is to change settings: a change reads all and writes all, and two at once must
/// not undo each other. One process holds the store, so a lock of the process does.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<Mutex<()>>);

/// `GET /v1/apps/{app}/settings`: all of them.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
) -> Result<Json<wire::http::Settings>, Problem> {
    let settings = node.store.settings(app).await.map_err(storage_problem)?;
    settings.map(|settings| Json(shown(settings))).ok_or_else(no_app)
}

/// `PATCH /v1/apps/{app}/settings`: those that are given; open wakes look again.
pub(super) async fn change(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Extension(Turn(turn)): Extension<Turn>,
    Body(body): Body<wire::http::Settings>,
) -> Result<Json<wire::http::Settings>, Problem> {
    let _turn = turn.lock().await;
    let settings = node.store.settings(app).await.map_err(storage_problem)?;
    let changed = merge(settings.ok_or_else(no_app)?, body)?;
    let kept = node.store.set_settings(app, changed.clone(), node.clock.now()).await;
    let (kept, effects) = kept.map_err(storage_problem)?;
    node.settings_cache.forget(app);
    node.webhooks.forget_wanted(app);
    node.carry_out(effects);
    if kept { Ok(Json(shown(changed))) } else { Err(no_app()) }
}

/// Takes over what is given, each field within its range.
fn merge(mut settings: Settings, body: wire::http::Settings) -> Result<Settings, Problem> {
    let policy = &mut settings.policy;
    if let Some(enabled) = body.push_enabled {
        policy.push_enabled = enabled;
    }
    if let Some(background) = body.background_push {
        policy.first_rung = if background { FirstRung::Background } else { FirstRung::Alert };
    }
    if let Some(seconds) = body.climb_after {
        policy.climb_after = within("climb_after", seconds, 1, 3_600)?;
    }
    if let Some(repeats) = body.repeat_after {
        if repeats.len() > REPEATS {
            return Err(Problem::invalid_field(
                "repeat_after",
                format!("{} repeats are given, {REPEATS} are allowed", repeats.len()),
            ));
        }
        let pauses = repeats.into_iter().map(|seconds| within("repeat_after", seconds, 1, 604_800));
        policy.repeats = pauses.collect::<Result<_, _>>()?;
    }
    if let Some(seconds) = body.ring_time {
        policy.ring_time = within("ring_time", seconds, 5, 120)?;
    }
    if let Some(seconds) = body.hold_while_active_elsewhere {
        let hold = within("hold_while_active_elsewhere", seconds, 0, 600)?;
        policy.hold_while_active_elsewhere = (!hold.is_zero()).then_some(hold);
    }
    if let Some(seconds) = body.resume_time {
        policy.resume_time = within("resume_time", seconds, 1, 120)?;
    }
    if let Some(seconds) = body.default_ttl {
        let most = u32::try_from(LONGEST_TTL.as_secs()).unwrap_or(u32::MAX);
        within("default_ttl", seconds, 1, most)?;
        settings.default_ttl_s = seconds;
    }
    if let Some(collapse) = body.collapse_notifications {
        settings.collapse_notifications = collapse;
    }
    if let Some(production) = body.sandbox_to_production {
        settings.policy.sandbox_to_production = production;
    }
    if let Some(route) = body.route_ios {
        settings.policy.ios_route = match route {
            IosRouteName::Automatic => IosRoute::Automatic,
            IosRouteName::Fcm => IosRoute::Fcm,
        };
    }
    if let Some(words) = body.kept_events {
        settings.kept_events = kept_events(&words)?;
    }
    if let Some(seconds) = body.offline_event_every {
        settings.offline_event_every = within("offline_event_every", seconds, 60, 604_800)?;
    }
    settings.offline_event_body = body.offline_event_body.unwrap_or(settings.offline_event_body);
    settings.clients_set_push = body.clients_set_push.unwrap_or(settings.clients_set_push);
    settings.print_push_logs = body.print_push_logs.unwrap_or(settings.print_push_logs);
    settings.log_payloads = body.log_payloads.unwrap_or(settings.log_payloads);
    if let Some(texts) = body.texts {
        settings.texts = texts_by_locale(texts)?;
    }
    let texts = [
        ("sound", body.sound, &mut settings.sound, 64),
        ("alert_title", body.alert_title, &mut settings.alert_title, wire::limits::PUSH_TEXT_BYTES),
        ("alert_body", body.alert_body, &mut settings.alert_body, wire::limits::PUSH_TEXT_BYTES),
    ];
    for (field, given, kept, most) in texts {
        if let Some(text) = given {
            if text.is_empty() || text.len() > most {
                return Err(Problem::invalid_field(field, format!("give 1 to {most} bytes")));
            }
            *kept = text;
        }
    }
    Ok(settings)
}

/// Takes over an app's texts by locale: the whole map, so that a language can be taken out.
fn texts_by_locale(
    given: BTreeMap<String, AlertTexts>,
) -> Result<BTreeMap<String, Texts>, Problem> {
    if given.len() > LOCALES {
        let problem = format!("{} locales are given, {LOCALES} are allowed", given.len());
        return Err(Problem::invalid_field("texts", problem));
    }
    let most = wire::limits::PUSH_TEXT_BYTES;
    let mut texts = BTreeMap::new();
    for (locale, AlertTexts { title, body }) in given {
        if !domain::locale::is_tag(&locale) {
            let problem = "give locales such as `de` or `pt-BR` (BCP 47)";
            return Err(Problem::invalid_field("texts", problem));
        }
        if texts.keys().any(|other: &String| other.eq_ignore_ascii_case(&locale)) {
            let problem =
                format!("`{locale}` is given twice; tags do not differ by upper and lower case");
            return Err(Problem::invalid_field("texts", problem));
        }
        let long = |text: &Option<String>| {
            text.as_ref().is_some_and(|text| text.is_empty() || text.len() > most)
        };
        if long(&title) || long(&body) {
            let problem = format!("give 1 to {most} bytes in each text of `{locale}`");
            return Err(Problem::invalid_field("texts", problem));
        }
        texts.insert(locale, Texts { title, body });
    }
    Ok(texts)
}

/// Frequent events by their words; the others are kept anyway.
fn kept_events(words: &[String]) -> Result<EventSet, Problem> {
    let read = |word: &String| {
        EventType::parse(word).filter(|event| event.is_frequent()).ok_or_else(|| {
            let frequent = EventType::ALL.into_iter().filter(|event| event.is_frequent());
            let frequent = frequent.map(EventType::as_str).collect::<Vec<_>>().join(", ");
            Problem::invalid_field("kept_events", format!("give some of {frequent}"))
        })
    };
    words.iter().map(read).collect()
}

fn within(field: &'static str, seconds: u32, least: u32, most: u32) -> Result<Duration, Problem> {
    if (least..=most).contains(&seconds) {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    Err(Problem::invalid_field(
        field,
        format!("{seconds} s is given; give {least} to {most} seconds"),
    ))
}

fn shown(settings: Settings) -> wire::http::Settings {
    let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let policy = settings.policy;
    wire::http::Settings {
        push_enabled: Some(policy.push_enabled),
        background_push: Some(policy.first_rung == FirstRung::Background),
        sound: Some(settings.sound),
        collapse_notifications: Some(settings.collapse_notifications),
        sandbox_to_production: Some(policy.sandbox_to_production),
        route_ios: Some(match policy.ios_route {
            IosRoute::Automatic => IosRouteName::Automatic,
            IosRoute::Fcm => IosRouteName::Fcm,
        }),
        climb_after: Some(seconds(policy.climb_after)),
        repeat_after: Some(policy.repeats.into_iter().map(seconds).collect()),
        ring_time: Some(seconds(policy.ring_time)),
        hold_while_active_elsewhere: Some(policy.hold_while_active_elsewhere.map_or(0, seconds)),
        resume_time: Some(seconds(policy.resume_time)),
        default_ttl: Some(settings.default_ttl_s),
        alert_title: Some(settings.alert_title),
        alert_body: Some(settings.alert_body),
        texts: Some(settings.texts.into_iter().map(shown_texts).collect()),
        clients_set_push: Some(settings.clients_set_push),
        print_push_logs: Some(settings.print_push_logs),
        log_payloads: Some(settings.log_payloads),
        kept_events: Some(settings.kept_events.iter().map(|it| it.as_str().to_owned()).collect()),
        offline_event_every: Some(seconds(settings.offline_event_every)),
        offline_event_body: Some(settings.offline_event_body),
    }
}

fn shown_texts((locale, Texts { title, body }): (String, Texts)) -> (String, AlertTexts) {
    (locale, AlertTexts { title, body })
}

fn no_app() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such app for this key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(locale: &str, title: &str) -> BTreeMap<String, AlertTexts> {
        let texts = AlertTexts { title: Some(title.to_owned()), body: None };
        BTreeMap::from([(locale.to_owned(), texts)])
    }

    #[test]
    fn each_field_has_its_range_and_what_is_not_given_stays() {
        let given = |body| merge(Settings::default(), body);
        let empty = wire::http::Settings::default;
        assert_eq!(given(empty()).unwrap(), Settings::default());
        let changed = given(wire::http::Settings { climb_after: Some(5), ..empty() }).unwrap();
        assert_eq!(changed.policy.climb_after, Duration::from_secs(5));
        assert_eq!(changed.policy.repeats, Settings::default().policy.repeats);
        let mut twice = one("de", "x");
        twice.extend(one("DE", "y"));
        let refused = [
            ("climb_after", wire::http::Settings { climb_after: Some(0), ..empty() }),
            ("climb_after", wire::http::Settings { climb_after: Some(3_601), ..empty() }),
            ("repeat_after", wire::http::Settings { repeat_after: Some(vec![60; 9]), ..empty() }),
            ("repeat_after", wire::http::Settings { repeat_after: Some(vec![0]), ..empty() }),
            ("ring_time", wire::http::Settings { ring_time: Some(4), ..empty() }),
            ("resume_time", wire::http::Settings { resume_time: Some(121), ..empty() }),
            ("default_ttl", wire::http::Settings { default_ttl: Some(0), ..empty() }),
            ("sound", wire::http::Settings { sound: Some(String::new()), ..empty() }),
            ("alert_body", wire::http::Settings { alert_body: Some("x".repeat(1_025)), ..empty() }),
            ("texts", wire::http::Settings { texts: Some(one("de DE", "x")), ..empty() }),
            ("texts", wire::http::Settings { texts: Some(one("de--AT", "x")), ..empty() }),
            ("texts", wire::http::Settings { texts: Some(one("1", "x")), ..empty() }),
            ("texts", wire::http::Settings { texts: Some(one("de", "")), ..empty() }),
            ("texts", wire::http::Settings { texts: Some(twice), ..empty() }),
        ];
        for (field, body) in refused {
            let problem: wire::Problem = given(body).unwrap_err().into();
            assert_eq!(problem.field.as_deref(), Some(field));
        }
        // What is shown can be given back.
        assert_eq!(given(shown(Settings::default())).unwrap(), Settings::default());
    }
}
