//! The description as a whole: OpenAPI 3.1, <https://spec.openapis.org/oas/v3.1.1.html>.

use domain::KeyScope;
use serde_json::{Map, Value, json};

use super::guide::Guide;
use super::parameters::parameters;
use super::responses::{examples, responses};
use super::schemas::Schemas;
use crate::http::routes::{Caller, ROUTES, Route, Shape};

/// What is said before everything else, as Markdown.
const ABOUT: &str = "\
What a Reveille server takes and answers. The guide to it, with tables of what each field means and \
examples that are tested, is `docs/api.md`; what goes over the WebSocket is `docs/protocol.md`.

Names are in snake_case, times in RFC 3339, ids have prefixes (`app_…`, `msg_…`, `psh_…`). Fields and \
parameters that nobody knows are refused; answers may get more fields some day. What has no value is \
left out. A body has at most 262,144 bytes.

A list is `{\"items\": […]}`; `next`, where there is one, is given as `after` for the next page.";

/// Makes the description.
pub(super) fn document() -> Value {
    let guide = Guide::read();
    let (mut schemas, mut refusals, mut paths) = (Schemas::new(), Map::new(), Map::new());
    schemas.answer(Shape::of::<wire::Problem>());
    for route in ROUTES {
        let operation = operation(route, &guide, &mut schemas, &mut refusals);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    let tags = guide.chapters.iter().map(|chapter| match chapter.about.as_str() {
        "" => json!({ "name": chapter.title }),
        about => json!({ "name": chapter.title, "description": about }),
    });
    let mut document = json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Reveille",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Push and wake-up for your own apps",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that this description is from." }],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "examples": examples(),
            "responses": refusals,
            "securitySchemes": security_schemes(),
        },
    });
    schemas.finish(&mut document);
    document
}

fn operation(
    route: &Route,
    guide: &Guide,
    schemas: &mut Schemas,
    refusals: &mut Map<String, Value>,
) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route, schemas, refusals),
        "security": security(route.caller),
        // Those that any request may get are among the responses too.
        "x-reveille-problems": route.problems.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        "x-reveille-caller": route.caller.words(),
    });
    if let Some(takes) = route.takes {
        let schema = schemas.request(takes.shape);
        operation["requestBody"] = json!({
            "required": !takes.may_be_left_out,
            "content": { "application/json": { "schema": schema } },
        });
    }
    if let Caller::App(scope) | Caller::OwnApp(scope) = route.caller {
        operation["x-reveille-scope"] = scope.as_str().into();
    }
    let (method, path) = (route.method.as_str(), route.path);
    if let Some(section) = guide.section(method, path) {
        let chapter = guide.chapters.get(section.chapter);
        operation["tags"] = json!([chapter.map(|chapter| chapter.title)]);
        operation["description"] = besides(&section.about, &route.caller.words()).into();
        let examples = section.examples(method, path);
        if !examples.is_empty() {
            operation["x-codeSamples"] =
                json!([{ "lang": "Shell", "label": "curl", "source": examples }]);
        }
    }
    operation
}

/// What is said of an operation, without who may ask if it begins with that.
fn besides<'a>(about: &'a str, caller: &str) -> &'a str {
    let (first, rest) = about.split_once(". ").unwrap_or((about, ""));
    if first.eq_ignore_ascii_case(caller) { rest } else { about }
}

/// What proves who asks. Any one of them will do.
fn security(caller: Caller) -> Value {
    let scope = |scope: KeyScope| json!({ "app_key": [scope.as_str()] });
    match caller {
        Caller::Anybody | Caller::FirstFrame => json!([]),
        Caller::Admin => json!([{ "admin_key": [] }]),
        Caller::App(needed) => json!([scope(needed)]),
        Caller::OwnApp(needed) => json!([scope(needed), { "admin_key": [] }]),
        Caller::AnyKey => json!([{ "app_key": [] }, { "user_token": [] }, { "device_key": [] }]),
        Caller::Device => json!([
            { "device_secret": [] },
            { "device_secret": [], "user_token": [] },
            { "device_key": [] },
        ]),
    }
}

fn security_schemes() -> Value {
    let bearer = |prefix: &str, about: &str| {
        let description = format!("`{prefix}…`: {about}");
        json!({ "type": "http", "scheme": "bearer", "bearerFormat": prefix, "description": description })
    };
    json!({
        "admin_key": bearer(
            "rvl_admin_",
            "the operator's, in the file `admin.key` of the data folder.",
        ),
        "app_key": bearer(
            "rvl_app_",
            "that of an app's back end. What a key is good for is said by its scopes, `send`, \
             `read` and `admin`, of which none includes another.",
        ),
        "device_key": bearer("rvl_device_", "a device's secret, alone."),
        "device_secret": {
            "type": "apiKey",
            "in": "header",
            "name": "Reveille-Device-Secret",
            "description": "`rvl_device_…`: a device's secret, alone or beside its user's token.",
        },
        "user_token": bearer(
            "rvl_user_",
            "a user's, for some time: made by the app's back end, or signed by it as a JSON Web Token.",
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::problem::ProblemCode;

    #[test]
    fn operations_have_names_of_their_own_that_every_language_takes() {
        let mut names = BTreeSet::new();
        for route in ROUTES {
            let name = route.name;
            assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'));
            assert!(names.insert(name), "{name} is the name of two");
        }
    }

    #[test]
    fn every_problem_is_some_route_s() {
        // Those that no route answers with, but the server where there is no route.
        let elsewhere = BTreeSet::from([ProblemCode::MethodNotAllowed.as_str()]);
        let answered = ROUTES.iter().flat_map(Route::refusals).map(ProblemCode::as_str);
        let all: BTreeSet<_> = answered.chain(elsewhere).collect();
        assert_eq!(all, ProblemCode::ALL.map(ProblemCode::as_str).into_iter().collect());
    }
}
