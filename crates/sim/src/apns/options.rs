//! How a simulated APNs is set up, and what is left open by Apple's pages.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::KnownKey;
use crate::{
    Devices, Recording,
    device::{Environment, Rate},
    pki::Ca,
    trouble::Churn,
};

/// How a simulated APNs is set up.
#[derive(Clone, Debug)]
pub struct ApnsOptions {
    /// Address to listen on; its certificate names it besides the local ones.
    pub ip: IpAddr,
    /// Port to listen on; 0 takes any.
    pub port: u16,
    /// Which of Apple's services this is.
    pub environment: Environment,
    /// The devices it serves, and the clock it reads.
    pub devices: Devices,
    /// Signs its own certificate, and the client certificates it trusts.
    pub ca: Ca,
    /// The keys whose provider tokens it accepts.
    pub keys: Vec<KnownKey>,
    /// Streams per connection once a provider token was accepted.
    pub token_streams: u32,
    /// Streams per connection with a client certificate.
    pub certificate_streams: u32,
    /// Among which tokens a provider token counts as renewed too soon.
    pub token_updates: TokenUpdates,
    /// How far ahead of its own clock a provider token's `iat` may lie. Apple says "within one
    /// hour" and no more.
    pub clock_skew: Duration,
    /// How it says that a certificate is bad, or for the other environment.
    pub certificate_fault: CertificateFault,
    /// What it does with device tokens nobody registered.
    pub unknown_tokens: UnknownTokens,
    /// What it does with requests that Apple advises against without naming an error.
    pub undocumented: Undocumented,
    /// The errors that one connection may cost before it is ended with GOAWAY: 2 for
    /// `BadDeviceToken`, 0 for 410, 1 for any other 4xx; a success gives one back. Apple does so
    /// and gives no figures.
    pub max_errors: Option<u32>,
    /// How often one device may be pushed to before 429 `TooManyRequests`. Apple gives no figures.
    pub device_rate: Option<Rate>,
    /// What it does about clients that connect over and over. Apple gives no figures.
    pub churn: Option<Churn>,
    /// How much it remembers.
    pub recording: Recording,
}

impl ApnsOptions {
    /// Production on any port of 127.0.0.1, without keys, and without the limits that Apple has but
    /// gives no figures for.
    pub fn new(ca: &Ca, devices: &Devices) -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            environment: Environment::Production,
            devices: devices.clone(),
            ca: ca.clone(),
            keys: Vec::new(),
            token_streams: 1000,
            certificate_streams: 500,
            token_updates: TokenUpdates::OfConnection,
            clock_skew: Duration::from_secs(3600),
            certificate_fault: CertificateFault::Answer,
            unknown_tokens: UnknownTokens::Refuse,
            undocumented: Undocumented::Refuse,
            max_errors: None,
            device_rate: None,
            churn: None,
            recording: Recording::Full,
        }
    }
}

/// How APNs says that a certificate is bad; both were seen in the field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateFault {
    /// 403 with the reason.
    Answer,
    /// GOAWAY, NO_ERROR, last stream 0, the reason as debug data; no answer on the stream.
    GoAway,
}

/// Where provider tokens are counted; 20 minutes have to lie between two of one key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenUpdates {
    /// On all connections together, as a report in Apple's developer forums has it (thread 770438):
    /// it shows processes that make tokens of their own.
    OfKey,
    /// On each connection for itself, as Apple's page says.
    OfConnection,
}

/// What to do with device tokens nobody registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnknownTokens {
    /// Accept them as if delivered; for load, and for tokens of one's own.
    Accept,
    /// Answer 400 `BadDeviceToken`.
    Refuse,
}

/// What to do with requests that Apple advises against without naming an error: priorities that a
/// push type's description does not name (background at 10 is an error in any case), `pushtotalk`,
/// `controls` and `widgets` with a certificate, keys of `aps` of another type than documented, Live
/// Activities that lack what ActivityKit needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undocumented {
    /// Let them pass.
    Accept,
    /// Refuse them, so that they are seen.
    Refuse,
}

impl Undocumented {
    pub(super) fn accepts(self) -> bool {
        self == Self::Accept
    }
}
