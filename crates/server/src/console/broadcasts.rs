//! Broadcasts: how far each has come, and standing still, going on, ending.

use std::fmt;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use serde::Deserialize;
use wire::Problem;
use wire::http::{App, AudienceName, Page, Push, PushCounts, PushKindName, PushStateName};

use super::api::Api;
use super::chart::{number, share};
use super::codes::Codes;
use super::frame::{Asked, Done, Frame, Here, Sent, page, refused};
use super::link::{api_path, asking};
use super::records::minute;
use super::section::Section;
use super::session::Visitor;

#[derive(Template)]
#[template(path = "console/broadcasts.html")]
struct Listed {
    frame: Frame,
    app: App,
    broadcasts: Vec<Broadcast>,
    /// Where the older ones are.
    older: Option<String>,
    /// As what moves most.
    watch: Watch,
}

#[derive(Template)]
#[template(path = "console/broadcast.html")]
struct Shown {
    frame: Frame,
    app: App,
    broadcast: Broadcast,
    counts: Vec<Count>,
    codes: Codes,
    problem: Option<Problem>,
}

/// A broadcast as the pages have it.
struct Broadcast {
    id: String,
    link: String,
    to: String,
    kind: &'static str,
    state: State,
    /// What that means now.
    says: String,
    /// Of a hundred; `None`: it has not begun.
    progress: Option<u8>,
    accepted: String,
    refused: String,
    created: String,
    facts: Vec<(&'static str, String)>,
    watch: Watch,
}

/// How often it is worth looking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Watch {
    /// It is over.
    Off,
    /// Somebody may do something about it at any time.
    Loosely,
    /// It goes out, or is about to.
    Closely,
}

impl Watch {
    /// For the templates.
    const fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// As `watch.js` reads it: in seconds.
impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Loosely => "15",
            Self::Closely => "1",
        })
    }
}

/// Who waits no longer than this is looked at until it begins.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Where a broadcast is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Cancelled,
    Done,
    Paused,
    Runs,
    Waits,
}

/// How many devices came to an end.
struct Count {
    name: &'static str,
    about: &'static str,
    times: String,
    share: String,
    length: u64,
    is_bad: bool,
}

impl State {
    const fn of(push: &Push) -> Self {
        match (push.state, push.started_at) {
            (PushStateName::Cancelled, _) => Self::Cancelled,
            (PushStateName::Done, _) => Self::Done,
            (PushStateName::Paused, _) => Self::Paused,
            (PushStateName::Open, Some(_)) => Self::Runs,
            (PushStateName::Open, None) => Self::Waits,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Done => "done",
            Self::Paused => "paused",
            Self::Runs => "running",
            Self::Waits => "waiting",
        }
    }

    /// For the templates: whether something may still be done about it.
    const fn goes_on(self) -> bool {
        match self {
            Self::Paused | Self::Runs | Self::Waits => true,
            Self::Cancelled | Self::Done => false,
        }
    }

    /// For the templates: whether nobody holds it up.
    const fn moves(self) -> bool {
        match self {
            Self::Runs | Self::Waits => true,
            Self::Cancelled | Self::Done | Self::Paused => false,
        }
    }
}

impl Broadcast {
    fn of(app: &str, push: &Push) -> Self {
        let state = State::of(push);
        let says = match (state, push.ended_at) {
            (State::Runs, _) => "It goes out.".to_owned(),
            (State::Waits, _) => format!("It goes out at {}.", minute(push.send_at)),
            (State::Paused, _) => "It stands still until somebody lets it go on.".to_owned(),
            (State::Done, Some(end)) => format!("It is over since {}.", minute(end)),
            (State::Done, None) => "It is over.".to_owned(),
            (State::Cancelled, _) => "It was cancelled; what was not sent is not sent.".to_owned(),
        };
        let rate = push.rate.map_or_else(
            || "as fast as the push services take them".to_owned(),
            |rate| format!("{} a second at most", number(u64::from(rate))),
        );
        let mut facts = vec![
            ("Taken in", minute(push.created_at)),
            ("Of use until", minute(push.expires_at)),
            ("Rate", rate),
        ];
        facts.extend(push.started_at.map(|at| ("Begun", minute(at))));
        Self {
            id: push.id.clone(),
            link: format!("/console/apps/{app}/broadcasts/{}", push.id),
            to: match (push.audience, &push.topic) {
                (AudienceName::All, _) => "All devices".to_owned(),
                (_, Some(topic)) => format!("Topic {topic}"),
                (_, None) => "A topic that is gone".to_owned(),
            },
            kind: match push.kind {
                PushKindName::Alert => "alert",
                PushKindName::Background => "background",
                PushKindName::Voip => "call",
            },
            state,
            says,
            progress: push.progress,
            accepted: number(push.counts.accepted),
            refused: number(push.counts.refused),
            created: minute(push.created_at),
            facts,
            watch: match state {
                State::Runs => Watch::Closely,
                State::Waits if push.send_at <= push.created_at + SOON => Watch::Closely,
                State::Paused | State::Waits => Watch::Loosely,
                State::Cancelled | State::Done => Watch::Off,
            },
        }
    }
}

/// What the list is asked behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    after: String,
}

/// `GET /console/apps/{app}/broadcasts`: newest first.
pub(super) async fn list(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(part): Query<Part>,
) -> Response {
    let path = asking(&[("broadcasts", "true"), ("limit", "50"), ("after", &part.after)]);
    let (own, list) = (api_path(&["apps", &app]), format!("/v1/pushes{path}"));
    let acting = api.in_place_of(&app);
    let found =
        tokio::try_join!(api.get::<App>(&visitor, &own), acting.get::<Page<Push>>(&visitor, &list));
    let (app, pushes) = match found {
        Ok(found) => found,
        Err(problem) => return refused(&visitor, &problem),
    };
    let frame = Frame::of(&visitor, "Broadcasts", Here::In(Section::Broadcasts)).about(&app);
    let broadcasts: Vec<_> = pushes.items.iter().map(|push| Broadcast::of(&app.id, push)).collect();
    let older = pushes
        .next
        .map(|next| format!("/console/apps/{}/broadcasts{}", app.id, asking(&[("after", &next)])));
    let watch = broadcasts.iter().map(|broadcast| broadcast.watch).max().unwrap_or(Watch::Off);
    page(StatusCode::OK, &Listed { frame, app, broadcasts, older, watch })
}

/// `GET /console/apps/{app}/broadcasts/{push}`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path((app, push)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&visitor, &api, (&app, &push), asked.done(), None).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    (app, push): (&str, &str),
    done: Option<Done>,
    problem: Option<Problem>,
) -> Response {
    let (own, one) = (api_path(&["apps", app]), api_path(&["pushes", push]));
    let acting = api.in_place_of(app);
    let found = tokio::try_join!(api.get::<App>(visitor, &own), acting.get::<Push>(visitor, &one));
    let (app, push) = match found {
        Ok(found) => found,
        Err(problem) => return refused(visitor, &problem),
    };
    let status = problem.as_ref().and_then(|problem| StatusCode::from_u16(problem.status).ok());
    let frame = Frame::of(visitor, "Broadcast", Here::In(Section::Broadcasts)).about(&app);
    let shown = Shown {
        frame: frame.after(done),
        broadcast: Broadcast::of(&app.id, &push),
        counts: counts(&push.counts),
        codes: Codes::of(&app.id, Some(&push.id), &push.codes, "No device was refused for good."),
        app,
        problem,
    };
    page(status.unwrap_or(StatusCode::OK), &shown)
}

fn counts(counts: &PushCounts) -> Vec<Count> {
    let PushCounts { devices, waiting, accepted, refused, expired, cancelled, skipped } = *counts;
    let all = devices + skipped;
    let count = |name, about, times: u64, is_bad| Count {
        name,
        about,
        times: number(times),
        share: share(times, all),
        length: (times * 1_000).checked_div(all).unwrap_or_default(),
        is_bad,
    };
    let mut counts = vec![
        count("Accepted", "taken by a push service", accepted, false),
        count("Refused", "for good", refused, true),
        count("Waiting", "tried again", waiting, false),
        count("Skipped", "no token that could carry it", skipped, false),
    ];
    for (name, about, times) in
        [("Expired", "too late", expired), ("Cancelled", "not sent any more", cancelled)]
    {
        if times > 0 {
            counts.push(count(name, about, times, false));
        }
    }
    counts
}

/// `POST /console/apps/{app}/broadcasts/{push}/pause`.
pub(super) async fn pause(
    Extension(api): Extension<Api>,
    Path((app, push)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    moved(&sent.visitor, &api, (&app, &push), "pause", Done::BroadcastPaused).await
}

/// `POST /console/apps/{app}/broadcasts/{push}/resume`.
pub(super) async fn resume(
    Extension(api): Extension<Api>,
    Path((app, push)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    moved(&sent.visitor, &api, (&app, &push), "resume", Done::BroadcastResumed).await
}

/// `POST /console/apps/{app}/broadcasts/{push}/cancel`.
pub(super) async fn cancel(
    Extension(api): Extension<Api>,
    Path((app, push)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    moved(&sent.visitor, &api, (&app, &push), "cancel", Done::BroadcastCancelled).await
}

async fn moved(
    visitor: &Visitor,
    api: &Api,
    (app, push): (&str, &str),
    what: &str,
    done: Done,
) -> Response {
    let path = api_path(&["pushes", push, what]);
    let acting = api.in_place_of(app);
    match acting.send::<Push>(visitor, Method::POST, &path, None::<&()>).await {
        Ok(_) => {
            let done = done.as_str();
            let to = format!("/console/apps/{app}/broadcasts/{push}?done={done}");
            Redirect::to(&to).into_response()
        }
        // It was over before the form came.
        Err(problem) => shown(visitor, api, (app, push), None, Some(problem)).await,
    }
}
