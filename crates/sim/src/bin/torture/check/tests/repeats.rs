use super::*;
use crate::evidence::Kill;

/// The same push, later.
fn again(millis: i64) -> PushRecord {
    PushRecord { seen_at: at(millis), ..push(3_000) }
}

fn run(pushes: Vec<PushRecord>) -> Evidence {
    Evidence { pushes, ..good() }
}

#[test]
fn a_push_that_was_taken_comes_again_only_around_a_kill() {
    let mut twice = run(vec![push(3_000), again(4_000)]);
    fails(&twice, "was taken at 1970-01-01T00:00:03.002Z and came again");
    twice.kills = vec![Kill { at: at(3_500) }];
    holds(&twice);
    twice.kills = vec![Kill { at: at(4_500) }];
    fails(&twice, "came again");
    twice.mute_services = vec![(Service::Google, at(2_900), at(9_000))];
    fails(&twice, "came again");
    twice.mute_services = vec![(Service::Apple, at(2_900), at(9_000))];
    holds(&twice);
    // What was refused is no repeat.
    holds(&run(vec![PushRecord { taken: false, ..push(3_000) }, again(4_000)]));
}

#[test]
fn under_one_id_there_is_one_push() {
    let mut twice = run(vec![push(3_000), again(4_000)]);
    twice.kills = vec![Kill { at: at(3_500) }];
    holds(&twice);
    twice.pushes[1].collapse_id = Some("c".to_owned());
    fails(&twice, "id-3000 is");
}

#[test]
fn a_second_push_of_one_wake_within_the_climbing_time_needs_a_cause() {
    let mut twice = run(vec![push(30_000), push(32_000)]);
    fails(&twice, "a second one under another id");
    twice.phones[0].sessions = vec![(at(31_000), at(31_500))];
    holds(&twice);
    twice.phones[0].sessions.clear();
    twice.unmuted = vec![("bob".to_owned(), at(31_000))];
    holds(&twice);
    twice.unmuted.clear();
    twice.restores = vec![restore(25_000, 31_000)];
    holds(&twice);
    twice.restores.clear();
    twice.phones[0].held.push(held("c", 3, 31_000));
    twice.phones[1].held.push(held("c", 3, 31_000));
    twice.sends.push(send("c"));
    holds(&twice);
    holds(&run(vec![push(30_000), push(34_001)]));
}

#[test]
fn a_fourth_background_push_within_an_hour_is_found() {
    let minute = 60_000;
    let mut pushes: Vec<_> = (1..=4).map(|number| push(number * 10 * minute)).collect();
    fails(&run(pushes.clone()), "got 4 background pushes");
    // A repeat is none, an alert is none, and after an hour there is room again.
    pushes[3] = PushRecord { id: pushes[2].id.clone(), ..pushes[3].clone() };
    let mut repeated = run(pushes.clone());
    repeated.kills = vec![Kill { at: at(31 * minute) }];
    holds(&repeated);
    pushes[3] = PushRecord { sort: "alert".to_owned(), ..push(40 * minute) };
    holds(&run(pushes.clone()));
    pushes[3] = push(70 * minute);
    holds(&run(pushes.clone()));
    // What a restore undid was not spent.
    pushes[3] = push(40 * minute);
    let mut undone = run(pushes);
    undone.restores = vec![restore(29 * minute, 31 * minute)];
    holds(&undone);
    // Its commit may have come after the snapshot, but not after the push.
    undone.restores = vec![restore(30 * minute + 1, 31 * minute)];
    holds(&undone);
    undone.restores = vec![restore(30 * minute + 3, 31 * minute)];
    fails(&undone, "got 4 background pushes");
}

#[test]
fn more_messages_than_google_takes_for_a_device_are_found() {
    let message = |number: i64, every: i64| PushRecord {
        service: Service::Google,
        sort: "data".to_owned(),
        id: None,
        about: About::Direct(format!("psh_{number}")),
        ..push(60_000 + number * every)
    };
    let run_of = |count, every| run((0..count).map(|number| message(number, every)).collect());
    let over = |evidence: &Evidence, what: &str| {
        let mut found = Vec::new();
        budgets::check(evidence, &mut found);
        found.iter().any(|it| it.what.contains(what))
    };
    let (minute, hour) =
        ("more than 240 messages in the minute", "more than 5000 messages in the hour");
    assert!(over(&run_of(241, 249), minute));
    assert!(!over(&run_of(241, 250), "more than"));
    assert!(!over(&run_of(240, 1), "more than"));
    assert!(over(&run_of(5_001, 719), hour));
    assert!(!over(&run_of(5_001, 720), "more than"));
    // One that was not taken is none.
    let mut refused = run_of(241, 249);
    refused.pushes[7].taken = false;
    assert!(!over(&refused, "more than"));
}
