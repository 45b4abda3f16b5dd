//! What every page has in common: its frame, how it is sent, and how a form comes back.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use wire::Problem;

use super::section::Section;
use super::session::{self, Visitor};
use crate::node::Node;

/// The frame around a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// What it is about; stands in the tab and in the heading.
    pub(super) title: String,
    /// The word of its forms; `None`: nobody is signed in.
    pub(super) csrf: Option<String>,
    /// The app it is about.
    pub(super) app: Option<Named>,
    /// Where in the navigation it is.
    pub(super) here: Here,
    /// What was done just now.
    pub(super) notice: Option<&'static str>,
}

/// An app in the navigation.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
}

/// Places in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Apps,
    In(Section),
    Entry,
}

impl Frame {
    /// The frame of a page for who is signed in.
    pub(super) fn of(visitor: &Visitor, title: impl Into<String>, here: Here) -> Self {
        let csrf = Some(visitor.csrf());
        Self { title: title.into(), csrf, app: None, here, notice: None }
    }

    /// The frame of a page for anybody.
    pub(super) fn open(title: &str) -> Self {
        Self { title: title.to_owned(), csrf: None, app: None, here: Here::Entry, notice: None }
    }

    /// The same about an app.
    pub(super) fn about(mut self, app: &wire::http::App) -> Self {
        self.app = Some(Named { id: app.id.clone(), name: app.name.clone() });
        self
    }

    /// The same after something was done.
    pub(super) fn after(mut self, done: Option<Done>) -> Self {
        self.notice = done.map(Done::text);
        self
    }

    /// For the template: whether it is the list of apps.
    pub(super) fn is_apps(&self) -> bool {
        self.here == Here::Apps
    }

    /// For the template: whether it is the way in.
    pub(super) fn is_entry(&self) -> bool {
        self.here == Here::Entry
    }

    /// For the template: whether it is of this section.
    pub(super) fn is_in(&self, section: &Section) -> bool {
        self.here == Here::In(*section)
    }

    /// For the template: the word of forms.
    pub(super) fn word(&self) -> &str {
        self.csrf.as_deref().unwrap_or_default()
    }
}

/// What was done before this page was shown; told by one word in the address, so that a page that
/// is loaded again does nothing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    AppDeleted,
    BroadcastCancelled,
    BroadcastPaused,
    BroadcastResumed,
    CredentialDeleted,
    CredentialKept,
    DeviceSignedOut,
    EventsReplayed,
    EventsWait,
    KeyDeleted,
    Muted,
    NoEvents,
    PasswordSet,
    Saved,
    SignedOut,
    TargetRemoved,
    Unmuted,
    UserSignedOut,
    WebhookDeleted,
    WebhookOff,
    WebhookOn,
    WebhookTestWaits,
    WebhookTested,
}

impl Done {
    const ALL: [Self; 23] = [
        Self::AppDeleted,
        Self::BroadcastCancelled,
        Self::BroadcastPaused,
        Self::BroadcastResumed,
        Self::CredentialDeleted,
        Self::CredentialKept,
        Self::DeviceSignedOut,
        Self::EventsReplayed,
        Self::EventsWait,
        Self::KeyDeleted,
        Self::Muted,
        Self::NoEvents,
        Self::PasswordSet,
        Self::Saved,
        Self::SignedOut,
        Self::TargetRemoved,
        Self::Unmuted,
        Self::UserSignedOut,
        Self::WebhookDeleted,
        Self::WebhookOff,
        Self::WebhookOn,
        Self::WebhookTestWaits,
        Self::WebhookTested,
    ];

    /// The word in the address.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AppDeleted => "app_deleted",
            Self::BroadcastCancelled => "broadcast_cancelled",
            Self::BroadcastPaused => "broadcast_paused",
            Self::BroadcastResumed => "broadcast_resumed",
            Self::CredentialDeleted => "credential_deleted",
            Self::CredentialKept => "credential_kept",
            Self::DeviceSignedOut => "device_signed_out",
            Self::EventsReplayed => "events_replayed",
            Self::EventsWait => "events_wait",
            Self::KeyDeleted => "key_deleted",
            Self::Muted => "muted",
            Self::NoEvents => "no_events",
            Self::PasswordSet => "password_set",
            Self::Saved => "saved",
            Self::SignedOut => "signed_out",
            Self::TargetRemoved => "target_removed",
            Self::Unmuted => "unmuted",
            Self::UserSignedOut => "user_signed_out",
            Self::WebhookDeleted => "webhook_deleted",
            Self::WebhookOff => "webhook_off",
            Self::WebhookOn => "webhook_on",
            Self::WebhookTestWaits => "webhook_test_waits",
            Self::WebhookTested => "webhook_tested",
        }
    }

    /// The done thing of an address.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.as_str() == word)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::AppDeleted => "The app is deleted; what it had is taken away in the background.",
            Self::DeviceSignedOut => "The device is signed out.",
            Self::Muted => "Muted.",
            Self::TargetRemoved => "The push token is removed.",
            Self::Unmuted => "No longer muted.",
            Self::UserSignedOut => "All their tokens are taken back.",
            Self::CredentialDeleted => "The credential is deleted.",
            Self::CredentialKept => "The credential is kept; pushes that waited for it go out.",
            Self::KeyDeleted => "The key is taken back.",
            Self::PasswordSet => "The password is set. Sign in with it.",
            Self::Saved => "Saved.",
            Self::SignedOut => "You are signed out.",
            Self::BroadcastCancelled => "Cancelled: what was not sent is not sent.",
            Self::BroadcastPaused => "The broadcast stands still.",
            Self::BroadcastResumed => "The broadcast goes on.",
            Self::WebhookDeleted => "The webhook is deleted.",
            Self::WebhookOff => "The webhook is off; what happens waits.",
            Self::WebhookOn => "The webhook is on.",
            Self::WebhookTested => "The test event is on its way; what came of it stands below.",
            Self::WebhookTestWaits => {
                "The webhook is not on: the test event waits, and goes out when you switch it on."
            }
            Self::EventsReplayed => "Sent again; what came of it stands below.",
            Self::EventsWait => {
                "The webhook is not on: nothing is sent yet, it goes out when you switch it on."
            }
            Self::NoEvents => "There was no such event in that time: nothing is sent again.",
        }
    }
}

/// What a page is asked behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: String,
}

impl Asked {
    /// What was done before; nothing, if nobody knows the word.
    pub(super) fn done(&self) -> Option<Done> {
        Done::parse(&self.done)
    }
}

/// Sends a page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            crate::http::problem::Problem::internal().into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "console/problem.html")]
struct Refused<'a> {
    frame: Frame,
    problem: &'a Problem,
}

/// The page of a refusal that no form can show.
pub(super) fn refused(visitor: &Visitor, problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let frame = Frame::of(visitor, problem.title.clone(), Here::Apps);
    page(status, &Refused { frame, problem })
}

/// A form of ours, sent by whom it was given to.
pub(super) struct Sent {
    /// Who sent it.
    pub(super) visitor: Visitor,
    /// What it says.
    pub(super) fields: Fields,
}

/// The fields of a form, in the order of the page.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Of these.
    pub(super) const fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// A field; empty where it is missing.
    pub(super) fn get(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name) == "on"
    }

    /// All fields of a name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.0.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }
}

impl FromRequest<Arc<Node>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, node).await?;
        let ours = session::is_ours(&parts.headers);
        let fields = fields(Request::from_parts(parts, body), node).await?;
        if !ours || !session::is_theirs(&visitor, fields.get("csrf")) {
            return Err(refuse_foreign(&visitor));
        }
        Ok(Self { visitor, fields })
    }
}

/// A form of somebody who is not signed in.
pub(super) struct Unsigned {
    /// What it says.
    pub(super) fields: Fields,
    /// From where.
    pub(super) address: std::net::IpAddr,
    /// The request's headers.
    pub(super) headers: http::HeaderMap,
}

impl FromRequest<Arc<Node>> for Unsigned {
    type Rejection = Response;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let address = session::address(&parts, node);
        let headers = parts.headers.clone();
        if !session::is_ours(&headers) {
            let frame = Frame::open("Not from this page");
            let page = page(StatusCode::FORBIDDEN, &Refused { frame, problem: &not_ours() });
            return Err(page);
        }
        let fields = fields(Request::from_parts(parts, body), node).await?;
        Ok(Self { fields, address, headers })
    }
}

async fn fields(request: Request, node: &Arc<Node>) -> Result<Fields, Response> {
    let form = Form::<Vec<(String, String)>>::from_request(request, node).await;
    form.map(|Form(fields)| Fields(fields)).map_err(IntoResponse::into_response)
}

/// The answer to a form that is not of the visitor's own page.
pub(super) fn refuse_foreign(visitor: &Visitor) -> Response {
    refused(visitor, &not_ours())
}

fn not_ours() -> Problem {
    let problem = crate::http::problem::Problem::new(
        crate::http::problem::ProblemCode::Forbidden,
        "the form was not sent by a page of this console, or by one that is too old; go back, load \
         it again and repeat what you did",
    );
    problem.into()
}
