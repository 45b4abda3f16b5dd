//! Push certificates in PEM whose key is behind a password, as openssl writes them.

use std::process::Stdio;

use domain::Diagnosis;
use providers::CredentialFault;
use providers::apns::Credential;
use sim::pki::{ApnsCertificate, Identity};
use tokio::io::AsyncWriteExt;

use crate::rig::{APP, ApnsRig, check_all_accepted, soon};

/// Runs openssl over the identity's key.
async fn openssl(identity: &Identity, arguments: &[&str], password: &str) -> String {
    let mut openssl = tokio::process::Command::new("openssl")
        .args(arguments)
        .args(["-passout", "env:KEY_PASSWORD"])
        .env("KEY_PASSWORD", password)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl is installed");
    let mut stdin = openssl.stdin.take().expect("piped");
    stdin.write_all(identity.key_pem().as_bytes()).await.expect("openssl reads the key");
    drop(stdin);
    let output = soon(openssl.wait_with_output()).await.expect("openssl ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("PEM is text")
}

/// A universal certificate for the app, with its key in the clear.
fn identity(rig: &ApnsRig) -> Identity {
    rig.ca.apns_identity(&ApnsCertificate::universal(APP)).expect("makes a certificate")
}

#[tokio::test]
async fn every_form_of_locked_key_opens_and_pushes() {
    let rig = ApnsRig::start().await;
    let identity = identity(&rig);
    let forms: [&[&str]; 6] = [
        &[],
        &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"],
        &["-v2", "aes-192-cbc"],
        &["-v2", "des3"],
        &["-v2", "des3", "-v2prf", "hmacWithSHA1"],
        &["-scrypt"],
    ];
    for form in forms {
        let arguments = [&["pkcs8", "-topk8"], form].concat();
        for password in ["correct horse", "pässwörd 🔑"] {
            let key = openssl(&identity, &arguments, password).await;
            assert!(key.contains("BEGIN ENCRYPTED PRIVATE KEY"), "{form:?}");
            // In either order.
            for pem in [[identity.certificate_pem(), &key], [&key, identity.certificate_pem()]] {
                let pem = pem.concat();
                let parse = |password| Credential::parse_pem(pem.as_bytes(), password, rig.now());
                let credential = parse(password)
                    .unwrap_or_else(|fault| panic!("{form:?} {password:?}: {fault}"));
                let topics = credential.facts().bundle_ids().map(str::to_owned);
                assert!(topics.eq([APP]), "{form:?}");
                assert_eq!(parse("wrong").err(), Some(CredentialFault::WrongPassword), "{form:?}");
                assert_eq!(parse("").err(), Some(CredentialFault::PasswordMissing), "{form:?}");
            }
        }
    }
    // The server takes either form under one name.
    let key = openssl(&identity, &["pkcs8", "-topk8"], "x").await;
    let pem = [identity.certificate_pem(), &key].concat();
    let credential = Credential::parse_p12(pem.as_bytes(), "x", rig.now()).expect("opens");
    check_all_accepted(&[rig.send(&rig.client_of(credential)).await]);
}

#[tokio::test]
async fn a_locked_key_that_does_not_open_says_what_to_type() {
    let rig = ApnsRig::start().await;
    let identity = identity(&rig);
    let check = async |arguments: &[&str], message: &str| {
        let key = openssl(&identity, arguments, "x y z").await;
        let pem = [identity.certificate_pem(), &key].concat();
        let fault = Credential::parse_pem(pem.as_bytes(), "x y z", rig.now()).expect_err(message);
        assert_eq!(fault.to_string(), message);
        assert_eq!(fault.diagnosis(), Diagnosis::CertificateError);
        assert!(fault.remedy().contains("openssl pkcs8 -topk8 -in key.pem"), "{}", fault.remedy());
    };
    let unsupported = "the encrypted private key cannot be read: its encryption is not supported";
    check(&["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"], unsupported).await;
    let old = "the private key cannot be read: it is encrypted in openssl's old form (Proc-Type: 4,ENCRYPTED)";
    check(&["rsa", "-aes256", "-traditional"], old).await;
    check(&["rsa", "-des3", "-traditional"], old).await;
}

#[tokio::test]
async fn a_locked_key_is_counted_and_matched_like_any_other() {
    let rig = ApnsRig::start().await;
    let (own, other) = (identity(&rig), identity(&rig));
    let locked = openssl(&own, &["pkcs8", "-topk8"], "x").await;
    let parse = |parts: &[&str]| {
        Credential::parse_pem(parts.concat().as_bytes(), "x", rig.now()).expect_err("a fault")
    };
    let fault = parse(&[own.certificate_pem(), &locked, own.key_pem()]);
    assert_eq!(fault, CredentialFault::SeveralKeys { count: 2 });
    let fault = parse(&[other.certificate_pem(), &locked]);
    assert!(matches!(fault, CredentialFault::KeyMismatch { .. }), "{fault}");
    assert_eq!(parse(&[&locked]), CredentialFault::CertificateMissing);
    let cut = locked.replace("-----END ENCRYPTED PRIVATE KEY-----", "");
    let fault = parse(&[own.certificate_pem(), &cut]).to_string();
    let message = "the PEM file cannot be read: there is no -----END ENCRYPTED PRIVATE KEY-----";
    assert_eq!(fault, message);
    let spoilt = locked.replacen("KEY-----\n", "KEY-----\n!!", 1);
    let fault = parse(&[own.certificate_pem(), &spoilt]);
    assert!(fault.to_string().starts_with("the PEM file cannot be read"), "{fault}");
}
