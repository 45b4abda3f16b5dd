//! What `docs/api.md` says of each route: its chapter, what it is about, and examples.
//!
//! The page is held to the routes by tests, and its examples are run by them.

/// The page as it stands beside the code.
const PAGE: &str = include_str!("../../../../../docs/api.md");

/// The page, read.
pub(super) struct Guide {
    /// Those that have routes, in order.
    pub(super) chapters: Vec<Chapter>,
    sections: Vec<Section>,
}

/// A chapter, which is a tag of the description.
pub(super) struct Chapter {
    /// Its heading.
    pub(super) title: &'static str,
    /// What it says before its first route, as Markdown.
    pub(super) about: String,
}

/// What is said of a route, or of several at once.
pub(super) struct Section {
    /// The number of its chapter.
    pub(super) chapter: usize,
    /// Methods and paths.
    routes: Vec<(&'static str, &'static str)>,
    /// What it is about, as Markdown: what stands before its examples and tables.
    pub(super) about: String,
    /// Calls in a shell, each with its comment.
    calls: Vec<String>,
}

impl Guide {
    /// Reads it.
    pub(super) fn read() -> Self {
        let mut guide = Self { chapters: Vec::new(), sections: Vec::new() };
        for chapter in PAGE.split("\n## ").skip(1) {
            let mut parts = chapter.split("\n### ");
            let (title, about) = headed(parts.next().unwrap_or_default());
            let number = guide.chapters.len();
            let sections: Vec<_> = parts.map(|part| Section::read(number, part)).collect();
            if !sections.is_empty() {
                guide.chapters.push(Chapter { title, about: prose(about) });
                guide.sections.extend(sections);
            }
        }
        guide
    }

    /// What it says of a route.
    pub(super) fn section(&self, method: &str, path: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.routes.contains(&(method, path)))
    }
}

impl Section {
    fn read(chapter: usize, text: &'static str) -> Self {
        let (heading, text) = headed(text);
        // What stands between backticks is every second part.
        let routes = heading.split('`').skip(1).step_by(2);
        let routes = routes.filter_map(|route| route.split_once(' ')).collect();
        Self { chapter, routes, about: prose(text), calls: calls(text) }
    }

    /// The examples of one of its routes, each option on a line of its own.
    pub(super) fn examples(&self, method: &str, path: &str) -> String {
        let own = |call: &&String| self.routes.len() == 1 || calls_it(call, method, path);
        let own: Vec<_> = self.calls.iter().filter(own).map(String::as_str).collect();
        own.join("\n\n").replace(" -H ", " \\\n  -H ").replace(" -d ", " \\\n  -d ")
    }
}

/// The first line, and the rest.
fn headed(text: &'static str) -> (&'static str, &'static str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// The paragraphs before whatever else there is.
fn prose(text: &str) -> String {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let blocks = blocks.take_while(|block| !block.starts_with(['`', '|', '-']) || is_text(block));
    let blocks = blocks.take_while(|block| !block.starts_with("Problems"));
    let blocks = blocks.map(|block| without_links(&block.replace('\n', " ")));
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// Whether a block begins with code that stands in a sentence.
fn is_text(block: &str) -> bool {
    block.starts_with('`') && !block.starts_with("```")
}

/// Links into the folder of documents lead nowhere from a server: they become the file's name.
fn without_links(text: &str) -> String {
    let mut pieces = text.split("](");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (target, rest) = piece.split_once(')').unwrap_or((piece, ""));
        if target.starts_with("http") {
            plain.push_str(&format!("]({target}){rest}"));
            continue;
        }
        let opened = plain.rfind('[').unwrap_or_default();
        let label = plain.split_off(opened).replacen('[', "", 1);
        let file = target.split('#').next().unwrap_or_default().trim_start_matches("../");
        plain.push_str(&match (file, file == label) {
            ("", _) => label,
            (_, true) => format!("`docs/{file}`"),
            (_, false) => format!("{label} (`docs/{file}`)"),
        });
        plain.push_str(rest);
    }
    plain
}

/// The calls in the examples; a comment belongs to what follows it, and a document to its call.
fn calls(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let (mut calls, mut call, mut in_document) = (Vec::new(), String::new(), false);
    for line in blocks.flat_map(str::lines).filter(|line| !line.is_empty()) {
        if !call.is_empty() {
            call.push('\n');
        }
        call.push_str(line);
        in_document = (in_document || line.contains("<<END")) && line != "END";
        if !in_document && !line.starts_with('#') {
            calls.push(std::mem::take(&mut call));
        }
    }
    calls
}

/// Whether an example calls this route.
fn calls_it(call: &str, method: &str, path: &str) -> bool {
    let Some((_, rest)) = call.split_once("$URL") else { return false };
    let called = rest.split(['"', ' ', '?']).next().unwrap_or_default();
    let usual = if call.contains(" -d ") { "POST" } else { "GET" };
    let by = call.split_once(" -X ").and_then(|(_, rest)| rest.split(' ').next());
    let same = |(a, b): (&str, &str)| a == b || b.starts_with('{');
    by.unwrap_or(usual) == method
        && called.split('/').count() == path.split('/').count()
        && called.split('/').zip(path.split('/')).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::ROUTES;

    #[test]
    fn every_route_has_a_section_that_says_something() {
        let guide = Guide::read();
        for route in ROUTES {
            let section = guide.section(route.method.as_str(), route.path);
            let section = section.unwrap_or_else(|| panic!("{} {}", route.method, route.path));
            assert!(!section.about.is_empty(), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn an_example_stands_with_the_route_that_it_calls() {
        let guide = Guide::read();
        let examples =
            |method: &str, path: &str| guide.section(method, path).unwrap().examples(method, path);
        let test = "/v1/me/test-push/{push}";
        assert!(examples("POST", "/v1/me/test-push").starts_with("TEST=$(curl -s -X POST $URL"));
        let show = "curl -s $URL/v1/me/test-push/$TEST \\\n  -H \"Reveille-Device-Secret: ";
        assert!(examples("GET", test).starts_with(show));
        assert_eq!(examples("POST", "/v1/pushes/{push}/pause"), "");
        let upload = examples("POST", "/v1/apps/{app}/credentials");
        assert!(upload.starts_with("# A key pair") && upload.ends_with("}\nEND"), "{upload}");
    }

    #[test]
    fn links_that_would_lead_nowhere_are_names() {
        for (text, expected) in [
            ("see [webhooks.md](webhooks.md#events).", "see `docs/webhooks.md`."),
            ("of [opaque JSON](protocol.md#opaque-json)", "of opaque JSON (`docs/protocol.md`)"),
            ("as [above](#keys), too", "as above, too"),
            ("[one](a.md) [two](b.md)", "one (`docs/a.md`) two (`docs/b.md`)"),
            ("[FCM](https://a.example/x)", "[FCM](https://a.example/x)"),
        ] {
            assert_eq!(without_links(text), expected);
        }
    }
}
