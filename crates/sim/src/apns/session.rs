//! What a connection to APNs is bound to: its certificate, or the team and key of its first push.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use super::{
    KeyTopics, KnownKey, Reason, certificate::Allowed, request::Topic, token::ProviderToken,
};
use crate::device::Environment;

/// A new provider token may follow the last on a connection after this time at the earliest.
const MIN_REFRESH_S: u64 = 20 * 60;

const NO_TOPICS: KeyTopics = KeyTopics::These(Vec::new());

/// A connection's state.
pub(crate) struct Session {
    environment: Environment,
    certificate: Option<Allowed>,
    /// The last header that passed, so that its signature is checked once.
    verified: Option<(HeaderValue, ProviderToken)>,
    /// The topics of the key.
    topics: KeyTopics,
    /// Once its token expired, a connection stays refused, whatever token follows (seen in the field).
    wedged: bool,
    /// Whether a push was accepted.
    pub(super) accepted: bool,
}

impl Session {
    pub(super) fn new(certificate: Option<&CertificateDer<'_>>, environment: Environment) -> Self {
        Self {
            environment,
            certificate: certificate.map(Allowed::read),
            verified: None,
            topics: NO_TOPICS,
            wedged: false,
            accepted: false,
        }
    }

    pub(super) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// The certificate's only topic.
    pub(super) fn default_topic(&self) -> Option<&str> {
        match self.certificate.as_ref()?.topics.as_slice() {
            [only] => Some(only),
            [uid, rest @ ..] if rest.iter().all(|topic| topic == uid) => Some(uid),
            _ => None,
        }
    }

    /// Checks the certificate or else the provider token. With a certificate the header is not looked at.
    pub(super) fn authenticate(
        &mut self,
        headers: &HeaderMap,
        keys: &HashMap<String, KnownKey>,
        now: Timestamp,
    ) -> Result<(), Reason> {
        if let Some(certificate) = &self.certificate {
            let good = certificate.allows(self.environment);
            return if good { Ok(()) } else { Err(Reason::BadCertificateEnvironment) };
        }
        let header = headers.get(AUTHORIZATION).ok_or(Reason::MissingProviderToken)?;
        if self.wedged {
            return Err(Reason::ExpiredProviderToken);
        }
        let age = match &self.verified {
            Some((last, token)) if last == header => token.check_age(now),
            _ => {
                let token = self.verify(header, keys)?;
                let age = token.check_age(now);
                if age.is_ok() {
                    self.topics =
                        keys.get(&token.key_id).map_or(NO_TOPICS, |key| key.topics.clone());
                    self.verified = Some((header.clone(), token));
                }
                age
            }
        };
        self.wedged |= age == Err(Reason::ExpiredProviderToken);
        age
    }

    /// Checks that the credential covers the topic.
    pub(super) fn check_topic(&self, topic: &Topic) -> Result<(), Reason> {
        match (&self.certificate, &self.topics) {
            (Some(certificate), _) if certificate.topics.contains(&topic.full) => Ok(()),
            (Some(_), _) => Err(Reason::BadTopic),
            (None, KeyTopics::Any) => Ok(()),
            (None, KeyTopics::These(topics)) if topics.contains(&topic.bundle_id) => Ok(()),
            (None, KeyTopics::These(_)) => Err(Reason::TopicDisallowed),
        }
    }

    /// Checks a token that this connection has not seen.
    fn verify(
        &self,
        header: &HeaderValue,
        keys: &HashMap<String, KnownKey>,
    ) -> Result<ProviderToken, Reason> {
        let text = header.to_str().map_err(|_| Reason::InvalidProviderToken)?;
        let (scheme, jwt) = text.split_once(' ').ok_or(Reason::InvalidProviderToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Reason::InvalidProviderToken);
        }
        let token = ProviderToken::verify(jwt, keys, self.environment)?;
        if let Some((_, first)) = &self.verified {
            if first.team_id != token.team_id {
                return Err(Reason::InvalidProviderToken);
            }
            if first.key_id != token.key_id {
                return Err(Reason::UnrelatedKeyIdInToken);
            }
            let apart = first.issued_at.abs_diff(token.issued_at);
            if apart > 0 && apart < MIN_REFRESH_S {
                return Err(Reason::TooManyProviderTokenUpdates);
            }
        }
        Ok(token)
    }
}
