//! The fields of a shape, each with its type, its limits and what it is for.

use serde_json::Value;

use super::html::Html;
use super::{list, map, shape, text};

/// So many words at most stand where their shape is used.
const FEW_WORDS: usize = 4;

/// Writes what a schema consists of: fields, words, or one of several.
pub(super) fn write(html: &mut Html, schemas: &Value, schema: &Value) {
    let required = list(&schema["required"]);
    let mut fields = map(&schema["properties"]);
    // Those that are needed come first, in the order of the type.
    let place = |name: &str| required.iter().position(|other| other == name);
    fields.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    // What is read is closed. Of that most may be left out, of what is written most is there.
    let is_read = schema["additionalProperties"] == false;
    if !fields.is_empty() {
        html.tags("<dl class=\"fields\">\n");
        for (name, field) in fields {
            let mark = match (is_read, place(name)) {
                (true, Some(_)) => "required",
                (false, None) => "optional",
                (true, None) | (false, Some(_)) => "",
            };
            one(html, schemas, (name, mark), field);
        }
        html.tags("</dl>\n");
    }
    let described = map(&schema["x-enumDescriptions"]);
    if !described.is_empty() {
        html.tags("<dl class=\"fields\">\n");
        for word in list(&schema["enum"]).iter().filter_map(Value::as_str) {
            let about = text(&schema["x-enumDescriptions"][word]);
            html.tags("<div><dt><code>").text(word).tags("</code></dt><dd>");
            html.sentence(about).tags("</dd></div>\n");
        }
        html.tags("</dl>\n");
    } else if schema["enum"].is_array() {
        html.tags("<p>");
        words(html, schema);
        html.tags("</p>\n");
    }
    for choices in ["oneOf", "anyOf"] {
        if schema[choices].is_array() {
            html.tags("<p>One of:</p>\n<ul class=\"choices\">\n");
            for choice in list(&schema[choices]) {
                html.tags("<li>");
                choice_of(html, schemas, choice);
                html.tags("</li>\n");
            }
            html.tags("</ul>\n");
        }
    }
}

/// A field, or a parameter, by its name; the mark is a word about it, or none.
pub(super) fn one(html: &mut Html, schemas: &Value, (name, mark): (&str, &str), schema: &Value) {
    html.tags("<div><dt><code>").text(name).tags("</code> <span class=\"type\">");
    kind(html, schemas, schema);
    html.tags("</span>");
    if !mark.is_empty() {
        html.tags(" <span class=\"mark ").text(mark).tags("\">").text(mark).tags("</span>");
    }
    html.tags("</dt><dd>").sentence(text(&schema["description"]));
    if !schema["default"].is_null() {
        html.tags(" Left out: <code>").text(schema["default"].to_string().trim_matches('"'));
        html.tags("</code>.");
    }
    html.tags("</dd></div>\n");
}

/// A frame in a list of them: its type, and the shape that has its fields.
fn choice_of(html: &mut Html, schemas: &Value, schema: &Value) {
    if let Some(tag) = schema["properties"]["type"]["const"].as_str() {
        html.tags("<code>type</code> <code>").text(tag).tags("</code>: ");
    }
    kind(html, schemas, schema);
    let about = text(&schema["description"]);
    if !about.is_empty() {
        html.tags(". ").sentence(about);
    }
}

/// The words that a value may be.
fn words<'a>(html: &'a mut Html, schema: &Value) -> &'a mut Html {
    for (number, word) in list(&schema["enum"]).iter().enumerate() {
        html.tags(if number == 0 { "<code>" } else { ", <code>" });
        html.text(word.to_string().trim_matches('"')).tags("</code>");
    }
    html
}

/// What a value is, in words.
fn kind(html: &mut Html, schemas: &Value, schema: &Value) {
    if let Some(name) = shape(schema) {
        // Few words say more than their name.
        if (1..=FEW_WORDS).contains(&list(&schemas[name]["enum"]).len()) {
            words(html, &schemas[name]);
            return;
        }
        html.tags("<a href=\"#shape-").text(name).tags("\">").text(name).tags("</a>");
        return;
    }
    if schema["enum"].is_array() {
        words(html, schema);
        return;
    }
    if let Some(word) = schema["const"].as_str() {
        html.tags("<code>").text(word).tags("</code>");
        return;
    }
    match (text(&schema["type"]), text(&schema["format"])) {
        ("string", "date-time") => html.tags("time"),
        ("string", "uuid") => html.tags("UUID"),
        ("string", _) => {
            html.tags("string").text(&range(schema, "minLength", "maxLength", " characters"))
        }
        ("integer", _) => html.tags("integer").text(&range(schema, "minimum", "maximum", "")),
        ("number", _) => html.tags("number"),
        ("boolean", _) => html.tags("true or false"),
        ("array", _) => {
            html.tags("list of ");
            kind(html, schemas, &schema["items"]);
            html.text(&range(schema, "minItems", "maxItems", ""))
        }
        ("object", _) => object(html, schemas, schema),
        _ => html.tags("any JSON"),
    };
}

fn object<'a>(html: &'a mut Html, schemas: &Value, schema: &Value) -> &'a mut Html {
    let patterns = map(&schema["patternProperties"]);
    let values = patterns.first().map_or(&schema["additionalProperties"], |(_, values)| *values);
    if !values.is_object() {
        return html.tags("object");
    }
    html.tags("object of ");
    kind(html, schemas, values);
    html
}

/// The limits of a value; those that say nothing are left out.
fn range(schema: &Value, least: &str, most: &str, unit: &str) -> String {
    match (schema[least].as_u64(), schema[most].as_u64()) {
        (Some(least), Some(most)) if least == most => format!(", {most}{unit}"),
        (least, Some(most)) => format!(", {} to {most}{unit}", least.unwrap_or(0)),
        (Some(least), None) if least > 0 => format!(", at least {least}{unit}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_value_is_in_words() {
        let check = |schema: Value, expected: &str| {
            let mut html = Html::default();
            let schemas = json!({ "Few": { "enum": ["a", "b"] } });
            kind(&mut html, &schemas, &schema);
            assert_eq!(html.into_text(), expected, "{schema}");
        };
        check(json!({ "type": "string" }), "string");
        check(json!({ "type": "string", "maxLength": 9 }), "string, 0 to 9 characters");
        check(json!({ "type": "string", "format": "date-time" }), "time");
        check(json!({ "type": "integer", "minimum": 0, "format": "uint32" }), "integer");
        check(json!({ "type": "integer", "minimum": 5, "maximum": 120 }), "integer, 5 to 120");
        check(json!({ "type": "array", "items": { "type": "string" } }), "list of string");
        check(json!({ "$ref": "#/components/schemas/App" }), "<a href=\"#shape-App\">App</a>");
        check(json!({ "$ref": "#/components/schemas/Few" }), "<code>a</code>, <code>b</code>");
        check(json!({ "enum": ["a", 1] }), "<code>a</code>, <code>1</code>");
        check(json!({ "type": "object", "additionalProperties": true }), "object");
        check(json!({ "description": "opaque" }), "any JSON");
        let codes = json!({ "patternProperties": { "^[0-9]+$": { "type": "integer" } } });
        let mut object = codes;
        object["type"] = json!("object");
        check(object, "object of integer");
    }
}
