//! Figures: counted, added up, kept with their day.

use domain::Diagnosis;
use domain::spread::Bucket;
use domain::wake::Stage;

use super::*;
use crate::log::file::{COUNTED, File};

const HOUR: Duration = Duration::from_secs(3_600);

/// Midnight before noon.
fn midnight() -> Time {
    NOON.minus(HOUR * 12)
}

/// The figures of three days from midnight on.
async fn figures(log: &Log, step: Duration) -> Vec<(u64, Figure, u64)> {
    let wanted = Wanted { app: APP, since: midnight(), until: midnight().plus(DAY * 3), step };
    let counted = log.figures(wanted).await.expect("the figures can be read");
    let steps = |at: Time| midnight().until(at).as_secs() / step.as_secs();
    counted.into_iter().map(|counted| (steps(counted.at), counted.figure, counted.times)).collect()
}

#[tokio::test]
async fn what_happens_is_added_up_by_step_and_part() {
    let (_dir, log) = temp();
    let gone = Figure::PushesRefused(Diagnosis::BadPushToken);
    let payload = Figure::PushesRefused(Diagnosis::BadPayload);
    let woken = Figure::WokenWithin(Bucket::of(Duration::from_secs(3)));
    log.count(APP, NOON, Figure::Messages, 1);
    log.count(APP, NOON, Figure::Messages, 2);
    log.flush().await;
    log.count(APP, NOON.plus(Duration::from_secs(299)), Figure::Messages, 4);
    log.count(APP, NOON.plus(SLOT), Figure::Messages, 8);
    log.count(APP, NOON, gone, 1);
    log.count(APP, NOON, payload, 1);
    log.count(APP, NOON.plus(HOUR), gone, 16);
    log.count(APP, NOON.plus(DAY), woken, 32);
    log.count(AppId::from_number(2), NOON, Figure::Messages, 100);
    let by_slot = figures(&log, SLOT).await;
    let messages: Vec<_> =
        by_slot.iter().filter(|(_, figure, _)| *figure == Figure::Messages).collect();
    assert_eq!(messages, [&(144, Figure::Messages, 7), &(145, Figure::Messages, 8)]);
    let mut by_hour = figures(&log, HOUR).await;
    by_hour.sort_by_key(|(step, _, times)| (*step, *times));
    let expected = [(12, Figure::Messages, 15), (13, gone, 16), (36, woken, 32)];
    assert_eq!(
        by_hour.iter().filter(|(.., times)| *times > 1).copied().collect::<Vec<_>>(),
        expected
    );
    assert_eq!(by_hour.len(), 5, "both codes of noon: {by_hour:?}");
    let mut by_day = figures(&log, DAY).await;
    by_day.sort_by_key(|(step, _, times)| (*step, *times));
    assert_eq!(by_day, [(0, payload, 1), (0, Figure::Messages, 15), (0, gone, 17), (1, woken, 32)]);
}

#[tokio::test]
async fn only_what_lies_in_the_time_asked_for_is_in_it() {
    let (_dir, log) = temp();
    for hours in 0..6 {
        log.count(APP, NOON.plus(HOUR * hours), Figure::PushesAccepted, 1 << hours);
    }
    let (since, until) = (NOON.plus(HOUR * 2), NOON.plus(HOUR * 4));
    let counted = log.figures(Wanted { app: APP, since, until, step: HOUR }).await.unwrap();
    assert_eq!(counted.iter().map(|counted| counted.times).collect::<Vec<_>>(), [4, 8]);
    assert_eq!((counted[0].at, counted[1].at), (since, NOON.plus(HOUR * 3)));
}

#[tokio::test]
async fn figures_go_on_after_a_start_and_go_with_their_day() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), 1, NOON).unwrap();
    let owed = Figure::Wakes(Stage::Owed);
    log.count(APP, NOON, owed, 1);
    log.close().await;
    log.count(APP, NOON, owed, 1);
    let log = Log::open(dir.path(), 1, NOON).unwrap();
    log.count(APP, NOON, owed, 1);
    assert_eq!(figures(&log, DAY).await, [(0, owed, 2)], "what came after the end is gone");
    log.count(APP, NOON.plus(DAY * 2), owed, 4);
    assert_eq!(figures(&log, DAY).await, [(2, owed, 4)]);
    assert_eq!(files_of_days(dir.path()), ["2026-11-25.db"]);
}

#[tokio::test]
async fn many_who_count_at_once_lose_nothing() {
    const EACH: u64 = 2_000;
    let (_dir, log) = temp();
    let log = Arc::new(log);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let log = log.clone();
        tasks.spawn_blocking(move || {
            for _ in 0..EACH {
                log.count(APP, NOON, Figure::Messages, 1);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(figures(&log, DAY).await, [(0, Figure::Messages, EACH * 8)]);
}

#[test]
fn a_question_reads_the_slots_of_one_app_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(&dir.path().join("2026-11-23.db")).unwrap();
    let plan = file.plan(COUNTED, &[1.into(), 0.into(), 9.into()]);
    assert_eq!(plan.len(), 1, "{plan:?}");
    let key = "SEARCH figure USING PRIMARY KEY (app=? AND slot>? AND slot<?)";
    assert_eq!(plan[0], key, "{plan:?}");
}
