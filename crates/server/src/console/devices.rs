//! A user's devices: how each is reached, what became of its last pushes, and what may be done.

use askama::Template;
use axum::Extension;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use store::log::Step;
use wire::http::{App, Device, Finding, Page, Record, Target, TestPush, TestPushState, WakeState};
use wire::{EnvironmentName, PlatformName, Problem, TargetKindName};

use super::api::Api;
use super::frame::{Done, Frame, Here, Sent, page, refused};
use super::link::{api_path, asking, escaped};
use super::records::{RecordRow, minute};
use super::section::Section;
use super::session::Visitor;
use super::users::back;
use crate::{from_wire, report};

/// A device as the page of its user has it.
pub(super) struct DeviceCard {
    pub(super) id: String,
    /// Where its forms go.
    pub(super) path: String,
    pub(super) platform: &'static str,
    pub(super) live: bool,
    pub(super) seen: Option<String>,
    pub(super) messages: String,
    pub(super) calls: String,
    pub(super) targets: Vec<TargetRow>,
    pub(super) wakes: Vec<WakeRow>,
    pub(super) findings: Vec<Finding>,
    pub(super) outcomes: Vec<RecordRow>,
    pub(super) log: String,
}

/// A push target, its token masked.
pub(super) struct TargetRow {
    pub(super) kind: &'static str,
    /// The word of the API.
    pub(super) word: &'static str,
    pub(super) token: String,
    pub(super) app_id: String,
    pub(super) environment: &'static str,
    pub(super) since: String,
}

/// An open wake.
pub(super) struct WakeRow {
    pub(super) what: String,
    pub(super) rung: String,
    pub(super) why: String,
    pub(super) next: String,
    pub(super) log: String,
}

impl DeviceCard {
    pub(super) async fn of(
        visitor: &Visitor,
        in_place: &Api,
        app: &str,
        user: &str,
        device: Device,
        findings: Vec<Finding>,
    ) -> Result<Self, Problem> {
        let asked = asking(&[("device", &device.id), ("step", "push"), ("limit", "5")]);
        let outcomes: Page<Record> = in_place.get(visitor, &format!("/v1/push-log{asked}")).await?;
        let outcomes = outcomes.items.into_iter().map(|record| RecordRow::of(app, record));
        let of_app = format!("/console/apps/{app}");
        let to = format!("{of_app}/users/{}/devices/{}", escaped(user), escaped(&device.id));
        Ok(Self {
            path: to,
            platform: platform(device.platform),
            live: device.live,
            seen: device.last_seen_at.map(minute),
            messages: route(device.routes.messages, "Nothing wakes it: it has no push token."),
            calls: route(device.routes.calls, "Nothing rings it while it sleeps."),
            targets: device.targets.into_iter().map(TargetRow::of).collect(),
            wakes: device.wakes.into_iter().map(|wake| WakeRow::of(&of_app, wake)).collect(),
            findings,
            outcomes: outcomes.collect(),
            log: format!("{of_app}/push-log{}", asking(&[("device", &device.id)])),
            id: device.id,
        })
    }
}

impl TargetRow {
    fn of(target: Target) -> Self {
        Self {
            kind: service(target.kind),
            word: from_wire::target_kind(target.kind).as_str(),
            token: target.token_hash,
            app_id: target.app_id.unwrap_or_default(),
            environment: match target.environment {
                Some(EnvironmentName::Production) => "production",
                Some(EnvironmentName::Sandbox) => "sandbox",
                None => "",
            },
            since: minute(target.registered_at),
        }
    }
}

impl WakeRow {
    fn of(of_app: &str, wake: WakeState) -> Self {
        Self {
            what: if wake.kind == "call" { "a call" } else { "messages" }.to_owned(),
            rung: wake.rung,
            why: format!("{} ({})", report::sentence(Step::Wake, &wake.reason), wake.reason),
            next: wake.due_at.map_or_else(
                || "waits for a change".to_owned(),
                |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ),
            log: format!("{of_app}/push-log{}", asking(&[("wake", &wake.id)])),
        }
    }
}

fn route(kind: Option<TargetKindName>, none: &str) -> String {
    kind.map_or_else(|| none.to_owned(), |kind| service(kind).to_owned())
}

const fn service(kind: TargetKindName) -> &'static str {
    match kind {
        TargetKindName::Apns => "Apple push",
        TargetKindName::ApnsVoip => "Apple push for calls (PushKit)",
        TargetKindName::Fcm => "Google push (FCM)",
        TargetKindName::Webpush => "Web Push",
    }
}

const fn platform(platform: PlatformName) -> &'static str {
    match platform {
        PlatformName::Android => "Android",
        PlatformName::Ios => "iOS",
        PlatformName::Web => "Browser",
        PlatformName::Other => "Other",
    }
}

/// `POST …/devices/{device}/delete`: it is signed out.
pub(super) async fn delete(
    Extension(api): Extension<Api>,
    Path((app, user, device)): Path<(String, String, String)>,
    Sent { visitor, .. }: Sent,
) -> Response {
    let path = format!("/v1/users/{}/devices/{}", escaped(&user), escaped(&device));
    let in_place = api.in_place_of(&app);
    match in_place.send::<()>(&visitor, Method::DELETE, &path, None::<&()>).await {
        Ok(()) => back(&app, &user, Done::DeviceSignedOut),
        Err(problem) => refused(&visitor, &problem),
    }
}

/// `POST …/devices/{device}/targets/{kind}/delete`: its token is forgotten.
pub(super) async fn delete_target(
    Extension(api): Extension<Api>,
    Path((app, user, device, kind)): Path<(String, String, String, String)>,
    Sent { visitor, .. }: Sent,
) -> Response {
    let (user_part, device, kind) = (escaped(&user), escaped(&device), escaped(&kind));
    let path = format!("/v1/users/{user_part}/devices/{device}/targets/{kind}");
    let in_place = api.in_place_of(&app);
    match in_place.send::<()>(&visitor, Method::DELETE, &path, None::<&()>).await {
        Ok(()) => back(&app, &user, Done::TargetRemoved),
        Err(problem) => refused(&visitor, &problem),
    }
}

/// `POST …/devices/{device}/test-push`: sends one, and shows it on its way.
pub(super) async fn test(
    Extension(api): Extension<Api>,
    Path((app, user, device)): Path<(String, String, String)>,
    Sent { visitor, .. }: Sent,
) -> Response {
    let of_device = format!("users/{}/devices/{}", escaped(&user), escaped(&device));
    let path = format!("/v1/{of_device}/test-push");
    let in_place = api.in_place_of(&app);
    match in_place.send::<TestPush>(&visitor, Method::POST, &path, None::<&()>).await {
        Ok(test) => {
            let to = format!("/console/apps/{app}/{of_device}/test-push/{}", escaped(&test.push));
            Redirect::to(&to).into_response()
        }
        Err(problem) => refused(&visitor, &problem),
    }
}

#[derive(Template)]
#[template(path = "console/test_push.html")]
struct Watched {
    frame: Frame,
    user: String,
    device: String,
    back: String,
    /// Name, whether it is reached, and when.
    steps: [(&'static str, bool, String); 3],
    /// What went wrong, if it did.
    wrong: Option<String>,
    /// What it was refused for while it is tried again.
    refused: Option<String>,
    is_over: bool,
    is_received: bool,
    records: Vec<RecordRow>,
}

/// `GET …/devices/{device}/test-push/{push}`: how far it is.
pub(super) async fn watch(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path((app, user, device, push)): Path<(String, String, String, String)>,
) -> Response {
    let of_device = format!("/v1/users/{}/devices/{}", escaped(&user), escaped(&device));
    let test = format!("{of_device}/test-push/{}", escaped(&push));
    let log = format!("/v1/push-log{}", asking(&[("push", &push)]));
    let of_app = api_path(&["apps", &app]);
    let in_place = api.in_place_of(&app);
    let found = tokio::try_join!(
        api.get::<App>(&visitor, &of_app),
        in_place.get::<TestPush>(&visitor, &test),
        in_place.get::<Page<Record>>(&visitor, &log),
    );
    let (app, test, records) = match found {
        Ok(found) => found,
        Err(problem) => return refused(&visitor, &problem),
    };
    let mut records = records.items;
    records.reverse();
    let start = records.first().map(|record| record.at);
    let at = |step: &str, reason: &str| {
        let found = records.iter().find(|it| it.step == step && it.reason == reason);
        let at = found.zip(start).map(|(record, start)| super::records::later(start, record.at));
        at.unwrap_or_default()
    };
    use TestPushState as State;
    let is_received = test.state == State::Received;
    let taken = at("push", "accepted");
    let is_taken = is_received || test.state == State::Accepted || !taken.is_empty();
    let steps = [
        ("Stored, and on its way", true, start.map(|_| "+0 ms".to_owned()).unwrap_or_default()),
        ("Taken by the push service", is_taken, taken),
        ("The app on the device has it", is_received, at("session", "test_acked")),
    ];
    let wrong = match test.state {
        State::Refused => {
            let (code, text) = (test.code.unwrap_or_default(), test.text.unwrap_or_default());
            Some(format!("Refused with {code}: {text}."))
        }
        State::Expired if is_taken => Some(
            "Its five minutes are over: the push service took it and the app has not said that \
             it came."
                .to_owned(),
        ),
        State::Expired => Some("Its five minutes are over and nothing took it.".to_owned()),
        State::Waiting | State::Accepted | State::Received => None,
    };
    let is_waiting = test.state == State::Waiting;
    let refused = records.iter().rev().find_map(|record| {
        record.code.map(|code| format!("Refused with {code} so far. {}", record.sentence))
    });
    let watched = Watched {
        frame: Frame::of(&visitor, "Test push", Here::In(Section::Users)).about(&app),
        back: format!("/console/apps/{}/users/{}", app.id, escaped(&user)),
        user,
        device,
        steps,
        is_over: is_received || wrong.is_some(),
        refused: refused.filter(|_| is_waiting),
        wrong,
        is_received,
        records: records
            .into_iter()
            .map(|record| {
                let start = start.unwrap_or(record.at);
                RecordRow::since(&app.id, record, start)
            })
            .collect(),
    };
    page(StatusCode::OK, &watched)
}
