use std::time::Duration;

use domain::Diagnosis;
use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, PKCS_RSA_SHA256};

use super::*;

/// Apple's extensions, as rcgen wants their ids.
const SANDBOX: &[u64] = &[1, 2, 840, 113635, 100, 6, 3, 1];
const PRODUCTION: &[u64] = &[1, 2, 840, 113635, 100, 6, 3, 2];
const VOIP_TOPICS: &[u64] = &[1, 2, 840, 113635, 100, 6, 3, 4];

/// A moment inside the validity of the certificates made here.
fn now() -> Time {
    Time::from_millis(1_800_000_000_000)
}

/// What is said beside a key file.
fn details<'a>(key_id: &'a str, team_id: &'a str) -> KeyDetails<'a> {
    KeyDetails { key_id, team_id, ..KeyDetails::default() }
}

/// A key as Apple gives it.
fn p8() -> String {
    KeyPair::generate().expect("a key").serialize_pem()
}

/// A certificate of the app, with this common name and these extensions.
fn certificate(common_name: &str, extensions: &[(&[u64], &[u8])], key: &KeyPair) -> String {
    certificate_of("com.example.app", common_name, extensions, key)
}

/// A certificate with this UID, common name and these extensions.
fn certificate_of(
    bundle_id: &str,
    common_name: &str,
    extensions: &[(&[u64], &[u8])],
    key: &KeyPair,
) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, common_name);
    let uid = vec![0, 9, 2342, 19_200_300, 100, 1, 1];
    params.distinguished_name.push(DnType::CustomDnType(uid), bundle_id);
    params.distinguished_name.push(DnType::OrganizationalUnitName, "TEAM123456");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2028, 1, 1);
    for (oid, content) in extensions {
        let extension = CustomExtension::from_oid_content(oid, content.to_vec());
        params.custom_extensions.push(extension);
    }
    params.self_signed(key).expect("a certificate").pem()
}

/// A universal push certificate.
fn universal(key: &KeyPair) -> String {
    let topics = [&[0x0c, 20][..], b"com.example.app.voip"].concat();
    let extensions: [(&[u64], &[u8]); 3] =
        [(SANDBOX, &[5, 0]), (PRODUCTION, &[5, 0]), (VOIP_TOPICS, &topics)];
    certificate("Apple Push Services: com.example.app", &extensions, key)
}

/// What is wrong, as its code and the start of its message.
fn check(fault: CredentialFault, diagnosis: u16, message: &str) {
    assert_eq!(fault.diagnosis().code(), diagnosis, "{fault}");
    assert!(fault.to_string().contains(message), "{fault} should say {message}");
    assert!(fault.remedy().ends_with('.'), "{fault}: {}", fault.remedy());
}

#[test]
fn a_p8_key_says_what_it_is_good_for() {
    let bundles = ["com.example.app".to_owned()];
    let details = KeyDetails { bundle_ids: &bundles, ..details("ABC123DEFG", "TEAM123456") };
    let key = Credential::parse_p8(p8().as_bytes(), &details).expect("a good key");
    let facts = key.facts();
    assert_eq!(facts.environments, Environments::Both);
    assert_eq!((facts.key_id.as_deref(), facts.not_after), (Some("ABC123DEFG"), None));
    for push_type in PushType::ALL {
        let covers = |bundle| key.covers(&Topic::for_push(bundle, push_type).expect("a bundle id"));
        assert!(covers("com.example.app"), "{push_type:?}");
        assert!(!covers("com.example") && !covers("com.example.app.voip"), "{push_type:?}");
    }
    assert!(!format!("{key:?}").contains("PRIVATE"));
}

#[test]
fn a_wrong_p8_is_named() {
    let parse = |file: &str, key_id: &str, team_id: &str| {
        Credential::parse_p8(file.as_bytes(), &details(key_id, team_id)).expect_err("a fault")
    };
    let good = p8();
    check(parse(&good, "short", "TEAM123456"), 904, "key_id: \"short\" is not ten");
    check(parse(&good, "ABC123DEFG", "team123456"), 904, "team_id: \"team123456\" is not ten");
    let pasted = "x".repeat(41);
    check(parse(&good, &pasted, ""), 904, &format!("key_id: \"{}\" is not ten", &pasted[..40]));
    check(parse("", "ABC123DEFG", "TEAM123456"), 904, "the file is empty");
    check(parse("{\"type\":\"service_account\"}", "", ""), 904, "a Google service account key");
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("an RSA key").serialize_pem();
    check(parse(&rsa, "ABC123DEFG", "TEAM123456"), 904, "not an EC key on the curve P-256");
    let cut = good.replace("-----END PRIVATE KEY-----", "");
    check(parse(&cut, "ABC123DEFG", "TEAM123456"), 904, "the .p8 file cannot be read");
    let long = format!("-----BEGIN PRIVATE KEY-----\n-----BEGIN {}-----\n", "y".repeat(300));
    let fault = parse(&long, "ABC123DEFG", "TEAM123456").to_string();
    assert!(fault.len() < 200, "{fault}");
    check(parse(&"x".repeat(300_000), "", ""), 904, "the file has 300000 bytes");
    let with_bundles = |bundle_ids: &[String]| {
        let details = KeyDetails { bundle_ids, ..details("ABC123DEFG", "TEAM123456") };
        Credential::parse_p8(good.as_bytes(), &details)
    };
    check(with_bundles(&["a b".into()]).expect_err("a fault"), 904, "bundle_ids: \"a b\"");
    assert!(with_bundles(&vec!["a".to_owned(); 400]).is_ok());
    let many = with_bundles(&vec!["a".to_owned(); 401]).expect_err("a fault");
    check(many, 904, "bundle_ids: 401 of them, at most 400");
}

#[test]
fn the_key_id_is_in_the_file_name() {
    assert_eq!(key_id_of_file_name("AuthKey_ABC123DEFG.p8"), Some("ABC123DEFG"));
    assert_eq!(key_id_of_file_name("/home/x/AuthKey_ABC123DEFG.p8"), Some("ABC123DEFG"));
    assert_eq!(key_id_of_file_name("AuthKey_ABC.p8"), None);
    assert_eq!(key_id_of_file_name("key.p8"), None);
}

#[test]
fn a_pem_certificate_says_what_it_is_good_for() {
    let key = KeyPair::generate().expect("a key");
    let pem = format!("{}{}", universal(&key), key.serialize_pem());
    let credential = Credential::parse_pem(pem.as_bytes(), "", now()).expect("a good certificate");
    let facts = credential.facts();
    assert_eq!(facts.environments, Environments::Both);
    let topics: Vec<_> = facts.topics.iter().map(|it| (&*it.name, it.kind.as_str())).collect();
    assert_eq!(topics, [("com.example.app", "app"), ("com.example.app.voip", "voip")]);
    assert!(facts.bundle_ids().eq(["com.example.app"]));
    assert_eq!(facts.team.as_deref(), Some("TEAM123456"));
    assert_eq!(facts.not_after, Some(Time::from_millis(1_830_297_600_000)));
    let covers = |bundle, push_type| {
        credential.covers(&Topic::for_push(bundle, push_type).expect("a bundle id"))
    };
    assert!(covers("com.example.app", PushType::Voip));
    assert!(covers("com.example.app", PushType::Background));
    assert!(!covers("com.example.app", PushType::Complication));
    assert!(!covers("com.example.other", PushType::Alert));
    assert!(!credential.is_expired(now()));
    assert!(credential.is_expired(Time::from_millis(1_830_297_600_001)));
}

#[test]
fn environments_come_from_extensions_or_else_from_the_name() {
    let check = |name: &str, extensions: &[(&[u64], &[u8])], expected| {
        let key = KeyPair::generate().expect("a key");
        let pem = certificate(name, extensions, &key) + &key.serialize_pem();
        let credential = Credential::parse_pem(pem.as_bytes(), "", now()).expect(name);
        assert_eq!(credential.facts().environments, expected, "{name}");
        credential
    };
    let null: &[u8] = &[5, 0];
    check("Apple Push Services: x", &[], Environments::Both);
    check("VoIP Services: x", &[], Environments::Both);
    check("anything", &[(PRODUCTION, null)], Environments::Production);
    // The extension is what Apple checks.
    check("Apple Push Services: x", &[(SANDBOX, null)], Environments::Sandbox);
    let production = check("Apple Production IOS Push Services: x", &[], Environments::Production);
    let sandbox = check("Apple Development IOS Push Services: x", &[], Environments::Sandbox);
    let fault = sandbox.check_environment(Environment::Production).expect_err("a fault");
    assert_eq!(fault.diagnosis(), Diagnosis::ProductionCertificateRequired);
    assert!(sandbox.check_environment(Environment::Sandbox).is_ok());
    let fault = production.check_environment(Environment::Sandbox).expect_err("a fault");
    assert_eq!(fault.diagnosis(), Diagnosis::CertificateError);
}

#[test]
fn a_certificate_for_calls_alone_covers_their_topic() {
    let covered = |uid: &str, extensions: &[(&[u64], &[u8])]| {
        let key = KeyPair::generate().expect("a key");
        let name = "VoIP Services: com.example.app";
        let pem = certificate_of(uid, name, extensions, &key) + &key.serialize_pem();
        let credential = Credential::parse_pem(pem.as_bytes(), "", now()).expect("good");
        assert!(credential.facts().bundle_ids().eq(["com.example.app"]), "{uid}");
        let covers = |push_type| {
            let topic = Topic::for_push("com.example.app", push_type).expect("a bundle id");
            credential.covers(&topic)
        };
        (covers(PushType::Voip), covers(PushType::Alert))
    };
    for uid in ["com.example.app", "com.example.app.voip"] {
        assert_eq!(covered(uid, &[]), (true, false), "{uid}");
    }
    // What the extension lists is added to the app's own topic.
    let topics = [&[0x0c, 20][..], b"com.example.app.voip"].concat();
    assert_eq!(covered("com.example.app", &[(VOIP_TOPICS, &topics)]), (true, true));
}

#[test]
fn a_management_certificate_says_what_it_is_good_for() {
    let key = KeyPair::generate().expect("a key");
    let uid = "com.apple.mgmt.External.6f0a5d3e";
    let pem = certificate_of(uid, "APSP:6f0a5d3e", &[], &key) + &key.serialize_pem();
    let credential = Credential::parse_pem(pem.as_bytes(), "", now()).expect("good");
    let facts = credential.facts();
    assert_eq!(facts.environments, Environments::Production);
    assert_eq!(facts.topics, [CoveredTopic { name: uid.to_owned(), kind: TopicKind::Mdm }]);
    assert_eq!(facts.bundle_ids().count(), 0);
    let topic = credential.probe_topic().expect("a topic");
    assert_eq!((topic.as_str(), topic.push_type()), (uid, PushType::Mdm));
    credential.check_push(PushType::Mdm, &topic).expect("its own topic");
}

#[test]
fn a_wrong_certificate_is_named() {
    let key = KeyPair::generate().expect("a key");
    let other = KeyPair::generate().expect("a key");
    let good = universal(&key);
    let fault =
        |pem: String, now| Credential::parse_pem(pem.as_bytes(), "", now).expect_err("a fault");

    check(fault(good.clone(), now()), 904, "comes without its private key");
    check(fault(key.serialize_pem(), now()), 904, "a private key and no certificate");
    let keys = key.serialize_pem() + &other.serialize_pem();
    check(fault(good.clone() + &keys, now()), 904, "2 private keys");
    check(fault(good.clone() + &other.serialize_pem(), now()), 904, "does not belong");
    // As many as a file has room for would keep a thread busy for minutes.
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(fault(good.clone() + &locked.repeat(2), now()), 904, "2 private keys");
    check(fault(good.clone() + locked, now()), 904, "not an encrypted private key");

    let whole = good + &key.serialize_pem();
    let later = now().plus(Duration::from_secs(2 * 365 * 86_400));
    check(fault(whole.clone(), later), 903, "expired on 2028-01-01");
    let earlier = now().minus(Duration::from_secs(2 * 365 * 86_400));
    check(fault(whole, earlier), 904, "valid only from");

    let named = |name: &str| certificate(name, &[], &key) + &key.serialize_pem();
    let no_pem = |file: &[u8]| Credential::parse_pem(file, "", now()).expect_err("a fault");
    check(
        no_pem(b"{\"type\":\"service_account\"}"),
        904,
        "a Google service account key, not a push",
    );
    check(no_pem(b""), 904, "the file is empty, not a push certificate in PEM form");
    check(no_pem(&[0x30, 0x82, 1, 0, 2, 1, 3]), 904, "the file is a PKCS#12 file (.p12), not");

    let distribution = named("Apple Distribution: Example (TEAM123456)");
    check(fault(distribution, now()), 904, "a distribution certificate for signing apps");
    check(fault(named("example.com"), now()), 904, "without Apple's push extensions");
}

#[test]
fn a_chain_in_any_order_finds_the_keys_own_certificate() {
    let key = KeyPair::generate().expect("a key");
    let issuer = certificate("Apple WWDR", &[], &KeyPair::generate().expect("a key"));
    let pem = issuer + &universal(&key) + &key.serialize_pem();
    let credential = Credential::parse_pem(pem.as_bytes(), "", now()).expect("a good chain");
    let subject = credential.facts().subject.as_deref();
    assert_eq!(subject, Some("Apple Push Services: com.example.app"));
}

#[test]
fn a_file_that_is_no_p12_is_named() {
    let fault = |file: &[u8]| Credential::parse_p12(file, "", now()).expect_err("a fault");
    let made = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).expect("a certificate");
    check(fault(made.cert.der()), 904, "comes without its private key");
    check(fault(p8().as_bytes()), 904, "a private key in PKCS#8 form (.p8)");
    check(fault(b"AAAAabc:APA91bxyz"), 904, "a legacy FCM server key");
    check(fault(&[0x30, 3, 2, 1, 3]), 904, "the .p12 file cannot be read");
}

proptest! {
    #[test]
    fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), der: bool) {
        if der {
            bytes.splice(0..0, [0x30, 0x82, 0x01, 0x00, 2, 1, 3]);
        }
        let _ = Credential::parse_p12(&bytes, "x", now());
        let _ = Credential::parse_pem(&bytes, "x", now());
        let _ = Credential::parse_p8(&bytes, &details("ABC123DEFG", "TEAM123456"));
        let text = String::from_utf8_lossy(&bytes);
        let _ = key_id_of_file_name(&text);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----");
        let _ = Credential::parse_pem(pem.as_bytes(), "", now());
    }
}
