//! What pushes were refused for: a list by diagnosis code, the most frequent first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use askama::Template;

use super::chart::number;
use super::health::meaning;
use super::link::asking;

/// The list, as it stands on a page.
#[derive(Template)]
#[template(path = "console/codes.html")]
pub(super) struct Codes {
    codes: Vec<Code>,
    /// Said where there is none.
    none: &'static str,
}

/// A diagnosis code.
struct Code {
    code: u16,
    meaning: &'static str,
    times: String,
    /// Of the most frequent, of a thousand.
    length: u64,
    /// Its records.
    link: String,
}

impl Codes {
    /// Those of an app, or of one push of it.
    pub(super) fn of(
        app: &str,
        push: Option<&str>,
        times: &BTreeMap<u16, u64>,
        none: &'static str,
    ) -> Self {
        let most = times.values().copied().max().unwrap_or_default();
        let mut times: Vec<_> = times.iter().map(|(code, times)| (*code, *times)).collect();
        times.sort_by_key(|(_, times)| Reverse(*times));
        let codes = times.into_iter().map(|(code, times)| Code {
            code,
            meaning: meaning(code),
            times: number(times),
            length: (times * 1_000).checked_div(most).unwrap_or_default(),
            link: records(app, push, code),
        });
        Self { codes: codes.collect(), none }
    }
}

/// Where the records of a code are.
fn records(app: &str, push: Option<&str>, code: u16) -> String {
    let wanted = [("push", push.unwrap_or_default()), ("code", &code.to_string())];
    format!("/console/apps/{app}/push-log{}", asking(&wanted))
}
