//! The Kotlin and Swift of the guides: every request is of a route, every word in quotes that looks
//! like one of the API's is one, and no local of Swift, which nobody compiles, is declared twice.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use server::http::routes::Query;

use super::super::described;
use super::super::openapi::description;
use super::super::rig::Server;
use super::{blocks, page};

/// Words in quotes that are the platforms', or the app's own.
const OTHERS: [&str; 6] = ["frame", "http", "https", "reveille", "ws", "wss"];

#[tokio::test]
async fn what_the_phones_code_asks_for_and_names_is_there() {
    let server = Server::start().await;
    let known = known(&description(&server).await);
    server.stop().await;
    let mut unknown = Vec::new();
    for (name, language) in [("android", "kotlin"), ("ios", "swift")] {
        let (page, mut requests) = (page(name), 0);
        let code = blocks(&page).into_iter().filter(|(of, _)| *of == language);
        for (_, code) in code {
            let texts = texts(code);
            for (at, text) in texts.iter().enumerate() {
                if let Some(path) = text.strip_prefix("/v1/") {
                    let method = texts[..at].last().map_or("", String::as_str);
                    // The WebSocket's path stands alone.
                    if path != "connect" {
                        check_request(name, method, text);
                        requests += 1;
                    }
                } else if is_word(text) && !known.contains(text) {
                    unknown.push(format!("docs/{name}.md: {text}"));
                }
            }
        }
        assert!(requests > 5, "docs/{name}.md: {requests} requests were found");
    }
    assert_eq!(unknown, Vec::<String>::new(), "names of the code that the API does not have");
}

/// A method and a path, with whatever is put into it.
fn check_request(page: &str, method: &str, text: &str) {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let found = described::route(method, path);
    let route = found.unwrap_or_else(|| panic!("docs/{page}.md: {method:?} {text} is no route"));
    let parameters = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0));
    for parameter in parameters {
        let Query::Named(names) = route.query else { panic!("{text}: {} takes none", route.path) };
        assert!(names.contains(&parameter), "docs/{page}.md: {text}: no such parameter");
    }
}

/// What may be a field, a kind or a code of the API.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

/// The texts in quotes, in order; what is put into one is a single letter.
fn texts(code: &str) -> Vec<String> {
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut texts = Vec::new();
    for line in code {
        let mut rest = line.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                '"' => texts.push(text(&mut rest)),
                // What is behind it is a comment.
                '/' if rest.peek() == Some(&'/') => break,
                _ => {}
            }
        }
    }
    texts
}

/// A text up to its closing quote.
fn text(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(letter) = rest.next().filter(|letter| *letter != '"') {
        let opening = match (letter, rest.peek()) {
            ('$', Some('{')) | ('\\', Some('(')) => rest.next(),
            ('$', Some(next)) if next.is_ascii_alphabetic() => {
                while rest.next_if(char::is_ascii_alphanumeric).is_some() {}
                text.push('x');
                continue;
            }
            _ => None,
        };
        let Some(opening) = opening else {
            text.push(letter);
            continue;
        };
        let closing = if opening == '{' { '}' } else { ')' };
        let mut depth = 1;
        while depth > 0 {
            let inner = rest.next().expect("it closes");
            depth += i32::from(inner == opening) - i32::from(inner == closing);
        }
        text.push('x');
    }
    text
}

#[test]
fn texts_are_found_with_what_is_put_into_them() {
    let code = r#"
        // "no text"
        ask("GET", "/v1/me/inbox?limit=$limit") // nor "this"
        ask("POST", "/v1/me/calls/\(call)/reject", body: ["reason": "declined"])
        put("${frame.getString("type")}", https)
    "#;
    let expected =
        ["GET", "/v1/me/inbox?limit=x", "POST", "/v1/me/calls/x/reject", "reason", "declined", "x"];
    assert_eq!(texts(code), expected);
}

#[test]
fn no_local_of_swift_is_declared_twice() {
    for (language, code) in blocks(&page("ios")) {
        if language == "swift" {
            assert_eq!(declared_twice(code), Vec::<String>::new(), "{code}");
        }
    }
}

/// What one pair of braces, or one case of a `switch`, declares twice. What an `if` binds is of the
/// braces behind it, and may have any name.
fn declared_twice(code: &str) -> Vec<String> {
    let (mut scopes, mut twice) = (vec![BTreeSet::new()], Vec::new());
    for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if line.starts_with("case ") || line.starts_with("default:") {
            scopes.last_mut().expect("a scope").clear();
        }
        let is_declaration = ["let ", "var ", "guard "].iter().any(|word| line.starts_with(word));
        let names = if is_declaration { declared(line) } else { Vec::new() };
        for name in names {
            if !scopes.last_mut().expect("a scope").insert(name) {
                twice.push(line.to_owned());
            }
        }
        for brace in line.chars() {
            match brace {
                '{' => scopes.push(BTreeSet::new()),
                '}' => drop(scopes.pop()),
                _ => {}
            }
        }
    }
    twice
}

/// The names behind each `let` and `var` of a line, one or several in parentheses.
fn declared(line: &str) -> Vec<&str> {
    let words = line.split("let ").skip(1).chain(line.split("var ").skip(1));
    let lists = words.map(|rest| match rest.strip_prefix('(') {
        Some(several) => several.split(')').next().unwrap_or_default(),
        None => rest.split([' ', ':', ',']).next().unwrap_or_default(),
    });
    lists.flat_map(|list| list.split(", ")).collect()
}

#[test]
fn what_is_declared_twice_is_found() {
    for (code, expected) in [
        ("let a = 1\nguard let b = a else { return }", vec![]),
        (
            "let (a, b) = c\nguard let b = b as? Int else { return }",
            vec!["guard let b = b as? Int else { return }"],
        ),
        ("guard let a = a else { return }\nvar a = 1", vec!["var a = 1"]),
        ("let a = 1\nif let a { b() }\ndo {\nlet a = 2\n}", vec![]),
        ("switch a {\ncase 1:\nlet b = 1\ncase 2:\nlet b = 2\n}", vec![]),
    ] {
        assert_eq!(declared_twice(code), expected, "{code}");
    }
}

/// Every name that the API, its frames and its pushes have.
fn known(document: &Value) -> BTreeSet<String> {
    let mut known = OTHERS.map(str::to_owned).into();
    words(document, &mut known);
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/goldens");
    for folder in ["frames/client", "frames/server", "push/fcm", "push/object"] {
        for file in std::fs::read_dir(goldens.join(folder)).expect("goldens") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("a golden");
            words(&serde_json::from_str(&text).expect("JSON"), &mut known);
        }
    }
    // Beside them in FCM's data, see docs/protocol.md.
    known.insert("reveille_tag".to_owned());
    known
}

/// Keys and short texts of JSON.
fn words(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                words(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}
