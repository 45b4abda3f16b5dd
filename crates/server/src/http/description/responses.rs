//! What is answered: with success, and as a problem.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::http::problem::{Problem, ProblemCode};
use crate::http::routes::{Content, Route};

/// The answers of a route by status; what is refused stands once for all routes that share it, in
/// `refusals`.
pub(super) fn responses(
    route: &Route,
    schemas: &mut Schemas,
    refusals: &mut Map<String, Value>,
) -> Value {
    let mut responses = Map::new();
    for answers in route.answers {
        let mut response = json!({ "description": succeeded(route, answers.status) });
        if let Some((media_type, schema)) = content(answers.content, schemas) {
            response["content"] = json!({ media_type: { "schema": schema } });
        }
        responses.insert(answers.status.to_string(), response);
    }
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in route.refusals() {
        by_status.entry(code.status().as_u16()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let name = codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join("Or");
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        refusals.entry(name).or_insert_with(|| refused(status, &codes));
        responses.insert(status.to_string(), reference);
    }
    Value::Object(responses)
}

/// The media type of what comes with an answer, and its schema.
fn content(content: Content, schemas: &mut Schemas) -> Option<(&'static str, Value)> {
    match content {
        Content::AnyJson => Some(("application/json", json!({ "type": "object" }))),
        Content::File(media_type) => Some((media_type, json!({ "type": "string" }))),
        Content::Html => Some(("text/html", json!({ "type": "string" }))),
        Content::Text => Some(("text/plain", json!({ "type": "string" }))),
        Content::Json(shape) => Some(("application/json", schemas.answer(shape))),
        // OpenAPI 3.1 has no word for a sequence: the schema is that of each line.
        Content::EventStream(shape) => Some(("text/event-stream", schemas.answer(shape))),
        Content::JsonLines(shape) => Some(("application/jsonl", schemas.answer(shape))),
        Content::None => None,
    }
}

/// What a status means where all is well.
fn succeeded(route: &Route, status: u16) -> &'static str {
    match status {
        // What is done has nothing to say; what came too late has.
        200 if route.answers.iter().any(|other| other.status == 204) => {
            "It came too late: how it stands."
        }
        101 => "The WebSocket stands.",
        201 => "It was made.",
        202 => "It was stored, and goes on.",
        204 => "It was done; there is nothing to say.",
        304 => "It is what the asker has already, by `If-None-Match`.",
        _ => "It was done.",
    }
}

/// The problems that share a status.
fn refused(status: u16, codes: &[ProblemCode]) -> Value {
    let said = |code: &ProblemCode| {
        format!("`{}` ({}): {}", code.as_str(), code.title(), code.about().replace('\n', " "))
    };
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let example = |word: &&str| json!({ "$ref": format!("#/components/examples/{word}") });
    let examples = words.iter().map(|word| ((*word).to_owned(), example(word)));
    let mut response = json!({
        "description": codes.iter().map(said).collect::<Vec<_>>().join("\n\n"),
        "content": { "application/problem+json": {
            "schema": {
                "$ref": "#/components/schemas/Problem",
                "properties": { "code": { "enum": words }, "status": { "const": status } },
            },
            "examples": Value::Object(examples.collect()),
        } },
    });
    if let Some((name, description, schema)) = header(status) {
        response["headers"] = json!({ name: { "description": description, "schema": schema } });
    }
    response
}

/// The header that goes with a status.
fn header(status: u16) -> Option<(&'static str, &'static str, Value)> {
    let text = json!({ "type": "string" });
    match status {
        401 => Some(("WWW-Authenticate", "How to authenticate: `Bearer`.", text)),
        426 => Some(("Upgrade", "To which protocol: `websocket`.", text)),
        429 | 503 => {
            let seconds = json!({ "type": "integer", "minimum": 0 });
            Some(("Retry-After", "Seconds to wait before asking again.", seconds))
        }
        _ => None,
    }
}

/// Each problem as it looks, but for what only a request can be wrong with.
pub(super) fn examples() -> Value {
    let example = |code: ProblemCode| {
        let problem = Problem::new(code, "what is wrong with this request, and what to do");
        (code.as_str().to_owned(), json!({ "value": wire::Problem::from(problem) }))
    };
    Value::Object(ProblemCode::ALL.map(example).into_iter().collect())
}
