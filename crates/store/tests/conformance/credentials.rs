//! Credentials: what is known of them, what goes with them, and the key they are sealed with.

use std::sync::{Arc, Mutex};

use domain::{CredentialId, Environment, EventType, Time};
use store::model::{Credential, NewCredential, SealedToken};
use store::{Error, credential_context, token_context};

use super::world::{DAY, NOON, SECOND, World, credential};

/// The note of the server that is sealed too.
const NOTE: &str = "seal_check";

impl World {
    async fn add_credential(&self, new: NewCredential) -> Credential {
        let added = self.store().add_credential(new).await.expect("answered").0;
        self.look();
        added.expect("the app is there")
    }

    async fn credential(&self, id: CredentialId) -> Credential {
        let all = self.store().credentials(None).await.expect("read");
        all.into_iter().find(|credential| credential.id == id).expect("it is kept")
    }

    /// What is sealed: credentials and provider tokens, oldest first, and the note.
    async fn sealed(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, Option<Vec<u8>>) {
        let credentials = self.store().credentials(None).await.expect("read");
        let credentials = credentials.into_iter().rev().map(|credential| credential.sealed);
        let tokens = self.store().provider_tokens().await.expect("read");
        let tokens = tokens.into_iter().map(|token| token.sealed);
        let note = self.store().note(NOTE).await.expect("read");
        (credentials.collect(), tokens.collect(), note)
    }
}

fn token(credential: &Credential, environment: Environment, sealed: u8, at: Time) -> SealedToken {
    let id = credential.id;
    SealedToken { credential: id, environment, sealed: vec![sealed], issued_at: at }
}

#[tokio::test]
async fn what_is_known_of_a_credential_outlives_the_process() {
    let mut world = World::new().await;
    let not_after = Some(NOON.plus(DAY * 300));
    let new = NewCredential { not_after, ..credential(world.app, "apns_key", 1, NOON) };
    let added = world.add_credential(new).await;
    let other = world.add_credential(credential(world.app, "apns_key", 2, NOON)).await;
    assert_eq!((added.not_after, added.believed_at, added.announced), (not_after, None, None));
    world.store().believed(added.id, NOON.plus(SECOND)).await.expect("noted");
    world.kill().await;
    let expected = Credential { believed_at: Some(NOON.plus(SECOND)), ..added.clone() };
    assert_eq!(world.credential(added.id).await, expected);
    assert_eq!(world.credential(other.id).await, other);
    // Two attempts that end at once may be noted in the other order.
    for (at, expected) in [(60, 60), (30, 60), (90, 90)] {
        world.store().believed(added.id, NOON.plus(SECOND * at)).await.expect("noted");
        let believed = world.credential(added.id).await.believed_at;
        assert_eq!(believed, Some(NOON.plus(SECOND * expected)));
    }
    // One that is gone was believed too late.
    world.store().believed(CredentialId::from_number(77), NOON).await.expect("ignored");
}

#[tokio::test]
async fn an_end_is_announced_once_for_each_number_of_days() {
    let mut world = World::new().await;
    let added = world.add_credential(credential(world.app, "apns_certificate", 1, NOON)).await;
    let announce = async |world: &World, days| {
        let body = serde_json::json!({ "days": days });
        let written = world.store().announce_expiry(added.id, days, body, world.now).await;
        written.expect("answered")
    };
    // The server was off for a while: what it missed is not made up for.
    let table = [(30, true), (30, false), (7, true), (14, false), (7, false), (1, true)];
    for (days, written) in table {
        world.pass(SECOND);
        assert_eq!(announce(&world, days).await, written, "{days} days before");
        if days == 7 {
            world.restart().await;
        }
    }
    assert_eq!(world.credential(added.id).await.announced, Some(1));
    let events = world.events().await;
    let days: Vec<_> = events.iter().map(|event| (event.kind, event.body.as_str())).collect();
    let expiring = EventType::CredentialExpiring;
    let expected =
        [r#"{"days":30}"#, r#"{"days":7}"#, r#"{"days":1}"#].map(|body| (expiring, body));
    assert_eq!(days, expected);
    let removed = world.store().remove_credential(world.app, added.id, world.now).await;
    assert!(removed.expect("answered").0);
    assert!(!announce(&world, 0).await, "of one that is gone there is nothing to say");
}

#[tokio::test]
async fn a_provider_token_is_kept_for_each_environment_and_goes_with_its_credential() {
    use Environment::{Production, Sandbox};
    let mut world = World::new().await;
    let first = world.add_credential(credential(world.app, "apns_key", 1, NOON)).await;
    let second = world.add_credential(credential(world.app, "apns_key", 2, NOON)).await;
    let set = async |world: &World, token: &SealedToken| {
        world.store().set_provider_token(token.clone()).await.expect("kept");
    };
    let renewed = token(&first, Production, 9, NOON.plus(SECOND));
    let sandbox = token(&first, Sandbox, 2, NOON);
    let others = token(&second, Production, 3, NOON);
    for token in [&token(&first, Production, 1, NOON), &sandbox, &others, &renewed] {
        set(&world, token).await;
    }
    world.restart().await;
    let kept = async |world: &World| world.store().provider_tokens().await.expect("read");
    assert_eq!(kept(&world).await, [renewed.clone(), sandbox, others.clone()]);
    let removed = world.store().remove_credential(world.app, first.id, NOON).await;
    assert!(removed.expect("answered").0);
    assert_eq!(kept(&world).await, std::slice::from_ref(&others));
    // It was being renewed when its credential went.
    set(&world, &renewed).await;
    assert_eq!(kept(&world).await, [others]);
}

#[tokio::test]
async fn a_new_key_seals_everything_anew_or_nothing() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let ours = world.add_credential(credential(world.app, "apns_key", 1, NOON)).await;
    let theirs = world.add_credential(credential(other, "fcm_service_account", 2, NOON)).await;
    let sandbox = token(&ours, Environment::Sandbox, 3, NOON);
    world.store().set_provider_token(sandbox).await.expect("kept");
    world.store().set_note(NOTE, vec![4]).await.expect("kept");
    let before = world.sealed().await;
    // The last of them does not open: by then all others were sealed anew.
    let failing = |_: &str, sealed: &[u8]| match sealed {
        [4] => Err("the note does not open".to_owned()),
        other => Ok([other, &[100]].concat()),
    };
    let error = world.store().reseal(failing, NOTE).await.expect_err("the seal fails");
    assert!(matches!(&error, Error::Database(text) if text.contains("does not open")), "{error}");
    assert_eq!(world.sealed().await, before);
    // What else is stored goes on.
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&contexts);
    let seal = move |context: &str, sealed: &[u8]| {
        seen.lock().expect("nobody panics").push((context.to_owned(), sealed.to_owned()));
        Ok([sealed, &[200]].concat())
    };
    assert_eq!(world.store().reseal(seal, NOTE).await.expect("sealed"), 4);
    world.restart().await;
    let expected = (vec![vec![1, 200], vec![2, 200]], vec![vec![3, 200]], Some(vec![4, 200]));
    assert_eq!(world.sealed().await, expected);
    assert_eq!(
        *contexts.lock().expect("nobody panics"),
        [
            (credential_context(world.app), vec![1]),
            (credential_context(other), vec![2]),
            (token_context(ours.id, "sandbox"), vec![3]),
            (NOTE.to_owned(), vec![4]),
        ],
        "what is sealed is bound to its place"
    );
    assert_eq!(world.credential(theirs.id).await.facts, theirs.facts);
}
