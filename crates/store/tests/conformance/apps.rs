//! What belongs to an app: keys, credentials, settings, users and their tokens.

use std::time::Duration;

use domain::{AppId, KeyId, KeyScope, MaySend};
use store::model::{ApiKey, DeviceIdentity, NewTokenKey, TokenKeySource, UserRecord, UserToken};

use super::world::{DAY, NOON, SECOND, World, credential, digest};

const NOBODYS: AppId = AppId::from_number(99);

#[tokio::test]
async fn what_an_app_is_given_it_keeps_and_no_other_has() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added");
    let apps = world.store().apps().await.expect("read");
    assert_eq!(apps.iter().map(|app| app.id).collect::<Vec<_>>(), [world.app, other.id]);
    assert_eq!(world.store().app(other.id).await.expect("read"), Some(other.clone()));
    assert_eq!(world.store().app(NOBODYS).await.expect("read"), None);
    // Keys.
    let add = async |world: &World, app, n| {
        let scopes = [KeyScope::Send].into_iter().collect();
        let added = world.store().add_key(app, format!("key {n}"), scopes, digest(n), NOON);
        added.await.expect("added")
    };
    assert_eq!(add(&world, NOBODYS, 1).await, None);
    let mut key: ApiKey = add(&world, world.app, 1).await.expect("the app is there");
    assert!(key.scopes.has(KeyScope::Send) && !key.scopes.has(KeyScope::Read));
    assert_eq!(key.last_used_at, None);
    let later = NOON.plus(Duration::from_secs(60));
    for at in [later, NOON] {
        world.store().note_key_use(key.id, at).await.expect("noted");
    }
    key.last_used_at = Some(later);
    world.restart().await;
    assert_eq!(world.store().key_by_hash(digest(1)).await.expect("read"), Some(key.clone()));
    assert_eq!(world.store().keys(world.app).await.expect("read"), std::slice::from_ref(&key));
    assert!(world.store().keys(other.id).await.expect("read").is_empty());
    assert!(!world.store().remove_key(other.id, key.id).await.expect("removed"));
    assert!(!world.store().remove_key(world.app, KeyId::from_number(77)).await.expect("removed"));
    assert!(world.store().remove_key(world.app, key.id).await.expect("removed"));
    assert_eq!(world.store().key_by_hash(digest(1)).await.expect("read"), None);
    // Credentials.
    let add = async |world: &World, app, n: u8| {
        let added = world.store().add_credential(credential(app, "apns_key", n, NOON));
        added.await.expect("added").0
    };
    assert_eq!(add(&world, NOBODYS, 1).await, None);
    let first = add(&world, world.app, 1).await.expect("added");
    let second = add(&world, world.app, 2).await.expect("added");
    let others = add(&world, other.id, 3).await.expect("added");
    world.restart().await;
    let listed = async |app| world.store().credentials(app).await.expect("read");
    assert_eq!(listed(Some(world.app)).await, [second.clone(), first.clone()]);
    assert_eq!(listed(None).await, [others.clone(), second, first.clone()]);
    let removed = world.store().remove_credential(world.app, others.id, NOON).await;
    assert!(!removed.expect("answered").0, "another app's");
    let removed = world.store().remove_credential(world.app, first.id, NOON).await;
    assert!(removed.expect("answered").0);
}

#[tokio::test]
async fn settings_are_an_apps_own_and_outlive_the_process() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let before = world.store().settings(other).await.expect("read").expect("the app's");
    let mut settings = before.clone();
    settings.sound = "none".to_owned();
    settings.default_ttl_s = 60;
    settings.policy.climb_after = Duration::from_secs(7);
    settings.policy.repeats = vec![Duration::from_secs(9)];
    settings.policy.first_rung = domain::FirstRung::Alert;
    let (set, _) =
        world.store().set_settings(world.app, settings.clone(), world.now).await.expect("set");
    assert!(set);
    let (set, _) =
        world.store().set_settings(NOBODYS, settings.clone(), world.now).await.expect("answered");
    assert!(!set);
    world.restart().await;
    assert_eq!(world.store().settings(world.app).await.expect("read"), Some(settings));
    assert_eq!(world.store().settings(other).await.expect("read"), Some(before));
    assert_eq!(world.store().settings(NOBODYS).await.expect("read"), None);
}

#[tokio::test]
async fn a_user_is_made_once_and_its_tokens_end() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let alice = world.user("alice").await;
    assert_eq!(world.user("alice").await, alice);
    let elsewhere = world.store().ensure_user(other, "alice".to_owned(), NOON).await;
    assert_ne!(elsewhere.expect("made"), Some(alice), "users of two apps are two");
    let made = world.store().ensure_user(NOBODYS, "alice".to_owned(), NOON).await;
    assert_eq!(made.expect("answered"), None);
    let find = async |user: &str| world.store().user(world.app, user.to_owned()).await;
    assert_eq!(find("alice").await.expect("read"), Some(alice));
    assert_eq!(find("Alice").await.expect("read"), None);
    let expires_at = NOON.plus(DAY);
    let may_send = MaySend::None;
    let kept = world.store().add_user_token(digest(1), alice, may_send, expires_at).await;
    kept.expect("kept");
    let token = async |world: &World| world.store().user_token(digest(1)).await.expect("read");
    let user = "alice".to_owned();
    let expected = UserToken { app: world.app, inbox: alice, user, may_send, expires_at };
    for passed in [DAY + SECOND, DAY * 2 - SECOND] {
        world.pass(passed);
        world.store().sweep(0, world.now).await.expect("swept");
        let found = token(&world).await;
        assert_eq!(found.as_ref(), Some(&expected), "an expired one can be told from a wrong one");
    }
    world.pass(SECOND);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(token(&world).await, None);
}

#[tokio::test]
async fn token_keys_are_an_apps_own_and_outlive_the_process() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let add = async |world: &World, app, source: TokenKeySource| {
        let new = NewTokenKey {
            app,
            name: "back end".to_owned(),
            algorithm: "ES256".to_owned(),
            audience: "chat".to_owned(),
            source,
            now: NOON,
        };
        world.store().add_token_key(new).await.expect("added")
    };
    let pem = TokenKeySource::PublicKey("PEM".to_owned());
    assert_eq!(add(&world, NOBODYS, pem.clone()).await, None);
    let public = add(&world, world.app, pem).await.expect("the app is there");
    let secret = add(&world, world.app, TokenKeySource::Secret(vec![0, 255])).await.expect("added");
    let url = TokenKeySource::JwksUrl("https://example.org/keys".to_owned());
    let set = add(&world, other, url).await.expect("added");
    world.restart().await;
    let listed = async |app| world.store().token_keys(app).await.expect("read");
    assert_eq!(listed(world.app).await, [public.clone(), secret.clone()]);
    assert_eq!(listed(other).await, std::slice::from_ref(&set));
    let remove = async |app, key| world.store().remove_token_key(app, key).await.expect("answered");
    assert!(!remove(world.app, set.id).await, "another app's");
    assert!(remove(world.app, public.id).await);
    assert!(!remove(world.app, public.id).await);
    assert_eq!(listed(world.app).await, std::slice::from_ref(&secret));
    // A new master key seals the secret anew, and leaves what is no secret.
    let again = |context: &str, sealed: &[u8]| {
        assert_eq!((context, sealed), ("token_keys/material/app_1", &[0, 255][..]));
        Ok(vec![7])
    };
    assert_eq!(world.store().reseal(again, "note").await.expect("resealed"), 1);
    assert_eq!(listed(world.app).await[0].source, TokenKeySource::Secret(vec![7]));
    assert_eq!(listed(other).await, [set]);
}

#[tokio::test]
async fn what_was_taken_back_is_good_no_more() {
    let mut world = World::new().await;
    let alice = world.user("alice").await;
    let bob = world.user("bob").await;
    let expires_at = NOON.plus(DAY);
    for (n, inbox) in [(1, alice), (2, alice), (3, bob)] {
        let kept = world.store().add_user_token(digest(n), inbox, MaySend::Any, expires_at).await;
        kept.expect("kept");
    }
    let record = async |world: &World, user: &str| {
        world.store().user_record(world.app, user.to_owned()).await.expect("read")
    };
    let expected = UserRecord { inbox: alice, revoked_at: None };
    assert_eq!(record(&world, "alice").await, Some(expected));
    assert_eq!(record(&world, "nobody").await, None);
    world.pass(SECOND);
    let revoked_at = world.now;
    world.store().revoke_user_tokens(alice, revoked_at).await.expect("revoked");
    // One that comes late, of a clock that is behind, gives nothing back.
    world.store().revoke_user_tokens(alice, NOON).await.expect("revoked");
    world.restart().await;
    for (n, left) in [(1, false), (2, false), (3, true)] {
        let token = world.store().user_token(digest(n)).await.expect("read");
        assert_eq!(token.is_some(), left, "{n}");
    }
    assert_eq!(record(&world, "alice").await.and_then(|it| it.revoked_at), Some(revoked_at));
    assert_eq!(record(&world, "bob").await.and_then(|it| it.revoked_at), None);
}

#[tokio::test]
async fn a_device_is_found_by_its_name_and_by_its_secret() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.send("alice").await;
    world.ack(&alice, 1).await;
    let expected = DeviceIdentity {
        app: world.app,
        device: alice.number,
        name: alice.name.clone(),
        inbox: alice.inbox,
        user: "alice".to_owned(),
        cursor: domain::Offset::from_number(1),
    };
    let secret = alice.secret.expect("it was given one");
    let found = world.store().device_by_secret(secret).await.expect("read");
    assert_eq!(found, Some(expected.clone()));
    let found = world.store().device_by_name(world.app, alice.name.clone()).await.expect("read");
    assert_eq!(found, Some(expected));
    assert_eq!(world.store().device_by_secret([3; 32]).await.expect("read"), None);
    let found = world.store().device_by_name(NOBODYS, alice.name.clone()).await.expect("read");
    assert_eq!(found, None);
}

#[tokio::test]
async fn an_app_goes_a_slice_at_a_time_and_a_restart_goes_on() {
    let mut world = World::new().await;
    let live = world.phone("alice").await;
    for number in 0..100 {
        world.sleeper(&format!("user-{number}")).await;
    }
    assert!(world.store().delete_app(world.app, world.now).await.expect("marked"));
    assert_eq!(world.store().end_deleted_sessions().await.expect("ended"), [live.inbox]);
    assert_eq!(world.store().end_deleted_sessions().await.expect("ended"), []);
    // Devices in two slices, inboxes in two, the app.
    let mut slices = 0;
    while world.store().purge_app().await.expect("gone") {
        slices += 1;
        world.restart().await;
    }
    assert_eq!(slices, 6, "and the lanes in one");
    let left = world.look();
    assert_eq!((left.entries.len(), left.devices.len(), left.inboxes.len()), (0, 0, 0));
}
