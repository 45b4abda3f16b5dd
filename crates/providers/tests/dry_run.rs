//! What would be sent, without any connection: the same request as that of a send.

use domain::Outcome;
use providers::{Exchange, Hosts, PushToken, fcm};
use sim::Counts;

use crate::rig::{ApnsRig, FcmRig, check_refused};
use crate::webpush_service::{NOW, PATH, WebPushRig};

/// Fails unless the push would be sent so.
#[track_caller]
fn check_shown(dry: &Exchange, sent: &Exchange) {
    let request = |exchange: &Exchange| serde_json::to_value(&exchange.request).expect("JSON");
    assert_eq!((&dry.outcome, request(dry)), (&Outcome::Withdrawn, request(sent)));
    assert!(dry.answer.is_none() && sent.outcome.is_accepted(), "{sent:?}");
}

#[tokio::test]
async fn a_push_to_apple() {
    let rig = ApnsRig::start().await;
    let (client, push) = (rig.client(), rig.push());
    let dry = client.dry_run(&push, rig.now());
    let mut bad = push.clone();
    bad.device_token = PushToken::new("x");
    check_refused(&client.dry_run(&bad, rig.now()), 911, "device_token");
    assert_eq!(rig.sim.counts(), Counts::default());
    check_shown(&dry, &client.send(&push, rig.now(), || true).await);
}

#[tokio::test]
async fn a_message_to_google() {
    let rig = FcmRig::start().await;
    let (client, message) = (rig.client(), rig.message());
    let dry = client.dry_run(&message);
    assert!(!format!("{dry:?}").contains(&rig.token));
    let bad = fcm::Message { target: fcm::Target::Topic("a b".to_owned()), ..message.clone() };
    check_refused(&client.dry_run(&bad), 913, "topic");
    assert_eq!(rig.sim.counts(), Counts::default());
    check_shown(&dry, &rig.send(&client, &message).await);
}

#[tokio::test]
async fn a_push_to_a_browser() {
    let mut rig = WebPushRig::start(&["h2"]).await;
    let dry = rig.client().dry_run(&rig.push());
    let path = serde_json::to_value(&dry.request).expect("JSON")["path"].clone();
    assert!(path.is_string() && path != PATH, "{path}");
    let sent = rig.client().send(&rig.push(), NOW, || true).await;
    check_shown(&dry, &sent);
    assert_eq!(rig.service.counts().requests, 1);
    rig.config.webpush_hosts = Hosts::push_services();
    check_refused(&rig.client().dry_run(&rig.push()), 901, "HostNotAllowed");
}
