//! What a run prints: counts, the verdict, and for each broken promise the history that explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use sim::phone::{Phone, PhoneEvent};

use crate::check::{self, Violation};
use crate::driver::Outcome;
use crate::evidence::{self, About, Audience, CallNews, Service};
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
    line(&table(outcome, plan, violations.len()));
    for slow in &outcome.slow {
        line(&format!("SLOW     {slow}"));
    }
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

fn table(outcome: &Outcome, plan: &Plan, violations: usize) -> String {
    let evidence = &outcome.evidence;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<34} {value}");
    };
    let (looks, torn) = outcome.looks;
    row("kills", format!("{} of {} planned", evidence.kills.len(), plan.kills()));
    row("  with accepts in flight", check::in_flight(evidence).to_string());
    row("  in the midst of writing a commit", torn.to_string());
    row("  databases looked into", looks.to_string());
    let restores = evidence.restores.len();
    row("restores of a snapshot", format!("{restores} of {} planned", plan.restores()));
    for (name, value) in messages(evidence) {
        row(name, value.to_string());
    }
    for (name, value) in phones(&outcome.phones) {
        row(name, value.to_string());
    }
    for (name, value) in calls(evidence) {
        row(name, value.to_string());
    }
    row("acks confirmed", evidence.confirmations.len().to_string());
    row("pushes", evidence.pushes.len().to_string());
    row("  after a confirmed ack", check::after_an_ack(evidence).to_string());
    let mut sorts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for push in &evidence.pushes {
        let service = match push.service {
            Service::Apple => "Apple",
            Service::Google => "Google",
            Service::Browsers => "browsers",
        };
        let about = match push.about {
            About::Messages(_) => "wake",
            About::Call(_) => "ring",
            About::CallEnded(_) => "call over",
            About::Direct(_) => "direct",
        };
        let counts = sorts.entry(format!("  {service}, {}, {about}", push.sort)).or_default();
        counts.0 += 1;
        counts.1 += usize::from(push.taken);
    }
    for (sort, (all, taken)) in sorts {
        row(&sort, format!("{taken} taken, {} refused", all - taken));
    }
    let ids: BTreeSet<_> = evidence.pushes.iter().filter_map(|it| it.id.as_ref()).collect();
    let with_id = evidence.pushes.iter().filter(|it| it.id.is_some()).count();
    row("  repeats under the same id", (with_id - ids.len()).to_string());
    let to = |wanted: fn(Audience) -> bool| {
        evidence.direct.iter().filter(|record| wanted(record.to)).count()
    };
    row("  rings written twice", check::rung_twice(evidence).to_string());
    row("direct pushes", to(|it| it == Audience::Users).to_string());
    row("broadcasts", to(|it| it != Audience::Users).to_string());
    let events = &evidence.events;
    row("events", events.listed.len().to_string());
    row("  told to the back end", events.told.len().to_string());
    row("    again under the same id", events.again().to_string());
    row("  refused by it at first", events.refused.to_string());
    row("  parked", events.parked.len().to_string());
    let rest = outcome.rest.map_or_else(|| "never".to_owned(), |rest| format!("{rest:.1?}"));
    row("from the last kill to rest", rest);
    row("violations", violations.to_string());
    text.trim_end().to_owned()
}

fn messages(evidence: &evidence::Evidence) -> [(&'static str, usize); 6] {
    let told = |wanted: fn(&evidence::Outcome) -> bool| {
        evidence.sends.iter().filter(|send| wanted(&send.outcome)).count()
    };
    [
        ("messages sent", evidence.sends.len()),
        ("  accepted", told(|it| matches!(it, evidence::Outcome::Accepted { .. }))),
        ("    undone by a restore", check::undone(evidence)),
        ("  rejected", told(|it| matches!(it, evidence::Outcome::Rejected(_)))),
        ("  unanswered", told(|it| matches!(it, evidence::Outcome::Unanswered))),
        ("copies held", evidence.phones.iter().map(|it| it.held.len()).sum()),
    ]
}

fn phones(phones: &[Phone]) -> Vec<(&'static str, usize)> {
    let mut counts = [
        ("  repeats that phones dropped", 0),
        ("sessions", 0),
        ("  woken by a push", 0),
        ("extension and worker runs", 0),
        ("pushes that phones ignored", 0),
    ];
    for logged in phones.iter().flat_map(Phone::events) {
        let mut count = |number: usize| counts[number].1 += 1;
        match logged.event {
            PhoneEvent::DuplicateDropped { .. } => count(0),
            PhoneEvent::Connected { woken_by, .. } => {
                count(1);
                if woken_by.is_some() {
                    count(2);
                }
            }
            PhoneEvent::ExtensionRan { .. } | PhoneEvent::WorkerRan { .. } => count(3),
            PhoneEvent::PushIgnored { .. } => count(4),
            _ => {}
        }
    }
    counts.to_vec()
}

fn calls(evidence: &evidence::Evidence) -> [(&'static str, usize); 4] {
    let seen = |wanted: fn(CallNews) -> bool| {
        let seen = evidence.phones.iter().flat_map(|phone| &phone.calls);
        let ids: BTreeSet<&str> =
            seen.filter(|news| wanted(news.what)).map(|news| news.call.as_str()).collect();
        ids.len()
    };
    [
        ("calls begun", evidence.calls.len()),
        ("  that rang", seen(|it| it == CallNews::Screen)),
        ("  answered", seen(|it| it == CallNews::Answered)),
        ("  told to be over", seen(|it| matches!(it, CallNews::Ended(_)))),
    ]
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
    for restore in &outcome.evidence.restores {
        let _ = writeln!(text, "  {restore:?}");
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
        let _ = writeln!(
            text,
            "    {} seen {} {} {} {:?} {:?}",
            push.made_at, push.seen_at, push.sort, push.status, push.about, push.id
        );
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
