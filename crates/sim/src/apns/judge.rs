//! What APNs decides about a push.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use uuid::Uuid;

use super::{
    ApnsOptions, CertificateFault, Reason, UnknownTokens, broadcast,
    key::Keys,
    payload,
    push_type::{Row, Topic},
    reason::Refusal,
    request::{self, Endpoint, Push},
    session::Session,
};
use crate::{
    Delivery, Fate,
    device::{
        ApnsTokenKind, Device, Environment, Facts, Gone, Handed, Registration, Service as Vendor,
    },
    http2::{Farewell, Verdict},
    trouble::GoAway,
};

/// The service's judgement.
pub(crate) struct Judge {
    pub(super) options: ApnsOptions,
    pub(super) keys: Keys,
}

impl Judge {
    pub(super) fn new(mut options: ApnsOptions) -> Self {
        let keys = Keys::new(std::mem::take(&mut options.keys), options.token_updates);
        Self { options, keys }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.devices.clock().now()
    }

    /// Starts a connection: its state, and how many streams it may have.
    pub(crate) fn open(&self, certificate: Option<&CertificateDer<'_>>) -> (Session, u32) {
        let session = Session::new(certificate, self.options.environment);
        let streams = if certificate.is_some() { self.options.certificate_streams } else { 1 };
        (session, streams)
    }

    pub(crate) fn judge(&self, session: &mut Session, request: &Parts, body: &Bytes) -> Verdict {
        let endpoint = Endpoint::of(request.uri.path());
        let id = request::id(&request.headers, endpoint).unwrap_or_else(|_| Uuid::new_v4());
        let id = id.hyphenated().to_string();
        let mut headers = HeaderMap::new();
        // A UUID is always a legal header value.
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(endpoint.id_header(), id);
        }
        let checked = match endpoint {
            Endpoint::Broadcast => self.check_broadcast(session, request, body),
            Endpoint::Device => self.check(session, request, body),
        };
        match checked {
            Ok(push) => self.accept(session, push, id, headers, body),
            Err(refusal) => self.refuse(session, refusal, headers, request),
        }
    }

    /// All checks, in the order of the module's doc.
    fn check(
        &self,
        session: &mut Session,
        request: &Parts,
        body: &Bytes,
    ) -> Result<Checked, Refusal> {
        request::check_method(&request.method)?;
        let token = request::token(request.uri.path())?;
        request::check_repeats(&request.headers)?;
        let (headers, now) = (&request.headers, self.now());
        session.authenticate(headers, &self.keys, now, self.options.clock_skew)?;
        let topic = request::topic(headers, session)?;
        session.check_topic(&topic)?;
        let undocumented = self.options.undocumented;
        let push = request::read(headers, &topic, undocumented, now)?;
        if let Some(row) = push.row {
            session.check_credential(row, undocumented)?;
        }
        payload::check(body, push.row, undocumented)?;
        let device = self.device(token, &topic, push.row)?;
        if let (Some(device), Some(rate)) = (&device, self.options.device_rate)
            && !device.spend([rate], now)
        {
            return Err(Reason::TooManyRequests.into());
        }
        Ok(Checked { token: token.to_owned(), topic, push, device })
    }

    /// The registered device; `None` if it is unknown and that is allowed.
    fn device(
        &self,
        token: &str,
        topic: &Topic,
        row: Option<&Row>,
    ) -> Result<Option<Arc<Device>>, Refusal> {
        request::check_token(token)?;
        let Some(device) = self.options.devices.find(token) else {
            return match self.options.unknown_tokens {
                UnknownTokens::Accept => Ok(None),
                UnknownTokens::Refuse => Err(Reason::BadDeviceToken.into()),
            };
        };
        let Registration::Apns { bundle_id, environment, kind } = &device.registration else {
            return Err(Reason::BadDeviceToken.because("the token is none of Apple's"));
        };
        if *environment != self.options.environment {
            let why = "the device token is of the other environment";
            return Err(Reason::BadDeviceToken.because(why));
        }
        let fits = match row {
            Some(row) => row.token == *kind,
            // Without push type and suffix it is an alert, a background push, or one of device
            // management.
            None => matches!(kind, ApnsTokenKind::App | ApnsTokenKind::Mdm),
        };
        if *bundle_id != topic.bundle_id() {
            return Err(Reason::DeviceTokenNotForTopic.into());
        }
        if !fits {
            let why = "the app has another device token for this push type";
            return Err(Reason::DeviceTokenNotForTopic.because(why));
        }
        match device.gone() {
            None => Ok(Some(device)),
            Some(Gone::Expired(at)) => {
                Err(Refusal { since: Some(at), ..Reason::ExpiredToken.into() })
            }
            Some(Gone::Unregistered(at)) => {
                Err(Refusal { since: Some(at), ..Reason::Unregistered.into() })
            }
        }
    }

    fn accept(
        &self,
        session: &mut Session,
        checked: Checked,
        id: String,
        mut headers: HeaderMap,
        body: &Bytes,
    ) -> Verdict {
        let Checked { token, topic, push, device } = checked;
        let facts =
            Facts { service: Vendor::Apns, priority: push.priority, expiration: push.expiration };
        let delivery = |at| Delivery {
            service: Vendor::Apns,
            token: token.clone(),
            id: id.clone(),
            push_type: push.row.map_or_else(|| payload::infer_type(body), |row| row.push_type),
            priority: push.priority,
            original_priority: push.priority,
            topic: topic.full.clone(),
            collapse_id: push.collapse_id.clone(),
            expiration: push.expiration,
            // Checked to be JSON before.
            payload: serde_json::from_slice(body).unwrap_or_default(),
            at,
        };
        let handed = device.map_or(Handed::Delivered, |device| device.hand(&facts, delivery));
        if self.options.environment == Environment::Sandbox
            && let Ok(unique) = HeaderValue::try_from(Uuid::new_v4().to_string())
        {
            headers.insert("apns-unique-id", unique);
        }
        session.succeeded();
        Verdict {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
            reason: None,
            why: None,
            token,
            id: Some(id),
            fate: handed.into(),
            streams: Some(self.streams(session)),
            go_away: None,
        }
    }

    fn refuse(
        &self,
        session: &mut Session,
        refusal: Refusal,
        mut headers: HeaderMap,
        request: &Parts,
    ) -> Verdict {
        let Refusal { reason, why, since } = refusal;
        let mut body = serde_json::json!({ "reason": reason.as_str() });
        if let Some(since) = since {
            body["timestamp"] = since.as_millisecond().into();
        }
        let body = Bytes::from(body.to_string());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let status = reason.status();
        let is_error = status.is_client_error() && status != StatusCode::GONE;
        let one_too_many = is_error && session.failed(reason, self.options.max_errors);
        let by_go_away = self.options.certificate_fault == CertificateFault::GoAway
            && matches!(reason, Reason::BadCertificate | Reason::BadCertificateEnvironment);
        let go_away = if by_go_away {
            Some(Farewell::InPlace(body.clone()))
        } else {
            one_too_many.then(|| Farewell::AfterAnswer(GoAway::plain()))
        };
        let streams = is_error.then_some(1);
        // Before the first success the limit is 1 anyway in token mode, and stays.
        let streams = if session.accepted || session.has_certificate() { streams } else { None };
        Verdict {
            status,
            headers,
            go_away,
            body,
            reason: Some(reason.as_str().to_owned()),
            why: Some(why.into()),
            token: addressed(request).to_owned(),
            id: None,
            fate: Fate::Refused,
            streams,
        }
    }

    /// The limit of a connection in good standing.
    fn streams(&self, session: &Session) -> u32 {
        if session.has_certificate() {
            self.options.certificate_streams
        } else {
            self.options.token_streams
        }
    }
}

/// A push that passed all checks.
pub(super) struct Checked {
    /// The device token, or the channel.
    pub(super) token: String,
    pub(super) topic: Topic,
    pub(super) push: Push,
    pub(super) device: Option<Arc<Device>>,
}

impl From<Handed> for Fate {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::Delivered => Self::Delivered,
            Handed::Discarded => Self::Discarded,
            Handed::Stored => Self::Stored,
        }
    }
}

/// The device token or the channel that a request names, whatever it is worth.
fn addressed(request: &Parts) -> &str {
    match Endpoint::of(request.uri.path()) {
        Endpoint::Broadcast => {
            let channel = request.headers.get(broadcast::CHANNEL);
            channel.and_then(|channel| channel.to_str().ok()).unwrap_or_default()
        }
        Endpoint::Device => request::token(request.uri.path()).unwrap_or_default(),
    }
}
