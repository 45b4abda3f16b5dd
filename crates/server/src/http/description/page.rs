//! The page to read: the document as HTML, with one style and nothing else to load.

mod fields;
mod html;
mod operation;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use self::html::Html;
use super::examples;
use crate::http::problem::ProblemCode;
use crate::http::routes::ROUTES;

/// The one style.
const STYLE: &str = include_str!("page/style.css");

/// A page, and what a browser may load for it.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) policy: String,
}

/// Writes the page.
pub(super) fn page(document: &Value) -> Page {
    let mut html = Html::default();
    head(&mut html, document);
    html.tags("<body>\n<a class=\"skip\" href=\"#content\">To the content</a>\n");
    contents(&mut html, document);
    html.tags("<main id=\"content\" tabindex=\"-1\">\n");
    introduction(&mut html, document);
    for (number, tag) in list(&document["tags"]).iter().enumerate() {
        html.tags("<section class=\"tag\" aria-labelledby=\"").text(&anchor(number)).tags("\">\n");
        html.tags("<h2 id=\"").text(&anchor(number)).tags("\">").sentence(text(&tag["name"]));
        html.tags("</h2>\n").paragraphs(text(&tag["description"]));
        for (method, path, of_route) in operations(document, text(&tag["name"])) {
            operation::write(&mut html, document, method, path, of_route);
        }
        html.tags("</section>\n");
    }
    shapes(&mut html, document);
    problems(&mut html);
    html.tags("</main>\n</body>\n</html>\n");
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    Page { text: html.into_text(), policy }
}

fn head(html: &mut Html, document: &Value) {
    html.tags("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.tags("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.tags("<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    html.text(text(&document["info"]["title"])).tags(" API reference</title>\n<style>");
    // The policy has its hash: it stands here byte for byte.
    html.tags(STYLE).tags("</style>\n</head>\n");
}

/// What there is, by tag.
fn contents(html: &mut Html, document: &Value) {
    html.tags("<nav aria-label=\"Contents\">\n<p class=\"brand\"><a href=\"#content\">");
    html.text(text(&document["info"]["title"])).tags("</a> <span>API ");
    html.text(text(&document["info"]["version"])).tags("</span></p>\n");
    html.tags("<details class=\"menu\">\n<summary>Contents</summary>\n<ul class=\"fixed\">\n");
    html.tags("<li><a href=\"#keys\">Keys</a></li>\n");
    html.tags("<li><a href=\"#shapes\">Shapes</a></li>\n");
    html.tags("<li><a href=\"#problems\">Problems</a></li>\n</ul>\n");
    for (number, tag) in list(&document["tags"]).iter().enumerate() {
        html.tags("<h2><a href=\"#").text(&anchor(number)).tags("\">");
        html.text(text(&tag["name"])).tags("</a></h2>\n<ul>\n");
        for (method, _, of_route) in operations(document, text(&tag["name"])) {
            html.tags("<li><a href=\"#").text(text(&of_route["operationId"])).tags("\">");
            method_badge(html, method);
            html.tags("<span>").text(text(&of_route["summary"])).tags("</span></a></li>\n");
        }
        html.tags("</ul>\n");
    }
    html.tags("</details>\n</nav>\n");
}

fn introduction(html: &mut Html, document: &Value) {
    let info = &document["info"];
    html.tags("<header>\n<h1>").text(text(&info["title"])).tags(" API</h1>\n<p class=\"lead\">");
    html.text(text(&info["summary"])).tags(".</p>\n").paragraphs(text(&info["description"]));
    html.tags("<p>This page is made of <a href=\"openapi.json\">openapi.json</a>, ");
    html.tags("the same in OpenAPI 3.1, from which clients can be made.</p>\n</header>\n");
    html.tags("<section class=\"tag\" aria-labelledby=\"keys\">\n<h2 id=\"keys\">Keys</h2>\n");
    html.tags(
        "<p>A key goes into the header <code>Authorization: Bearer …</code> and shows its kind; ",
    );
    html.tags("the wrong kind is named in the refusal.</p>\n<dl class=\"fields\">\n");
    for (name, scheme) in map(&document["components"]["securitySchemes"]) {
        html.tags("<div><dt><code>").text(name).tags("</code> <span class=\"type\">");
        match scheme["type"].as_str() {
            Some("apiKey") => html.tags("header <code>").text(text(&scheme["name"])),
            _ => html.tags("<code>Authorization: Bearer"),
        };
        html.tags("</code></span></dt><dd>").sentence(text(&scheme["description"]));
        html.tags("</dd></div>\n");
    }
    html.tags("</dl>\n</section>\n");
}

/// Every shape that another one leads to.
fn shapes(html: &mut Html, document: &Value) {
    html.tags("<section class=\"tag\" aria-labelledby=\"shapes\">\n");
    html.tags("<h2 id=\"shapes\">Shapes</h2>\n<p>What bodies consist of. Of what is sent the ");
    html.tags(
        "fields that are needed are marked, of what is answered those that may be missing.</p>\n",
    );
    for (name, schema) in map(&document["components"]["schemas"]) {
        if name.ends_with(examples::PAGE) && schema["properties"]["items"].is_object() {
            continue;
        }
        html.tags("<section class=\"shape\" id=\"shape-")
            .text(name)
            .tags("\">\n<h3><a href=\"#shape-");
        html.text(name).tags("\">").text(name).tags("</a></h3>\n");
        html.paragraphs(text(&schema["description"]));
        fields::write(html, &document["components"]["schemas"], schema);
        html.tags("</section>\n");
    }
    html.tags("</section>\n");
}

/// Every problem, once.
fn problems(html: &mut Html) {
    html.tags(
        "<section class=\"tag\" aria-labelledby=\"problems\">\n<h2 id=\"problems\">Problems</h2>\n",
    );
    html.tags("<p>A refusal is a <a href=\"#shape-Problem\">Problem</a> with the media type ");
    html.tags("<code>application/problem+json</code> (RFC 9457). Programs decide by its ");
    html.tags("<code>code</code>.</p>\n<dl class=\"fields\">\n");
    for code in ProblemCode::ALL {
        html.tags("<div id=\"problem-").text(code.as_str()).tags("\"><dt><code>");
        html.text(code.as_str()).tags("</code> <span class=\"status\">");
        html.text(code.status().as_str()).tags("</span> <span class=\"title\">");
        html.text(code.title()).tags("</span></dt><dd>");
        html.sentence(&code.about().replace('\n', " ")).tags("</dd></div>\n");
    }
    html.tags("</dl>\n</section>\n");
}

/// The operations of a tag, in the order of the table.
fn operations<'a>(
    document: &'a Value,
    tag: &str,
) -> impl Iterator<Item = (&'static str, &'static str, &'a Value)> {
    ROUTES.iter().filter_map(move |route| {
        let method = route.method.as_str();
        let operation = &document["paths"][route.path][method.to_lowercase()];
        (operation["tags"][0] == tag).then_some((method, route.path, operation))
    })
}

fn method_badge(html: &mut Html, method: &str) {
    html.tags("<b class=\"method ").text(&method.to_lowercase()).tags("\">");
    html.text(method).tags("</b>");
}

fn anchor(tag: usize) -> String {
    format!("tag-{}", tag + 1)
}

/// A text of the document; of one that it has not, nothing.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn map(value: &Value) -> Vec<(&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
}

/// The last part of a reference: the name of a shape.
fn shape(schema: &Value) -> Option<&str> {
    text(&schema["$ref"]).rsplit_once('/').map(|(_, name)| name)
}
