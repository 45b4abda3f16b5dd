//! APNs: provider tokens, and what a connection is bound to by its first.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use sim::{
    apns::{KeyEnvironments, KeyTopics, KnownKey, TokenUpdates},
    device::{ApnsTokenKind, Environment},
    pki::ApnsKey,
};

use crate::{
    apns::{ALERT, APP, World, alert_headers, jwt, refusal},
    client::{Answer, Client, es256, es256_der},
};

/// An alert with this provider token.
async fn push_with(world: &World, client: &Client, token: &str) -> Answer {
    client.post(&world.path(), &alert_headers(&format!("bearer {token}")), ALERT).await
}

#[tokio::test]
async fn a_bad_provider_token_is_refused() {
    let world = World::new().await;
    let now = world.devices.clock().now().as_second();
    let header = json!({ "alg": "ES256", "kid": world.key.key_id });
    let claims = json!({ "iss": world.key.team_id, "iat": now });
    let stranger = ApnsKey::generate().unwrap();
    let good = es256(&world.key, &header, &claims);
    let invalid = "InvalidProviderToken";
    let cases = [
        ("no scheme", good.clone(), invalid),
        ("another scheme", format!("basic {good}"), invalid),
        ("no JWT", "bearer hello".to_owned(), invalid),
        ("a cut signature", format!("bearer {}", &good[..good.len() - 4]), invalid),
        ("another's signature", format!("bearer {}", es256(&stranger, &header, &claims)), invalid),
        ("an unknown key", format!("bearer {}", jwt(&stranger, now)), invalid),
        (
            "another algorithm",
            format!(
                "bearer {}",
                es256(&world.key, &json!({ "alg": "HS256", "kid": world.key.key_id }), &claims)
            ),
            invalid,
        ),
        (
            "another team",
            format!(
                "bearer {}",
                es256(&world.key, &header, &json!({ "iss": stranger.team_id, "iat": now }))
            ),
            invalid,
        ),
        (
            "iat as text",
            format!(
                "bearer {}",
                es256(
                    &world.key,
                    &header,
                    &json!({ "iss": world.key.team_id, "iat": now.to_string() })
                )
            ),
            invalid,
        ),
        (
            "a signature as DER",
            format!("bearer {}", es256_der(&world.key, &header, &claims)),
            invalid,
        ),
        (
            "no key id",
            format!("bearer {}", es256(&world.key, &json!({ "alg": "ES256" }), &claims)),
            invalid,
        ),
        (
            "iat in milliseconds",
            format!(
                "bearer {}",
                es256(&world.key, &header, &json!({ "iss": world.key.team_id, "iat": now * 1000 }))
            ),
            invalid,
        ),
        ("from the future", format!("bearer {}", world.jwt(-3700)), invalid),
        ("too old", format!("bearer {}", world.jwt(3700)), "ExpiredProviderToken"),
    ];
    for (name, authorization, reason) in cases {
        let client = world.connect().await;
        let answer = client.post(&world.path(), &alert_headers(&authorization), ALERT).await;
        assert_eq!(refusal(&answer), (403, reason.into()), "{name}");
    }
    let client = world.connect().await;
    let answer = client.post(&world.path(), &alert_headers("")[1..], ALERT).await;
    assert_eq!(refusal(&answer), (403, "MissingProviderToken".into()));
    let spelled = json!({ "alg": "ES256", "typ": "JWT", "kid": world.key.key_id });
    let answer =
        push_with(&world, &world.connect().await, &es256(&world.key, &spelled, &claims)).await;
    assert_eq!(answer.status, StatusCode::OK, "a `typ` does no harm");
}

#[tokio::test]
async fn a_connection_is_bound_to_its_first_key() {
    let (second, sandbox_only, foreign) =
        (ApnsKey::generate().unwrap(), ApnsKey::generate().unwrap(), ApnsKey::generate().unwrap());
    let world = World::with(|options| {
        let mut same_team = KnownKey::new(&second, &[APP]);
        same_team.team_id.clone_from(&options.keys[0].team_id);
        let mut sandbox = KnownKey::new(&sandbox_only, &[APP]);
        sandbox.environments = KeyEnvironments::Only(Environment::Sandbox);
        options.keys.extend([same_team, sandbox, KnownKey::new(&foreign, &[APP])]);
        options.keys[0].topics = KeyTopics::Any;
    })
    .await;
    let now = world.devices.clock().now().as_second();
    let of_team = |key: &ApnsKey| {
        let header = json!({ "alg": "ES256", "kid": key.key_id });
        es256(key, &header, &json!({ "iss": world.key.team_id, "iat": now }))
    };
    let client = world.connect().await;
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    for (name, token, status, reason) in [
        ("another key of the team", of_team(&second), 403, "UnrelatedKeyIdInToken"),
        ("a key of another team", jwt(&foreign, now), 403, "InvalidProviderToken"),
        ("a key of the sandbox", jwt(&sandbox_only, now), 403, "BadEnvironmentKeyIdInToken"),
        ("a token renewed after 10 minutes", world.jwt(600), 429, "TooManyProviderTokenUpdates"),
    ] {
        let answer = push_with(&world, &client, &token).await;
        assert_eq!(refusal(&answer), (status, reason.into()), "{name}");
    }
    world.devices.clock().advance(Duration::from_secs(1200));
    let answer = push_with(&world, &client, &world.jwt(0)).await;
    assert_eq!(answer.status, StatusCode::OK, "a token may be renewed after 20 minutes");
}

#[tokio::test]
async fn an_expired_provider_token_spoils_its_connection() {
    let world = World::new().await;
    let client = world.connect().await;
    let first = world.jwt(0);
    assert_eq!(push_with(&world, &client, &first).await.status, StatusCode::OK);
    world.devices.clock().advance(Duration::from_secs(3601));
    assert_eq!(push_with(&world, &client, &first).await.reason(), "ExpiredProviderToken");
    // A good token does not help any more, a new connection does.
    assert_eq!(world.push(&client).await.reason(), "ExpiredProviderToken");
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

#[tokio::test]
async fn how_far_ahead_a_clock_may_be_is_an_option() {
    let world = World::with(|options| options.clock_skew = Duration::from_secs(60)).await;
    for (ahead_s, status) in [(30, 200), (120, 403)] {
        let answer = push_with(&world, &world.connect().await, &world.jwt(-ahead_s)).await;
        assert_eq!(answer.status.as_u16(), status, "{ahead_s} s ahead");
    }
}

#[tokio::test]
async fn going_back_to_an_older_token_is_a_change_as_well() {
    let world = World::new().await;
    let client = world.connect().await;
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    let older = push_with(&world, &client, &world.jwt(1800)).await;
    assert_eq!(refusal(&older), (429, "TooManyProviderTokenUpdates".into()));
}

#[tokio::test]
async fn tokens_of_a_key_can_be_counted_on_all_connections_together() {
    for (updates, reason) in [
        (TokenUpdates::OfKey, Some("TooManyProviderTokenUpdates")),
        (TokenUpdates::OfConnection, None),
    ] {
        let another = ApnsKey::generate().unwrap();
        let world = World::with(|options| {
            options.token_updates = updates;
            options.keys.push(KnownKey::new(&another, &[APP]));
        })
        .await;
        let (first, renewed) = (world.jwt(0), world.jwt(-1199));
        let (one, other) = (world.connect().await, world.connect().await);
        let push = async |client: &Client, token: &str| {
            let answer = push_with(&world, client, token).await;
            (!answer.body.is_empty()).then(|| answer.reason())
        };
        assert_eq!(push(&one, &first).await, None, "{updates:?}");
        assert_eq!(push(&other, &renewed).await.as_deref(), reason, "{updates:?}");
        assert_eq!(push(&world.connect().await, &first).await, None, "the same is no renewal");
        let of_another = jwt(&another, world.devices.clock().now().as_second() - 600);
        assert_eq!(push(&world.connect().await, &of_another).await, None, "each key for itself");
        world.devices.clock().advance(Duration::from_secs(1300));
        let later = world.jwt(0);
        assert_eq!(push(&world.connect().await, &later).await, None, "{updates:?}");
        assert_eq!(push(&one, &first).await, None, "who has it may go on with it");
        let back = push(&world.connect().await, &first).await;
        assert_eq!(back.as_deref(), reason, "going back is a change as well");
    }
}

#[tokio::test]
async fn key_families_and_their_relations() {
    let keys: Vec<ApnsKey> = (0..4).map(|_| ApnsKey::generate().unwrap()).collect();
    let [listed, related, team, stranger] = keys.as_slice() else { panic!("four keys") };
    let world = World::with(|options| {
        let team_id = options.keys[0].team_id.clone();
        let known = |key| {
            let mut known = KnownKey::new(key, &[APP]);
            known.team_id.clone_from(&team_id);
            known
        };
        let mut first = known(listed).topic_specific(Environment::Production);
        first.related = Some(related.key_id.clone());
        options.keys = vec![
            first,
            known(related).topic_specific(Environment::Production),
            known(team).team_scoped(Environment::Production),
            known(stranger).topic_specific(Environment::Production),
        ];
    })
    .await;
    let now = world.devices.clock().now().as_second();
    let token = |key: &ApnsKey| {
        let header = json!({ "alg": "ES256", "kid": key.key_id });
        es256(key, &header, &json!({ "iss": world.key.team_id, "iat": now }))
    };
    let client = world.connect().await;
    for (name, key, reason) in [
        ("the first key", listed, None),
        ("the one related to it", related, None),
        ("the first again", listed, None),
        ("one that is not related", stranger, Some("UnrelatedKeyIdInToken")),
        ("one of another family", team, Some("UnrelatedKeyIdInToken")),
    ] {
        let answer = push_with(&world, &client, &token(key)).await;
        let found = if answer.body.is_empty() { None } else { Some(answer.reason()) };
        assert_eq!(found.as_deref(), reason, "{name}");
    }
    let answer = push_with(&world, &world.connect().await, &token(team)).await;
    assert_eq!(answer.status, StatusCode::OK, "a connection of its own is free to");
}

#[tokio::test]
async fn a_connection_keeps_the_topics_its_key_had() {
    const OTHER: &str = "com.example.other";
    let world = World::new().await;
    let client = world.connect().await;
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    world.sim.set_key(KnownKey::new(&world.key, &[APP, OTHER]));
    let token = world.devices.register_apns(OTHER, Environment::Production, ApnsTokenKind::App);
    let authorization = format!("bearer {}", world.jwt(0));
    let headers = [("authorization", authorization.as_str()), ("apns-topic", OTHER)];
    let path = format!("/3/device/{token}");
    let answer = client.post(&path, &headers, ALERT).await;
    assert_eq!(refusal(&answer), (400, "TopicDisallowed".into()));
    let answer = world.connect().await.post(&path, &headers, ALERT).await;
    assert_eq!(answer.status, StatusCode::OK, "a new connection knows the new topic");
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_open_connections_too() {
    let world = World::new().await;
    let client = world.connect().await;
    // The very same token, whose signature the connection need not check again.
    let token = world.jwt(0);
    assert_eq!(push_with(&world, &client, &token).await.status, StatusCode::OK);
    world.sim.revoke_key(&world.key.key_id);
    let expected = (403, "InvalidProviderToken".into());
    assert_eq!(refusal(&push_with(&world, &client, &token).await), expected);
    assert_eq!(refusal(&world.push(&world.connect().await).await), expected);
}
