//! The credentials of an app's push services: what was found in each, whether its service believes
//! it, and files dropped for new ones.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use wire::Problem;
use wire::http::{App, Credential, CredentialKind, CredentialUpload, Page};

use super::api::Api;
use super::frame::{Asked, Done, Frame, Here, Sent, page, refused};
use super::health::kind;
use super::link::api_path;
use super::records::minute;
use super::section::Section;
use super::session::Visitor;
use super::upload::{File, Uploaded};

#[derive(Template)]
#[template(path = "console/credentials.html")]
struct Shown {
    frame: Frame,
    app: App,
    credentials: Vec<Row>,
    forms: [Form; 4],
    /// The form that was refused, and why.
    problem: Option<(&'static str, Problem)>,
}

impl Shown {
    /// For the template: whether a form was refused.
    fn is_wrong(&self, form: &str) -> bool {
        self.problem.as_ref().is_some_and(|(wrong, _)| *wrong == form)
    }
}

/// A credential as the page has it.
struct Row {
    id: String,
    kind: &'static str,
    created: String,
    facts: Vec<(String, String)>,
    warnings: Vec<String>,
    probes: Vec<Probe>,
    /// Whether its push service can be asked without a device.
    can_be_probed: bool,
}

struct Probe {
    believed: bool,
    text: String,
}

/// A form for one kind of credential.
struct Form {
    kind: &'static str,
    title: &'static str,
    about: &'static str,
    /// What files it takes; empty: none.
    accept: &'static str,
    fields: &'static [Field],
}

struct Field {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    input: &'static str,
}

const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    help: "Of the .p12, or of the key in the PEM file; empty: it has none.",
    input: "password",
};

/// In the order of the page.
const FORMS: [Form; 4] = [
    Form {
        kind: "apns_key",
        title: "Apple: key (.p8)",
        about: "One key serves all apps of a team and does not expire. From Apple's developer portal, under Keys; it can be downloaded once.",
        accept: ".p8",
        fields: &[
            Field {
                name: "team_id",
                label: "Team id",
                help: "10 letters and digits, in the portal under Membership.",
                input: "text",
            },
            Field {
                name: "bundle_ids",
                label: "Bundle ids",
                help: "Of the apps it is used for, separated by commas.",
                input: "text",
            },
            Field {
                name: "key_id",
                label: "Key id",
                help: "Read from the file's name where it has its usual one, AuthKey_….p8.",
                input: "text",
            },
        ],
    },
    Form {
        kind: "apns_certificate",
        title: "Apple: certificate (.p12, .pem)",
        about: "A certificate with its key, exported from the Keychain; universal or VoIP.",
        accept: ".p12,.pfx,.pem",
        fields: &[PASSWORD],
    },
    Form {
        kind: "fcm_service_account",
        title: "Google: service account (.json)",
        about: "From the Firebase console, Project settings, Service accounts, Generate new private key.",
        accept: ".json",
        fields: &[],
    },
    Form {
        kind: "webpush_vapid",
        title: "Browsers: VAPID key pair",
        about: "Made here unless you drop one. Browsers subscribe with its public key.",
        accept: ".pem,.txt",
        fields: &[Field {
            name: "subject",
            label: "Contact",
            help: "mailto: or https:, whom push services may ask about it.",
            input: "text",
        }],
    },
];

/// `GET /console/apps/{app}/credentials`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&visitor, &api, &app, StatusCode::OK, asked.done(), None, None).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    status: StatusCode,
    done: Option<Done>,
    probed: Option<Credential>,
    problem: Option<(&'static str, Problem)>,
) -> Response {
    let (path, credentials) = (api_path(&["apps", app]), api_path(&["apps", app, "credentials"]));
    let found = tokio::try_join!(
        api.get::<App>(visitor, &path),
        api.get::<Page<Credential>>(visitor, &credentials)
    );
    let (app, credentials) = match found {
        Ok(found) => found,
        Err(problem) => return refused(visitor, &problem),
    };
    let frame =
        Frame::of(visitor, "Credentials", Here::In(Section::Credentials)).about(&app).after(done);
    // What was just asked is newer than what the list says.
    let credentials = credentials.items.into_iter().map(|credential| match &probed {
        Some(probed) if probed.id == credential.id => Row::of(probed),
        Some(_) | None => Row::of(&credential),
    });
    let credentials = credentials.collect();
    page(status, &Shown { frame, app, credentials, forms: FORMS, problem })
}

impl Row {
    fn of(credential: &Credential) -> Self {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                items.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        let facts = credential.facts.iter();
        let probes = credential.probes.iter().map(|probe| Probe {
            believed: probe.believed,
            text: match (probe.believed, &probe.reason, &probe.remedy) {
                (true, ..) => format!("{}: believed", probe.place),
                (false, reason, remedy) => format!(
                    "{}: {} {}. {}",
                    probe.place,
                    probe.code.map(|code| code.to_string()).unwrap_or_default(),
                    reason.as_deref().unwrap_or("not believed"),
                    remedy.as_deref().unwrap_or_default()
                ),
            },
        });
        Self {
            id: credential.id.clone(),
            kind: kind(credential.kind),
            created: minute(credential.created_at),
            facts: facts.map(|(name, value)| (name.replace('_', " "), text(value))).collect(),
            warnings: credential.warnings.clone(),
            probes: probes.collect(),
            can_be_probed: credential.kind != CredentialKind::WebpushVapid,
        }
    }
}

/// `POST /console/apps/{app}/credentials`: uploads one, and asks its push service at once.
pub(super) async fn upload(
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    sent: Uploaded,
) -> Response {
    let Uploaded { visitor, fields, file } = sent;
    let said = |name: &str| {
        let text = fields.get(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let (form, kind) = match fields.get("kind") {
        "apns_key" => ("apns_key", CredentialKind::ApnsKey),
        "apns_certificate" => ("apns_certificate", CredentialKind::ApnsCertificate),
        "fcm_service_account" => ("fcm_service_account", CredentialKind::FcmServiceAccount),
        _ => ("webpush_vapid", CredentialKind::WebpushVapid),
    };
    let File { name, bytes } = file.unwrap_or_default();
    let bundle_ids = fields.get("bundle_ids").split(',').map(str::trim);
    let body = CredentialUpload {
        file_name: (!name.is_empty()).then_some(name),
        // A password may begin or end with a space.
        password: Some(fields.get("password").to_owned()).filter(|text| !text.is_empty()),
        key_id: said("key_id"),
        team_id: said("team_id"),
        subject: said("subject"),
        bundle_ids: bundle_ids.filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        probe: Some(kind != CredentialKind::WebpushVapid),
        ..CredentialUpload::new(kind, STANDARD.encode(bytes))
    };
    let path = api_path(&["apps", &app, "credentials"]);
    match api.send::<Credential>(&visitor, Method::POST, &path, Some(&body)).await {
        Ok(credential) => {
            let (status, done) = (StatusCode::CREATED, Some(Done::CredentialKept));
            shown(&visitor, &api, &app, status, done, Some(credential), None).await
        }
        Err(problem) => {
            let (status, problem) = (StatusCode::UNPROCESSABLE_ENTITY, Some((form, problem)));
            shown(&visitor, &api, &app, status, None, None, problem).await
        }
    }
}

/// `POST /console/apps/{app}/credentials/{credential}/probe`: asks its push service.
pub(super) async fn probe(
    Extension(api): Extension<Api>,
    Path((app, credential)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let path = api_path(&["apps", &app, "credentials", &credential, "probe"]);
    match api.send::<Credential>(&sent.visitor, Method::POST, &path, None::<&()>).await {
        Ok(probed) => {
            shown(&sent.visitor, &api, &app, StatusCode::OK, None, Some(probed), None).await
        }
        Err(problem) => refused(&sent.visitor, &problem),
    }
}

/// `POST /console/apps/{app}/credentials/{credential}/delete`.
pub(super) async fn delete(
    Extension(api): Extension<Api>,
    Path((app, credential)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let path = api_path(&["apps", &app, "credentials", &credential]);
    match api.send::<()>(&sent.visitor, Method::DELETE, &path, None::<&()>).await {
        Ok(()) => {
            let done = Done::CredentialDeleted.as_str();
            Redirect::to(&format!("/console/apps/{app}/credentials?done={done}")).into_response()
        }
        Err(problem) => refused(&sent.visitor, &problem),
    }
}
