//! The push settings of an app: each switch with what it does, and what it does as it stands.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use wire::Problem;
use wire::http::{IosRouteName, Settings};

use super::api::Api;
use super::frame::{Asked, Done, Fields, Frame, Here, Sent, page, refused};
use super::link::api_path;
use super::section::Section;
use super::session::Visitor;

#[derive(Template)]
#[template(path = "console/settings.html")]
struct Shown {
    frame: Frame,
    switches: Vec<Switch>,
    numbers: Vec<Number>,
    sound: String,
    through_fcm: bool,
    repeats: String,
    alert_title: String,
    alert_body: String,
    problem: Option<Problem>,
}

impl Shown {
    /// For the template: what is wrong with a field.
    fn wrong(&self, field: &str) -> Option<&str> {
        let problem = self.problem.as_ref()?;
        (problem.field.as_deref() == Some(field)).then_some(problem.detail.as_str())
    }
}

/// Something that is on or off.
struct Switch {
    name: &'static str,
    label: &'static str,
    is_on: bool,
    /// What it does while it is on.
    on: &'static str,
    /// What happens while it is off.
    off: &'static str,
}

/// A number of seconds.
struct Number {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    value: u32,
    least: u32,
    most: u32,
}

/// `GET /console/apps/{app}/settings`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let settings = api.get::<Settings>(&visitor, &api_path(&["apps", &app, "settings"])).await;
    match settings {
        Ok(settings) => {
            let done = asked.done();
            shown(&visitor, &api, &app, StatusCode::OK, done, settings, None).await
        }
        Err(problem) => refused(&visitor, &problem),
    }
}

/// `POST /console/apps/{app}/settings`: all of the page's, or none.
pub(super) async fn change(
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    sent: Sent,
) -> Response {
    let Sent { visitor, fields } = sent;
    let path = api_path(&["apps", &app, "settings"]);
    let (settings, unread) = read(&fields);
    let problem = match unread {
        Some(problem) => problem,
        None => {
            let changed = api.send::<Settings>(&visitor, Method::PATCH, &path, Some(&settings));
            match changed.await {
                Ok(_) => {
                    let done = Done::Saved.as_str();
                    let to = format!("/console/apps/{app}/settings?done={done}");
                    return Redirect::to(&to).into_response();
                }
                Err(problem) => problem,
            }
        }
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    shown(&visitor, &api, &app, status, None, settings, Some(problem)).await
}

/// What the form says; and the first of its fields that cannot be read.
fn read(fields: &Fields) -> (Settings, Option<Problem>) {
    let mut unread = None;
    let mut seconds = |name: &'static str, text: &str| -> Option<u32> {
        let number = text.trim().parse().ok();
        if number.is_none() && unread.is_none() {
            unread = Some(invalid(name, "give a number of seconds"));
        }
        number
    };
    let text = |name: &str| Some(fields.get(name).to_owned());
    let is_on = |name: &str| Some(fields.is_on(name));
    let pauses = fields.get("repeat_after").split([',', ' ']).filter(|text| !text.is_empty());
    let repeat_after = pauses.map(|text| seconds("repeat_after", text)).collect();
    let settings = Settings {
        push_enabled: is_on("push_enabled"),
        background_push: is_on("background_push"),
        collapse_notifications: is_on("collapse_notifications"),
        sandbox_to_production: is_on("sandbox_to_production"),
        clients_set_push: is_on("clients_set_push"),
        print_push_logs: is_on("print_push_logs"),
        log_payloads: is_on("log_payloads"),
        route_ios: Some(match fields.get("route_ios") {
            "fcm" => IosRouteName::Fcm,
            _ => IosRouteName::Automatic,
        }),
        sound: text("sound"),
        alert_title: text("alert_title"),
        alert_body: text("alert_body"),
        climb_after: seconds("climb_after", fields.get("climb_after")),
        ring_time: seconds("ring_time", fields.get("ring_time")),
        resume_time: seconds("resume_time", fields.get("resume_time")),
        default_ttl: seconds("default_ttl", fields.get("default_ttl")),
        hold_while_active_elsewhere: seconds(
            "hold_while_active_elsewhere",
            fields.get("hold_while_active_elsewhere"),
        ),
        repeat_after,
        ..Settings::default()
    };
    (settings, unread)
}

fn invalid(field: &str, detail: &str) -> Problem {
    crate::http::problem::Problem::invalid_field(field.to_owned(), detail).into()
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    status: StatusCode,
    done: Option<Done>,
    settings: Settings,
    problem: Option<Problem>,
) -> Response {
    let app = match api.app(visitor, app).await {
        Ok(app) => app,
        Err(problem) => return refused(visitor, &problem),
    };
    let frame =
        Frame::of(visitor, "Push settings", Here::In(Section::Settings)).about(&app).after(done);
    let repeats: Vec<String> =
        settings.repeat_after.iter().flatten().map(ToString::to_string).collect();
    let shown = Shown {
        frame,
        switches: switches(&settings),
        numbers: numbers(&settings),
        sound: settings.sound.unwrap_or_default(),
        through_fcm: settings.route_ios == Some(IosRouteName::Fcm),
        repeats: repeats.join(", "),
        alert_title: settings.alert_title.unwrap_or_default(),
        alert_body: settings.alert_body.unwrap_or_default(),
        problem,
    };
    page(status, &shown)
}

fn switches(settings: &Settings) -> Vec<Switch> {
    vec![
        Switch {
            name: "push_enabled",
            label: "Push",
            is_on: settings.push_enabled.unwrap_or_default(),
            on: "Sleeping devices are woken.",
            off: "No device is woken: every push is answered with 902, and wakes wait until this is on.",
        },
        Switch {
            name: "background_push",
            label: "Background push first",
            is_on: settings.background_push.unwrap_or_default(),
            on: "The app is woken unseen first; an alert follows only if it does not fetch what waits.",
            off: "The first push is an alert that the user sees.",
        },
        Switch {
            name: "collapse_notifications",
            label: "Collapse notifications",
            is_on: settings.collapse_notifications.unwrap_or_default(),
            on: "The newest notification of a thread replaces the one before.",
            off: "Each notification stands alone; a retry still shows once.",
        },
        Switch {
            name: "sandbox_to_production",
            label: "Sandbox push to the production APNs server",
            is_on: settings.sandbox_to_production.unwrap_or_default(),
            on: "Tokens of apps run from Xcode go to Apple's production server too.",
            off: "Each token goes to the environment it was declared or learned to be of.",
        },
        Switch {
            name: "clients_set_push",
            label: "Users say what a push says",
            is_on: settings.clients_set_push.unwrap_or_default(),
            on: "A user's message may bring the texts of its notification.",
            off: "Notifications of users' messages have the texts below.",
        },
        Switch {
            name: "print_push_logs",
            label: "Print push logs",
            is_on: settings.print_push_logs.unwrap_or_default(),
            on: "Each request to a push service and its answer are in the server's log, tokens hashed.",
            off: "The push log has them; the server's log does not.",
        },
        Switch {
            name: "log_payloads",
            label: "Print texts too",
            is_on: settings.log_payloads.unwrap_or_default(),
            on: "Where push logs are printed, what notifications say is in them.",
            off: "Texts stand in the log as their length.",
        },
    ]
}

fn numbers(settings: &Settings) -> Vec<Number> {
    vec![
        Number {
            name: "climb_after",
            label: "Alert after",
            help: "Seconds that a background push waits for the device before the alert follows.",
            value: settings.climb_after.unwrap_or_default(),
            least: 1,
            most: 3_600,
        },
        Number {
            name: "hold_while_active_elsewhere",
            label: "Wait while active elsewhere",
            help: "Seconds that a wake waits, once, while its user looks at the app on another device; 0: not at all.",
            value: settings.hold_while_active_elsewhere.unwrap_or_default(),
            least: 0,
            most: 600,
        },
        Number {
            name: "ring_time",
            label: "Ring time",
            help: "Seconds that a call rings.",
            value: settings.ring_time.unwrap_or_default(),
            least: 5,
            most: 120,
        },
        Number {
            name: "resume_time",
            label: "Resume time",
            help: "Seconds that a side of a call whose connection was lost has to come back.",
            value: settings.resume_time.unwrap_or_default(),
            least: 1,
            most: 120,
        },
        Number {
            name: "default_ttl",
            label: "Messages are kept",
            help: "Seconds that a message is kept when its sender does not say; 30 days at most.",
            value: settings.default_ttl.unwrap_or_default(),
            least: 1,
            most: 2_592_000,
        },
    ]
}
