//! FCM: who we are. Access tokens, what Google thinks of the account, and how we ask.

use std::collections::HashSet;
use std::time::Duration;

use domain::{Outcome, RetryRule, TokenVerdict};
use futures_util::future::join_all;
use http::StatusCode;
use providers::fcm::belief;
use providers::{Belief, Error, Fcm, fcm};
use sim::pki::ServiceAccount;
use sim::trouble::Scripted;

use crate::rig::{FcmRig, PROJECT, check_all_accepted, check_refused, refusal};

#[tokio::test]
async fn a_burst_fetches_one_access_token() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let message = rig.message();
    let burst = join_all((0..30).map(|_| rig.send(&client, &message))).await;
    check_all_accepted(&burst);
    assert_eq!(rig.token_requests_and_sends(), (1, 30));
}

#[tokio::test]
async fn a_bearer_google_forgot_is_renewed_once() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    rig.sim.revoke_access_tokens();
    let message = rig.message();
    let burst = join_all((0..5).map(|_| rig.send(&client, &message))).await;
    check_all_accepted(&burst);
    let (tokens, _) = rig.token_requests_and_sends();
    assert_eq!(tokens, 2, "one renewal for all");

    let unauthenticated = Scripted::status(StatusCode::UNAUTHORIZED);
    rig.sim.trouble().answer_next(1, &unauthenticated);
    rig.sim.trouble().pass(1); // the token request
    rig.sim.trouble().answer_next(1, &unauthenticated);
    check_refused(&rig.send(&client, &rig.message()).await, 904, "HTTP 401");
}

#[tokio::test]
async fn an_access_token_is_renewed_before_it_ends() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    rig.devices.clock().advance(Duration::from_secs(3600 - 226));
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    assert_eq!(rig.token_requests_and_sends().0, 1);
    rig.devices.clock().advance(Duration::from_secs(2));
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    assert_eq!(rig.token_requests_and_sends().0, 2);
}

#[tokio::test]
async fn an_account_google_does_not_know_is_904_and_sends_nothing() {
    let rig = FcmRig::start().await;
    let client = rig.client_of(&ServiceAccount::generate(PROJECT).unwrap());
    let message = rig.message();
    for exchange in join_all((0..5).map(|_| rig.send(&client, &message))).await {
        check_refused(&exchange, 904, "invalid_grant");
        assert_eq!(refusal(&exchange).retry, RetryRule::WhenChanged);
    }
    assert_eq!(rig.token_requests_and_sends(), (1, 0), "who waited took the one answer");
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_902() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    rig.sim.trouble().answer_next(1, &Scripted::front_end_502());
    check_refused(&rig.send(&client, &rig.message()).await, 902, "OAuth HTTP 502");
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
}

#[tokio::test]
async fn a_key_file_does_not_choose_whom_we_connect_to() {
    let rig = FcmRig::start().await;
    let file = rig.account.json("https://evil.example/token");
    let account = fcm::ServiceAccount::parse(file.as_bytes()).unwrap();
    let mut config = rig.config.clone();
    config.oauth = None;
    let error = Fcm::new(&config, account).err();
    let Some(Error::Config { setting: "oauth", problem, .. }) = error else { panic!("{error:?}") };
    assert!(problem.contains("evil.example"), "{problem}");
}

#[tokio::test]
async fn wakes_broadcasts_and_probes_use_one_access_token() {
    let rig = FcmRig::start().await;
    let account = rig.client().account().clone();
    let clients = [(); 3].map(|()| rig.client_with(&account));
    let message = rig.message();
    let all = || join_all(clients.iter().map(|client| rig.send(client, &message)));
    check_all_accepted(&all().await);
    assert_eq!(rig.token_requests_and_sends(), (1, 3), "the first one fetched it for all");

    rig.sim.revoke_access_tokens();
    check_all_accepted(&all().await);
    assert_eq!(rig.token_requests_and_sends().0, 2, "one renewal for all");

    rig.devices.clock().advance(Duration::from_secs(3600));
    check_all_accepted(&all().await);
    assert_eq!(rig.token_requests_and_sends().0, 3);
    let seen = rig.sim.seen();
    let sends = seen.iter().filter(|seen| seen.path != "/token");
    let tokens: HashSet<_> = sends.map(|seen| seen.header("authorization")).collect();
    assert_eq!(tokens.len(), 3, "what was sent had one of three tokens");
}

#[tokio::test]
async fn a_probe_tells_what_google_thinks_and_reaches_nobody() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let mut arrived = rig.devices.deliveries(&rig.token);
    let probe = client.probe(rig.now()).await;
    assert_eq!(belief(&probe.outcome), Belief::Believed);
    let Outcome::Accepted { provider_id: Some(name) } = &probe.outcome else { panic!() };
    assert!(name.ends_with("fake_message_id"), "it was only checked: {name}");

    // Google forgot the token: that is renewed, and no word against the account.
    rig.sim.revoke_access_tokens();
    assert_eq!(belief(&client.probe(rig.now()).await.outcome), Belief::Believed);

    rig.sim.trouble().answer_next(1, &Scripted::front_end_502());
    assert_eq!(belief(&client.probe(rig.now()).await.outcome), Belief::Unknown);
    assert!(arrived.try_recv().is_err(), "no device got anything");
}

#[tokio::test]
async fn a_probe_tells_why_an_account_is_refused() {
    let rig = FcmRig::start().await;
    let check = async |client: Fcm, code: u16, reason: &str| {
        let probe = client.probe(rig.now()).await;
        check_refused(&probe, code, reason);
        let Belief::Refused(refusal) = belief(&probe.outcome) else { panic!("{probe:?}") };
        assert_eq!(refusal.reason, reason);
        assert_eq!(refusal.token, TokenVerdict::Keep);
    };
    let unknown = ServiceAccount::generate(PROJECT).unwrap();
    check(rig.client_of(&unknown), 904, "invalid_grant").await;
    // A good account that may not send for this project.
    let file = rig.account.json("https://oauth2.googleapis.com/token");
    let elsewhere = file.replace(&format!("\"{PROJECT}\""), "\"elsewhere\"");
    let account = fcm::ServiceAccount::parse(elsewhere.as_bytes()).unwrap();
    check(rig.client_with(&account), 901, "PERMISSION_DENIED").await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_refused_by_name() {
    let rig = FcmRig::start().await;
    let late = rig.now().plus(Duration::from_secs(3600));
    let exchange = rig.client().send(&rig.message(), late, || true).await;
    check_refused(&exchange, 904, "invalid_grant");
    assert!(refusal(&exchange).remedy.contains("clock"), "{:?}", refusal(&exchange));
}
