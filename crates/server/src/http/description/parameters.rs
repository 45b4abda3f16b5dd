//! The parameters of paths, those behind the `?`, and headers: what each is for, and its limits.

use serde_json::{Value, json};
use wire::limits;

use crate::http::routes::{Query, Route};

/// Operations that may be sent twice under a key of the sender's.
const SENT_ONCE: [&str; 2] = ["create_push", "send_message"];

/// Every parameter of a route.
pub(super) fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('{').skip(1).filter_map(|piece| piece.split('}').next());
    let in_path = in_path.map(|name| {
        let (description, schema) = named(name, route.path);
        parameter("path", name, description, schema)
    });
    let names = match route.query {
        Query::Named(names) => names,
        Query::Ignored | Query::None => &[],
    };
    let in_query = names.iter().map(|name| {
        let (description, schema) = asked(name, route.path);
        parameter("query", name, description, schema)
    });
    let headers = SENT_ONCE.iter().filter(|name| **name == route.name).map(|_| {
        let description = "The back end's own id for it, instead of `id` in the body: sent again \
                           with the same request it is answered as before and not sent twice.";
        parameter("header", "Idempotency-Key", description, text(1, 128))
    });
    in_path.chain(in_query).chain(headers).collect()
}

fn parameter(place: &str, name: &str, description: &str, schema: Value) -> Value {
    json!({
        "in": place,
        "name": name,
        "required": place == "path",
        "description": description,
        "schema": schema,
    })
}

/// What a path names.
fn named(name: &str, path: &str) -> (&'static str, Value) {
    match name {
        "app" => ("The app's id, `app_…`.", id()),
        "blocked" => ("The user who is blocked.", a_name()),
        "call" => ("The call's id.", json!({ "type": "string", "format": "uuid" })),
        "credential" => ("The credential's id, `crd_…`.", id()),
        "device" => ("The device, by the client's own id.", a_name()),
        "key" if path.contains("token-keys") => ("The token key's id, `tky_…`.", id()),
        "key" => ("The key's id, `key_…`.", id()),
        "kind" => ("The kind of push target.", words(&["apns", "apns_voip", "fcm", "webpush"])),
        "message" => ("The message's id, `msg_…`.", id()),
        "push" => ("The push's id, `psh_…`.", id()),
        "thread" => ("The thread; `*` is all of them.", a_name()),
        "topic" => ("The topic.", a_name()),
        "user" => ("The user.", a_name()),
        "webhook" => ("The webhook's id, `whk_…`.", id()),
        _ => ("", id()),
    }
}

/// What stands behind the `?`.
fn asked(name: &str, path: &str) -> (&'static str, Value) {
    match (name, path) {
        ("after", "/v1/events") => (
            "The `number` of the last event seen; `newest` answers none, and where to begin.",
            id(),
        ),
        ("after", "/v1/me/calls/{call}") => (
            "The `sequence` of the last signal that the device has.",
            json!({ "type": "integer", "format": "int64", "minimum": 0, "default": 0 }),
        ),
        ("after", "/v1/me/inbox") => (
            "Offset of the position that the device holds; goes with `epoch`.",
            json!({ "type": "integer", "format": "int64", "minimum": 0 }),
        ),
        ("after", _) => ("`next` of the page before.", id()),
        ("broadcasts", _) => {
            ("Only those to a topic or to all.", json!({ "type": "boolean", "default": false }))
        }
        ("app", _) => ("Only what is about this app, by its id.", id()),
        ("call", _) => ("Only of this call.", json!({ "type": "string", "format": "uuid" })),
        ("code", _) => (
            "Only what was refused with this diagnosis code.",
            json!({ "type": "integer", "enum": [901, 902, 903, 904, 905, 911, 912, 913] }),
        ),
        ("device", "/v1/explain") => ("The device; one of the three is given.", a_name()),
        ("device", _) => ("Only of this device, by the client's own id.", a_name()),
        ("epoch", _) => (
            "Epoch of the position that the device holds; goes with `after`.",
            json!({ "type": "string", "pattern": "^[0-9]+$" }),
        ),
        ("limit", "/v1/me/inbox") => ("Entries at most.", up_to(limits::PAGE)),
        ("limit", _) => ("Items at most.", up_to(1_000)),
        ("message", "/v1/explain") => ("The message's id; one of the three is given.", id()),
        ("message", _) => ("Only of this message, by its id.", id()),
        ("name", _) => ("The app's name, to confirm that it is meant.", a_name()),
        ("prefix", _) => ("Only those whose names begin so.", text(0, limits::NAME_BYTES)),
        ("push", _) => ("Only of this direct push, by its id.", id()),
        ("since", _) => ("From this time on.", time()),
        ("state", _) => ("Only those that stand so.", words(&["waiting", "delivered", "parked"])),
        ("step", "/v1/apps/{app}/statistics") => (
            "How long a step is, in seconds.",
            json!({ "type": "integer", "enum": [300, 3_600, 86_400], "default": 3_600 }),
        ),
        ("step", _) => {
            ("Only of this step.", words(&["accept", "route", "session", "wake", "push", "settle"]))
        }
        ("until", _) => ("Before this time.", time()),
        ("user", "/v1/explain") => ("The user; one of the three is given.", a_name()),
        ("user", _) => ("Only of this user.", a_name()),
        ("wait", _) => (
            "Seconds to wait for an event, if there is none yet.",
            json!({ "type": "integer", "minimum": 0, "maximum": 30, "default": 0 }),
        ),
        ("wake", _) => ("Only of this wake, by its id.", id()),
        _ => ("", id()),
    }
}

fn id() -> Value {
    json!({ "type": "string" })
}

/// Users, devices, threads and topics.
fn a_name() -> Value {
    text(1, limits::NAME_BYTES)
}

fn text(least: usize, most: usize) -> Value {
    json!({ "type": "string", "minLength": least, "maxLength": most })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn up_to(most: usize) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": most, "default": 100 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::ROUTES;

    #[test]
    fn every_parameter_is_described() {
        for route in ROUTES {
            for parameter in parameters(route) {
                let description = parameter["description"].as_str().unwrap();
                assert!(description.ends_with('.'), "{}: {parameter}", route.path);
            }
        }
        for name in SENT_ONCE {
            assert!(ROUTES.iter().any(|route| route.name == name), "{name} is no operation");
        }
    }
}
