//! Probes: what Apple thinks of a credential, without reaching a device.

use domain::Environment;
use http::StatusCode;
use providers::Apns;
use providers::Belief;
use providers::apns::{Credential, KeyDetails, PushType, Topic, belief};
use sim::apns::{KeyEnvironments, KnownKey};
use sim::device;
use sim::pki::{ApnsCertificate, ApnsCertificateKind, ApnsKey};
use sim::trouble::Scripted;

use crate::rig::{APP, ApnsRig, check_all_accepted};

/// What a probe of the app with this client finds out.
async fn probe(rig: &ApnsRig, client: &Apns) -> Belief {
    let topic = Topic::for_push(APP, PushType::Alert).expect("a bundle id");
    belief(&client.probe(&topic, rig.now()).await.outcome)
}

/// The code of a refusal.
#[track_caller]
fn check_refused(belief: Belief, code: u16, reason: &str) {
    let Belief::Refused(refusal) = belief else { panic!("{belief:?}") };
    assert_eq!((refusal.diagnosis.code(), &*refusal.reason), (code, reason));
}

#[tokio::test]
async fn a_good_key_is_believed_and_no_device_hears_of_it() {
    let rig = ApnsRig::start().await;
    let mut arrived = rig.devices.deliveries(&rig.token);
    let client = rig.client();
    assert_eq!(probe(&rig, &client).await, Belief::Believed);
    assert_eq!(rig.sim.seen()[0].reason.as_deref(), Some("BadDeviceToken"));
    assert!(arrived.try_recv().is_err(), "nothing arrived");
    // As a silent one, should anybody have that token after all.
    assert_eq!(rig.sim.seen()[0].header("apns-push-type"), Some("background"));
    assert_eq!(rig.sim.seen()[0].header("apns-expiration"), Some("0"));
    check_all_accepted(&[rig.send(&client).await]);
}

#[tokio::test]
async fn a_bad_key_is_refused_with_its_code() {
    let rig = ApnsRig::start().await;
    let stranger = ApnsKey::generate().expect("makes a key");
    let details = KeyDetails {
        key_id: &stranger.key_id,
        team_id: &stranger.team_id,
        ..KeyDetails::default()
    };
    let credential = Credential::parse_p8(stranger.pem().as_bytes(), &details).expect("a key");
    let belief = probe(&rig, &rig.client_of(credential)).await;
    check_refused(belief, 904, "InvalidProviderToken");

    let rig = ApnsRig::start_with(|options| {
        options.keys[0].environments = KeyEnvironments::Only(device::Environment::Sandbox);
    })
    .await;
    check_refused(probe(&rig, &rig.client()).await, 905, "BadEnvironmentKeyIdInToken");

    let rig = ApnsRig::start_with(|options| {
        let KnownKey { topics, .. } = &mut options.keys[0];
        *topics = sim::apns::KeyTopics::These(vec!["com.example.other".to_owned()]);
    })
    .await;
    check_refused(probe(&rig, &rig.client()).await, 912, "TopicDisallowed");
}

#[tokio::test]
async fn every_kind_of_certificate_can_be_probed_with_a_topic_of_its_own() {
    use ApnsCertificateKind::{Development, Production, Universal, Voip};
    let rig = ApnsRig::start().await;
    for kind in [Production, Universal, Voip, Development] {
        let identity = rig
            .ca
            .apns_identity(&ApnsCertificate::universal(APP).kind(kind))
            .expect("makes a certificate");
        let pem = format!("{}{}", identity.certificate_pem(), identity.key_pem());
        let credential = Credential::parse_pem(pem.as_bytes(), "", rig.now()).expect("good");
        let topic = credential.probe_topic().expect("a certificate names its topics");
        let environment =
            if kind == Development { Environment::Sandbox } else { Environment::Production };
        let client = Apns::new(&rig.config, credential, environment).expect("good there");
        let belief = belief(&client.probe(&topic, rig.now()).await.outcome);
        if kind == Development {
            check_refused(belief, 904, "BadCertificateEnvironment");
        } else {
            assert_eq!(belief, Belief::Believed, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn trouble_teaches_nothing() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    rig.sim.trouble().answer_next(1, &Scripted::apns(StatusCode::SERVICE_UNAVAILABLE, "x"));
    assert_eq!(probe(&rig, &client).await, Belief::Unknown);
    rig.sim.trouble().refuse_streams(usize::MAX);
    assert_eq!(probe(&rig, &client).await, Belief::Unknown);
    rig.sim.trouble().clear();
    rig.sim.trouble().close_after_processing(2);
    assert_eq!(probe(&rig, &client).await, Belief::Unknown);
}

#[tokio::test]
async fn every_push_type_has_a_probe_that_passes_its_own_checks() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    for push_type in PushType::ALL {
        let topic = Topic::for_push(APP, push_type).expect("a bundle id");
        let exchange = client.probe(&topic, rig.now()).await;
        let belief = belief(&exchange.outcome);
        if push_type == PushType::Mdm {
            assert!(matches!(belief, Belief::Refused(_)), "a key cannot manage devices");
        } else {
            assert_eq!(belief, Belief::Believed, "{push_type:?} {:?}", exchange.outcome);
        }
    }
}
