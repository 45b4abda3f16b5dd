//! The page `docs/api.md`, held to the routes that there are, and its examples to what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;
use server::http::routes::{Content, ROUTES};
use sim::pki::ApnsKey;

use super::described;
use super::openapi::unshown::UNSHOWN;
use super::openapi::{description, validator};
use super::paths::{filled, nowhere};
use super::rig::Server;
use super::shell::{Command, Curl, blocks, commands, request, words};

#[test]
fn the_page_has_every_route_and_no_other() {
    let documented: BTreeSet<(String, String)> = documented().into_iter().collect();
    let routes = ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_owned()));
    let routes: BTreeSet<(String, String)> = routes.collect();
    assert_eq!(documented, routes, "docs/api.md on the left");
}

#[tokio::test]
async fn every_path_takes_the_methods_that_the_page_says() {
    let server = Server::start().await;
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in documented() {
        methods.entry(path).or_default().insert(method);
    }
    for (path, mut expected) in methods {
        if expected.contains("GET") {
            // RFC 9110, 9.3.2: what answers GET answers HEAD.
            expected.insert("HEAD".to_owned());
        }
        let named = filled(&path, |name| nowhere(name).to_owned());
        let answer = server.call(Method::TRACE, &named, None).await;
        let allowed = answer.headers.get("allow").unwrap_or_else(|| panic!("{path} is no path"));
        let allowed: BTreeSet<String> =
            allowed.to_str().expect("ASCII").split(',').map(|m| m.trim().to_owned()).collect();
        assert_eq!(allowed, expected, "{path}");
        answer.refused(405, "method_not_allowed", None);
    }
    server.stop().await;
}

/// The routes in the page's headings.
fn documented() -> Vec<(String, String)> {
    let page = page();
    let headings = page.lines().filter(|line| line.starts_with("### "));
    // What stands between backticks is every second part.
    let routes = headings.flat_map(|line| line.split('`').skip(1).step_by(2));
    let routes = routes.map(|route| route.split_once(' ').expect("a method and a path"));
    routes.map(|(method, path)| (method.to_owned(), path.to_owned())).collect()
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    std::fs::read_to_string(page).expect("docs/api.md")
}

#[tokio::test]
async fn every_example_works_as_written_one_after_the_other() {
    let server = Server::start().await;
    // What its reader is told to set up.
    let phone = server.device("alice", "phone").await;
    server.device("alice", "tablet").await;
    let mut shell: BTreeMap<String, String> = [
        ("URL", String::new()),
        ("ADMIN_KEY", server.admin.clone()),
        ("APP_KEY", server.app.1.clone()),
        ("DEVICE_SECRET", phone.secret.clone()),
        ("EPOCH", phone.epoch.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let (mut seen, mut samples) = (0, Vec::new());
    let (document, page) = (description(&server).await, page());
    let blocks = blocks(&page).into_iter().filter(|(language, _)| *language == "sh");
    for Command { line, document: said } in blocks.flat_map(|(_, block)| commands(block)) {
        let Some(curl) = Curl::of(line) else { continue };
        // A call takes two living sessions; tests/http/calls.rs has them.
        let is_known = curl.kept_in.is_some_and(|name| shell.contains_key(name));
        if is_known || line.contains("$CALL") {
            continue;
        }
        // What a here-document says is said by the test.
        let body = said.map(|_| apple_key().to_string());
        let (request, said) = request(&words(curl.arguments, &shell), body);
        let route = described::route(request.method().as_str(), &request.uri().to_string());
        let route = route.unwrap_or_else(|| panic!("{line} calls no route"));
        let answer = server.send(request).await;
        assert!((200..300).contains(&answer.status), "{line}\n{} {}", answer.status, answer.body);
        samples.extend(said.map(|said| validator::request(&document, route, said)));
        samples.extend(validator::answer(&document, route, answer.status, &answer.body));
        seen += 1;
        if let Some(name) = curl.kept_in {
            shell.insert(name.to_owned(), curl.found(&answer.body));
        }
    }
    assert!(seen > 50, "{seen} examples were found");
    // What went in and out is as described, by somebody else's validator.
    let shown =
        |name: &str| samples.iter().any(|it| it.what.starts_with(&format!("{name} answers")));
    let answering = ROUTES.iter().filter(|it| !matches!(it.answers[0].content, Content::None));
    let mut unshown: Vec<_> = answering.map(|it| it.name).filter(|name| !shown(name)).collect();
    unshown.sort_unstable();
    assert_eq!(unshown, UNSHOWN, "another test asks for those that no example shows");
    assert!(samples.len() > 60, "{} samples", samples.len());
    assert_eq!(validator::faults_of(&document, &samples), Vec::<String>::new());
    server.stop().await;
}

/// A key of Apple's, as it would be uploaded.
fn apple_key() -> serde_json::Value {
    let key = ApnsKey::generate().expect("a key");
    json!({
        "kind": "apns_key",
        "file": STANDARD.encode(key.pem()),
        "file_name": key.file_name(),
        "team_id": key.team_id,
        "bundle_ids": ["com.example.app"],
    })
}
