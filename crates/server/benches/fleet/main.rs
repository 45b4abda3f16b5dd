//! The fleet study: a day of many virtual devices under the rules of their platforms, lived through
//! once for each rule of pushing.
//!
//! It measures no speed and has no threshold: it informs the defaults. Writes what it found as
//! tables and a chart, which `cargo xtask fleet --write` puts into `docs/wake-study.md`.

mod chart;
mod study;
mod tables;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use domain::{FirstRung, Policy};

use self::study::{Outcome, Plan, Scheme, World, run};

/// The fleet study.
#[derive(Parser)]
struct Arguments {
    /// How many devices
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    devices: u64,
    /// How many hours of their life
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=240))]
    hours: u64,
    /// The seed of everything that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for `tables.md` and `chart.svg`
    #[arg(long)]
    out: PathBuf,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// A scheme and what the study calls it.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) scheme: Scheme,
}

/// What came of a variation of the world or of the settings.
pub(crate) struct Varied {
    pub(crate) value: String,
    pub(crate) outcomes: Vec<Outcome>,
}

fn schemes() -> Vec<Named> {
    let named = |name, scheme| Named { name, scheme };
    vec![
        named("background only", Scheme::BackgroundEach),
        named("background once", Scheme::BackgroundOnce),
        named("alert each message", Scheme::AlertEach),
        named("Reveille, alert first", Scheme::Ladder(alert_first())),
        named("Reveille, default", Scheme::Ladder(Policy::default())),
    ]
}

fn alert_first() -> Policy {
    Policy { first_rung: FirstRung::Alert, ..Policy::default() }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan {
        devices: arguments.devices,
        length: Duration::from_secs(arguments.hours * 3600),
        run_out: Duration::ZERO,
        seed: arguments.seed,
        world: World::default(),
    };
    let named = schemes();
    let schemes: Vec<Scheme> = named.iter().map(|named| named.scheme.clone()).collect();
    let outcomes = run(&plan, &schemes);
    // A tenth of the devices shows as much, in a tenth of the time.
    let small = Plan { devices: plan.devices.div_ceil(10), ..plan.clone() };
    let report = tables::Report {
        plan: &plan,
        named: &named,
        outcomes: &outcomes,
        refresh: &by_refresh(&small, &schemes),
        alerts: &by_alerts(&small, &schemes),
        runs: &by_runs(&small, &schemes),
        settings: &by_settings(&small),
    };
    let tables = tables::render(&report);
    let chart = chart::draw(&named, &outcomes);
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make {}", arguments.out.display()))?;
    for (name, text) in [("tables.md", tables), ("chart.svg", chart)] {
        let path = arguments.out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn by_refresh(plan: &Plan, schemes: &[Scheme]) -> Vec<Varied> {
    let varied = [0.0, 20.0, 40.0, 60.0].map(|share| {
        let world = World { no_refresh: share, ..plan.world.clone() };
        let outcomes = run(&Plan { world, ..plan.clone() }, schemes);
        Varied { value: format!("{share:.0} %"), outcomes }
    });
    varied.into()
}

fn by_alerts(plan: &Plan, schemes: &[Scheme]) -> Vec<Varied> {
    let varied = [0.0, 8.0, 20.0, 40.0].map(|share| {
        let world = World { no_alerts: share, ..plan.world.clone() };
        let outcomes = run(&Plan { world, ..plan.clone() }, schemes);
        Varied { value: format!("{share:.0} %"), outcomes }
    });
    varied.into()
}

fn by_runs(plan: &Plan, schemes: &[Scheme]) -> Vec<Varied> {
    let varied = [Some(1), Some(2), Some(3), Some(6), None].map(|runs: Option<usize>| {
        let mut world = plan.world.clone();
        world.ios_rules.runs_per_hour = runs;
        let value = runs.map_or_else(|| "no limit".to_owned(), |runs| runs.to_string());
        Varied { value, outcomes: run(&Plan { world, ..plan.clone() }, schemes) }
    });
    varied.into()
}

/// The default ladder with one setting changed.
fn by_settings(plan: &Plan) -> Vec<Varied> {
    let climbs =
        |seconds| Policy { climb_after: Duration::from_secs(seconds), ..Policy::default() };
    let settings = [
        ("climbs after 10 s", climbs(10)),
        ("climbs after 20 s", climbs(20)),
        ("climbs after 30 s, the default", climbs(30)),
        ("climbs after 45 s", climbs(45)),
        ("climbs after 60 s", climbs(60)),
        ("repeats nothing", Policy { repeats: Vec::new(), ..Policy::default() }),
    ];
    let varied = settings.map(|(name, policy)| {
        let outcomes = run(plan, &[Scheme::Ladder(policy)]);
        Varied { value: name.to_owned(), outcomes }
    });
    varied.into()
}
