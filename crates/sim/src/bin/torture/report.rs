//! What a run prints: counts, the verdict, and for each broken promise the history that explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use sim::phone::{Phone, PhoneEvent};

use crate::check::{self, Violation};
use crate::driver::Outcome;
use crate::evidence::{self, PushRecord};
use crate::plan::Plan;

/// So many broken promises are told with their history; the rest in one line each.
const EXPLAINED: usize = 3;
/// So many lines of the server's log are shown after a failure.
const LOG_LINES: usize = 60;

/// Prints one line.
pub(crate) fn line(text: &str) {
    // Nobody reads the report of a run whose output was closed.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints the counts and what went wrong.
pub(crate) async fn print(outcome: &Outcome, plan: &Plan, violations: &[Violation]) {
    line(&counts(outcome, plan));
    for trouble in &outcome.trouble {
        line(&format!("TROUBLE  {trouble}"));
    }
    for (number, violation) in violations.iter().enumerate() {
        line(&format!("BROKEN   {}", violation.what));
        if number < EXPLAINED {
            line(&history(outcome, violation).await);
        }
    }
    if !(violations.is_empty() && outcome.trouble.is_empty()) {
        let log = outcome.world.server_log();
        let lines: Vec<&str> = log.lines().collect();
        line("the end of the server's log:");
        line(&lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"));
    }
}

fn counts(outcome: &Outcome, plan: &Plan) -> String {
    let evidence = &outcome.evidence;
    let told = |wanted: fn(&evidence::Outcome) -> bool| {
        evidence.sends.iter().filter(|send| wanted(&send.outcome)).count()
    };
    let seen = |wanted: fn(&PhoneEvent) -> bool| {
        let events = outcome.phones.iter().flat_map(Phone::events);
        events.filter(|logged| wanted(&logged.event)).count()
    };
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for PushRecord { kind, status, .. } in &evidence.pushes {
        *kinds.entry(format!("{kind} {status}")).or_default() += 1;
    }
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<26} {value}");
    };
    row("kills", format!("{} of {} planned", outcome.kills, plan.kills()));
    row("messages sent", evidence.sends.len().to_string());
    row("  accepted", told(|it| matches!(it, evidence::Outcome::Accepted { .. })).to_string());
    row("  rejected", told(|it| matches!(it, evidence::Outcome::Rejected(_))).to_string());
    row("  unanswered", told(|it| matches!(it, evidence::Outcome::Unanswered)).to_string());
    row("copies held", evidence.phones.iter().map(|it| it.held.len()).sum::<usize>().to_string());
    row(
        "duplicates dropped",
        seen(|it| matches!(it, PhoneEvent::DuplicateDropped { .. })).to_string(),
    );
    row("sessions", seen(|it| matches!(it, PhoneEvent::Connected { .. })).to_string());
    row(
        "  woken by a push",
        seen(|it| matches!(it, PhoneEvent::Connected { woken_by: Some(_), .. })).to_string(),
    );
    row("extension runs", seen(|it| matches!(it, PhoneEvent::ExtensionRan { .. })).to_string());
    row(
        "pushes ignored by the phone",
        seen(|it| matches!(it, PhoneEvent::PushIgnored { .. })).to_string(),
    );
    row("acks confirmed", evidence.confirmations.len().to_string());
    row("pushes judged", evidence.pushes.len().to_string());
    row("  after a confirmed ack", check::after_an_ack(evidence).to_string());
    for (kind, count) in kinds {
        row(&format!("  {kind}"), count.to_string());
    }
    let (broadcasts, direct): (Vec<_>, Vec<_>) =
        evidence.direct.iter().partition(|record| record.broadcast);
    row("direct pushes", direct.len().to_string());
    row("broadcasts", broadcasts.len().to_string());
    row("  taken by push services", evidence.taken.len().to_string());
    let distinct: BTreeSet<_> =
        evidence.taken.iter().map(|taken| (&taken.push, &taken.phone)).collect();
    row("  more than once", (evidence.taken.len() - distinct.len()).to_string());
    let rest = outcome.rest.map_or_else(|| "never".to_owned(), |rest| format!("{rest:.1?}"));
    row("at rest after", rest);
    text.trim_end().to_owned()
}

/// What the server and the phone say about a broken promise.
async fn history(outcome: &Outcome, violation: &Violation) -> String {
    let mut text = String::new();
    if let Some(message) = &violation.message {
        let _ = writeln!(text, "  timeline of {message}:");
        match outcome.world.timeline(message).await {
            Ok(timeline) => {
                for record in timeline.items {
                    let _ = writeln!(text, "    {record:?}");
                }
            }
            Err(error) => {
                let _ = writeln!(text, "    {error:#}");
            }
        }
    }
    let phone = outcome.phones.iter().find(|it| Some(it.name()) == violation.phone.as_deref());
    let Some(phone) = phone else { return text };
    let _ = writeln!(text, "  the server's view of {} ({}):", phone.name(), phone.device_id());
    match outcome.world.devices_of(phone.user()).await {
        Ok(devices) => {
            for device in devices {
                let _ = writeln!(text, "    {device:?}");
            }
        }
        Err(error) => {
            let _ = writeln!(text, "    {error:#}");
        }
    }
    let _ = writeln!(text, "  pushes to {}:", phone.name());
    for push in outcome.evidence.pushes.iter().filter(|push| push.phone == phone.name()) {
        let _ = writeln!(text, "    {} {} {}", push.made_at, push.kind, push.status);
    }
    let _ = writeln!(text, "  acks that the server confirmed of {}:", phone.name());
    for it in outcome.evidence.confirmations.iter().filter(|it| it.phone == phone.name()) {
        let _ = writeln!(text, "    {} offset {}", it.at, it.offset);
    }
    let _ = writeln!(text, "  the log of {}:", phone.name());
    for logged in phone.events() {
        let _ = writeln!(text, "    {} {}", logged.at, logged.event);
    }
    text
}
