//! The fleet study, small: what has to hold in it whatever the numbers are.

#[expect(dead_code, reason = "what the tables and the chart ask for is asked by the study alone")]
#[path = "../benches/fleet/study/mod.rs"]
mod study;

use std::time::Duration;

use domain::{FirstRung, Policy};

use self::study::{Outcome, Plan, Scheme, World, run};

/// An hour of a few devices with plenty to do, and as long again for what is owed in the end.
fn plan(seed: u64) -> Plan {
    let ttl = Duration::from_secs(30 * 60);
    Plan {
        devices: 300,
        length: Duration::from_secs(60 * 60),
        run_out: ttl,
        seed,
        world: World { conversations: [30.0, 60.0, 120.0], ttl, ..World::default() },
    }
}

fn schemes() -> Vec<Scheme> {
    let alert_first = Policy { first_rung: FirstRung::Alert, ..Policy::default() };
    vec![
        Scheme::BackgroundEach,
        Scheme::BackgroundOnce,
        Scheme::AlertEach,
        Scheme::Ladder(alert_first),
        Scheme::Ladder(Policy::default()),
    ]
}

fn default_ladder(outcomes: &[Outcome]) -> &Outcome {
    outcomes.last().expect("every scheme has an outcome")
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let first = run(&plan(7), &schemes());
    assert_eq!(first, run(&plan(7), &schemes()));
    assert_ne!(first, run(&plan(8), &schemes()));
}

#[test]
fn every_message_is_on_its_device_or_has_expired() {
    for outcome in run(&plan(1), &schemes()) {
        let all = outcome.all();
        assert!(all.held > 1_000 && all.expired > 0, "{all:?}");
        assert_eq!(all.open, 0, "{all:?}");
    }
}

#[test]
fn all_policies_live_through_the_same_day() {
    let outcomes = run(&plan(2), &schemes());
    let messages = |outcome: &Outcome| {
        let all = outcome.all();
        (all.devices, all.messages, all.held + all.expired)
    };
    for outcome in &outcomes {
        assert_eq!(messages(outcome), messages(default_ladder(&outcomes)));
    }
}

#[test]
fn the_default_ladder_keeps_the_budget_and_pushes_nobody_awake() {
    let outcomes = run(&plan(3), &schemes());
    let ladder = default_ladder(&outcomes).all();
    assert_eq!(ladder.over_budget, 0);
    // Only while the server has no session that it could know of: the app was opened and has not
    // connected yet, or has missed its deadline.
    assert_eq!(ladder.awake, ladder.raced);
    assert!(ladder.raced * 20 < ladder.pushes, "{ladder:?}");
    // And the plan is one in which both can go wrong.
    let each = outcomes[0].all();
    assert!(each.over_budget > 0 && each.awake > each.raced, "{each:?}");
}

#[test]
fn the_default_ladder_reaches_whom_silence_does_not() {
    let outcomes = run(&plan(4), &schemes());
    let (silent, ladder) = (&outcomes[1].ios, &default_ladder(&outcomes).ios);
    assert!(ladder.within_60_s > silent.within_60_s, "{silent:?} {ladder:?}");
}
