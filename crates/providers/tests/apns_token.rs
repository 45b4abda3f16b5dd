//! Provider tokens: few, kept over a restart, renewed in time and no sooner.

use std::time::Duration;

use domain::{Environment, Time};
use http::StatusCode;
use providers::Apns;
use providers::apns::{Credential, Environments, KeyDetails, ProviderToken};
use sim::device;
use sim::pki::ApnsKey;
use sim::trouble::{GoAway, Scripted};

use crate::rig::{ApnsRig, PATIENCE, check_all_accepted, check_refused, soon};

/// This many minutes later.
fn after(start: Time, minutes: u64) -> Time {
    start.plus(Duration::from_secs(minutes * 60))
}

/// The provider tokens that the service saw, one for each request.
fn tokens_seen(rig: &ApnsRig) -> Vec<String> {
    let header = |seen: &sim::SeenPush| seen.header("authorization").map(str::to_owned);
    rig.sim.seen().iter().filter_map(header).collect()
}

#[tokio::test]
async fn an_expired_provider_token_is_renewed_on_a_new_connection() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    let start = rig.now();
    check_all_accepted(&[rig.send(&client).await]);
    // Apple's clock runs ahead of ours.
    rig.devices.clock().advance(Duration::from_secs(61 * 60));

    // The token is too young to be expired: renewing it would be one more mistake.
    let young = client.send(&rig.push(), start.plus(Duration::from_secs(60)), || true).await;
    check_refused(&young, 904, "ExpiredProviderToken");

    let old = client.send(&rig.push(), start.plus(Duration::from_secs(30 * 60)), || true).await;
    check_all_accepted(&[old]);
    check_all_accepted(&[client
        .send(&rig.push(), start.plus(Duration::from_secs(31 * 60)), || true)
        .await]);
}

#[tokio::test]
async fn all_clients_of_a_key_use_one_provider_token() {
    let rig = ApnsRig::start().await;
    let credential = rig.credential();
    let clients = [rig.client_of(credential.clone()), rig.client_of(credential)];
    for client in &clients {
        check_all_accepted(&rig.send_many(client, 5).await);
    }
    let seen = rig.sim.seen();
    let tokens: Vec<_> = seen.iter().map(|seen| seen.header("authorization")).collect();
    assert_eq!(tokens.len(), 10);
    assert!(tokens.iter().all(|token| *token == tokens[0] && token.is_some()));
}

/// Many requests meet the expired token; the first renews it and the others use the new one,
/// also those that hear of it only when it is there already.
#[tokio::test]
async fn a_burst_that_meets_an_expired_token_is_sent_again_with_one_new_one() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    let start = rig.now();
    for _ in 0..8 {
        check_all_accepted(&[rig.send(&client).await]);
    }
    rig.devices.clock().advance(Duration::from_secs(61 * 60));
    let pushes: Vec<_> = (0..20).map(|_| rig.push()).collect();
    let now = after(start, 30);
    let burst = pushes.iter().map(|push| client.send(push, now, || true));
    rig.sim.trouble().hold_next(10);
    let watch = async {
        rig.sim.trouble().wait_held(10, PATIENCE).await.unwrap();
        // The other ten have been sent again.
        rig.sim.wait_counts(|counts| counts.accepted == 18, PATIENCE).await.unwrap();
        rig.sim.trouble().release();
    };
    let (burst, ()) = tokio::join!(futures_util::future::join_all(burst), watch);
    check_all_accepted(&burst);
    let mut tokens = tokens_seen(&rig);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 2);
}

#[tokio::test]
async fn a_restart_uses_the_token_that_was_kept() {
    let rig = ApnsRig::start().await;
    let start = rig.now();
    let before = rig.credential();
    let mut tokens = before.provider_tokens().expect("a key has tokens");
    let production = Environment::Production;
    assert!(tokens.borrow_and_update().of(production).is_none());
    let keeper = async {
        soon(tokens.changed()).await.expect("the credential lives");
        let tokens = tokens.borrow_and_update();
        tokens.of(production).map(|token| token.expose().to_owned()).expect("a token")
    };
    let client = rig.client_of(before.clone());
    let (exchange, kept) = tokio::join!(rig.send(&client), keeper);
    check_all_accepted(&[exchange]);

    // A new process: another credential of the same file.
    let restarted = rig.credential();
    let token = ProviderToken::parse(&kept).expect("what was kept is a token");
    assert!(restarted.seed_provider_token(production, token, after(start, 5)));
    let client = rig.client_of(restarted);
    check_all_accepted(&[client.send(&rig.push(), after(start, 5), || true).await]);
    let seen = tokens_seen(&rig);
    assert_eq!(seen, [format!("bearer {kept}"), format!("bearer {kept}")]);

    // Too old to be of use: a new one is signed, as without it.
    let late = rig.credential();
    let token = ProviderToken::parse(&kept).expect("still a token");
    assert!(!late.seed_provider_token(production, token, after(start, 51)));
    rig.devices.clock().advance(Duration::from_secs(51 * 60));
    check_all_accepted(&[rig.client_of(late).send(&rig.push(), after(start, 51), || true).await]);
    assert_ne!(tokens_seen(&rig).last(), seen.last());
}

#[tokio::test]
async fn each_environment_has_a_token_of_its_own() {
    let rig = ApnsRig::start().await;
    let (credential, start) = (rig.credential(), rig.now());
    let production = rig.client_of(credential.clone());
    let sandbox = Apns::new(&rig.config, credential, Environment::Sandbox).expect("good in both");
    // Both speak to one service here, which looks at the key only.
    for (client, minutes) in [(&production, 0), (&sandbox, 30), (&production, 31), (&sandbox, 32)] {
        check_all_accepted(&[client.send(&rig.push(), after(start, minutes), || true).await]);
    }
    let seen = tokens_seen(&rig);
    assert_eq!((&seen[0], &seen[1]), (&seen[2], &seen[3]));
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn too_many_renewals_leave_the_token_as_it_is() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client).await]);
    let refused = Scripted::apns(StatusCode::TOO_MANY_REQUESTS, "TooManyProviderTokenUpdates");
    rig.sim.trouble().answer_next(1, &refused);
    check_refused(&rig.send(&client).await, 902, "TooManyProviderTokenUpdates");
    check_all_accepted(&[rig.send(&client).await]);
    let seen = tokens_seen(&rig);
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|token| *token == seen[0]), "one token");
    assert_eq!(rig.sim.counts().connections, 1);
}

/// What Apple says in a GOAWAY it may have said in an answer: it has the same cure, once, and
/// without waiting out the pause that a refusal brings.
#[tokio::test]
async fn a_goaway_has_the_cure_that_an_answer_has() {
    for reason in ["ExpiredProviderToken", "UnrelatedKeyIdInToken"] {
        let mut rig = ApnsRig::start().await;
        rig.config.reconnect_first = PATIENCE;
        rig.config.reconnect_longest = PATIENCE;
        let (client, start) = (rig.client(), rig.now());
        check_all_accepted(&[rig.send(&client).await]);
        rig.sim.trouble().go_away_after(0, &GoAway::reason(reason));
        check_all_accepted(&[client.send(&rig.push(), after(start, 30), || true).await]);
        let seen = tokens_seen(&rig);
        assert_eq!(seen[0] != seen[1], reason == "ExpiredProviderToken", "{reason}");

        // A second refusal in a row is reported, and nobody hammers.
        for _ in 0..3 {
            rig.sim.trouble().go_away_after(0, &GoAway::reason(reason));
        }
        let before = rig.sim.counts().connections;
        for _ in 0..3 {
            let exchange = client.send(&rig.push(), after(start, 51), || true).await;
            check_refused(&exchange, 904, reason);
        }
        assert!(rig.sim.counts().connections <= before + 1, "{reason}");
    }
}

#[tokio::test]
async fn a_key_made_for_one_environment_is_good_there_only() {
    let rig = ApnsRig::start().await;
    let ApnsKey { key_id, team_id, .. } = &rig.key;
    let parse = |environments| {
        let details = KeyDetails { key_id, team_id, environments, ..KeyDetails::default() };
        Credential::parse_p8(rig.key.pem().as_bytes(), &details).expect("a good key")
    };
    let check = |environments, environment, code: Option<u16>| {
        let credential = parse(environments);
        assert_eq!(credential.facts().environments, environments);
        let fault = Apns::new(&rig.config, credential, environment).err();
        let found = match &fault {
            Some(providers::Error::Credential(fault)) => {
                assert!(fault.to_string().contains(key_id.as_str()), "{fault}");
                Some(fault.diagnosis().code())
            }
            _ => None,
        };
        assert_eq!(found, code, "{environments:?} {environment:?} {fault:?}");
    };
    check(Environments::Both, Environment::Production, None);
    check(Environments::Both, Environment::Sandbox, None);
    check(Environments::Production, Environment::Production, None);
    check(Environments::Production, Environment::Sandbox, Some(904));
    check(Environments::Sandbox, Environment::Sandbox, None);
    check(Environments::Sandbox, Environment::Production, Some(905));
}

#[tokio::test]
async fn an_unrelated_key_is_tried_once_on_a_new_connection() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    let refused = Scripted::apns(StatusCode::FORBIDDEN, "UnrelatedKeyIdInToken");
    rig.sim.trouble().answer_next(1, &refused);
    check_all_accepted(&[rig.send(&client).await]);
    assert_eq!(rig.sim.counts().connections, 2);
    rig.sim.trouble().answer_next(2, &refused);
    check_refused(&rig.send(&client).await, 904, "UnrelatedKeyIdInToken");
}

#[tokio::test]
async fn a_key_for_the_other_environment_is_named_so() {
    let rig = ApnsRig::start_with(|options| {
        options.keys[0].environments =
            sim::apns::KeyEnvironments::Only(device::Environment::Sandbox);
    })
    .await;
    check_refused(&rig.send(&rig.client()).await, 905, "BadEnvironmentKeyI");
}
