//! Webhooks: what there is to send, what became of it, and what is sent again.

use domain::webhook::Delivery;
use domain::{EventSet, EventType, Time};
use store::model::{
    ChangeWebhook, DeliveryFilter, DeliveryStateAt, Event, NewEvent, NewWebhook, Replay,
    SettleWebhook, SettledTry, Subscription, TryAnswer, Webhook, WebhookState, WebhookWork,
};

use super::world::{DAY, SECOND, World};

/// Which of an endpoint's events are asked for at once.
const PAGE: usize = 10;

impl World {
    async fn webhook(&self, events: Subscription) -> Webhook {
        let new = NewWebhook {
            app: self.app,
            url: "https://hooks.example.com/in".to_owned(),
            description: String::new(),
            events,
            secret: vec![1],
            now: self.now,
        };
        self.store().add_webhook(new).await.expect("kept").expect("there is the app")
    }

    /// As the store has it now.
    async fn again(&self, webhook: &Webhook) -> Webhook {
        let all = self.store().webhooks(Some(self.app)).await.expect("read");
        all.into_iter().find(|it| it.id == webhook.id).expect("it is there")
    }

    async fn happens(&self, kind: EventType) -> i64 {
        let event = NewEvent { kind, body: serde_json::json!({}) };
        self.store().add_event(self.app, event, self.now).await.expect("written");
        self.events().await.last().expect("it is there").number
    }

    async fn work(&self, webhook: &Webhook) -> WebhookWork {
        let webhook = self.again(webhook).await;
        self.store().webhook_work(webhook, PAGE, self.now).await.expect("read")
    }

    fn tried(&self, event: &Event, delivery: Delivery) -> SettledTry {
        let answer = TryAnswer {
            at: self.now,
            took: SECOND,
            status: Some(if delivery == Delivery::Delivered { 204 } else { 500 }),
            body: None,
            problem: None,
        };
        SettledTry { event: event.number, delivery, tries: 1, since: event.at, answer }
    }

    async fn settle_tries(&self, webhook: &Webhook, cursor: i64, tries: Vec<SettledTry>) -> bool {
        let settle = SettleWebhook {
            webhook: webhook.id,
            cursor,
            tries,
            back: false,
            gone: false,
            now: self.now,
        };
        self.store().settle_webhook(settle).await.expect("settled")
    }

    async fn states(&self, webhook: &Webhook) -> Vec<(i64, DeliveryStateAt)> {
        let all = DeliveryFilter::All;
        let found = self.store().webhook_deliveries(webhook.id, all, None, 100).await;
        found.expect("read").into_iter().map(|it| (it.event.number, it.state)).collect()
    }
}

fn numbers(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.number).collect()
}

#[tokio::test]
async fn an_endpoint_gets_what_happens_from_its_start_on_and_what_it_asked_for() {
    let mut world = World::new().await;
    world.happens(EventType::CredentialFailed).await;
    let all = world.webhook(Subscription::All).await;
    let named: EventSet = [EventType::CredentialRecovered].into_iter().collect();
    let some = world.webhook(Subscription::Named(named)).await;
    let failed = world.happens(EventType::CredentialFailed).await;
    let recovered = world.happens(EventType::CredentialRecovered).await;
    world.kill().await;
    assert_eq!(numbers(&world.work(&all).await.fresh), [failed, recovered]);
    let work = world.work(&some).await;
    assert_eq!((numbers(&work.fresh), work.cursor, work.more), (vec![recovered], recovered, false));
    let last = world.happens(EventType::CredentialFailed).await;
    let work = world.work(&some).await;
    assert_eq!(work.cursor, last, "what it does not get is passed over");
}

#[tokio::test]
async fn a_frequent_event_is_kept_as_long_as_an_endpoint_wants_it() {
    let world = World::new().await;
    let event = NewEvent { kind: EventType::PushSent, body: serde_json::json!({}) };
    let write = async || {
        world.store().add_event(world.app, event.clone(), world.now).await.expect("answered");
        world.events().await.len()
    };
    let webhook = world.webhook(Subscription::All).await;
    assert_eq!(write().await, 0, "`*` is all but what every single push would bring");
    let named = Subscription::Named([EventType::PushSent].into_iter().collect());
    let change = ChangeWebhook { events: Some(named), ..ChangeWebhook::default() };
    world.store().change_webhook(world.app, webhook.id, change).await.expect("changed");
    assert_eq!(write().await, 1);
    assert!(world.store().remove_webhook(world.app, webhook.id).await.expect("removed"));
    assert_eq!(write().await, 1);
}

#[tokio::test]
async fn cursor_and_rows_are_one_and_a_kill_before_them_sends_the_page_again() {
    let mut world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    world.happens(EventType::CredentialFailed).await;
    world.happens(EventType::CredentialFailed).await;
    let work = world.work(&webhook).await;
    world.kill().await;
    assert_eq!(world.work(&webhook).await.fresh, work.fresh, "nothing was settled");
    let due = world.now.plus(SECOND * 5);
    let tries = vec![
        world.tried(&work.fresh[0], Delivery::Delivered),
        world.tried(&work.fresh[1], Delivery::Waiting { due }),
    ];
    assert!(world.settle_tries(&webhook, work.cursor, tries).await);
    world.kill().await;
    let next = world.work(&webhook).await;
    assert_eq!((next.again.len(), next.fresh.len(), next.next_due), (0, 0, Some(due)));
    world.pass(SECOND * 5);
    let next = world.work(&webhook).await;
    assert_eq!((next.again[0].event.clone(), next.again[0].tries), (work.fresh[1].clone(), 1));
    let counts = world.store().webhook_counts(webhook.id).await.expect("read");
    assert_eq!((counts.waiting, counts.parked), (1, 0));
}

#[tokio::test]
async fn an_endpoint_that_is_back_gets_all_that_waits_at_once() {
    let world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    for _ in 0..3 {
        world.happens(EventType::CredentialFailed).await;
    }
    let work = world.work(&webhook).await;
    let due = world.now.plus(SECOND * 3_600);
    let waiting = work.fresh[..2].iter().map(|event| world.tried(event, Delivery::Waiting { due }));
    world.settle_tries(&webhook, work.fresh[1].number, waiting.collect()).await;
    assert_eq!(world.work(&webhook).await.again, []);
    let settle = SettleWebhook {
        webhook: webhook.id,
        cursor: work.cursor,
        tries: vec![world.tried(&work.fresh[2], Delivery::Delivered)],
        back: true,
        gone: false,
        now: world.now,
    };
    assert!(world.store().settle_webhook(settle).await.expect("settled"));
    assert_eq!(world.work(&webhook).await.again.len(), 2);
}

#[tokio::test]
async fn what_waits_for_a_day_in_vain_is_parked_and_nothing_before() {
    let mut world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    let old = world.happens(EventType::CredentialFailed).await;
    let tried_once = world.happens(EventType::CredentialFailed).await;
    let work = world.work(&webhook).await;
    // The second was tried, the first never was.
    let due = world.now.plus(DAY);
    let tried = world.tried(&work.fresh[1], Delivery::Waiting { due });
    world.settle_tries(&webhook, 0, vec![tried]).await;
    world.pass(DAY);
    let young = world.happens(EventType::CredentialFailed).await;
    let park = async |world: &World, before: Time| {
        let webhook = world.again(&webhook).await;
        world.store().park_events(webhook, before, PAGE, "away".to_owned()).await.expect("parked")
    };
    park(&world, world.now.minus(DAY).minus(SECOND)).await;
    let waiting = DeliveryStateAt::Waiting(due);
    assert_eq!(world.states(&webhook).await, [(tried_once, waiting)]);
    park(&world, world.now.minus(DAY)).await;
    let parked = DeliveryStateAt::Parked;
    assert_eq!(world.states(&webhook).await, [(tried_once, parked), (old, parked)]);
    assert_eq!(numbers(&world.work(&webhook).await.fresh), [young]);
}

#[tokio::test]
async fn one_event_or_those_of_a_time_are_replayed() {
    let mut world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    let first = world.happens(EventType::CredentialFailed).await;
    world.pass(SECOND);
    let second = world.happens(EventType::CredentialRecovered).await;
    let work = world.work(&webhook).await;
    let tries = vec![
        world.tried(&work.fresh[0], Delivery::Parked),
        world.tried(&work.fresh[1], Delivery::Delivered),
    ];
    world.settle_tries(&webhook, work.cursor, tries).await;
    assert_eq!(world.work(&webhook).await.again, []);
    world.pass(SECOND);
    let replay = async |world: &World, replay| {
        world.store().replay_webhook(world.app, webhook.id, replay, world.now).await.expect("done")
    };
    assert_eq!(replay(&world, Replay::One(second)).await, Some(1));
    assert_eq!(replay(&world, Replay::One(999)).await, Some(0));
    let again = world.work(&webhook).await.again;
    assert_eq!((again.len(), again[0].event.number, again[0].since), (1, second, world.now));
    let between = |parked_only| Replay::Between {
        from: world.now.minus(SECOND * 2),
        to: world.now,
        parked_only,
    };
    assert_eq!(replay(&world, between(true)).await, Some(1));
    let mut again: Vec<_> =
        world.work(&webhook).await.again.iter().map(|tried| tried.event.number).collect();
    again.sort_unstable();
    assert_eq!(again, [first, second]);
    let early = Replay::Between {
        from: world.now.minus(SECOND * 2),
        to: world.now.minus(SECOND * 2),
        parked_only: false,
    };
    assert_eq!(replay(&world, early).await, Some(1));
    // Another app's endpoint is none of this one's business.
    let other = world.store().add_app("other".to_owned(), world.now).await.expect("added").id;
    let foreign = world.store().replay_webhook(other, webhook.id, Replay::One(first), world.now);
    assert_eq!(foreign.await.expect("answered"), None);
}

#[tokio::test]
async fn a_test_is_for_one_endpoint_alone() {
    let world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    let other = world.webhook(Subscription::All).await;
    let body = serde_json::json!({ "webhook": webhook.id.to_string() });
    let event = world.store().test_webhook(world.app, webhook.id, body, world.now).await;
    let event = event.expect("written").expect("there is the endpoint");
    assert_eq!(event.kind, EventType::WebhookTest);
    let work = world.work(&webhook).await;
    assert_eq!((work.again[0].event.clone(), work.fresh), (event, vec![]));
    let work = world.work(&other).await;
    assert_eq!((work.again, work.fresh), (vec![], vec![]));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_or_removed_gets_nothing_more() {
    let world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    world.happens(EventType::CredentialFailed).await;
    let work = world.work(&webhook).await;
    let settle = SettleWebhook {
        webhook: webhook.id,
        cursor: work.cursor,
        tries: vec![world.tried(&work.fresh[0], Delivery::Parked)],
        back: false,
        gone: true,
        now: world.now,
    };
    assert!(world.store().settle_webhook(settle.clone()).await.expect("settled"));
    assert_eq!(world.again(&webhook).await.state, WebhookState::Gone);
    let on = ChangeWebhook { on: Some(true), ..ChangeWebhook::default() };
    let changed = world.store().change_webhook(world.app, webhook.id, on).await.expect("changed");
    assert_eq!(changed.expect("it is there").state, WebhookState::On);
    assert!(world.store().remove_webhook(world.app, webhook.id).await.expect("removed"));
    assert!(!world.store().settle_webhook(settle).await.expect("answered"), "a late answer");
    assert_eq!(world.states(&webhook).await, []);
}

#[tokio::test]
async fn a_secret_that_is_replaced_signs_for_a_while() {
    let world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    let until = world.now.plus(DAY);
    let rotated = world.store().rotate_webhook(world.app, webhook.id, vec![2], until).await;
    let rotated = rotated.expect("kept").expect("it is there");
    assert_eq!((rotated.secret, rotated.old_secret), (vec![2], Some((vec![1], until))));
}

#[tokio::test]
async fn who_listens_hears_of_each_commit_of_that_app() {
    let world = World::new().await;
    let mut news = world.store().new_events(world.app);
    let other = world.store().add_app("other".to_owned(), world.now).await.expect("added").id;
    let event = NewEvent { kind: EventType::CredentialFailed, body: serde_json::json!({}) };
    world.store().add_event(other, event, world.now).await.expect("written");
    assert!(!news.has_changed().expect("the store is open"));
    let number = world.happens(EventType::CredentialFailed).await;
    assert_eq!(*news.borrow_and_update(), number);
}

#[tokio::test]
async fn what_became_of_an_event_goes_with_it() {
    let mut world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    world.happens(EventType::CredentialFailed).await;
    let work = world.work(&webhook).await;
    let tries = vec![world.tried(&work.fresh[0], Delivery::Delivered)];
    world.settle_tries(&webhook, work.cursor, tries).await;
    world.pass(DAY * 31);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(world.states(&webhook).await, []);
}

#[tokio::test]
async fn both_secrets_are_sealed_anew_in_their_place() {
    let world = World::new().await;
    let webhook = world.webhook(Subscription::All).await;
    let until = world.now.plus(DAY);
    let rotated = world.store().rotate_webhook(world.app, webhook.id, vec![2], until).await;
    rotated.expect("kept").expect("it is there");
    let context = store::webhook_context(world.app);
    let seal = move |place: &str, sealed: &[u8]| match place == context {
        true => Ok([sealed, &[200]].concat()),
        false => Err(format!("{place} is no webhook's")),
    };
    assert_eq!(world.store().reseal(seal, "note").await.expect("sealed"), 2);
    let webhook = world.again(&webhook).await;
    assert_eq!((webhook.secret, webhook.old_secret), (vec![2, 200], Some((vec![1, 200], until))));
}
