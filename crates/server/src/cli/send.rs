//! `reveille send`: a message from the app's back end.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::value::{RawValue, to_raw_value};
use wire::UrgencyName;
use wire::http::{MessageAccepted, MessageCreate};

use super::peer::PeerArgs;
use super::say::{self, Advice, GOOD};
use super::token::seconds;
use crate::config::Environment;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A user it goes to; may be given again
    #[arg(long, required = true, value_name = "USER")]
    to: Vec<String>,
    /// The user it comes from, who gets the receipts; without it, the back end
    #[arg(long, value_name = "USER")]
    from: Option<String>,
    /// The conversation it belongs to
    #[arg(long)]
    thread: Option<String>,
    /// How long it is kept: a number with s, m, h or d; without it, the app's default
    #[arg(long, value_parser = seconds)]
    ttl: Option<u32>,
    /// Do not let it wait behind a burst
    #[arg(long)]
    urgent: bool,
    /// Take the text as the body's JSON; without it the body is {"text": TEXT}
    #[arg(long)]
    json: bool,
    /// What to say
    text: String,
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let peer = args.peer.resolve(environment)?;
    let message = MessageCreate {
        body: if args.json { json_body(&args.text)? } else { text_body(&args.text)? },
        to: args.to,
        from: args.from,
        id: None,
        thread: args.thread,
        ttl: args.ttl,
        urgency: if args.urgent { UrgencyName::High } else { UrgencyName::Normal },
        push: None,
    };
    let recipients = message.to.clone();
    let accepted: MessageAccepted = peer.post("/v1/messages", &message).await?;
    for user in recipients {
        let failed = accepted.failed.iter().find(|failed| failed.user == user);
        let user = say::plain(&user);
        match failed {
            Some(failed) => say::line(format!("{user:<20} {}", say::plain(&failed.code)))?,
            None => say::line(format!("{user:<20} {GOOD}accepted{GOOD:#} {}", accepted.id))?,
        }
    }
    if let Some(live) = accepted.live {
        say::remark(format!("kept for nobody; it went to {live} living sessions"));
    }
    Ok(if accepted.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The body that `listen` shows as a text.
fn text_body(text: &str) -> anyhow::Result<Box<RawValue>> {
    to_raw_value(&serde_json::json!({ "text": text })).context("cannot write the body")
}

fn json_body(text: &str) -> anyhow::Result<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).with_context(|| {
        Advice::new("the text is not JSON", "correct it, or leave --json out to send it as a text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_body_and_json_stays_as_it_is() {
        assert_eq!(text_body("say \"hi\"").unwrap().get(), r#"{"text":"say \"hi\""}"#);
        assert_eq!(json_body(r#"{"b":1, "a":2}"#).unwrap().get(), r#"{"b":1, "a":2}"#);
        assert!(json_body("hello").is_err());
    }
}
