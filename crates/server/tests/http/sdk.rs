//! The client for browsers, as the server gives it out.

use std::path::Path;

use http::Request;

use super::rig::{Server, text};

const FILES: [(&str, &str); 3] = [
    ("reveille.js", "text/javascript; charset=utf-8"),
    ("reveille.d.ts", "application/typescript; charset=utf-8"),
    ("reveille-sw.js", "text/javascript; charset=utf-8"),
];

#[tokio::test]
async fn it_is_the_one_of_this_version_and_a_browser_asks_for_it_once() {
    let server = Server::start().await;
    let mut line = server.line().await;
    let mut tags = Vec::new();
    for (name, media_type) in FILES {
        let ask = |tag: Option<&str>| {
            // A worker is registered with a `?name=`.
            let request = Request::get(format!("/sdk/{name}?name=chat"));
            let request = tag.iter().fold(request, |it, tag| it.header("if-none-match", *tag));
            request.body(Default::default()).expect("a request")
        };
        let answer = line.send(ask(None)).await;
        for (header, expected) in [
            ("content-type", media_type),
            ("cache-control", "no-cache"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.headers[header], expected, "{name}: {header}");
        }
        let tag = answer.headers["etag"].to_str().expect("ASCII").to_owned();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/js").join(name);
        let is_whole = text(&answer.is(200)) == std::fs::read_to_string(path).expect(name);
        assert!(is_whole, "{name} is not the file of this version");
        let again = line.send(ask(Some(&tag))).await;
        assert_eq!(again.headers["etag"], *tag);
        assert_eq!(again.headers["cache-control"], "no-cache");
        assert_eq!(again.headers["access-control-allow-origin"], "*");
        assert!(again.is(304).is_null());
        line.send(ask(Some("\"another\""))).await.is(200);
        tags.push(tag);
    }
    tags.dedup();
    assert_eq!(tags.len(), FILES.len(), "one content, one tag");
    server.stop().await;
}
