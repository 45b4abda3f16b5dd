//! Somebody else's validators, of OpenAPI documents and of JSON: Python's `openapi-spec-validator`
//! and `jsonschema`.

use serde_json::{Value, json};
use server::http::routes::{Content, Route};

use super::super::python::python;

/// Whether the document is one of OpenAPI 3.1.
const OF_DOCUMENT: &str = "
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
faults = OpenAPIV31SpecValidator(json.load(sys.stdin)['document']).iter_errors()
print(json.dumps([f'{list(it.absolute_path)}: {it.message[:300]}' for it in faults]))
";

/// Whether JSON is of the document's schemas.
///
/// Answers may have more fields some day, so the description lets them; today they have those that
/// are described, and the shapes are closed. A frame in a list of them is left open: its type stands
/// beside its fields.
const OF_SAMPLES: &str = "
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
asked = json.load(sys.stdin)
components = asked['document']['components']
schemas = components['schemas']
frames = [it.get('$ref') for schema in schemas.values() for it in schema.get('oneOf', [])]
for name, schema in schemas.items():
    if 'properties' in schema and f'#/components/schemas/{name}' not in frames:
        schema.setdefault('additionalProperties', False)
faults = []
for sample in asked['samples']:
    schema = {**sample['schema'], 'components': components}
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    for it in validator.iter_errors(sample['value']):
        faults.append(f'{sample[\"what\"]} {list(it.absolute_path)}: {it.message[:300]}')
print(json.dumps(faults))
";

/// Something that went in or out, and the schema that it should be of.
#[derive(Clone, Debug)]
pub(in crate::http) struct Sample {
    pub(in crate::http) what: String,
    pub(in crate::http) schema: Value,
    pub(in crate::http) value: Value,
}

/// The body of a request to a route.
pub(in crate::http) fn request(document: &Value, route: &Route, value: Value) -> Sample {
    let body = &operation(document, route)["requestBody"]["content"]["application/json"];
    sample(route, "takes", &body["schema"], value)
}

/// What a route answered with, line by line where it has lines.
pub(in crate::http) fn answer(
    document: &Value,
    route: &Route,
    status: u16,
    value: &Value,
) -> Vec<Sample> {
    let answers = route.answers.iter().find(|answers| answers.status == status);
    let (media_type, values) = match answers.expect("it is described").content {
        Content::AnyJson | Content::Json(_) => ("application/json", vec![value.clone()]),
        Content::File(media_type) => (media_type, vec![value.clone()]),
        Content::Html => ("text/html", vec![value.clone()]),
        Content::Text => ("text/plain", vec![value.clone()]),
        Content::EventStream(_) => ("text/event-stream", vec![value.clone()]),
        Content::JsonLines(_) => ("application/jsonl", lines(value)),
        Content::None => {
            assert!(value.is_null(), "{} answers nothing: {value}", route.name);
            return Vec::new();
        }
    };
    let response = &operation(document, route)["responses"][status.to_string()];
    let schema = &response["content"][media_type]["schema"];
    values.into_iter().map(|value| sample(route, "answers", schema, value)).collect()
}

fn operation<'a>(document: &'a Value, route: &Route) -> &'a Value {
    &document["paths"][route.path][route.method.as_str().to_lowercase()]
}

fn sample(route: &Route, does: &str, schema: &Value, value: Value) -> Sample {
    assert!(schema.is_object(), "{} {does} {value} and says nothing of it", route.name);
    Sample { what: format!("{} {does} {value}", route.name), schema: schema.clone(), value }
}

/// The objects of an answer that has one a line; a single line was read as it.
fn lines(value: &Value) -> Vec<Value> {
    match value {
        Value::String(lines) => {
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }
        one => vec![one.clone()],
    }
}

/// What is wrong with the document.
pub(in crate::http) fn faults_of_document(document: &Value) -> Vec<String> {
    faults(OF_DOCUMENT, &json!({ "document": document }))
}

/// What is wrong with any of the samples.
pub(in crate::http) fn faults_of(document: &Value, samples: &[Sample]) -> Vec<String> {
    let shown = |it: &Sample| json!({ "what": it.what, "schema": it.schema, "value": it.value });
    let samples: Vec<_> = samples.iter().map(shown).collect();
    faults(OF_SAMPLES, &json!({ "document": document, "samples": samples }))
}

fn faults(script: &str, asked: &Value) -> Vec<String> {
    let done = python(script, asked);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("a list")
}
