//! APNs: the handshake, and certificates in place of provider tokens.

use http::StatusCode;
use sim::{
    apns::CertificateFault,
    device::ApnsTokenKind,
    pki::{ApnsCertificate, ApnsCertificateKind, Ca},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    apns::{ALERT, APP, World, refusal},
    client::{Client, PATIENCE},
};

#[tokio::test]
async fn certificates_stand_in_for_tokens() {
    let world = World::new().await;
    let connect = async |certificate: &ApnsCertificate| {
        let identity = world.ca.apns_identity(certificate).unwrap();
        Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await
    };
    let universal = ApnsCertificate::universal(APP);
    let client = connect(&universal).await;
    let headers =
        [("apns-topic", APP), ("apns-push-type", "alert"), ("authorization", "bearer nonsense")];
    let answer = client.post(&world.path(), &headers, ALERT).await;
    assert_eq!(answer.status, StatusCode::OK, "with a certificate the header is not looked at");
    let answer = client.post(&world.path(), &headers[1..], ALERT).await;
    assert_eq!(answer.reason(), "MissingTopic", "this certificate has several topics");
    let answer = client.post(&world.path(), &[("apns-topic", "com.example.other")], ALERT).await;
    assert_eq!(answer.reason(), "BadTopic");

    let production = connect(&universal.clone().kind(ApnsCertificateKind::Production)).await;
    let answer = production.post(&world.path(), &headers[1..], ALERT).await;
    assert_eq!(answer.status, StatusCode::OK, "the only topic is the default");

    let voip = connect(&universal.clone().kind(ApnsCertificateKind::Voip)).await;
    let token = world.register(ApnsTokenKind::Voip);
    let topic = format!("{APP}.voip");
    let answer = voip.post(&format!("/3/device/{token}"), &[("apns-topic", &topic)], ALERT).await;
    assert_eq!(answer.status, StatusCode::OK);

    for (kind, reason) in [
        (ApnsCertificateKind::Development, "BadCertificateEnvironment"),
        (ApnsCertificateKind::NoPush, "BadCertificate"),
    ] {
        let client = connect(&universal.clone().kind(kind)).await;
        let answer = client.post(&world.path(), &headers, ALERT).await;
        assert_eq!(refusal(&answer), (403, reason.into()));
    }
}

#[tokio::test]
async fn a_certificate_of_the_other_environment_can_meet_a_goaway() {
    let world = World::with(|options| options.certificate_fault = CertificateFault::GoAway).await;
    let certificate = ApnsCertificate::universal(APP).kind(ApnsCertificateKind::Development);
    let identity = world.ca.apns_identity(&certificate).unwrap();
    let client = Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await;
    let error =
        client.request("POST", &world.path(), &[("apns-topic", APP)], ALERT).await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR));
    assert!(format!("{error:?}").contains("BadCertificateEnvironment"), "{error:?}");
}

#[tokio::test]
async fn bad_certificates_end_in_a_tls_alert() {
    let world = World::new().await;
    let stranger = Ca::generate("another CA").unwrap();
    let certificate = ApnsCertificate::universal(APP);
    for (name, identity, alert) in [
        (
            "expired",
            world.ca.apns_identity(&certificate.clone().expired()).unwrap(),
            "CertificateExpired",
        ),
        ("of another CA", stranger.apns_identity(&certificate).unwrap(), "UnknownCA"),
    ] {
        let failures = world.sim.counts().failed_handshakes;
        // In TLS 1.3 the server looks at the certificate after the client is done, so the alert
        // comes on the first read.
        let error = match Client::try_connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity))
            .await
        {
            Err(error) => format!("{error:?}"),
            Ok(client) => format!("{:?}", client.connection.await.unwrap().unwrap_err()),
        };
        assert!(error.contains(alert), "{name}: {error}");
        world
            .sim
            .wait_counts(|counts| counts.failed_handshakes > failures, PATIENCE)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn http_1_is_refused() {
    let world = World::new().await;
    let tls = crate::client::tls(world.sim.ca_pem(), None, &[b"http/1.1"]);
    let tcp = TcpStream::connect(world.sim.addr()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let error = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await.unwrap_err();
    assert!(format!("{error:?}").contains("NoApplicationProtocol"), "{error:?}");
}

#[tokio::test]
async fn tls_1_1_is_refused() {
    let world = World::new().await;
    // A ClientHello of TLS 1.1 (RFC 4346, section 7.4.1.2): version, random, no session, one suite,
    // no compression; and the signature algorithm that rustls asks for before it looks at the
    // version.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut tcp = TcpStream::connect(world.sim.addr()).await.unwrap();
    tcp.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.unwrap().unwrap();
    // A record with a fatal alert 70, `protocol_version`.
    assert_eq!((answer[0], &answer[5..]), (21, [2, 70].as_slice()));
    assert_eq!(world.sim.counts().failed_handshakes, 1);
}
