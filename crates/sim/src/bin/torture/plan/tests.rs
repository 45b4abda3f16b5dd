use sim::phone::Platform;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const GAP: Duration = Duration::from_millis(2_250);

#[test]
fn a_seed_is_a_plan() {
    assert_eq!(Plan::new(7, MINUTE, 30, GAP), Plan::new(7, MINUTE, 30, GAP));
    assert_ne!(Plan::new(7, MINUTE, 30, GAP).steps, Plan::new(8, MINUTE, 30, GAP).steps);
}

#[test]
fn a_minute_kills_the_server_at_least_twenty_times_and_puts_it_back_once() {
    for seed in 0..50 {
        let plan = Plan::new(seed, MINUTE, 30, GAP);
        assert!(plan.kills() >= 20, "seed {seed}");
        assert!(plan.restores() >= 1, "seed {seed}");
    }
}

#[test]
fn a_snapshot_is_there_before_it_is_restored() {
    for seed in 0..20 {
        let plan = Plan::new(seed, MINUTE, 30, GAP);
        let mut taken = false;
        for step in &plan.steps {
            match step.action {
                Action::Backup => taken = true,
                Action::Restore => assert!(taken, "seed {seed}"),
                _ => {}
            }
        }
    }
}

#[test]
fn nobody_is_put_where_no_push_can_reach() {
    for seed in 0..20 {
        let plan = Plan::new(seed, MINUTE, 30, GAP);
        let mut dead = vec![false; plan.cast.len()];
        for step in &plan.steps {
            match step.action {
                Action::ForceQuit(phone) => {
                    assert_eq!(plan.cast[phone].platform, Platform::Ios);
                }
                Action::TokensDie(phone) => dead[phone] = true,
                Action::Open(phone) => dead[phone] = false,
                _ => {}
            }
        }
        assert!(!dead.contains(&true), "seed {seed}: tokens died and nobody opened the app");
    }
}

#[test]
fn nobody_writes_to_themselves() {
    let plan = Plan::new(1, MINUTE, 30, GAP);
    for step in &plan.steps {
        if let Action::Send { from, to, .. } = &step.action {
            assert!(!to.is_empty() && !to.contains(&plan.cast[*from].user));
        }
    }
}
