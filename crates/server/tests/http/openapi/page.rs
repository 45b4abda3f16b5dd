//! The page to read.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use server::http::problem::ProblemCode;
use server::http::routes::ROUTES;

use crate::http::rig::{Server, text};

/// The values of an attribute, all over the page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let pieces = page.split(attribute).skip(1);
    pieces.map(|piece| piece.split('"').next().expect("its value")).collect()
}

#[tokio::test]
async fn the_page_leads_everywhere_and_loads_nothing() {
    let server = Server::start().await;
    let request = Request::get("/v1/reference").body(Default::default()).expect("a request");
    let answer = server.send(request).await;
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers["content-security-policy"].to_str().expect("ASCII").to_owned();
    let page = text(&answer.is(200));
    // The style that stands in it is the one that a browser may apply, and there is nothing else.
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next());
    let hash = STANDARD.encode(digest(&SHA256, style.expect("a style").as_bytes()));
    assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}';")));
    for nothing in ["<script", "<link", "<img", "<iframe", "<form", " style=", " on", "@import"] {
        let mut tags = page.split('<').filter_map(|tag| tag.split('>').next());
        let found = tags.find(|tag| format!("<{tag}").contains(nothing));
        let in_style = nothing.starts_with('@') && page.contains(nothing);
        assert!(found.is_none() && !in_style, "{nothing}: {found:?}");
    }
    // Every name stands once, and every link leads to one of them.
    let names = values(&page, " id=\"");
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "a name stands twice");
    for link in values(&page, " href=\"") {
        let leads = match link.strip_prefix('#') {
            Some(name) => distinct.contains(name),
            None => link == "openapi.json" || link.starts_with("https://"),
        };
        assert!(leads, "{link} leads nowhere");
    }
    for name in ROUTES.iter().map(|route| route.name.to_owned()) {
        assert!(distinct.contains(&*name), "{name} is missing");
    }
    for code in ProblemCode::ALL.into_iter() {
        assert!(distinct.contains(&*format!("problem-{}", code.as_str())), "{code:?} is missing");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_element_of_the_page_is_closed() {
    let server = Server::start().await;
    let request = Request::get("/v1/reference").body(Default::default()).expect("a request");
    let page = text(&server.send(request).await.is(200));
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|tag| tag.split('>').next()) {
        let name = tag.split(' ').next().expect("a name");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "of {open:?}"),
            None if ["!doctype", "meta", "wbr"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    server.stop().await;
}
