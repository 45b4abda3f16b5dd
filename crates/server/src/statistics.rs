//! Figures over time: counted where things happen, added up where they are asked for.
//!
//! ```text
//!   step 1 … 4 ──count──▶ store::log ──▶ the day's file, five minutes a row
//!                                              │
//!   GET /v1/apps/{app}/statistics ◀── add_up ──┘
//! ```
//!
//! What each figure means stands in docs/api.md.

use std::time::Duration;

use domain::spread::{Bucket, Spread};
use domain::wake::Stage;
use domain::{AppId, Outcome, Time};
use store::log::{Counted, Figure};
use store::model::Passed;
use wire::http::{Figures, Percentiles, StatisticsStep};

use crate::node::Node;
use crate::to_wire;

/// Pushes ended this way.
pub fn pushed(node: &Node, app: AppId, outcome: &Outcome) {
    let figure = match outcome {
        Outcome::Accepted { .. } => Figure::PushesAccepted,
        Outcome::Refused(refusal) => Figure::PushesRefused(refusal.diagnosis),
        Outcome::Unknown { .. } => Figure::PushesUnknown,
        // It was of no use to anybody any more, and was not sent.
        Outcome::Withdrawn => return,
    };
    node.log.count(app, node.clock.now(), figure, 1);
}

/// Wakes came to stages.
pub fn passed(node: &Node, passed: Vec<Passed>) {
    for Passed { app, stage, opened_at, at } in passed {
        node.log.count(app, at, Figure::Wakes(stage), 1);
        if stage == Stage::Connected {
            let woken = Figure::WokenWithin(Bucket::of(opened_at.until(at)));
            node.log.count(app, at, woken, 1);
        }
    }
}

/// Figures that are being added up.
#[derive(Clone, Debug, Default)]
struct Sum {
    figures: Figures,
    woken: Spread,
}

impl Sum {
    fn add(&mut self, figure: Figure, times: u64) {
        let Figures { messages, pushes, wakes, time_to_wake_ms: _ } = &mut self.figures;
        let count = match figure {
            Figure::Messages => messages,
            Figure::PushesAccepted => &mut pushes.accepted,
            Figure::PushesRefused(diagnosis) => pushes.refused.entry(diagnosis.code()).or_default(),
            Figure::PushesUnknown => &mut pushes.unknown,
            Figure::Wakes(Stage::Owed) => &mut wakes.owed,
            Figure::Wakes(Stage::Pushed) => &mut wakes.pushed,
            Figure::Wakes(Stage::Accepted) => &mut wakes.accepted,
            Figure::Wakes(Stage::Connected) => &mut wakes.connected,
            Figure::Wakes(Stage::Drained) => &mut wakes.drained,
            Figure::WokenWithin(bucket) => return self.woken.add(bucket, times),
        };
        *count = count.saturating_add(times);
    }

    fn shown(self) -> Figures {
        let ms = |percent| {
            let took = self.woken.percentile(percent)?;
            Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
        };
        let percentiles = match (ms(50), ms(90), ms(99)) {
            (Some(p50), Some(p90), Some(p99)) => Some(Percentiles { p50, p90, p99 }),
            _ => None,
        };
        Figures { time_to_wake_ms: percentiles, ..self.figures }
    }
}

/// So many steps from a time on, each with its figures, and the sum of all.
pub fn add_up(
    counted: Vec<Counted>,
    since: Time,
    step: Duration,
    steps: usize,
) -> (Figures, Vec<StatisticsStep>) {
    let mut total = Sum::default();
    let mut sums = vec![Sum::default(); steps];
    for Counted { at, figure, times } in counted {
        let place = since.until(at).as_secs().checked_div(step.as_secs());
        let place = place.and_then(|place| usize::try_from(place).ok());
        let Some(sum) = place.and_then(|place| sums.get_mut(place)) else { continue };
        sum.add(figure, times);
        total.add(figure, times);
    }
    let mut at = since;
    let items = sums.into_iter().map(|sum| {
        let shown = StatisticsStep { at: to_wire::time(at), figures: sum.shown() };
        at = at.plus(step);
        shown
    });
    let items = items.collect();
    (total.shown(), items)
}

#[cfg(test)]
mod tests {
    use domain::Diagnosis;

    use super::*;

    const NOON: Time = Time::from_millis(1_795_435_200_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn each_step_has_its_own_and_the_total_has_all() {
        let woken = |seconds| Figure::WokenWithin(Bucket::of(Duration::from_secs(seconds)));
        let refused = Figure::PushesRefused(Diagnosis::BadPushToken);
        let counted =
            |hours: u32, figure, times| Counted { at: NOON.plus(HOUR * hours), figure, times };
        let all = vec![
            counted(0, Figure::Messages, 3),
            counted(0, refused, 1),
            counted(2, refused, 4),
            counted(2, Figure::Wakes(Stage::Connected), 10),
            counted(0, woken(1), 90),
            counted(2, woken(8), 9),
            counted(2, woken(40), 1),
            counted(3, Figure::Messages, 100),
        ];
        let (total, steps) = add_up(all, NOON, HOUR, 3);
        let messages: Vec<_> = steps.iter().map(|step| step.figures.messages).collect();
        assert_eq!(messages, [3, 0, 0]);
        assert_eq!(steps[1].at, to_wire::time(NOON.plus(HOUR)));
        assert_eq!(steps[1].figures, Figures::default(), "nothing happened in it");
        assert_eq!(steps[2].figures.wakes.connected, 10);
        assert_eq!((total.messages, total.pushes.refused[&911]), (3, 5));
        let percentiles = |p50, p90, p99| Some(Percentiles { p50, p90, p99 });
        assert_eq!(steps[2].figures.time_to_wake_ms, percentiles(8_000, 8_000, 40_000));
        assert_eq!(total.time_to_wake_ms, percentiles(1_000, 1_000, 8_000), "of all, not of steps");
    }
}
