//! One webhook: what became of its events, and all that may be done about it.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::Problem;
use wire::http::{
    App, Event, Page, Webhook, WebhookChange, WebhookDelivery, WebhookDeliveryState, WebhookReplay,
    WebhookReplayed, WebhookRotate, WebhookStateName,
};

use super::api::Api;
use super::frame::{Done, Frame, Here, Sent, page, refused};
use super::health::host;
use super::link::{api_path, asking};
use super::records::minute;
use super::section::Section;
use super::session::Visitor;
use super::webhooks::{Form, Standing, named};

#[derive(Template)]
#[template(path = "console/webhook.html")]
struct Shown {
    frame: Frame,
    app: App,
    webhook: Webhook,
    standing: Standing,
    events: String,
    link: String,
    form: Form,
    /// Its new secret, this once.
    secret: Option<String>,
    deliveries: Vec<Delivery>,
    asked: Asked,
    /// Where the older ones are.
    older: Option<String>,
    /// The form that was refused, and why.
    problem: Option<(&'static str, Problem)>,
    /// What its form for a replay says.
    from: String,
}

impl Shown {
    /// For the template: what is wrong with a form.
    fn wrong(&self, form: &str) -> Option<&str> {
        let (wrong, problem) = self.problem.as_ref()?;
        (*wrong == form).then_some(problem.detail.as_str())
    }

    /// For the template: with which field.
    fn field(&self) -> &str {
        let problem = self.problem.as_ref().filter(|(form, _)| *form == "change");
        problem.and_then(|(_, problem)| problem.field.as_deref()).unwrap_or_default()
    }
}

/// What became of an event.
struct Delivery {
    event: String,
    kind: String,
    at: String,
    state: &'static str,
    is_bad: bool,
    /// What came of the last try, in a few words.
    said: String,
    /// The body that is sent.
    request: String,
    answer: Option<String>,
}

impl Delivery {
    fn of(delivery: WebhookDelivery) -> Self {
        let WebhookDelivery { event, state, tries, due_at, answer } = delivery;
        let word = match state {
            WebhookDeliveryState::Delivered => "delivered",
            WebhookDeliveryState::Parked => "given up",
            WebhookDeliveryState::Waiting => "waiting",
        };
        let came = answer.as_ref().map(|answer| match (answer.status, &answer.problem) {
            (Some(status), _) => format!("{status} after {} ms", answer.took_ms),
            (None, Some(problem)) => problem.clone(),
            (None, None) => "no answer".to_owned(),
        });
        let again = due_at.map(|at| format!("; again at {}", minute(at))).unwrap_or_default();
        let tries = match tries {
            0 => "not tried yet".to_owned(),
            1 => "tried once".to_owned(),
            tries => format!("tried {tries} times"),
        };
        let answer = answer.map(|answer| {
            let status = answer.status.map_or_else(|| "no answer".to_owned(), |it| it.to_string());
            let said = answer.body.or(answer.problem).unwrap_or_default();
            format!("{status}, {} ms, at {}\n\n{said}", answer.took_ms, minute(answer.at))
        });
        Self {
            kind: event.r#type.clone(),
            at: event.timestamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            state: word,
            is_bad: state != WebhookDeliveryState::Delivered,
            said: format!(
                "{}{tries}{again}",
                came.map(|came| format!("{came}, ")).unwrap_or_default()
            ),
            request: request(&event),
            answer,
            event: event.id,
        }
    }
}

/// What an endpoint is sent, but for the time and the signature of each try.
fn request(event: &Event) -> String {
    let body = serde_json::to_string_pretty(event).unwrap_or_default();
    format!("webhook-id: {}\ncontent-type: application/json\n\n{body}", event.id)
}

/// What the page is asked behind the `?`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: String,
    state: String,
    after: String,
}

/// What is shown besides the webhook itself.
#[derive(Default)]
struct Beside {
    secret: Option<String>,
    /// The form that was refused, and why.
    problem: Option<(&'static str, Problem)>,
    form: Option<Form>,
    from: String,
}

/// A webhook, and who asks about it.
struct One<'a> {
    visitor: &'a Visitor,
    api: &'a Api,
    app: &'a str,
    webhook: &'a str,
}

impl One<'_> {
    /// Its path in the API, and what is behind it.
    fn path(&self, behind: &str) -> String {
        format!("{}{behind}", api_path(&["apps", self.app, "webhooks", self.webhook]))
    }

    /// Its page.
    fn link(&self) -> String {
        format!("/console/apps/{}/webhooks/{}", self.app, self.webhook)
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        behind: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Problem> {
        self.api.send(self.visitor, method, &self.path(behind), body).await
    }

    /// The page again, by its address.
    fn done(&self, done: Done) -> Response {
        Redirect::to(&format!("{}?done={}", self.link(), done.as_str())).into_response()
    }

    async fn refused(&self, form: &'static str, problem: Problem) -> Response {
        let beside = Beside { problem: Some((form, problem)), ..Beside::default() };
        self.shown(Asked::default(), beside).await
    }

    async fn shown(&self, asked: Asked, beside: Beside) -> Response {
        let own = api_path(&["apps", self.app]);
        let part = [("limit", "50"), ("state", &*asked.state), ("after", &*asked.after)];
        let deliveries = self.path(&format!("/deliveries{}", asking(&part)));
        let one = self.path("");
        let found = tokio::try_join!(
            self.api.get::<App>(self.visitor, &own),
            self.api.get::<Webhook>(self.visitor, &one),
            self.api.get::<Page<WebhookDelivery>>(self.visitor, &deliveries),
        );
        let (app, webhook, deliveries) = match found {
            Ok(found) => found,
            Err(problem) => return refused(self.visitor, &problem),
        };
        let status = match (&beside.problem, &beside.secret) {
            (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
            (None, Some(_) | None) => StatusCode::OK,
        };
        let title = format!("Webhook to {}", host(&webhook.url));
        let frame = Frame::of(self.visitor, title, Here::In(Section::Webhooks)).about(&app);
        let form = beside
            .form
            .unwrap_or_else(|| Form::of(&webhook.url, &webhook.description, &webhook.events));
        let older = deliveries.next.map(|next| {
            let part = [("state", &*asked.state), ("after", &*next)];
            format!("{}{}#deliveries", self.link(), asking(&part))
        });
        let shown = Shown {
            frame: frame.after(Done::parse(&asked.done)),
            app,
            standing: Standing::of(&webhook),
            events: named(&webhook.events),
            link: self.link(),
            form,
            secret: beside.secret,
            deliveries: deliveries.items.into_iter().map(Delivery::of).collect(),
            asked,
            older,
            problem: beside.problem,
            from: beside.from,
            webhook,
        };
        page(status, &shown)
    }
}

/// `GET /console/apps/{app}/webhooks/{webhook}`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let one = One { visitor: &visitor, api: &api, app: &app, webhook: &webhook };
    one.shown(asked, Beside::default()).await
}

/// `POST /console/apps/{app}/webhooks/{webhook}/change`.
pub(super) async fn change(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let Sent { visitor, fields } = sent;
    let one = One { visitor: &visitor, api: &api, app: &app, webhook: &webhook };
    let form = Form::sent(&fields);
    let change = WebhookChange {
        url: Some(form.url.trim().to_owned()),
        events: Some(form.ticked()),
        description: Some(form.description.clone()),
        enabled: None,
    };
    match one.send::<Webhook>(Method::PATCH, "", Some(&change)).await {
        Ok(_) => one.done(Done::Saved),
        Err(problem) => {
            let problem = Some(("change", problem));
            let beside = Beside { problem, form: Some(form), ..Beside::default() };
            one.shown(Asked::default(), beside).await
        }
    }
}

/// `POST /console/apps/{app}/webhooks/{webhook}/on`.
pub(super) async fn switch_on(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let one = One { visitor: &sent.visitor, api: &api, app: &app, webhook: &webhook };
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    one.switch(change, Done::WebhookOn).await
}

/// `POST /console/apps/{app}/webhooks/{webhook}/off`.
pub(super) async fn switch_off(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let one = One { visitor: &sent.visitor, api: &api, app: &app, webhook: &webhook };
    let change = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    one.switch(change, Done::WebhookOff).await
}

impl One<'_> {
    async fn switch(&self, change: WebhookChange, done: Done) -> Response {
        match self.send::<Webhook>(Method::PATCH, "", Some(&change)).await {
            Ok(_) => self.done(done),
            Err(problem) => self.refused("switch", problem).await,
        }
    }
}

/// `POST /console/apps/{app}/webhooks/{webhook}/rotate`: shows the new secret, this once.
pub(super) async fn rotate(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let Sent { visitor, fields } = sent;
    let one = One { visitor: &visitor, api: &api, app: &app, webhook: &webhook };
    // What is no number is left to the API's own time.
    let body = WebhookRotate { keep_old_for: fields.get("keep_old_for").parse().ok() };
    match one.send::<Webhook>(Method::POST, "/rotate", Some(&body)).await {
        Ok(rotated) => {
            let beside = Beside { secret: rotated.secret, ..Beside::default() };
            one.shown(Asked::default(), beside).await
        }
        Err(problem) => one.refused("rotate", problem).await,
    }
}

/// `POST /console/apps/{app}/webhooks/{webhook}/test`.
pub(super) async fn test(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let one = One { visitor: &sent.visitor, api: &api, app: &app, webhook: &webhook };
    match one.send::<Event>(Method::POST, "/test", None::<&()>).await {
        Ok(_) => one.sent(Done::WebhookTested, Done::WebhookTestWaits).await,
        Err(problem) => one.refused("test", problem).await,
    }
}

impl One<'_> {
    /// The page again, after something was to be sent: which it is only while the webhook is on.
    async fn sent(&self, on: Done, otherwise: Done) -> Response {
        match self.api.get::<Webhook>(self.visitor, &self.path("")).await {
            Ok(webhook) if webhook.state == WebhookStateName::On => self.done(on),
            Ok(_) => self.done(otherwise),
            Err(problem) => refused(self.visitor, &problem),
        }
    }
}

/// `POST /console/apps/{app}/webhooks/{webhook}/replay`: one event, or what happened from a time on.
pub(super) async fn replay(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let Sent { visitor, fields } = sent;
    let one = One { visitor: &visitor, api: &api, app: &app, webhook: &webhook };
    let (event, from) = (fields.get("event").to_owned(), fields.get("from").to_owned());
    let replay = if event.is_empty() {
        // As a browser writes it, without a zone: the pages are in UTC.
        let Some(time) = time(&from) else {
            let text = "give a time such as 2026-11-27T08:30, in UTC";
            let problem = crate::http::problem::Problem::invalid_field("from", text).into();
            let problem = Some(("replay", problem));
            return one
                .shown(Asked::default(), Beside { problem, from, ..Beside::default() })
                .await;
        };
        let parked_only = Some(fields.is_on("parked_only"));
        WebhookReplay { from: Some(time), parked_only, ..WebhookReplay::default() }
    } else {
        WebhookReplay { event: Some(event), ..WebhookReplay::default() }
    };
    match one.send::<WebhookReplayed>(Method::POST, "/replay", Some(&replay)).await {
        Ok(WebhookReplayed { events: 0 }) => one.done(Done::NoEvents),
        Ok(_) => one.sent(Done::EventsReplayed, Done::EventsWait).await,
        Err(problem) => {
            let problem = Some(("replay", problem));
            one.shown(Asked::default(), Beside { problem, from, ..Beside::default() }).await
        }
    }
}

/// A time of a form.
fn time(text: &str) -> Option<jiff::Timestamp> {
    format!("{}Z", text.trim()).parse().ok()
}

/// `POST /console/apps/{app}/webhooks/{webhook}/delete`.
pub(super) async fn delete(
    Extension(api): Extension<Api>,
    Path((app, webhook)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let one = One { visitor: &sent.visitor, api: &api, app: &app, webhook: &webhook };
    match one.send::<()>(Method::DELETE, "", None::<&()>).await {
        Ok(()) => {
            let done = Done::WebhookDeleted.as_str();
            Redirect::to(&format!("/console/apps/{app}/webhooks?done={done}")).into_response()
        }
        Err(problem) => one.refused("delete", problem).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_times_in_utc() {
        let noon = "2026-11-27T12:00:00Z".parse().ok();
        for text in ["2026-11-27T12:00", " 2026-11-27T12:00:00 "] {
            assert_eq!(time(text), noon, "{text}");
        }
        for text in ["", "noon", "2026-11-27", "2026-11-27T12:00Z"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
