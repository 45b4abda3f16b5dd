//! The token endpoint: what an assertion has to be.

use serde_json::{Value, json};
use sim::pki::ServiceAccount;

use crate::{
    client::{Answer, Client, rs256},
    fcm::{PROJECT, World},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(crate) async fn exchange(client: &Client, assertion: &str) -> Answer {
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let body = format!("grant_type={grant}&assertion={assertion}");
    client.post("/token", &[FORM], body.as_bytes()).await
}

/// A good assertion's header and claims.
pub(crate) fn assertion(world: &World) -> (Value, Value) {
    let now = world.devices.clock().now().as_second();
    let claims = json!({
        "iss": world.account.client_email,
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now,
        "exp": now + 3600,
    });
    (json!({ "alg": "RS256", "typ": "JWT", "kid": world.account.private_key_id }), claims)
}

#[tokio::test]
async fn a_good_assertion_buys_an_access_token() {
    let world = World::new().await;
    let client = world.connect().await;
    let (header, mut claims) = assertion(&world);
    for audience in ["https://oauth2.googleapis.com/token".to_owned(), world.sim.token_url()] {
        claims["aud"] = audience.into();
        let answer = exchange(&client, &rs256(&world.account, &header, &claims)).await;
        assert_eq!(answer.status.as_u16(), 200, "{:?}", answer.body);
        assert_eq!(answer.json()["expires_in"], 3600);
        assert_eq!(answer.json()["token_type"], "Bearer");
        assert!(answer.json()["access_token"].is_string());
    }
}

#[tokio::test]
async fn a_bad_assertion_buys_nothing() {
    let world = World::new().await;
    let client = world.connect().await;
    let (header, claims) = assertion(&world);
    let now = claims["iat"].as_i64().unwrap();
    let stranger = ServiceAccount::generate(PROJECT).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        rs256(&world.account, &header, &claims)
    };
    let es256 = json!({ "alg": "ES256", "kid": world.account.private_key_id });
    let other_key = json!({ "alg": "RS256", "kid": "0000" });
    for (name, assertion, error) in [
        ("no JWT", "hello".to_owned(), "invalid_grant"),
        ("another algorithm", rs256(&world.account, &es256, &claims), "invalid_grant"),
        ("another key id", rs256(&world.account, &other_key, &claims), "invalid_grant"),
        ("another's signature", rs256(&stranger, &header, &claims), "invalid_grant"),
        ("an unknown account", with("iss", "nobody@example.com".into()), "invalid_grant"),
        ("another audience", with("aud", "https://example.com/token".into()), "invalid_grant"),
        (
            "another scope",
            with("scope", "https://www.googleapis.com/auth/drive".into()),
            "invalid_scope",
        ),
        ("a life of two hours", with("exp", (now + 7200).into()), "invalid_grant"),
        ("run out", with("exp", (now - 400).into()), "invalid_grant"),
        ("from the future", with("iat", (now + 400).into()), "invalid_grant"),
    ] {
        let answer = exchange(&client, &assertion).await;
        assert_eq!(answer.status.as_u16(), 400, "{name}");
        assert_eq!(answer.json()["error"], error, "{name}");
    }
    let good = rs256(&world.account, &header, &claims);
    for (name, headers, body, error) in [
        ("as JSON", [("content-type", "application/json")], "{}".to_owned(), "invalid_request"),
        (
            "another grant",
            [FORM],
            format!("grant_type=password&assertion={good}"),
            "unsupported_grant_type",
        ),
    ] {
        let answer = client.post("/token", &headers, body.as_bytes()).await;
        assert_eq!(answer.json()["error"], error, "{name}");
    }
}
