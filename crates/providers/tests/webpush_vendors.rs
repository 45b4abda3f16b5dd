//! Web Push against the strict service of the simulators, as each vendor answers: what is sent is
//! taken by every one, and what they refuse means the same whoever says it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use domain::{Outcome, RetryRule, Time, TokenVerdict};
use providers::webpush::{Push, Subject, Subscription, Urgency, VapidKey};
use providers::{Exchange, WebPush};
use sim::pki::Ca;
use sim::webpush::{Protocols, RetryAfter, Vendor};
use sim::{Devices, WebPushOptions, WebPushSim};

use crate::rig::{check_all_accepted, check_refused, refusal};
use crate::webpush_service::{PAYLOAD, guarded_config};

const VENDORS: [Vendor; 4] = [Vendor::Apple, Vendor::Google, Vendor::Mozilla, Vendor::Plain];

/// A vendor's service, a browser subscribed there, and a client with the key of the subscription.
struct Rig {
    ca: Ca,
    devices: Devices,
    sim: WebPushSim,
    key: VapidKey,
    browser: sim::webpush::Subscription,
}

impl Rig {
    async fn start(vendor: Vendor, change: impl FnOnce(&mut WebPushOptions)) -> Self {
        let ca = Ca::generate("Test").expect("makes an authority");
        let devices = Devices::new();
        let mut options = WebPushOptions::new(&ca, &devices, vendor);
        change(&mut options);
        let sim = WebPushSim::start(options).await.expect("it listens");
        let key = VapidKey::generate().expect("makes a key");
        let public = URL_SAFE_NO_PAD.decode(key.public_key()).expect("base64url");
        let browser = sim.subscribe(Some(&public));
        Self { ca, devices, sim, key, browser }
    }

    fn client(&self, key: &VapidKey) -> WebPush {
        let subject = Subject::parse("mailto:push@example.org").expect("a good subject");
        WebPush::new(&guarded_config(&self.ca), key.clone(), subject).expect("good")
    }

    fn push(&self) -> Push {
        let json = self.browser.json();
        Push {
            subscription: Subscription::parse(json.as_bytes()).expect("a subscription"),
            ttl: Duration::from_secs(60),
            urgency: Urgency::High,
            topic: Some("thread-1".to_owned()),
            payload: Some(Bytes::from_static(PAYLOAD)),
        }
    }

    fn now_ms(&self) -> i64 {
        self.devices.clock().now().as_millisecond()
    }

    async fn send(&self, client: &WebPush, push: &Push) -> Exchange {
        client.send(push, Time::from_millis(self.now_ms()), || true).await
    }

    async fn send_good(&self) -> Exchange {
        self.send(&self.client(&self.key), &self.push()).await
    }
}

#[tokio::test]
async fn every_vendor_takes_what_is_sent_over_both_protocols() {
    for vendor in VENDORS {
        for protocols in [Protocols::Http2, Protocols::Http1] {
            let rig = Rig::start(vendor, |options| options.protocols = protocols).await;
            let mut deliveries = rig.devices.deliveries(rig.browser.endpoint());
            let client = rig.client(&rig.key);
            let largest = Bytes::from(vec![b'x'; 3993]);
            for payload in [Some(Bytes::from_static(PAYLOAD)), Some(largest), None] {
                let push = Push { payload, ..rig.push() };
                check_all_accepted(&[rig.send(&client, &push).await]);
                assert!(deliveries.try_recv().is_ok(), "{vendor:?}: it arrives");
            }
            let exchange = rig.send(&client, &rig.push()).await;
            let seen = rig.sim.seen().pop().expect("a request");
            let named = vendor == Vendor::Apple;
            let expected = Outcome::Accepted { provider_id: seen.id.filter(|_| named) };
            assert_eq!(exchange.outcome, expected, "{vendor:?}");
        }
    }
}

#[tokio::test]
async fn a_dead_subscription_is_to_be_dropped_whoever_says_so() {
    type End = fn(&Rig);
    let ends: [End; 2] = [
        |rig| rig.devices.expire(rig.browser.endpoint()),
        |rig| rig.sim.push_manager().unsubscribe(&rig.browser),
    ];
    for vendor in VENDORS {
        for end in ends {
            let rig = Rig::start(vendor, |_| {}).await;
            check_all_accepted(&[rig.send_good().await]);
            end(&rig);
            let exchange = rig.send_good().await;
            check_refused(&exchange, 911, "");
            let verdict = refusal(&exchange).token;
            assert!(matches!(verdict, TokenVerdict::Drop { .. }), "{vendor:?}: {verdict:?}");
        }
    }
}

#[tokio::test]
async fn another_keys_subscription_is_suspected_and_not_dropped_at_once() {
    for vendor in VENDORS {
        let rig = Rig::start(vendor, |_| {}).await;
        let stranger = VapidKey::generate().expect("makes a key");
        let exchange = rig.send(&rig.client(&stranger), &rig.push()).await;
        check_refused(&exchange, 912, "");
        assert_eq!(refusal(&exchange).token, TokenVerdict::Suspect, "{vendor:?}");
        check_all_accepted(&[rig.send_good().await]);
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_the_credentials_fault_and_no_subscriptions() {
    for vendor in VENDORS {
        let rig = Rig::start(vendor, |_| {}).await;
        for days in [-2, 2] {
            let now = Time::from_millis(rig.now_ms() + days * 24 * 60 * 60 * 1000);
            let exchange = rig.client(&rig.key).send(&rig.push(), now, || true).await;
            check_refused(&exchange, 904, "");
            assert_eq!(refusal(&exchange).token, TokenVerdict::Keep, "{vendor:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_wants_less_is_waited_for_and_nothing_is_dropped() {
    for vendor in VENDORS {
        let rig = Rig::start(vendor, |options| {
            options.pushes_per_minute = 1;
            options.retry_after = RetryAfter::Seconds(7);
        })
        .await;
        let away = vendor.unavailable(RetryAfter::Seconds(7), rig.devices.clock().now());
        rig.sim.trouble().pass(2);
        rig.sim.trouble().answer_next(1, &away);
        check_all_accepted(&[rig.send_good().await]);
        for status in [429, 503] {
            let exchange = rig.send_good().await;
            check_refused(&exchange, 902, "");
            let refusal = refusal(&exchange);
            assert_eq!((refusal.status, refusal.token), (Some(status), TokenVerdict::Keep));
            let seven = Duration::from_secs(7);
            let waits = match refusal.retry {
                RetryRule::After(wait) | RetryRule::BackOff { first: wait } => wait >= seven,
                RetryRule::WhenChanged | RetryRule::Bare => false,
            };
            assert!(waits, "{vendor:?}: {:?}", refusal.retry);
        }
    }
}
