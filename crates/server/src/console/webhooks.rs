//! The webhooks of an app: list and make.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use domain::EventType;
use http::Method;
use wire::Problem;
use wire::http::{App, Page, Webhook, WebhookCreate, WebhookStateName};

use super::api::Api;
use super::frame::{Asked, Done, Fields, Frame, Here, Sent, page, refused};
use super::link::api_path;
use super::records::minute;
use super::section::Section;
use super::session::Visitor;

#[derive(Template)]
#[template(path = "console/webhooks.html")]
struct Shown {
    frame: Frame,
    app: App,
    webhooks: Vec<Row>,
    /// One that was made just now, with its secret.
    made: Option<Webhook>,
    form: Form,
    problem: Option<Problem>,
}

impl Shown {
    /// For the template: what is wrong with the form.
    fn wrong(&self) -> &str {
        self.problem.as_ref().map_or("", |problem| &problem.detail)
    }

    /// For the template: with which field.
    fn field(&self) -> &str {
        self.problem.as_ref().and_then(|problem| problem.field.as_deref()).unwrap_or_default()
    }
}

/// A webhook as the list has it.
struct Row {
    link: String,
    url: String,
    description: String,
    events: String,
    standing: Standing,
    waiting: u64,
    parked: u64,
}

/// What a form says of a webhook.
pub(super) struct Form {
    pub(super) url: String,
    pub(super) description: String,
    pub(super) events: Vec<Choice>,
}

/// An event that may be ticked.
pub(super) struct Choice {
    pub(super) word: &'static str,
    pub(super) about: &'static str,
    pub(super) is_ticked: bool,
}

/// How a webhook stands, in a word.
pub(super) struct Standing {
    /// Whether events go there.
    pub(super) is_on: bool,
    pub(super) word: &'static str,
    pub(super) text: String,
}

/// What stands for all events but those that have to be named.
const ALL: &str = "*";

impl Form {
    /// Of nothing yet: all events.
    fn empty() -> Self {
        Self::of("", "", &[ALL.to_owned()])
    }

    /// Of a webhook there is.
    pub(super) fn of(url: &str, description: &str, events: &[String]) -> Self {
        let is_ticked = |word: &str| events.iter().any(|event| event == word);
        let all = Choice {
            word: ALL,
            about: "all of them but push.sent, also those of later versions",
            is_ticked: is_ticked(ALL),
        };
        let each = EventType::ALL.into_iter().filter(|event| *event != EventType::WebhookTest);
        let each = each.map(|event| Choice {
            word: event.as_str(),
            about: about(event),
            is_ticked: is_ticked(event.as_str()),
        });
        Self {
            url: url.to_owned(),
            description: description.to_owned(),
            events: [all].into_iter().chain(each).collect(),
        }
    }

    /// As it was sent.
    pub(super) fn sent(fields: &Fields) -> Self {
        let ticked: Vec<String> = fields.all("events").into_iter().map(str::to_owned).collect();
        Self::of(fields.get("url"), fields.get("description"), &ticked)
    }

    /// Its events, in the words of the API: `*` alone has all the others.
    pub(super) fn ticked(&self) -> Vec<String> {
        let ticked = self.events.iter().filter(|choice| choice.is_ticked);
        let mut words: Vec<_> = ticked.map(|choice| choice.word.to_owned()).collect();
        if words.first().is_some_and(|word| word == ALL) {
            words.truncate(1);
        }
        words
    }
}

/// What an event tells.
const fn about(event: EventType) -> &'static str {
    match event {
        EventType::CallMissed => "a call rang and nobody answered",
        EventType::CredentialExpiring => "a credential's end is near",
        EventType::CredentialFailed => "a push service refuses a credential, or is away",
        EventType::CredentialRecovered => "it takes it again",
        EventType::DeviceRemoved => "a device was removed",
        EventType::TargetMoved => "a push token turned up on another device",
        EventType::TokenDropped => "a push token is gone for good",
        EventType::DeviceWoken => "a device came because a push woke it",
        EventType::MessageOffline => "a message waits for somebody who is not connected",
        EventType::PushFailed => "a push was refused, or got no answer",
        EventType::PushSent => "a push was taken; with every push",
        EventType::UserConnected => "a user is there",
        EventType::UserDisconnected => "a user is gone",
        EventType::WakeExhausted => "every push for a device was used up, and it has not come",
        EventType::WebhookTest => "somebody tries the webhook out",
    }
}

impl Standing {
    pub(super) fn of(webhook: &Webhook) -> Self {
        match (webhook.state, webhook.paused_until) {
            (WebhookStateName::On, None) => {
                Self { is_on: true, word: "on", text: "It gets events.".to_owned() }
            }
            (WebhookStateName::On, Some(until)) => Self {
                is_on: false,
                word: "in trouble",
                text: format!(
                    "It took nothing lately and is left in peace until {}; what happens meanwhile waits.",
                    minute(until)
                ),
            },
            (WebhookStateName::Off, _) => Self {
                is_on: false,
                word: "off",
                text: "It is switched off; what happens meanwhile waits.".to_owned(),
            },
            (WebhookStateName::Gone, _) => Self {
                is_on: false,
                word: "gone",
                text: "It answered 410: it wants no more events.".to_owned(),
            },
        }
    }
}

/// `GET /console/apps/{app}/webhooks`.
pub(super) async fn list(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&visitor, &api, &app, asked.done(), None, Form::empty(), None).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    done: Option<Done>,
    made: Option<Webhook>,
    form: Form,
    problem: Option<Problem>,
) -> Response {
    let (own, list) = (api_path(&["apps", app]), api_path(&["apps", app, "webhooks"]));
    let found =
        tokio::try_join!(api.get::<App>(visitor, &own), api.get::<Page<Webhook>>(visitor, &list));
    let (app, webhooks) = match found {
        Ok(found) => found,
        Err(problem) => return refused(visitor, &problem),
    };
    let status = match (&made, &problem) {
        (Some(_), _) => StatusCode::CREATED,
        (None, Some(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, None) => StatusCode::OK,
    };
    let frame = Frame::of(visitor, "Webhooks", Here::In(Section::Webhooks)).about(&app).after(done);
    let rows = webhooks.items.iter().map(|webhook| Row {
        link: format!("/console/apps/{}/webhooks/{}", app.id, webhook.id),
        url: webhook.url.clone(),
        description: webhook.description.clone(),
        events: named(&webhook.events),
        standing: Standing::of(webhook),
        waiting: webhook.waiting,
        parked: webhook.parked,
    });
    let webhooks = rows.collect();
    page(status, &Shown { frame, app, webhooks, made, form, problem })
}

/// Events, for people.
pub(super) fn named(events: &[String]) -> String {
    match events {
        [all] if all == ALL => "all events but push.sent".to_owned(),
        events => events.join(", "),
    }
}

/// `POST /console/apps/{app}/webhooks`: makes one, and shows its secret, this once.
pub(super) async fn create(
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    sent: Sent,
) -> Response {
    let Sent { visitor, fields } = sent;
    let form = Form::sent(&fields);
    let body = WebhookCreate {
        url: form.url.trim().to_owned(),
        events: Some(form.ticked()),
        description: Some(form.description.clone()),
    };
    let path = api_path(&["apps", &app, "webhooks"]);
    match api.send::<Webhook>(&visitor, Method::POST, &path, Some(&body)).await {
        Ok(made) => shown(&visitor, &api, &app, None, Some(made), Form::empty(), None).await,
        Err(problem) => shown(&visitor, &api, &app, None, None, form, Some(problem)).await,
    }
}
