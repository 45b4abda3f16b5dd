//! One operation: who may ask, what goes in, what comes out, what is refused, and how it looks.

use serde_json::Value;

use super::html::Html;
use super::{fields, list, map, method_badge, shape, text};
use crate::http::description::examples;

/// Writes an operation.
pub(super) fn write(html: &mut Html, document: &Value, method: &str, path: &str, it: &Value) {
    let name = text(&it["operationId"]);
    html.tags("<section class=\"operation\" aria-labelledby=\"").text(name).tags("\">\n");
    html.tags("<div class=\"said\">\n<h3 id=\"").text(name).tags("\"><a href=\"#").text(name);
    html.tags("\">").text(text(&it["summary"])).tags("</a></h3>\n<p class=\"route\">");
    method_badge(html, method);
    html.tags(" ");
    route(html, path);
    html.tags("</p>\n").paragraphs(text(&it["description"]));
    html.tags("<p class=\"caller\"><span>For</span> ");
    html.sentence(text(&it["x-reveille-caller"])).tags("</p>\n");
    parameters(html, it);
    body(html, document, it);
    answers(html, document, it);
    problems(html, document, it);
    html.tags("</div>\n<div class=\"shown\">\n");
    shown(html, it);
    html.tags("</div>\n</section>\n");
}

/// A path, which may break behind each slash, its parameters told apart.
fn route(html: &mut Html, path: &str) {
    html.tags("<code>");
    for part in path.split('/').skip(1) {
        html.tags("<wbr>/");
        match part.starts_with('{') {
            true => html.tags("<i>").text(part).tags("</i>"),
            false => html.text(part),
        };
    }
    html.tags("</code>");
}

fn parameters(html: &mut Html, it: &Value) {
    for (place, title) in [("path", "Path"), ("query", "Query"), ("header", "Header")] {
        let of_place = |parameter: &&Value| parameter["in"] == place;
        let mut found = list(&it["parameters"]).iter().filter(of_place).peekable();
        if found.peek().is_none() {
            continue;
        }
        html.tags("<h4>").text(title).tags("</h4>\n<dl class=\"fields\">\n");
        for parameter in found {
            let mut schema = parameter["schema"].clone();
            schema["description"] = parameter["description"].clone();
            fields::one(html, &Value::Null, (text(&parameter["name"]), ""), &schema);
        }
        html.tags("</dl>\n");
    }
}

fn body(html: &mut Html, document: &Value, it: &Value) {
    let body = &it["requestBody"];
    let schema = &body["content"]["application/json"]["schema"];
    let Some(name) = shape(schema) else { return };
    html.tags("<h4>Body <a class=\"name\" href=\"#shape-").text(name).tags("\">").text(name);
    html.tags("</a>");
    if body["required"] == false {
        html.tags(" <span class=\"type\">may be left out</span>");
    }
    html.tags("</h4>\n");
    let schemas = &document["components"]["schemas"];
    fields::write(html, schemas, &schemas[name]);
}

fn answers(html: &mut Html, document: &Value, it: &Value) {
    html.tags("<h4>Answers</h4>\n<ul class=\"answers\">\n");
    for (status, response) in map(&it["responses"]) {
        if response["$ref"].is_string() {
            continue;
        }
        html.tags("<li><span class=\"status good\">").text(status).tags("</span> ");
        match map(&response["content"]).first() {
            None => html.text(text(&response["description"])),
            Some((media_type, content)) => answer(html, document, media_type, &content["schema"]),
        };
        html.tags("</li>\n");
    }
    html.tags("</ul>\n");
}

/// A shape as an answer, its fields folded away; of a list, those of its items.
fn answer<'a>(
    html: &'a mut Html,
    document: &Value,
    media_type: &str,
    schema: &Value,
) -> &'a mut Html {
    let Some(name) = shape(schema) else {
        return html.tags("<code>").text(media_type).tags("</code>");
    };
    let schemas = &document["components"]["schemas"];
    let items = &schemas[name]["properties"]["items"]["items"];
    let (words, name) = match (shape(items), media_type) {
        (Some(item), _) if name.ends_with(examples::PAGE) => ("A page of ", item),
        (_, "application/jsonl") => ("A line of JSON for each ", name),
        _ => ("", name),
    };
    html.tags("<details><summary>").text(words).tags("<code>").text(name);
    html.tags("</code> <span class=\"type\">").sentence(text(&schemas[name]["description"]));
    html.tags("</span></summary>\n");
    fields::write(html, schemas, &schemas[name]);
    html.tags("<p><a href=\"#shape-").text(name).tags("\">").text(name);
    html.tags("</a> among the shapes</p></details>")
}

/// Those that are particular to it, and how many any request may get.
fn problems(html: &mut Html, document: &Value, it: &Value) {
    html.tags("<h4>Problems</h4>\n<ul class=\"problems\">\n");
    let own = list(&it["x-reveille-problems"]);
    let mut usual = Vec::new();
    for (status, response) in map(&it["responses"]) {
        let Some(name) = shape(response) else { continue };
        let refused = &document["components"]["responses"][name];
        let refused = &refused["content"]["application/problem+json"]["schema"];
        for code in list(&refused["properties"]["code"]["enum"]) {
            match own.contains(code) {
                true => problem(html, status, text(code)),
                false => usual.push((status, text(code))),
            }
        }
    }
    html.tags("</ul>\n<details class=\"usual\"><summary>");
    html.tags(if own.is_empty() { "Those " } else { "And those " });
    html.tags("that follow from who asks and how</summary>\n<ul class=\"problems\">\n");
    for (status, code) in usual {
        problem(html, status, code);
    }
    html.tags("</ul>\n</details>\n");
}

fn problem(html: &mut Html, status: &str, code: &str) {
    html.tags("<li><a href=\"#problem-").text(code).tags("\"><span class=\"status\">");
    html.text(status).tags("</span> <code>").text(code).tags("</code></a></li>\n");
}

/// How it looks: calls in a shell, and an answer.
fn shown(html: &mut Html, it: &Value) {
    let calls = text(&it["x-codeSamples"][0]["source"]);
    if !calls.is_empty() {
        example(html, "In a shell", calls);
    }
    let body = shape(&it["requestBody"]["content"]["application/json"]["schema"]);
    if let (Some(json), false) = (body.and_then(examples::text), calls.contains(" -d ")) {
        example(html, "Body", &json);
    }
    for (status, response) in map(&it["responses"]) {
        let schema = map(&response["content"]).first().map(|(_, content)| &content["schema"]);
        let Some(name) = schema.and_then(shape) else { continue };
        if let Some(json) = examples::text(name) {
            example(html, &format!("Answer {status}"), &json);
        }
    }
}

fn example(html: &mut Html, title: &str, text: &str) {
    html.tags("<figure><figcaption>").text(title).tags("</figcaption>");
    // What scrolls can be reached by the keyboard.
    html.tags("<pre tabindex=\"0\"><code>").text(text).tags("</code></pre></figure>\n");
}
