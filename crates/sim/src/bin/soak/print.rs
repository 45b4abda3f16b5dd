//! What a soak prints.

use std::io::Write as _;

use super::judge::{Bound, Judgement, Unit};
use super::load::Counts;
use super::sample::Sample;

const MIB: f64 = 1024.0 * 1024.0;

/// Prints one line.
pub(crate) fn line(text: &str) {
    // Nobody reads the report of a run whose output was closed.
    let _ = writeln!(std::io::stdout(), "{text}");
    let _ = std::io::stdout().flush();
}

pub(crate) fn head() {
    line(
        "  min   rss MiB  anon MiB   fds  thr    db MiB   wal MiB   log MiB | in this minute: \
         sent accepted  held  pushes  woken  calls",
    );
}

/// One minute.
pub(crate) fn row(sample: &Sample, before: &Counts) {
    let mib = |bytes: u64| bytes as f64 / MIB;
    let now = &sample.counts;
    line(&format!(
        "{:>5.0} {:>9.1} {:>9.1} {:>5} {:>4} {:>9.1} {:>9.1} {:>9.1} | {:>20} {:>8} {:>5} {:>7} {:>6} {:>6}",
        sample.at.as_secs_f64() / 60.0,
        mib(sample.resident),
        mib(sample.anonymous),
        sample.descriptors,
        sample.threads,
        mib(sample.database),
        mib(sample.wal),
        mib(sample.push_log),
        now.sent - before.sent,
        now.accepted - before.accepted,
        now.held - before.held,
        now.pushes - before.pushes,
        now.woken - before.woken,
        now.answered - before.answered,
    ));
}

/// What became of each series.
pub(crate) fn verdict(judgements: &[Judgement]) {
    line(
        "\nwhat is to stay level: median of the second quarter, of the last, and the most allowed",
    );
    for it in judgements.iter().filter(|it| matches!(it.bound, Bound::Level { .. })) {
        line(&judged(it));
    }
    line(
        "\nwhat is kept for longer than this run, and so grows by design: a minute's growth in the \
         second quarter, in the last, and the most allowed",
    );
    for it in judgements {
        if let Bound::Rate { why } = it.bound {
            line(&format!("{}  {why}", judged(it)));
        }
    }
}

fn judged(it: &Judgement) -> String {
    format!(
        "  {:<6} {:<26} {:>12} {:>12} {:>12}",
        word(it),
        it.name,
        shown(it.unit, it.before),
        shown(it.unit, it.after),
        shown(it.unit, it.allowed)
    )
}

fn word(it: &Judgement) -> &'static str {
    if it.kept { "ok" } else { "GROWS" }
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Bytes => format!("{:.2} MiB", value / MIB),
        Unit::Count => format!("{value:.0}"),
    }
}
