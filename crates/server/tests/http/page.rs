//! The page `docs/api.md`, held to the routes that there are, and its examples to what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use server::http::routes::{Content, ROUTES};
use sim::pki::ApnsKey;

use super::described;
use super::openapi::unshown::UNSHOWN;
use super::openapi::{description, validator};
use super::paths::{filled, nowhere};
use super::rig::Server;

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
    let mut shell = BTreeMap::from([
        ("URL", String::new()),
        ("ADMIN_KEY", server.admin.clone()),
        ("APP_KEY", server.app.1.clone()),
        ("DEVICE_SECRET", phone.secret.clone()),
        ("EPOCH", phone.epoch.clone()),
    ]);
    let (mut seen, mut samples) = (0, Vec::new());
    let (document, page) = (description(&server).await, page());
    for line in commands(&page) {
        let (name, command) = match line.split_once("=$(curl ") {
            Some((name, rest)) if !shell.contains_key(name) => (Some(name), rest),
            Some(_) => continue,
            None => (None, line.strip_prefix("curl ").unwrap_or_default()),
        };
        // A call takes two living sessions; tests/http/calls.rs has them.
        if command.is_empty() || command.contains("$CALL") {
            continue;
        }
        let body = match command.contains("<<END") {
            true => Some(apple_key().to_string()),
            false => None,
        };
        let (curl, found) = command.split_once(" | ").unwrap_or((command, ""));
        let (request, said) = request(&words(curl, &shell), body);
        let route = described::route(request.method().as_str(), &request.uri().to_string());
        let route = route.unwrap_or_else(|| panic!("{line} calls no route"));
        let answer = server.send(request).await;
        assert!((200..300).contains(&answer.status), "{line}\n{} {}", answer.status, answer.body);
        samples.extend(said.map(|said| validator::request(&document, route, said)));
        samples.extend(validator::answer(&document, route, answer.status, &answer.body));
        seen += 1;
        if let Some(name) = name {
            let prefix = found.split('\'').nth(1).and_then(|found| found.split('[').next());
            let text = answer.body.to_string();
            let at = text.find(prefix.expect("a pattern")).expect(line);
            let id = text[at..].split('"').next().expect("its end");
            shell.insert(name, id.to_owned());
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

/// The lines of its examples.
fn commands(page: &str) -> Vec<&str> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    // What a here-document says is said by the test.
    let mut document = false;
    blocks
        .flat_map(str::lines)
        .filter(|line| {
            let is_command = !document;
            document = (document || line.contains("<<END")) && *line != "END";
            is_command
        })
        .collect()
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

/// The request that `curl` makes of its arguments, and what its body says.
fn request(
    arguments: &[String],
    document: Option<String>,
) -> (Request<Full<Bytes>>, Option<serde_json::Value>) {
    let mut request = Request::builder();
    let (mut method, mut body) = (None, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().expect("its value").clone();
        match argument.as_str() {
            "-s" => {}
            "-X" => method = Some(value()),
            "-d" => body = Some(value()),
            "-H" => {
                let header = value();
                let (name, value) = header.split_once(": ").expect("a header");
                request = request.header(name, value);
            }
            "<<END" => {}
            path => request = request.uri(path),
        }
    }
    let body = document.or(body);
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = method.as_deref().unwrap_or(usual);
    let said = body.as_deref().map(|body| serde_json::from_str(body).expect("JSON"));
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    (request.method(method).body(body).expect("a request"), said)
}

/// The words of a line as the shell reads it: quotes, and variables where it looks for them.
fn words(line: &str, shell: &BTreeMap<&str, String>) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (closing, Some(opening)) if closing == opening => quote = None,
            ('\\', Some('"')) => word.extend(rest.next()),
            ('$', None | Some('"')) => {
                let mut name = String::new();
                while let Some(next) =
                    rest.next_if(|next| next.is_ascii_uppercase() || *next == '_')
                {
                    name.push(next);
                }
                word.push_str(shell.get(&*name).unwrap_or_else(|| panic!("${name} in {line}")));
            }
            (' ', None) => words.push(std::mem::take(&mut word)),
            (other, _) => word.push(other),
        }
    }
    words.push(word);
    words
}
