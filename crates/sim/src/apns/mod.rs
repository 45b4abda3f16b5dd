//! A strict APNs: the HTTP/2 provider API as Apple's pages describe it ("Sending notification requests to APNs",
//! "Handling notification responses from APNs", "Establishing a token-based connection", "… certificate-based …").
//!
//! A request is checked in this order, and the first fault answers:
//!
//! 1. method, path, repeated headers
//! 2. authentication: the certificate or else the provider token, and what the connection is bound
//!    to
//! 3. the topic, and whether the credential covers it
//! 4. `apns-id`, `apns-collapse-id`, `apns-expiration`, `apns-push-type` with its topic,
//!    `apns-priority`
//! 5. whether the push type may be sent with that kind of credential
//! 6. the payload: empty, size, JSON, what the push type asks of `aps`
//! 7. the device token: form, environment, app and kind, whether it lives
//! 8. how often the device was pushed to
//!
//! Apple does not promise an order; this one tells a stranger least.
//!
//! Stream limit, as Apple's pages and field reports have it: 1 stream until a push with a provider token was accepted,
//! then [`ApnsOptions::token_streams`]; [`ApnsOptions::certificate_streams`] from the start with a certificate; 1 after
//! a 4xx other than 410, restored by the next success. Real SETTINGS frames say so.
//!
//! A broadcast to a channel has checks of its own, see `broadcast`.
//!
//! Not modelled: the management of channels, revoked certificates (script the TLS alert 44).

mod broadcast;
mod certificate;
mod judge;
mod key;
mod options;
mod payload;
mod push_type;
mod reason;
mod request;
mod session;
mod token;

use std::{net::SocketAddr, time::Duration};

use tokio::sync::mpsc;

use crate::{
    Counts, Error, SeenPush, Sighting, Trouble,
    http2::{self, Server},
    pki::Ca,
};

pub(crate) use judge::Judge;
pub use key::{KeyEnvironments, KeyKind, KeyTopics, KnownKey};
pub use options::{ApnsOptions, CertificateFault, TokenUpdates, Undocumented, UnknownTokens};
pub use reason::Reason;
pub(crate) use session::Session;

/// A running APNs.
pub struct ApnsSim {
    server: Server,
    ca: Ca,
}

impl ApnsSim {
    /// Starts listening.
    ///
    /// # Errors
    /// [`Error::Listen`] if the port is taken; [`Error::Keys`] and [`Error::Tls`] if its certificate fails.
    pub async fn start(options: ApnsOptions) -> Result<Self, Error> {
        let ca = options.ca.clone();
        let identity = ca.server_identity_at(options.ip)?;
        let clock = options.devices.clock().clone();
        let tls = http2::server_config(&identity, Some(&ca), &[b"h2"], &clock)?;
        let wanted = SocketAddr::from((options.ip, options.port));
        let (recording, churn) = (options.recording, options.churn);
        let judge = Box::new(Judge::new(options));
        let server = Server::start(wanted, tls, recording, |_| http2::Service::Apns(judge)).await?;
        server.trouble().limit_churn(churn);
        Ok(Self { server, ca })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.address()
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.addr())
    }

    /// The certificate that clients have to trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// Scripts its trouble.
    pub fn trouble(&self) -> &Trouble {
        self.server.trouble()
    }

    /// Adds a key, or changes the one of that id. Open connections keep the topics they began with,
    /// as Apple's do.
    pub fn set_key(&self, key: KnownKey) {
        if let http2::Service::Apns(judge) = self.server.service() {
            judge.keys.set(key);
        }
    }

    /// Forgets a key: its provider tokens are answered 403 `InvalidProviderToken` from now on.
    pub fn revoke_key(&self, key_id: &str) {
        if let http2::Service::Apns(judge) = self.server.service() {
            judge.keys.revoke(key_id);
        }
    }

    /// Everything that is seen from now on. Who watches must keep up: what waits is kept in memory.
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Sighting> {
        self.server.recorder().watch()
    }

    /// Every request so far, in the order judged; empty with [`Recording::Count`](crate::Recording::Count).
    pub fn seen(&self) -> Vec<SeenPush> {
        self.server.recorder().seen()
    }

    /// Totals so far.
    pub fn counts(&self) -> Counts {
        self.server.recorder().counts()
    }

    /// Waits for a request that fits; one seen before counts. Needs [`Recording::Full`](crate::Recording::Full).
    ///
    /// # Errors
    /// [`Error::Timeout`] if none comes within `limit`.
    pub async fn wait_for(
        &self,
        wanted: impl Fn(&SeenPush) -> bool,
        limit: Duration,
    ) -> Result<SeenPush, Error> {
        self.server.recorder().wait_for(wanted, limit).await
    }

    /// Waits until at least `n` requests were seen.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_count(&self, n: u64, limit: Duration) -> Result<Counts, Error> {
        self.wait_counts(|counts| counts.requests >= n, limit).await
    }

    /// Waits until the totals fit.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_counts(
        &self,
        wanted: impl Fn(&Counts) -> bool,
        limit: Duration,
    ) -> Result<Counts, Error> {
        self.server.recorder().wait_counts(wanted, limit).await
    }

    /// Drops every connection without a word, frees the port and waits until all its tasks have ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
