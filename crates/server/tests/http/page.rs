//! The page `docs/api.md`, held to the routes that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http::Method;

use super::access::ROUTES;
use super::rig::Server;

/// The routes that ask for no key.
const OPEN: [(&str, &str); 3] = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/v1/connect")];

#[test]
fn the_page_has_every_route_and_no_other() {
    let documented: BTreeSet<(String, String)> = documented().into_iter().collect();
    let guarded = ROUTES.iter().map(|(method, path, _)| (*method, *path));
    let routes: BTreeSet<(String, String)> =
        guarded.chain(OPEN).map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(documented, routes, "docs/api.md on the left");
}

#[tokio::test]
async fn every_path_takes_the_methods_that_the_page_says() {
    let server = Server::start().await;
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in documented() {
        methods.entry(path.replace("APP", &server.app.0)).or_default().insert(method);
    }
    for (path, mut expected) in methods {
        if expected.contains("GET") {
            // RFC 9110, 9.3.2: what answers GET answers HEAD.
            expected.insert("HEAD".to_owned());
        }
        let answer = server.call(Method::TRACE, &path, None).await;
        let allowed = answer.headers.get("allow").unwrap_or_else(|| panic!("{path} is no path"));
        let allowed: BTreeSet<String> =
            allowed.to_str().expect("ASCII").split(',').map(|m| m.trim().to_owned()).collect();
        assert_eq!(allowed, expected, "{path}");
        answer.refused(405, "method_not_allowed", None);
    }
    server.stop().await;
}

/// The routes in the page's headings, with something for each of their parameters.
fn documented() -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let page = std::fs::read_to_string(page).expect("docs/api.md");
    let headings = page.lines().filter(|line| line.starts_with("### "));
    // What stands between backticks is every second part.
    let routes = headings.flat_map(|line| line.split('`').skip(1).step_by(2));
    let routes = routes.map(|route| route.split_once(' ').expect("a method and a path"));
    routes.map(|(method, path)| (method.to_owned(), filled(path))).collect()
}

fn filled(path: &str) -> String {
    [
        ("{app}", "APP"),
        ("{thread}", "lunch"),
        ("{blocked}", "mallory"),
        ("{key}", "key_999"),
        ("{credential}", "crd_999"),
        ("{user}", "alice"),
        ("{device}", "phone"),
        ("{kind}", "apns"),
        ("{message}", "msg_00000000000000000000000000000000"),
        ("{push}", "psh_00000000000000000000000000000000"),
        ("{topic}", "news"),
        ("{call}", "6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11"),
    ]
    .into_iter()
    .fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}
