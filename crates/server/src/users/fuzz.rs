//! The entry points for what a back end signs, and for the keys that it gives or publishes.

use wire::http::TokenAlgorithm;

use super::jwt;

/// The longest text that says what is wrong, in characters.
const LONGEST_ERROR: usize = 300;

/// A user token that nothing has proven yet.
fn user_token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(problem) = jwt::read(&text) {
        let length = problem.detail().chars().count();
        assert!((1..=LONGEST_ERROR).contains(&length), "{}", problem.detail());
    }
}

/// A key set, read for each algorithm.
fn key_set(bytes: &[u8]) {
    for algorithm in TokenAlgorithm::ALL {
        match jwt::key_set(bytes, algorithm) {
            Ok(keys) => {
                assert!(!keys.is_empty());
                assert!(algorithm != TokenAlgorithm::Hs256, "what anybody can read is no secret");
            }
            Err(why) => {
                let length = why.chars().count();
                assert!((1..=LONGEST_ERROR).contains(&length), "{why}");
            }
        }
    }
}

/// A public key, read for each algorithm.
fn public_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for algorithm in TokenAlgorithm::ALL {
        let read = jwt::public_key(&text, algorithm);
        assert!(read.is_err() || !text.contains("PRIVATE KEY"), "{algorithm:?}");
    }
}

#[test]
fn signed_user_token() {
    let examples = [
        // {"alg":"ES256","kid":"1"} and {"app":"app_1","sub":"alice","aud":"chat","exp":1800000000}
        "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJhcHAiOiJhcHBfMSIsInN1YiI6ImFsaWNlIiwiYXVkIjoiY2hhdCIsImV4cCI6MTgwMDAwMDAwMH0.AAAA",
        "eyJhbGciOiJub25lIn0.e30.",
        "a.b.c",
    ];
    fuzz::run("signed_user_token", user_token, examples.map(Vec::from).to_vec());
}

#[test]
fn token_key_set() {
    let examples = [
        r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256","x":"AQAB","y":"AQAB"}]}"#,
        r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"AQAB"}]}"#,
    ];
    fuzz::run("token_key_set", key_set, examples.map(Vec::from).to_vec());
}

#[test]
fn token_public_key() {
    let example = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    fuzz::run("token_public_key", public_key, vec![example.into()]);
}
