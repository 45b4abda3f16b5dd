//! The schemas of bodies, from their types: strict for what is read, open for what is written.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::examples;
use crate::http::routes::Shape;

/// Where the parts of requests and of answers stand.
const REQUESTS: &str = "#/components/requests/";
const ANSWERS: &str = "#/components/schemas/";

/// What a shape of a request is called besides its name if an answer has it too, and not quite so.
const OF_REQUEST: &str = "Request";

/// Gathers the schemas of everything that goes in and out.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &str| {
            let path = path.trim_matches(['#', '/']);
            let settings = SchemaSettings::draft2020_12();
            settings.with(|settings| settings.definitions_path = format!("/{path}").into())
        };
        Self {
            requests: settings(REQUESTS).for_deserialize().into_generator(),
            answers: settings(ANSWERS).for_serialize().into_generator(),
        }
    }

    /// The schema of what is read.
    pub(super) fn request(&mut self, shape: Shape) -> Value {
        shape.schema(&mut self.requests).to_value()
    }

    /// The schema of what is written.
    pub(super) fn answer(&mut self, shape: Shape) -> Value {
        shape.schema(&mut self.answers).to_value()
    }

    /// Puts the parts into the document, whose references lead there from then on.
    pub(super) fn finish(mut self, document: &mut Value) {
        let mut parts = self.answers.take_definitions(true);
        parts.values_mut().for_each(|schema| tidy(schema, Direction::Out));
        let mut of_requests = self.requests.take_definitions(true);
        of_requests.values_mut().for_each(|schema| tidy(schema, Direction::In));
        let apart = apart(&parts, &of_requests);
        for (name, schema) in of_requests {
            parts.insert(name_of_request(&name, &apart), schema);
        }
        examples::add(&mut parts);
        document["components"]["schemas"] = Value::Object(parts);
        lead(document, &apart);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// The names under which requests and answers have different shapes, be it further down.
fn apart(answers: &Map<String, Value>, requests: &Map<String, Value>) -> Vec<String> {
    let mut apart: Vec<String> = Vec::new();
    loop {
        let leads_apart = |schema: &Value| {
            let text = schema.to_string();
            apart.iter().any(|name| text.contains(&format!("\"{REQUESTS}{name}\"")))
        };
        let more = requests.iter().find(|(name, schema)| {
            let shared = answers.get(*name).filter(|_| !apart.contains(name));
            shared.is_some_and(|other| !same(other, schema) || leads_apart(schema))
        });
        match more {
            Some((name, _)) => apart.push(name.clone()),
            None => return apart,
        }
    }
}

fn name_of_request(name: &str, apart: &[String]) -> String {
    match apart.iter().any(|other| other == name) {
        true => format!("{name}{OF_REQUEST}"),
        false => name.to_owned(),
    }
}

/// Whether two schemas differ at most in where the parts of one of them stand.
fn same(answer: &Value, request: &Value) -> bool {
    let (answer, request) = (answer.to_string(), request.to_string());
    answer == request.replace(REQUESTS, ANSWERS)
}

/// Makes every reference of a request lead to where its part stands.
fn lead(value: &mut Value, apart: &[String]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| lead(item, apart)),
        Value::Object(fields) => fields.values_mut().for_each(|field| lead(field, apart)),
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(REQUESTS) {
                *text = format!("{ANSWERS}{}", name_of_request(name, apart));
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

/// Says what schemars makes of a type as one would write it.
fn tidy(schema: &mut Value, direction: Direction) {
    let Value::Object(fields) = schema else { return };
    without_null(fields);
    words(fields);
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = prose(text);
    }
    // How wide a number is inside the server is no limit that anybody set.
    if let Some(Value::String(format)) = fields.get("format")
        && format.starts_with("uint")
    {
        let widest = [u64::from(u8::MAX), u64::from(u16::MAX)];
        if fields.get("maximum").and_then(Value::as_u64).is_some_and(|it| widest.contains(&it)) {
            fields.remove("maximum");
        }
        fields.remove("format");
    }
    // An answer may have more fields some day.
    let closed = fields.get("additionalProperties") == Some(&Value::Bool(false));
    if direction == Direction::Out && closed && !fields.contains_key("patternProperties") {
        fields.remove("additionalProperties");
    }
    for (keyword, below) in fields {
        match keyword.as_str() {
            "properties" | "patternProperties" => {
                let parts = below.as_object_mut().into_iter().flat_map(Map::values_mut);
                parts.for_each(|part| tidy(part, direction));
            }
            "allOf" | "anyOf" | "oneOf" => {
                let parts = below.as_array_mut().into_iter().flatten();
                parts.for_each(|part| tidy(part, direction));
            }
            "additionalProperties" | "items" => tidy(below, direction),
            _ => {}
        }
    }
}

/// A field that has no value is left out: `null` is read like that and never written.
fn without_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            fields.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [Value::Object(choice)] = choices.as_slice() {
            let choice = choice.clone();
            fields.remove("anyOf");
            fields.extend(choice);
        }
    }
}

/// Words that are each described stand as an enum, which generators of clients know, with the
/// descriptions beside it.
fn words(fields: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = fields.get("oneOf") else { return };
    let Some(words) = choices.iter().map(|it| it.get("const").cloned()).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let described = choices.iter().filter_map(|choice| {
        let word = choice.get("const")?.as_str()?.to_owned();
        Some((word, prose(choice.get("description")?.as_str()?).into()))
    });
    let described: Map<String, Value> = described.collect();
    fields.remove("oneOf");
    fields.insert("type".to_owned(), json!("string"));
    fields.insert("enum".to_owned(), words.into());
    fields.insert("x-enumDescriptions".to_owned(), described.into());
}

/// A doc comment as text: without the ends of its lines, and without links into the code.
fn prose(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    text.replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_schemars_says_is_tidied() {
        let check = |direction, mut schema: Value, expected: Value| {
            tidy(&mut schema, direction);
            assert_eq!(schema, expected);
        };
        let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
        let mut closed = open.clone();
        closed["additionalProperties"] = json!(false);
        check(Direction::In, closed.clone(), closed.clone());
        check(Direction::Out, closed, open);
        check(Direction::In, json!({ "type": ["string", "null"] }), json!({ "type": "string" }));
        check(
            Direction::In,
            json!({ "description": "a\nb", "anyOf": [{ "$ref": "#/x" }, { "type": "null" }] }),
            json!({ "description": "a b", "$ref": "#/x" }),
        );
        check(
            Direction::Out,
            json!({ "oneOf": [{ "const": "on", "description": "It\ndoes." }] }),
            json!({
                "type": "string", "enum": ["on"], "x-enumDescriptions": { "on": "It does." },
            }),
        );
        let status =
            json!({ "type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535 });
        check(Direction::Out, status, json!({ "type": "integer", "minimum": 0 }));
        // A field that is called so is no description.
        let named = json!({ "properties": { "description": { "type": "string" } } });
        check(Direction::In, named.clone(), named);
    }
}
