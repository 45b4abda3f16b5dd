//! What grows, by a comparison that single peaks do not move: the median of the last quarter of the
//! run against that of the second. The first quarter is warming up.

use super::sample::Sample;
use super::tables::KEPT;

/// Fewer minutes are no verdict: a quarter of them has too few samples.
pub(crate) const SHORTEST: u32 = 20;

const MIB: f64 = 1024.0 * 1024.0;

/// How a series is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// It stays where it is: so much more than before is allowed, as a share of it and beyond.
    Level { share: f64, beyond: f64 },
    /// It grows by design, and no faster: what bounds it.
    Rate { why: &'static str },
}

/// One number over time.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// What one is: bytes are shown as MiB.
    pub(crate) unit: Unit,
    pub(crate) bound: Bound,
    /// Minute and value.
    pub(crate) values: Vec<(f64, f64)>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Count,
}

/// What came of one series. Of a rate: per minute.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) bound: Bound,
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) allowed: f64,
    pub(crate) kept: bool,
}

/// Judges everything that was sampled.
pub(crate) fn judge(samples: &[Sample]) -> Vec<Judgement> {
    series(samples).into_iter().map(verdict).collect()
}

/// What the load did not do in the last quarter: a run without it proves nothing.
pub(crate) fn idle(samples: &[Sample]) -> Vec<String> {
    let Some(last) = samples.last() else { return vec!["nothing was sampled".to_owned()] };
    let from = &samples[samples.len() * 3 / 4];
    let counts = last.counts.named().into_iter().zip(from.counts.named());
    let none = counts.filter(|((_, after), (_, before))| after == before);
    none.map(|((name, _), _)| format!("no {name} in the last quarter of the run")).collect()
}

fn series(samples: &[Sample]) -> Vec<Series> {
    let minute = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
    let of = |name: &str, unit, bound, value: fn(&Sample) -> u64| Series {
        name: name.to_owned(),
        unit,
        bound,
        values: samples.iter().map(|it| (minute(it), value(it) as f64)).collect(),
    };
    let level = |share, beyond| Bound::Level { share, beyond };
    let mut all = vec![
        of("memory without files", Unit::Bytes, level(0.05, 4.0 * MIB), |it| it.anonymous),
        of("resident memory", Unit::Bytes, level(0.05, 4.0 * MIB), |it| it.resident),
        of("file descriptors", Unit::Count, level(0.1, 20.0), |it| it.descriptors),
        of("threads", Unit::Count, level(0.0, 8.0), |it| it.threads),
        of("write-ahead log", Unit::Bytes, level(0.1, 8.0 * MIB), |it| it.wal),
        of(
            "push log",
            Unit::Bytes,
            Bound::Rate { why: "a file a day, dropped whole after `push_log.retention_days`" },
            |it| it.push_log,
        ),
    ];
    let looks: Vec<&Sample> = samples.iter().filter(|it| !it.tables.is_empty()).collect();
    let Some(first) = looks.first() else { return all };
    for (number, table) in first.tables.iter().enumerate() {
        let why = KEPT.iter().find(|(name, _)| *name == table.name).map(|(_, why)| *why);
        let values = looks.iter().map(|it| (minute(it), it.tables[number].rows as f64));
        all.push(Series {
            name: format!("rows of {}", table.name),
            unit: Unit::Count,
            bound: why.map_or_else(|| level(0.2, 50.0), |why| Bound::Rate { why }),
            values: values.collect(),
        });
    }
    all
}

fn verdict(series: Series) -> Judgement {
    let Series { name, unit, bound, values } = series;
    let second = quarter(&values, 1);
    let last = quarter(&values, 3);
    let (before, after, allowed) = match bound {
        Bound::Level { share, beyond } => {
            let before = median(second);
            (before, median(last), before * (1.0 + share) + beyond)
        }
        Bound::Rate { .. } => {
            let before = rate(second);
            (before, rate(last), before * 1.25 + 1.0)
        }
    };
    Judgement { name, unit, bound, before, after, allowed, kept: after <= allowed }
}

/// The quarter with that number, from 0.
fn quarter(values: &[(f64, f64)], number: usize) -> &[(f64, f64)] {
    let edge = |quarters: usize| values.len() * quarters / 4;
    &values[edge(number)..edge(number + 1)]
}

fn median(values: &[(f64, f64)]) -> f64 {
    let mut values: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// By how much it grew in a minute.
fn rate(values: &[(f64, f64)]) -> f64 {
    let ([(from, first), ..], [.., (until, last)]) = (values, values) else { return 0.0 };
    if until > from { (last - first) / (until - from) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(bound: Bound, value: impl Fn(u32) -> f64) -> Judgement {
        let values = (0..60).map(|minute| (f64::from(minute), value(minute))).collect();
        verdict(Series { name: String::new(), unit: Unit::Count, bound, values })
    }

    const LEVEL: Bound = Bound::Level { share: 0.1, beyond: 5.0 };
    const RATE: Bound = Bound::Rate { why: "" };

    #[test]
    fn a_leak_is_found_and_a_peak_or_a_warm_up_is_none() {
        assert!(judged(LEVEL, |_| 100.0).kept);
        // Two a minute: 60 more between the middles of the second and the last quarter.
        let leak = judged(LEVEL, |minute| 100.0 + 2.0 * f64::from(minute));
        assert!(!leak.kept, "{leak:?}");
        assert!(judged(LEVEL, |minute| if minute == 50 { 900.0 } else { 100.0 }).kept);
        assert!(judged(LEVEL, |minute| 100.0 + 10.0 * f64::from(minute.min(15))).kept);
    }

    #[test]
    fn what_grows_by_design_is_held_to_its_rate() {
        let steady = judged(RATE, |minute| 30.0 * f64::from(minute));
        assert!(steady.kept);
        assert!((steady.after - 30.0).abs() < f64::EPSILON);
        let faster = judged(RATE, |minute| f64::from(minute) * f64::from(minute));
        assert!(!faster.kept, "{faster:?}");
    }

    #[test]
    fn a_load_that_stopped_is_found() {
        let busy = |messages| Sample {
            counts: super::super::load::Counts::of_all(messages),
            ..Sample::default()
        };
        let samples: Vec<Sample> = (0..8).map(busy).collect();
        assert_eq!(idle(&samples), Vec::<String>::new());
        let stopped: Vec<Sample> = (0..8).map(|number| busy(number.min(5))).collect();
        assert!(!idle(&stopped).is_empty());
    }
}
