//! APNs with a certificate: PKCS#12 files as openssl and Keychain Access write them.

use std::time::Duration;

use domain::Environment;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use providers::apns::{
    Credential, Environments, Expiration, Priority, Push, PushType, Topic, TopicKind,
};
use providers::{Apns, CredentialFault, Error, PushToken};
use sim::apns::CertificateFault;
use sim::device::{self, ApnsTokenKind};
use sim::pki::{ApnsCertificate, ApnsCertificateKind, Identity};

use crate::rig::{APP, ApnsRig, check_all_accepted, check_refused, refusal};

/// A certificate of this kind for the app.
fn identity(rig: &ApnsRig, kind: ApnsCertificateKind) -> Identity {
    rig.ca.apns_identity(&ApnsCertificate::universal(APP).kind(kind)).expect("makes a certificate")
}

/// The credential in a PEM file of the identity.
fn credential(rig: &ApnsRig, identity: &Identity) -> Credential {
    let pem = format!("{}{}", identity.certificate_pem(), identity.key_pem());
    Credential::parse_pem(pem.as_bytes(), "", rig.now()).expect("a good certificate")
}

#[tokio::test]
async fn every_form_of_p12_opens_and_pushes() {
    let rig = ApnsRig::start().await;
    let identity = identity(&rig, ApnsCertificateKind::Universal);
    // Keychain's form: RC2-40 for the certificate, 3DES for the key.
    let keychain = ["-legacy"];
    let triple = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
    let aes = ["-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha512"];
    // With PBES2 and 3DES, as openssl versions between the two wrote it.
    let between = ["-keypbe", "DES-EDE3-CBC", "-certpbe", "DES-EDE3-CBC"];
    let forms: [&[&str]; 5] = [&[], &keychain, &triple, &aes, &between];
    for form in forms {
        for password in ["", "correct horse", "pässwörd", "秘密 ключ"] {
            let file = identity.pkcs12(password, form).await.unwrap();
            let credential = Credential::parse_p12(&file, password, rig.now())
                .unwrap_or_else(|fault| panic!("{form:?} {password:?}: {fault}"));
            assert_eq!(credential.facts().environments, Environments::Both);
            let voip = Topic::for_push(APP, PushType::Voip).unwrap();
            assert!(credential.covers(&voip));

            let fault = Credential::parse_p12(&file, "wrong", rig.now()).expect_err("a fault");
            assert_eq!(fault, CredentialFault::WrongPassword, "{form:?} {password:?}");
            if !password.is_empty() {
                let fault = Credential::parse_p12(&file, "", rig.now()).expect_err("a fault");
                assert_eq!(fault, CredentialFault::PasswordMissing, "{form:?}");
                continue;
            }
            let client = rig.client_of(credential);
            check_all_accepted(&[rig.send(&client).await]);
        }
    }
}

/// Keychain Access never writes this; an old openssl might.
#[tokio::test]
async fn a_form_of_p12_that_does_not_open_says_what_to_type() {
    let rig = ApnsRig::start().await;
    let identity = identity(&rig, ApnsCertificateKind::Universal);
    let form = ["-certpbe", "PBE-SHA1-RC2-128", "-legacy"];
    let file = identity.pkcs12("x", &form).await.unwrap();
    let fault = Credential::parse_p12(&file, "x", rig.now()).expect_err("a fault");
    let message = "the .p12 file cannot be read: its encryption is not supported";
    assert_eq!((fault.to_string().as_str(), fault.diagnosis().code()), (message, 904));
    assert!(fault.remedy().contains("openssl pkcs12 -in old.p12"), "{}", fault.remedy());

    let file = identity.pkcs12("🔑", &[]).await.unwrap();
    let fault = Credential::parse_p12(&file, "🔑", rig.now()).expect_err("a fault");
    assert!(matches!(fault, CredentialFault::Field { field: "password", .. }), "{fault}");
}

/// A container with any byte changed opens or is refused; without a MAC, which would refuse nearly
/// all of them, the change is met further in.
#[tokio::test]
async fn a_damaged_p12_never_panics() {
    let rig = ApnsRig::start().await;
    let identity = identity(&rig, ApnsCertificateKind::Universal);
    let legacy = ["-legacy", "-nomac"];
    let forms: [&[&str]; 3] = [&["-nomac"], &legacy, &[]];
    for form in forms {
        let file = identity.pkcs12("x", form).await.unwrap();
        let changes = (0..file.len(), 1..=u8::MAX, 0..file.len());
        let config = ProptestConfig { cases: 200, ..ProptestConfig::default() };
        let result = TestRunner::new(config).run(&changes, |(at, change, end)| {
            let mut changed = file.clone();
            changed[at] ^= change;
            let _ = Credential::parse_p12(&changed, "x", rig.now());
            let _ = Credential::parse_p12(&file[..end], "x", rig.now());
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{form:?}: {error}"));
    }
}

#[tokio::test]
async fn every_kind_of_certificate_says_what_it_is_for() {
    let rig = ApnsRig::start().await;
    let check = |kind, environments, topics: &[(&str, TopicKind)], probe: &str| {
        let credential = credential(&rig, &identity(&rig, kind));
        let facts = credential.facts();
        assert_eq!(facts.environments, environments, "{kind:?}");
        let found: Vec<_> = facts.topics.iter().map(|it| (&*it.name, it.kind)).collect();
        assert_eq!(found, topics, "{kind:?}");
        assert!(facts.bundle_ids().eq([APP]), "{kind:?}");
        let topic = credential.probe_topic().unwrap();
        assert_eq!(topic.as_str(), probe, "{kind:?}");
    };
    let (voip, complication) = (format!("{APP}.voip"), format!("{APP}.complication"));
    let app = (APP, TopicKind::App);
    check(ApnsCertificateKind::Development, Environments::Sandbox, &[app], APP);
    check(ApnsCertificateKind::Production, Environments::Production, &[app], APP);
    let (voip, complication) =
        ((&*voip, TopicKind::Voip), (&*complication, TopicKind::Complication));
    check(ApnsCertificateKind::Universal, Environments::Both, &[app, complication, voip], APP);
    check(ApnsCertificateKind::Voip, Environments::Both, &[app, voip], voip.0);
}

#[tokio::test]
async fn what_needs_a_key_is_not_sent_with_a_certificate() {
    let rig = ApnsRig::start().await;
    let client = rig.client_of(credential(&rig, &identity(&rig, ApnsCertificateKind::Universal)));
    let needs = |push_type| Push {
        topic: Topic::for_push(APP, push_type).unwrap(),
        push_type,
        payload: br#"{"aps":{"event":"end","timestamp":0}}"#.as_slice().into(),
        ..rig.push()
    };
    for push_type in
        [PushType::Controls, PushType::LiveActivity, PushType::Location, PushType::Widgets]
    {
        let exchange = client.send(&needs(push_type), rig.now(), || true).await;
        let reason = format!("push_type: {} pushes need a key", push_type.as_str());
        check_refused(&exchange, 912, &reason);
    }
    // The certificate does not list the topic; one that does may try.
    let exchange = client.send(&needs(PushType::PushToTalk), rig.now(), || true).await;
    check_refused(&exchange, 912, "topic: \"com.example.app.voip-ptt\" is not covered");
    let key = rig.client();
    let exchange = key.send(&needs(PushType::Mdm), rig.now(), || true).await;
    check_refused(&exchange, 912, "push_type: mdm pushes need a certificate");
    assert_eq!(rig.sim.counts().requests, 0, "nothing was sent");
    for push_type in [PushType::LiveActivity, PushType::PushToTalk, PushType::Location] {
        // Nobody has such a token, but the push itself passes.
        let push = Push { device_token: PushToken::new("ab".repeat(32)), ..needs(push_type) };
        check_refused(&key.send(&push, rig.now(), || true).await, 911, "BadDeviceToken");
    }
}

#[tokio::test]
async fn a_certificate_pushes_calls_and_sends_no_provider_token() {
    let rig = ApnsRig::start().await;
    let client = rig.client_of(credential(&rig, &identity(&rig, ApnsCertificateKind::Universal)));
    let voip = rig.devices.register_apns(APP, device::Environment::Production, ApnsTokenKind::Voip);
    let call = Push {
        device_token: PushToken::new(voip),
        topic: Topic::for_push(APP, PushType::Voip).unwrap(),
        push_type: PushType::Voip,
        priority: Priority::Immediate,
        expiration: Expiration::Once,
        ..rig.push()
    };
    check_all_accepted(&[client.send(&call, rig.now(), || true).await]);
    assert!(rig.sim.seen().iter().all(|seen| seen.header("authorization").is_none()));

    let elsewhere =
        Push { topic: Topic::for_push("com.example.x", PushType::Alert).unwrap(), ..rig.push() };
    let exchange = client.send(&elsewhere, rig.now(), || true).await;
    check_refused(&exchange, 912, "topic: \"com.example.x\" is not covered");
}

#[tokio::test]
async fn a_certificate_of_one_environment_is_refused_for_the_other() {
    let rig = ApnsRig::start().await;
    let sandbox = credential(&rig, &identity(&rig, ApnsCertificateKind::Development));
    let error = Apns::new(&rig.config, sandbox.clone(), Environment::Production).err();
    let Some(Error::Credential(fault)) = error else { panic!("{error:?}") };
    assert_eq!(fault.diagnosis().code(), 905);

    // The service is another one than we were told. Only production is said to need another
    // certificate; to a client of the sandbox a production certificate would be no cure.
    let production = ApnsCertificateKind::Production;
    let development = ApnsCertificateKind::Development;
    let cases = [
        (production, device::Environment::Sandbox, Environment::Production, 905),
        (development, device::Environment::Production, Environment::Sandbox, 904),
    ];
    for (kind, service, believed, code) in cases {
        for fault in [CertificateFault::Answer, CertificateFault::GoAway] {
            let rig = ApnsRig::start_with(|options| {
                options.certificate_fault = fault;
                options.environment = service;
            })
            .await;
            let credential = credential(&rig, &identity(&rig, kind));
            let client = Apns::new(&rig.config, credential, believed).unwrap();
            for exchange in rig.send_many(&client, 5).await {
                check_refused(&exchange, code, "BadCertificateEnvironment");
            }
            assert!(rig.accepted_ids().is_empty());
        }
    }
}

#[tokio::test]
async fn an_expired_certificate_is_903_wherever_it_is_noticed() {
    let rig = ApnsRig::start().await;
    let expired = rig.ca.apns_identity(&ApnsCertificate::universal(APP).expired()).unwrap();
    let pem = format!("{}{}", expired.certificate_pem(), expired.key_pem());
    let fault = Credential::parse_pem(pem.as_bytes(), "", rig.now()).expect_err("a fault");
    assert_eq!(fault.diagnosis().code(), 903);

    // By our clock it was good; Apple ends the TLS connection.
    let before = rig.now().minus(Duration::from_secs(30 * 86_400));
    let client = rig.client_of(Credential::parse_pem(pem.as_bytes(), "", before).unwrap());
    let exchange = client.send(&rig.push(), before, || true).await;
    check_refused(&exchange, 903, "TlsAlert 45");

    // Later it is over by our clock too, and nothing is sent.
    let exchange = client.send(&rig.push(), rig.now(), || true).await;
    check_refused(&exchange, 903, "CertificateExpired");
    assert_eq!(refusal(&exchange).status, None);
    assert_eq!(rig.sim.counts().requests, 0);
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_904() {
    let rig = ApnsRig::start().await;
    let stranger = sim::pki::Ca::generate("Stranger").unwrap();
    let identity = stranger.apns_identity(&ApnsCertificate::universal(APP)).unwrap();
    let client = rig.client_of(credential(&rig, &identity));
    let exchange = rig.send(&client).await;
    check_refused(&exchange, 904, "TlsAlert");
}
