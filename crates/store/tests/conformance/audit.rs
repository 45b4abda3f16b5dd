//! The audit log: written before the act, its status after it, and kept over a restart.

use domain::{AppId, KeyId};
use store::model::NewAct;

use super::world::{DAY, World};

#[tokio::test]
async fn an_act_is_there_before_it_is_done_and_forgotten_when_nobody_asks_any_more() {
    let mut world = World::new().await;
    let act = |app: Option<AppId>, at| NewAct {
        at,
        key: app.map(|_| KeyId::from_number(7)),
        app,
        source: "192.0.2.7".to_owned(),
        method: "POST".to_owned(),
        path: "/v1/apps".to_owned(),
    };
    let start = world.now;
    let (app, later) = (world.app, start.plus(DAY));
    let first = world.store().audit(act(None, start)).await.expect("written");
    let second = world.store().audit(act(Some(app), later)).await.expect("written");
    world.store().audit_answered(second, 201).await.expect("noted");
    // As after a kill between the two writes of the first.
    world.restart().await;
    let log = async |world: &World, app, before, limit| {
        let acts = world.store().audit_log(app, before, limit).await.expect("read");
        acts.into_iter().map(|act| (act.number, act.asked, act.status)).collect::<Vec<_>>()
    };
    let (of_first, of_second) =
        ((first, act(None, start), None), (second, act(Some(app), later), Some(201)));
    assert_eq!(log(&world, None, None, 9).await, [of_second.clone(), of_first.clone()]);
    assert_eq!(log(&world, None, None, 1).await, std::slice::from_ref(&of_second));
    assert_eq!(log(&world, None, Some(second), 9).await, [of_first]);
    assert_eq!(log(&world, Some(app), None, 9).await, std::slice::from_ref(&of_second));
    assert!(log(&world, Some(AppId::from_number(99)), None, 9).await.is_empty());
    world.store().sweep(0, start.plus(DAY * 400)).await.expect("swept");
    assert_eq!(log(&world, None, None, 9).await.len(), 2, "400 days are not over");
    world.store().sweep(0, start.plus(DAY * 400 + DAY / 2)).await.expect("swept");
    assert_eq!(log(&world, None, None, 9).await, [of_second]);
}
