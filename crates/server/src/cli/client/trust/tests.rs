use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sim::pki::{Ca, Identity};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate with its authority, both in files.
struct Files {
    folder: TempDir,
    ca: Ca,
    identity: Identity,
}

impl Files {
    fn new() -> Self {
        let ca = Ca::generate("Test CA").unwrap();
        let identity = ca.server_identity().unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), ca, identity };
        std::fs::write(files.path("ca.pem"), files.ca.pem()).unwrap();
        std::fs::write(files.path("own.pem"), files.identity.certificate_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Shakes hands with who shows this certificate and signs with this key, at this address.
async fn shaken(
    trust: &Trust,
    host: &str,
    certificate: &CertificateDer<'static>,
    key: &PrivateKeyDer<'static>,
) -> anyhow::Result<()> {
    let key = aws_lc_rs::sign::any_supported_type(key).unwrap();
    let shown = CertifiedKey::new(vec![certificate.clone()], key);
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = async {
        let (stream, _) = listener.accept().await.unwrap();
        // Whether it liked us shows at the client.
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            let _gone = stream.shutdown().await;
        }
    };
    let url = format!("https://{address}");
    let asked = async {
        let stream = TcpStream::connect(address).await.unwrap();
        trust.connect(&url, host, stream).await.map(drop)
    };
    tokio::join!(served, asked).1
}

#[tokio::test]
async fn who_is_taken_for_the_server() {
    let (ours, other) = (Files::new(), Files::new());
    let (ca, own) = (ours.path("ca.pem"), ours.path("own.pem"));
    let by = |ca: Option<&Path>, own: Option<&Path>| Trust::new(ca, own).unwrap();
    let (cert, key) = (ours.identity.certificate(), ours.identity.key());
    let (other_cert, other_key) = (other.identity.certificate(), other.identity.key());
    // No certificate here is for 127.0.0.2.
    for (trust, host, (cert, key), refused) in [
        (by(None, Some(&own)), "127.0.0.1", (cert, &key), None),
        (by(None, Some(&own)), "127.0.0.2", (cert, &key), None),
        (by(None, Some(&own)), "127.0.0.1", (other_cert, &other_key), Some("shows another")),
        (by(None, Some(&own)), "127.0.0.1", (cert, &other_key), Some("BadSignature")),
        (by(None, None), "127.0.0.1", (cert, &key), Some("is not trusted")),
        (by(Some(&ca), None), "127.0.0.1", (cert, &key), None),
        (by(Some(&ca), None), "127.0.0.2", (cert, &key), Some("not valid for name")),
        (by(Some(&ca), None), "127.0.0.1", (other_cert, &other_key), Some("is not trusted")),
        // What the file has is renewed, and the authority is known.
        (by(Some(&ca), Some(&other.path("own.pem"))), "127.0.0.1", (cert, &key), None),
    ] {
        let seen = shaken(&trust, host, cert, key).await;
        match (seen, refused) {
            (Ok(()), None) => {}
            (Err(error), Some(says)) => {
                assert!(format!("{error:#}").contains(says), "{says}: {error:#}");
                assert!(error.downcast_ref::<Advice>().is_some(), "{error:?}");
            }
            (seen, refused) => panic!("{host}: {seen:?}, not {refused:?}"),
        }
    }
}

#[tokio::test]
async fn one_that_speaks_no_tls_is_told_apart_from_one_that_is_not_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    };
    let asked = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let trust = Trust::new(None, None).unwrap();
        trust.connect("https://a", "127.0.0.1", stream).await.map(drop)
    };
    let error = tokio::join!(served, asked).1.unwrap_err();
    assert!(error.to_string().contains("does not take a TLS connection"), "{error:#}");
}

#[test]
fn a_file_that_holds_no_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for (content, says) in [
        (None, "--ca: cannot read"),
        (Some("hello".to_owned()), "no certificate in it"),
        (Some("x".repeat(1024 * 1024 + 1)), "more than 1048576 bytes"),
    ] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = Trust::new(Some(&path), None).unwrap_err();
        assert!(error.to_string().contains(says), "{error:#}");
        assert!(error.to_string().contains("ca.pem"), "{error:#}");
    }
    let error = Trust::new(None, Some(&path)).unwrap_err();
    assert!(error.to_string().contains("tls.certificate_file"), "{error:#}");
}
