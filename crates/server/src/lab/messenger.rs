//! The messenger of `examples/messenger`: a web app on the client for browsers, with the demo's
//! server behind it and, in place of a back end that knows who is logged in, one that gives
//! anybody a token for any of its few people.
//!
//! Its page has another origin than the server, which is started with that among its
//! `allowed_origins`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use super::Lab;
use crate::http::problem::{Problem, ProblemCode};
use crate::http::sdk;

/// Whom it lets one be; the same as in its `people.js`.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Names the files of the example, each with its text.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../../examples/messenger/", $name)))),+]
    };
}

const FILES: [(&str, &str); 16] = files![
    "calls.js",
    "chat.js",
    "conversation.js",
    "dom.js",
    "history.js",
    "icon.svg",
    "index.html",
    "list.js",
    "main.js",
    "manifest.webmanifest",
    "media.js",
    "notifications.js",
    "people.js",
    "style.css",
    "sw.js",
    "ticks.js",
];

/// The origins that the lab's pages may have: it answers to several names.
pub fn origins(lab: SocketAddr) -> String {
    let port = lab.port();
    format!("http://{lab}, http://localhost:{port}, http://127.0.0.1:{port}, http://[::1]:{port}")
}

/// `GET /messenger`: its files lie beside each other, below this path.
pub(super) async fn door() -> Redirect {
    Redirect::permanent("/messenger/")
}

/// `GET /messenger/`.
pub(super) async fn start(State(lab): State<Arc<Lab>>) -> Response {
    sent(&lab, "index.html")
}

/// `GET /messenger/{file}`.
pub(super) async fn file(State(lab): State<Arc<Lab>>, Path(name): Path<String>) -> Response {
    sent(&lab, &name)
}

fn sent(lab: &Lab, name: &str) -> Response {
    let own = FILES.iter().find(|(own, _)| *own == name).map(|(_, text)| *text);
    let Some(text) = own.or_else(|| sdk::text(name)) else {
        return Problem::new(ProblemCode::NotFound, "the messenger has no such file")
            .into_response();
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type(name))),
        // Its names stay the same, over versions too.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    let mut response = (headers, text).into_response();
    let policy = HeaderValue::try_from(policy(lab.world().address()));
    response.headers_mut().extend(policy.ok().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    response
}

/// Its own files, and the server: nothing else is loaded or asked, and nothing stands in the page
/// that could run.
fn policy(server: SocketAddr) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         manifest-src 'self'; worker-src 'self'; \
         connect-src 'self' http://{server} ws://{server}; \
         form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

/// Who somebody wants to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    user: String,
}

/// What makes them so.
#[derive(Serialize)]
struct Pass {
    /// Where the server is.
    url: String,
    token: String,
}

/// `POST /messenger/token`.
pub(super) async fn token(State(lab): State<Arc<Lab>>, asked: Json<Asked>) -> Response {
    let Some(user) = PEOPLE.into_iter().find(|person| *person == asked.user) else {
        let detail = format!("give one of {}", PEOPLE.join(", "));
        return Problem::invalid_field("user", detail).into_response();
    };
    let Some(token) = token_of(&lab, user).await else {
        let soon = std::time::Duration::from_secs(1);
        return Problem::unavailable("the server gives no token", soon).into_response();
    };
    Json(Pass { url: format!("http://{}", lab.world().address()), token }).into_response()
}

/// A token for one of them. The others are made known as well: a message to somebody whom the app
/// has never heard of would be refused.
async fn token_of(lab: &Lab, user: &str) -> Option<String> {
    let mut token = None;
    for person in PEOPLE {
        match lab.world().user_token(person, None).await {
            Ok(made) if person == user => token = Some(made.token),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the demo's server gives no token");
                return None;
            }
        }
    }
    token
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_example_is_there_and_the_worker_keeps_all_that_the_page_needs() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/messenger");
        let there = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let there = there.map(|name| name.into_string().unwrap());
        let there: BTreeSet<String> = there.filter(|name| !name.ends_with(".md")).collect();
        let served: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(served, there, "served on the left");
        let worker = FILES.iter().find(|(name, _)| *name == "sw.js").unwrap().1;
        let needed = there.iter().filter(|name| !["index.html", "sw.js"].contains(&name.as_str()));
        for name in needed.map(String::as_str).chain(["./", "reveille.js"]) {
            assert!(worker.contains(&format!("  '{name}',\n")), "sw.js does not keep {name}");
        }
        for (name, _) in FILES {
            assert_ne!(media_type(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn its_people_are_those_that_get_a_token() {
        let people = FILES.iter().find(|(name, _)| *name == "people.js").unwrap().1;
        let ids = people.split("{ id: '").skip(1).filter_map(|rest| rest.split('\'').next());
        let ids: Vec<_> = ids.filter(|id| *id != "back end").collect();
        assert_eq!(ids, PEOPLE);
    }

    #[test]
    fn the_origins_of_its_pages_are_origins() {
        for address in ["127.0.0.1:7302", "127.0.0.9:1", "[::1]:7302"] {
            let origins = origins(address.parse().unwrap());
            let origins: crate::config::AllowedOrigins = origins.parse().unwrap();
            assert!(origins.include(&format!("http://{address}")), "{address}");
            let port = address.rsplit(':').next().unwrap();
            assert!(origins.include(&format!("http://localhost:{port}")), "{address}");
        }
    }
}
