use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use domain::Diagnosis;
use proptest::prelude::*;

use super::*;

/// PEM text with this label.
fn pem(label: &str, der: &[u8]) -> String {
    let end = "-----";
    format!("{end}BEGIN {label}{end}\n{}\n{end}END {label}{end}\n", STANDARD.encode(der))
}

#[test]
fn a_key_is_read_in_every_form_that_tools_write() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let raw: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().expect("its bytes");
    let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().expect("SEC 1");
    let pkcs8 = pair.to_pkcs8v1().expect("PKCS#8");
    let sec1 = pem("EC PRIVATE KEY", sec1.as_ref());
    // The curve P-256 by its OID, as `openssl ecparam -genkey` puts it before the key.
    let curve = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let forms = [
        URL_SAFE_NO_PAD.encode(raw.as_ref()),
        URL_SAFE.encode(raw.as_ref()),
        STANDARD.encode(raw.as_ref()),
        format!(" {}\n", URL_SAFE_NO_PAD.encode(raw.as_ref())),
        pem("PRIVATE KEY", pkcs8.as_ref()),
        sec1.clone(),
        format!("{}{sec1}", pem("EC PARAMETERS", &curve)),
    ];
    for form in forms {
        let key = VapidKey::parse(form.as_bytes()).expect(&form);
        assert_eq!(key.public_key(), public, "{form}");
        assert_eq!(key.expose_private_key(), URL_SAFE_NO_PAD.encode(raw.as_ref()), "{form}");
    }
}

#[test]
fn a_new_key_is_read_back_and_shows_its_public_half_only() {
    let key = VapidKey::generate().expect("a key");
    let again = VapidKey::parse(key.expose_private_key().as_bytes()).expect("its own form");
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!((key.public_key().len(), key.expose_private_key().len()), (87, 43));
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("VapidKey({})", key.public_key()));
    let other = VapidKey::generate().expect("a key");
    assert_ne!(other.public_key(), key.public_key());
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let check = |file: &[u8], expected: &str| {
        let fault = VapidKey::parse(file).expect_err(expected);
        assert!(fault.to_string().contains(expected), "{fault}");
        assert_eq!(fault.diagnosis(), Diagnosis::CertificateError);
        assert_eq!(fault.remedy(), UPLOAD);
    };
    let key = VapidKey::generate().expect("a key");
    let certificate = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).expect("one");
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("an RSA key");
    check(b"", "empty");
    check(key.public_key().as_bytes(), "the public key of a pair");
    check(certificate.cert.pem().as_bytes(), "a certificate in PEM form");
    check(b"{\"publicKey\":\"x\",\"privateKey\":\"y\"}", "JSON of another kind");
    check(b"AAAAabc:APA91bxyz", "a legacy FCM server key");
    check(b"AIzaSyD-0123456789_abcdefghijklmnopqrst", "a legacy FCM server key");
    check(rsa.serialize_pem().as_bytes(), "not an EC key on the curve P-256");
    check(b"not base64!", "of no kind known here");
    check(&[0xff, 0xfe], "of no kind known here");
    check(b"c2hvcnQ", "5 bytes, 32 are expected");
    // Zero, and the group's order, are no private keys.
    check(URL_SAFE_NO_PAD.encode([0; 32]).as_bytes(), "not a private key");
    check(URL_SAFE_NO_PAD.encode([0xff; 32]).as_bytes(), "not a private key");
    assert!(matches!(VapidKey::parse(&vec![b'A'; 1 << 20]), Err(CredentialFault::TooLarge { .. })));
}

#[test]
fn subjects_must_be_somebodys() {
    for good in [
        "mailto:push@example.org",
        "mailto:o'neill+push@mail.example.co.uk",
        "https://example.org",
        "https://example.org/contact?x",
        "https://push.example.org:8443/",
    ] {
        assert_eq!(Subject::parse(good).expect(good).as_str(), good);
    }
    for bad in [
        "",
        "push@example.org",
        "mailto:",
        "mailto:push",
        "mailto:@example.org",
        "mailto:push@",
        "mailto:push@localhost",
        "mailto:push@host.localhost",
        "mailto:push@printer.local",
        "mailto:push@.org",
        "mailto: <push@example.org>",
        "mailto:<push@example.org>",
        "mailto:push@exämple.org",
        "http://example.org",
        "https://",
        "https://localhost",
        "https://localhost:8443/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://intranet/",
        &format!("https://example.org/{}", "x".repeat(256)),
    ] {
        let fault = Subject::parse(bad).expect_err(bad);
        assert!(fault.to_string().starts_with("subject: "), "{fault}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        text in "[A-Za-z0-9_=+/-]{40,90}",
        subject in ".*",
    ) {
        let _ = VapidKey::parse(&bytes);
        let _ = VapidKey::parse(text.as_bytes());
        let _ = VapidKey::parse(pem("EC PRIVATE KEY", &bytes).as_bytes());
        let _ = Subject::parse(&subject);
        let _ = Subject::parse(&format!("mailto:{subject}"));
        let _ = Subject::parse(&format!("https://{subject}"));
    }

    /// Every 32 bytes below the group's order are a private key, and keep their value.
    #[test]
    fn a_raw_key_keeps_its_value(bytes: [u8; 32]) {
        prop_assume!(bytes[0] != 0xff && bytes != [0; 32]);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let key = VapidKey::parse(text.as_bytes()).expect("a key");
        prop_assert_eq!(key.expose_private_key(), text);
    }
}
