//! Topics: named sets of devices.

use domain::AppId;
use store::model::{Topic, TopicChanged};

use super::world::{DAY, NOON, Phone, SECOND, World};

/// Names of devices, for a list.
pub(super) fn names(phones: &[&Phone]) -> Vec<String> {
    phones.iter().map(|phone| phone.name.clone()).collect()
}

/// Only `changed` devices were.
fn changed(changed: u64) -> TopicChanged {
    TopicChanged { changed, unknown: Vec::new() }
}

impl World {
    pub(super) async fn subscribe(&self, topic: &str, devices: Vec<String>) -> TopicChanged {
        let done = self.store().subscribe(self.app, topic.to_owned(), devices, self.now).await;
        done.expect("answered")
    }

    pub(super) async fn unsubscribe(
        &self,
        topic: &str,
        devices: Vec<String>,
    ) -> Option<TopicChanged> {
        let done = self.store().unsubscribe(self.app, topic.to_owned(), devices).await;
        done.expect("answered")
    }

    async fn topics(&self) -> Vec<Topic> {
        self.store().topics(self.app, String::new(), 100).await.expect("read")
    }

    /// The names of a topic's devices.
    async fn devices_of(&self, topic: &str) -> Option<Vec<String>> {
        let read = self.store().topic_devices(self.app, topic.to_owned(), None, 100).await;
        Some(read.expect("read")?.into_iter().map(|(_, name)| name).collect())
    }
}

#[tokio::test]
async fn a_topic_has_the_devices_that_were_put_into_it() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    let carol = world.sleeper("carol").await;
    let both = names(&[&bob, &alice, &bob]);
    assert_eq!(world.subscribe("news", both).await, changed(2), "one is named twice");
    assert_eq!(world.subscribe("news", names(&[&alice, &carol])).await, changed(1));
    world.restart().await;
    let expected = Topic { name: "news".to_owned(), devices: 3, created_at: NOON };
    assert_eq!(world.topics().await, [expected]);
    assert_eq!(world.devices_of("news").await, Some(names(&[&alice, &bob, &carol])));
    assert_eq!(world.unsubscribe("news", names(&[&bob, &bob])).await, Some(changed(1)));
    assert_eq!(world.unsubscribe("news", names(&[&bob])).await, Some(changed(0)));
    assert_eq!(world.devices_of("news").await, Some(names(&[&alice, &carol])));
    // An empty topic is still one.
    world.unsubscribe("news", names(&[&alice, &carol])).await;
    assert_eq!(world.topics().await[0].devices, 0);
    assert_eq!(world.devices_of("news").await, Some(Vec::new()));
}

#[tokio::test]
async fn a_device_that_the_app_does_not_have_is_named() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let nobodys = vec!["nobody's".to_owned()];
    let unknown = TopicChanged { changed: 0, unknown: nobodys.clone() };
    assert_eq!(world.subscribe("news", nobodys.clone()).await, unknown);
    assert_eq!(world.topics().await, [], "a misspelt list makes no topic");
    assert_eq!(world.unsubscribe("news", nobodys.clone()).await, None);
    let list = [names(&[&alice]), nobodys.clone()].concat();
    let one = TopicChanged { changed: 1, ..unknown.clone() };
    assert_eq!(world.subscribe("news", list.clone()).await, one);
    assert_eq!(world.unsubscribe("news", list).await, Some(one));
    // Another app has neither the device nor the topic.
    let theirs = world.store().subscribe(other, "news".to_owned(), names(&[&alice]), NOON).await;
    assert_eq!(theirs.expect("answered").unknown, names(&[&alice]));
    let theirs = world.store().unsubscribe(other, "news".to_owned(), names(&[&alice])).await;
    assert_eq!(theirs.expect("answered"), None);
    assert!(!world.store().remove_topic(other, "news".to_owned()).await.expect("answered"));
    let theirs = world.store().topic_devices(other, "news".to_owned(), None, 9).await;
    assert_eq!(theirs.expect("answered"), None);
    assert_eq!(world.store().topics(other, String::new(), 9).await.expect("read"), []);
    assert_eq!(world.topics().await.len(), 1);
}

#[tokio::test]
async fn a_device_is_in_several_topics_and_a_topic_that_is_removed_leaves_the_others() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    for topic in ["weather", "news"] {
        world.subscribe(topic, names(&[&alice])).await;
    }
    world.subscribe("news", names(&[&bob])).await;
    let topics_of = async |world: &World, phone: &Phone| {
        world.store().topics_of_device(phone.number).await.expect("read")
    };
    assert_eq!(topics_of(&world, &alice).await, ["news", "weather"]);
    assert_eq!(topics_of(&world, &bob).await, ["news"]);
    let remove = async |world: &World| {
        world.store().remove_topic(world.app, "news".to_owned()).await.expect("answered")
    };
    assert!(remove(&world).await);
    assert!(!remove(&world).await);
    world.look();
    assert_eq!(world.devices_of("news").await, None);
    assert_eq!(topics_of(&world, &alice).await, ["weather"]);
    // A new one of the same name begins empty.
    world.pass(DAY);
    world.subscribe("news", names(&[&bob])).await;
    assert_eq!(world.devices_of("news").await, Some(names(&[&bob])));
    assert_eq!(world.topics().await[0].created_at, world.now);
}

#[tokio::test]
async fn topics_and_their_devices_come_in_pages() {
    let mut world = World::new().await;
    let mut phones = Vec::new();
    for user in ["alice", "bob", "carol"] {
        phones.push(world.sleeper(user).await);
    }
    let all: Vec<&Phone> = phones.iter().collect();
    for topic in ["c", "a", "b"] {
        world.pass(SECOND);
        world.subscribe(topic, names(&all)).await;
    }
    let page = async |after: &str| {
        let page = world.store().topics(world.app, after.to_owned(), 2).await.expect("read");
        page.into_iter().map(|topic| topic.name).collect::<Vec<_>>()
    };
    assert_eq!(page("").await, ["a", "b"]);
    assert_eq!(page("b").await, ["c"]);
    assert_eq!(page("c").await, [] as [&str; 0]);
    let page = async |app: AppId, after| {
        let page = world.store().topic_devices(app, "a".to_owned(), after, 2).await;
        page.expect("read").expect("the topic is there")
    };
    let first = page(world.app, None).await;
    assert_eq!(first.len(), 2);
    assert_eq!(first[1], (phones[1].number, phones[1].name.clone()));
    let second = page(world.app, Some(first[1].0)).await;
    assert_eq!(second, [(phones[2].number, phones[2].name.clone())]);
    assert_eq!(page(world.app, Some(second[0].0)).await, []);
}
