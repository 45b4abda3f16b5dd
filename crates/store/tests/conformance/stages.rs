//! How far wakes come: each stage is told of once, when it is come to.

use domain::wake::Stage;
use domain::{Diagnosis, Outcome, RetryRule, TokenVerdict};
use store::model::{Effects, Passed};

use super::world::{SECOND, World, accepted, held, refused};

fn stages(effects: &Effects) -> Vec<Stage> {
    effects.passed.iter().map(|passed| passed.stage).collect()
}

const fn lost() -> Outcome {
    Outcome::Unknown { detail: String::new() }
}

#[tokio::test]
async fn a_wake_comes_to_each_stage_when_it_does() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    let accept = world.message(&["alice"]);
    let opened_at = world.now;
    let (_, effects) = world.accept(accept).await;
    let owed = Passed { app: world.app, stage: Stage::Owed, opened_at, at: opened_at };
    assert_eq!(effects.passed, [owed]);
    // Another message is a part of the same wake.
    let accept = world.message(&["alice"]);
    assert_eq!(world.accept(accept).await.1.passed, []);
    let claimed = world.claim_one().await;
    let settled = world.settle(&claimed, lost()).await;
    assert_eq!(stages(&settled.effects), [Stage::Pushed]);
    world.pass(SECOND * 10);
    let claimed = world.claim_one().await;
    assert_eq!(stages(&world.settle(&claimed, accepted()).await.effects), [Stage::Accepted]);
    world.pass(SECOND * 30);
    // The next rung is the same wake.
    let claimed = world.claim_one().await;
    assert_eq!(stages(&world.settle(&claimed, accepted()).await.effects), []);
    world.restart().await;
    world.pass(SECOND);
    let connected = world.connect(&mut alice).await.effects;
    let came = Passed { stage: Stage::Connected, at: world.now, ..owed };
    assert_eq!(connected.passed, [came]);
    assert_eq!(stages(&world.ack(&alice, 1).await.1), [], "not all of it");
    world.end(&alice).await;
    assert_eq!(stages(&world.connect(&mut alice).await.effects), [], "again");
    assert_eq!(stages(&world.ack(&alice, 2).await.1), [Stage::Drained]);
}

#[tokio::test]
async fn who_comes_by_itself_was_not_woken() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    world.send("alice").await;
    assert_eq!(stages(&world.connect(&mut alice).await.effects), []);
    assert_eq!(stages(&world.ack(&alice, 1).await.1), []);
    world.end(&alice).await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    let settled = world
        .settle(&claimed, refused(Diagnosis::BadPayload, RetryRule::Bare, TokenVerdict::Keep))
        .await;
    assert_eq!(stages(&settled.effects), [Stage::Pushed]);
    assert_eq!(stages(&world.connect(&mut alice).await.effects), []);
    assert_eq!(stages(&world.ack(&alice, 2).await.1), []);
}

#[tokio::test]
async fn who_comes_before_the_answer_was_woken_all_the_same() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    let came = [Stage::Pushed, Stage::Accepted, Stage::Connected];
    assert_eq!(stages(&world.connect(&mut alice).await.effects), came);
    assert_eq!(stages(&world.settle(&claimed, accepted()).await.effects), []);
    assert_eq!(stages(&world.ack(&alice, 1).await.1), [Stage::Drained]);
}

#[tokio::test]
async fn who_reads_by_http_or_holds_it_at_the_connect_came_too() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    world.settle(&claimed, accepted()).await;
    let fetched = world.store().fetched(alice.number, world.now).await.expect("noted");
    assert_eq!(stages(&fetched), [Stage::Connected]);
    let mut hello = world.hello(&alice);
    hello.held = Some(held(alice.epoch, 1, None));
    assert_eq!(stages(&world.greet(&mut alice, hello).await.effects), [Stage::Drained]);
}
