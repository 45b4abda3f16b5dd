//! What is told of a push: request, answer, diagnosis and remedy, for a person or for a program.

use domain::{Diagnosis, Outcome, Refusal};
use providers::Exchange;
use serde::Serialize;
use serde_json::{Map, Value, json};
use wire::http::Record;

use super::words;
use crate::cli::say::{self, BAD, BOLD, DIM, GOOD, HINT};

/// How wide the column of labels is.
const LABELS: usize = 10;

/// What is told of a push; the names of the fields are those of the push log.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told {
    outcome: Word,
    /// The push in the server's records.
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<String>,
    /// By what we proved ourselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// What was, or would be, sent, the token masked: `method`, `host`, `path`, `headers`, `body`.
    #[serde(skip_serializing_if = "Value::is_null")]
    request: Value,
    /// What came back: `status`, `headers`, `body`.
    #[serde(skip_serializing_if = "Value::is_null")]
    answer: Value,
    /// How long the answer took.
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    /// The push service's name for the push.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<String>,
    /// The diagnosis code, 901 to 913.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// What the code means.
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnosis: Option<String>,
    /// The push service's own word for it, or ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// What the server goes on to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What became of a push, in the words of the push log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// The push service took it.
    Accepted,
    /// It was to be shown, not sent.
    NotSent,
    /// It was refused, by the push service or here.
    Refused,
    /// Nobody knows whether it was taken.
    #[default]
    Unknown,
}

/// What to do when nobody knows.
const LOOK: &str = "Look at the device before you push again: it may show the push twice.";

impl Told {
    /// What became of a push that went straight to a push service.
    pub(super) fn of_exchange(exchange: &Exchange, credential: String) -> Self {
        let told = Self {
            credential: Some(credential),
            request: json!(exchange.request),
            answer: json!(exchange.answer),
            took_ms: exchange.answer.as_ref().map(|_| milliseconds(exchange)),
            ..Self::default()
        };
        match &exchange.outcome {
            Outcome::Accepted { provider_id } => {
                Self { outcome: Word::Accepted, provider_id: provider_id.clone(), ..told }
            }
            Outcome::Refused(refusal) => told.refused(refusal.clone()),
            Outcome::Unknown { detail } => {
                let (reason, remedy) = (Some(detail.clone()), Some(LOOK.to_owned()));
                Self { outcome: Word::Unknown, reason, remedy, ..told }
            }
            Outcome::Withdrawn => Self { outcome: Word::NotSent, ..told },
        }
    }

    /// A push that was refused before there was a request.
    pub(super) fn unsent(refusal: Refusal) -> Self {
        Self::default().refused(refusal)
    }

    /// A request to the server that would be made.
    pub(super) fn of_request(request: Value) -> Self {
        Self { outcome: Word::NotSent, request, ..Self::default() }
    }

    /// What the server's records say of the last attempt of a push.
    pub(super) fn of_record(push: String, outcome: Word, record: Option<Record>) -> Self {
        let (code, mut detail) = record
            .map_or((None, Value::Null), |record| (record.code, record.detail.unwrap_or_default()));
        let text = |name: &str| detail[name].as_str().map(str::to_owned);
        let seen = text("seen");
        Self {
            outcome,
            push: Some(push),
            credential: None,
            took_ms: detail["took_ms"].as_u64().filter(|_| !detail["answer"].is_null()),
            provider_id: text("provider_id"),
            code,
            diagnosis: text("diagnosis"),
            remedy: text("remedy").or_else(|| seen.as_ref().map(|_| LOOK.to_owned())),
            reason: text("reason").or(seen),
            next: None,
            request: detail["request"].take(),
            answer: detail["answer"].take(),
        }
    }

    /// With what the server goes on to do.
    pub(super) fn followed_by(self, next: String) -> Self {
        Self { next: Some(next), ..self }
    }

    /// With a code and a reason, where the record has none.
    pub(super) fn because(self, code: Option<u16>, reason: Option<String>) -> Self {
        let code = self.code.or(code).filter(|_| self.outcome != Word::Accepted);
        let meaning = code.and_then(Diagnosis::from_code).map(Diagnosis::meaning);
        let diagnosis = self.diagnosis.or_else(|| meaning.map(str::to_owned));
        Self { code, diagnosis, reason: self.reason.or(reason), ..self }
    }

    /// What became of it.
    pub(super) const fn outcome(&self) -> Word {
        self.outcome
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// For a person: what went out, what came back, and at the end what it means.
    pub(super) fn text(&self) -> String {
        let mut sections = Vec::new();
        if let Some(credential) = &self.credential {
            sections.push(labelled("with", [say::plain(credential)]));
        }
        sections.push(labelled("request", self.request_lines()));
        if self.outcome != Word::NotSent {
            sections.push(labelled("answer", self.answer_lines()));
        }
        sections.push(self.end());
        sections.join("\n\n")
    }

    fn request_lines(&self) -> Vec<String> {
        let request = &self.request;
        let Some(host) = request["host"].as_str() else {
            return vec!["none was made".to_owned()];
        };
        let scheme = request["scheme"].as_str().unwrap_or("https");
        let method = request["method"].as_str().unwrap_or("POST");
        let path = request["path"].as_str().unwrap_or("/");
        let mut lines = vec![say::plain(&format!("{method} {scheme}://{host}{path}"))];
        lines.extend(header_lines(&request["headers"]));
        lines.extend(body_lines(&request["body"]));
        lines
    }

    fn answer_lines(&self) -> Vec<String> {
        let Some(status) = self.answer["status"].as_u64() else {
            return vec!["none".to_owned()];
        };
        let took = self.took_ms.map_or_else(String::new, |took| format!(" after {took} ms"));
        let mut lines = vec![format!("HTTP {status}{took}")];
        lines.extend(header_lines(&self.answer["headers"]));
        lines.extend(body_lines(&self.answer["body"]));
        lines
    }

    /// The last lines: the outcome, and beneath it whatever is known of it.
    fn end(&self) -> String {
        let diagnosis = match (self.code, &self.diagnosis) {
            (Some(code), Some(meaning)) => Some(format!("{code} {}", say::plain(meaning))),
            (Some(code), None) => Some(code.to_string()),
            (None, _) => None,
        };
        let (style, word, about) = match self.outcome {
            Word::Accepted => (
                GOOD,
                "accepted",
                "taken is not delivered: the device must be on, and let the app show it",
            ),
            Word::NotSent => (BOLD, "not sent", "--dry-run"),
            Word::Refused => (BAD, "refused", diagnosis.as_deref().unwrap_or_default()),
            Word::Unknown => {
                (BAD, "unknown", diagnosis.as_deref().unwrap_or("it may have been taken or not"))
            }
        };
        let mut lines =
            vec![format!("{style}{word:<LABELS$}{style:#}{about}").trim_end().to_owned()];
        let facts = [
            ("push", BOLD, &self.push),
            ("id", BOLD, &self.provider_id),
            ("reason", BOLD, &self.reason),
            ("remedy", HINT, &self.remedy),
            ("next", BOLD, &self.next),
        ];
        for (label, style, fact) in facts {
            lines.extend(
                fact.as_ref()
                    .map(|fact| format!("{style}{label:<LABELS$}{style:#}{}", say::plain(fact))),
            );
        }
        lines.join("\n")
    }

    fn refused(self, refusal: Refusal) -> Self {
        Self {
            outcome: Word::Refused,
            code: Some(refusal.diagnosis.code()),
            diagnosis: Some(refusal.diagnosis.meaning().to_owned()),
            reason: Some(refusal.reason),
            remedy: Some(words::typed(&refusal.remedy)),
            ..self
        }
    }
}

fn milliseconds(exchange: &Exchange) -> u64 {
    u64::try_from(exchange.took.as_millis()).unwrap_or(u64::MAX)
}

/// Lines beside a label.
fn labelled(label: &str, lines: impl IntoIterator<Item = String>) -> String {
    let mut shown = String::new();
    for (index, line) in lines.into_iter().enumerate() {
        match index {
            0 => shown.push_str(&format!("{BOLD}{label:<LABELS$}{BOLD:#}{line}")),
            _ if line.is_empty() => shown.push('\n'),
            _ => shown.push_str(&format!("\n{:LABELS$}{line}", "")),
        }
    }
    shown
}

fn header_lines(headers: &Value) -> Vec<String> {
    let none = Map::new();
    let headers = headers.as_object().unwrap_or(&none).iter();
    headers
        .map(|(name, value)| {
            let value = say::plain(value.as_str().unwrap_or_default());
            format!("{DIM}{}:{DIM:#} {value}", say::plain(name))
        })
        .collect()
}

/// A body behind an empty line: JSON in its readable form, any other text as it is.
fn body_lines(body: &Value) -> Vec<String> {
    let json = match body {
        Value::Null => return Vec::new(),
        Value::String(text) if text.is_empty() => return Vec::new(),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(json) => json,
            Err(_) => return behind_a_gap(text),
        },
        json => json.clone(),
    };
    // Indented JSON always can be written; were it not, its one line would do.
    behind_a_gap(&serde_json::to_string_pretty(&json).unwrap_or_else(|_| json.to_string()))
}

fn behind_a_gap(text: &str) -> Vec<String> {
    std::iter::once(String::new()).chain(text.lines().map(say::plain)).collect()
}

#[cfg(test)]
mod tests;
