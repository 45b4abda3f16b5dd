//! The examples of the documents: commands of a shell, as far as they are requests, and what they
//! come to.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

/// What is fenced in a page: its language and its lines.
pub(super) fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').expect("it has lines")).collect()
}

/// A command of one line.
#[derive(Debug)]
pub(super) struct Command<'a> {
    pub(super) line: &'a str,
    /// What its here-document says.
    pub(super) document: Option<String>,
}

/// The commands of a block, without empty lines and comments.
pub(super) fn commands(block: &str) -> Vec<Command<'_>> {
    let mut lines = block.lines();
    let mut commands = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let document = line.ends_with("<<END").then(|| {
            let said: Vec<_> = lines.by_ref().take_while(|line| *line != "END").collect();
            said.join("\n")
        });
        commands.push(Command { line, document });
    }
    commands
}

/// A request of `curl`.
#[derive(Debug)]
pub(super) struct Curl<'a> {
    /// The variable that keeps what `grep` finds in the answer.
    pub(super) kept_in: Option<&'a str>,
    /// Its arguments, as they stand there.
    pub(super) arguments: &'a str,
    /// What is looked for in the answer: how it begins.
    prefix: Option<&'a str>,
}

impl<'a> Curl<'a> {
    /// Reads a line; `None` if it is another command.
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let (kept_in, rest) = match line.split_once("=$(curl ") {
            Some((name, rest)) => (Some(name), rest),
            None => (None, line.strip_prefix("curl ")?),
        };
        let (arguments, found) = rest.split_once(" | ").unwrap_or((rest, ""));
        let prefix = found.split('\'').nth(1).and_then(|found| found.split('[').next());
        Some(Self { kept_in, arguments, prefix })
    }

    /// What is looked for in an answer; panics if it is not there.
    pub(super) fn found(&self, answer: &Value) -> String {
        let text = answer.to_string();
        let at = text.find(self.prefix.expect("a pattern"));
        let at = at.unwrap_or_else(|| panic!("{self:?} finds nothing in {text}"));
        text[at..].split('"').next().expect("its end").to_owned()
    }
}

/// The request that `curl` makes of its arguments, and what its body says.
pub(super) fn request(
    arguments: &[String],
    document: Option<String>,
) -> (Request<Full<Bytes>>, Option<Value>) {
    let mut request = Request::builder();
    let (mut method, mut body) = (None, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().expect("its value").clone();
        match argument.as_str() {
            "-s" => {}
            "-X" => method = Some(value()),
            "-d" => body = Some(value()),
            "-H" => {
                let header = value();
                let (name, value) = header.split_once(": ").expect("a header");
                request = request.header(name, value);
            }
            "<<END" => {}
            path => request = request.uri(path),
        }
    }
    let body = document.or(body);
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = method.as_deref().unwrap_or(usual);
    let said = body.as_deref().map(|body| serde_json::from_str(body).expect("JSON"));
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    (request.method(method).body(body).expect("a request"), said)
}

/// The words of a line as the shell reads it: quotes, and variables where it looks for them.
pub(super) fn words(line: &str, shell: &BTreeMap<String, String>) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (closing, Some(opening)) if closing == opening => quote = None,
            ('\\', Some('"')) => word.extend(rest.next()),
            ('$', None | Some('"')) => {
                let mut name = String::new();
                while let Some(next) =
                    rest.next_if(|next| next.is_ascii_uppercase() || *next == '_')
                {
                    name.push(next);
                }
                word.push_str(shell.get(&name).unwrap_or_else(|| panic!("${name} in {line}")));
            }
            (' ', None) => words.push(std::mem::take(&mut word)),
            (other, _) => word.push(other),
        }
    }
    words.push(word);
    words
}
