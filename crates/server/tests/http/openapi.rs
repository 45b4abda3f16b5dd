//! The description of the API: what it says as a whole, and whether what really goes in and out is
//! as it says.

mod limits;
mod page;
pub(super) mod unshown;
pub(super) mod validator;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http::Request;
use serde_json::Value;
use server::http::problem::ProblemCode;
use server::http::routes::ROUTES;

use self::validator::Sample;
use super::rig::Server;

/// Whether the file is to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// The description, as the server sends it.
pub(super) async fn description(server: &Server) -> Value {
    let request = Request::get("/v1/openapi.json").body(Default::default()).expect("a request");
    let answer = server.send(request).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.is(200)
}

#[tokio::test]
async fn the_description_is_as_agreed() {
    let server = Server::start().await;
    let mut printed = serde_json::to_string_pretty(&description(&server).await).expect("JSON");
    printed.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/openapi.json");
    if UPDATE {
        std::fs::write(&path, &printed).expect("the file is written");
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = agreed.lines().zip(printed.lines()).find(|(agreed, now)| agreed != now);
    assert!(
        agreed == printed,
        "goldens/openapi.json is not what the server says; the first difference: {differs:#?}\n\
         clients are made from it; if the change is meant, run the tests with UPDATE_GOLDEN=1 and \
         look at the difference"
    );
    server.stop().await;
}

#[tokio::test]
async fn it_has_every_route_and_no_other() {
    let server = Server::start().await;
    let document = description(&server).await;
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
        }
    }
    let routes = ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_owned()));
    assert_eq!(described, routes.collect());
    server.stop().await;
}

/// Somebody else's validators: of the document itself, and of every example in it.
#[tokio::test]
async fn it_is_valid_and_its_examples_are_as_it_says() {
    let server = Server::start().await;
    let document = description(&server).await;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let examples = schemas.iter().filter_map(|(name, schema)| {
        let value = schema["examples"].get(0)?.clone();
        let schema = serde_json::json!({ "$ref": format!("#/components/schemas/{name}") });
        Some(Sample { what: name.clone(), schema, value })
    });
    let examples: Vec<_> = examples.collect();
    assert!(examples.len() > 40, "{} examples were found", examples.len());
    assert_eq!(validator::faults_of_document(&document), Vec::<String>::new());
    assert_eq!(validator::faults_of(&document, &examples), Vec::<String>::new());
    // They can tell: an example that is not as described, and a document that is none.
    let mut spoilt = examples[..1].to_vec();
    spoilt[0].value["surprise"] = 1.into();
    let told = validator::faults_of(&document, &spoilt);
    assert!(told[0].contains("surprise"), "{told:?}");
    let mut none = document.clone();
    none["info"]["title"] = 7.into();
    assert_ne!(validator::faults_of_document(&none), Vec::<String>::new());
    server.stop().await;
}

#[test]
fn the_guide_names_the_problems_of_each_route() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let page = std::fs::read_to_string(page).expect("docs/api.md");
    let problems: BTreeMap<(&str, &str), &[ProblemCode]> =
        ROUTES.iter().map(|route| ((route.method.as_str(), route.path), route.problems)).collect();
    for section in page.split("\n### ").skip(1) {
        let section = section.split("\n## ").next().expect("a section");
        let heading = section.lines().next().expect("a heading");
        let routes = heading.split('`').skip(1).step_by(2).filter_map(|it| it.split_once(' '));
        let of_rows = routes.flat_map(|route| problems[&route].iter().map(|code| code.as_str()));
        let line = section.lines().find_map(|line| line.strip_prefix("Problems: "));
        let named = line.map(codes).unwrap_or_default();
        assert_eq!(named, of_rows.collect(), "{heading}: docs/api.md on the left");
    }
}

/// The codes in a line: what stands between backticks and is one, outside of parentheses.
fn codes(line: &str) -> BTreeSet<&str> {
    let outside = line.split('(').map(|piece| piece.split_once(')').map_or(piece, |(_, it)| it));
    let words = outside.flat_map(|piece| piece.split('`').skip(1).step_by(2));
    words.filter(|word| ProblemCode::ALL.iter().any(|code| code.as_str() == *word)).collect()
}
