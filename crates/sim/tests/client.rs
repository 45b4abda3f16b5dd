//! A raw HTTP/2 client and what it needs to speak to the services.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use sim::pki::{ApnsKey, Identity, ServiceAccount};
use tokio::{net::TcpStream, task::JoinHandle};

/// Generous: reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) send: h2::client::SendRequest<Bytes>,
    /// Ends with the connection; its error carries a GOAWAY's debug data or a TLS alert.
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// APNs' reason.
    pub(crate) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) async fn connect(
        address: SocketAddr,
        ca_pem: &str,
        identity: Option<&Identity>,
    ) -> Self {
        Self::try_connect(address, ca_pem, identity).await.unwrap()
    }

    pub(crate) async fn try_connect(
        address: SocketAddr,
        ca_pem: &str,
        identity: Option<&Identity>,
    ) -> std::io::Result<Self> {
        let tls = tls(ca_pem, identity, &[b"h2"]);
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await?;
        let (send, connection) = h2::client::Builder::new()
            .initial_max_send_streams(1)
            .handshake(stream)
            .await
            .map_err(std::io::Error::other)?;
        Ok(Self { send, connection: tokio::spawn(connection) })
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", path, headers, body).await.unwrap()
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, h2::Error> {
        let mut send = self.send.clone().ready().await?;
        let uri = if path.starts_with('/') {
            format!("https://localhost{path}")
        } else {
            path.to_owned()
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (response, mut stream) =
            send.send_request(request.body(()).unwrap(), body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body), true)?;
        }
        let answering = async {
            let (parts, mut stream) = response.await?.into_parts();
            let mut body = Vec::new();
            while let Some(piece) = stream.data().await {
                body.extend_from_slice(&piece?);
            }
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.into() })
        };
        tokio::time::timeout(PATIENCE, answering).await.unwrap()
    }
}

pub(crate) fn tls(ca_pem: &str, identity: Option<&Identity>, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(vec![identity.certificate().clone()], identity.key())
            .unwrap(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// A JWT over these JSON parts, signed with ES256.
pub(crate) fn es256(key: &ApnsKey, header: &Value, claims: &Value) -> String {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der(key.pem())).unwrap();
    let signed = signed_part(header, claims);
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The same with a signature in DER, which is what most libraries make unasked.
pub(crate) fn es256_der(key: &ApnsKey, header: &Value, claims: &Value) -> String {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der(key.pem())).unwrap();
    let signed = signed_part(header, claims);
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A JWT over these JSON parts, signed with RS256.
pub(crate) fn rs256(account: &ServiceAccount, header: &Value, claims: &Value) -> String {
    let json: Value = serde_json::from_str(&account.json("https://localhost/token")).unwrap();
    let key = RsaKeyPair::from_pkcs8(&der(json["private_key"].as_str().unwrap())).unwrap();
    let signed = signed_part(header, claims);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signed_part(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).unwrap()
}
