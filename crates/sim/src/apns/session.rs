//! What a connection to APNs is bound to: its certificate, or the team, key family and topics of
//! its first push.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use super::{
    Reason, Undocumented,
    certificate::Allowed,
    key::{Keys, KnownKey},
    push_type::{Needs, Row, Topic},
    reason::Refusal,
    token::ProviderToken,
};
use crate::device::Environment;

/// A new provider token may follow the last on a connection after this time at the earliest.
pub(super) const MIN_REFRESH_S: i64 = 20 * 60;
/// What a refusal for a bad device token takes from the error budget. Apple disconnects "sooner"
/// for these.
const BAD_TOKEN_COST: u32 = 2;

/// A connection's state.
pub(crate) struct Session {
    environment: Environment,
    certificate: Option<Allowed>,
    /// The key of the first push, with its topics as they were then.
    bound: Option<Arc<KnownKey>>,
    /// The last header that passed of each key, so that its signature is checked once: at most the
    /// first key and those related to it.
    proven: Vec<Proven>,
    /// What [`Keys::revocations`] said when `proven` was last looked through.
    revocations: u64,
    /// Once its token expired, a connection stays refused, whatever token follows (seen in the field).
    wedged: bool,
    /// Whether a push was accepted.
    pub(super) accepted: bool,
    /// What errors have cost so far.
    errors: u32,
}

struct Proven {
    header: HeaderValue,
    token: ProviderToken,
}

impl Session {
    pub(super) fn new(certificate: Option<&CertificateDer<'_>>, environment: Environment) -> Self {
        Self {
            environment,
            certificate: certificate.map(Allowed::read),
            bound: None,
            proven: Vec::new(),
            revocations: 0,
            wedged: false,
            accepted: false,
            errors: 0,
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

    /// Checks the certificate or else the provider token, whose `iat` may lie `ahead` in the
    /// future. With a certificate the header is not looked at.
    pub(super) fn authenticate(
        &mut self,
        headers: &HeaderMap,
        keys: &Keys,
        now: Timestamp,
        ahead: Duration,
    ) -> Result<(), Refusal> {
        if let Some(certificate) = &self.certificate {
            return Ok(certificate.check(self.environment)?);
        }
        let header = headers.get(AUTHORIZATION).ok_or(Reason::MissingProviderToken)?;
        if self.wedged {
            let why = "a token expired on this connection before: open another";
            return Err(Reason::ExpiredProviderToken.because(why));
        }
        let revocations = keys.revocations();
        if revocations != self.revocations {
            self.proven.retain(|proven| keys.find(&proven.token.key.key_id).is_some());
            self.revocations = revocations;
        }
        let known = self.proven.iter().find(|proven| proven.header == header);
        let passed = match known {
            Some(proven) => proven.token.check_age(now, ahead),
            None => self.prove(header, keys, now, ahead),
        };
        let expired = |refusal: Refusal| refusal.reason == Reason::ExpiredProviderToken;
        self.wedged |= passed.is_err_and(expired);
        passed
    }

    /// Checks that the credential covers the topic.
    pub(super) fn check_topic(&self, topic: &Topic) -> Result<(), Reason> {
        match (&self.certificate, &self.bound) {
            (Some(certificate), _) if certificate.topics.contains(&topic.full) => Ok(()),
            (Some(_), _) => Err(Reason::BadTopic),
            (None, Some(key)) if key.topics.cover(topic.bundle_id()) => Ok(()),
            (None, _) => Err(Reason::TopicDisallowed),
        }
    }

    /// Checks that the credential is of the kind that the push type needs. Apple names no error for
    /// this; "Forbidden: the specified action is not allowed" comes nearest.
    pub(super) fn check_credential(
        &self,
        row: &Row,
        undocumented: Undocumented,
    ) -> Result<(), Reason> {
        let fits = match row.needs {
            Needs::Any => true,
            Needs::Certificate => self.has_certificate(),
            Needs::Key => !self.has_certificate(),
            Needs::ProbablyKey => undocumented.accepts() || !self.has_certificate(),
        };
        if fits { Ok(()) } else { Err(Reason::Forbidden) }
    }

    /// A success: errors before it weigh less.
    pub(super) fn succeeded(&mut self) {
        self.accepted = true;
        self.errors = self.errors.saturating_sub(1);
    }

    /// An error; says whether it was one too many.
    pub(super) fn failed(&mut self, reason: Reason, budget: Option<u32>) -> bool {
        let cost = if reason == Reason::BadDeviceToken { BAD_TOKEN_COST } else { 1 };
        self.errors = self.errors.saturating_add(cost);
        budget.is_some_and(|budget| self.errors > budget)
    }

    /// Checks a token that this connection has not seen, and keeps it.
    fn prove(
        &mut self,
        header: &HeaderValue,
        keys: &Keys,
        now: Timestamp,
        ahead: Duration,
    ) -> Result<(), Refusal> {
        let words = header.to_str().ok().and_then(|text| text.split_once(' '));
        let (_, jwt) =
            words.filter(|(it, _)| it.eq_ignore_ascii_case("bearer")).ok_or_else(|| {
                Reason::InvalidProviderToken.because("`authorization` has to be `bearer` and a JWT")
            })?;
        let token = ProviderToken::verify(jwt, keys, self.environment)?;
        if let Some(first) = &self.bound {
            // Apple calls another team an error and does not say which.
            if first.team_id != token.key.team_id {
                let why = "the first push of this connection was of another team: open another";
                return Err(Reason::InvalidProviderToken.because(why));
            }
            if !token.key.may_follow(first) {
                return Err(Reason::UnrelatedKeyIdInToken.into());
            }
        }
        token.check_age(now, ahead)?;
        let last = self.proven.iter().position(|it| it.token.key.key_id == token.key.key_id);
        let last = last.and_then(|place| self.proven.get_mut(place));
        // Going back to an older token is a change like any other, and as soon.
        if let Some(last) = &last
            && token.issued_at != last.token.issued_at
            && token.issued_at < last.token.issued_at.saturating_add(MIN_REFRESH_S)
        {
            return Err(Reason::TooManyProviderTokenUpdates.into());
        }
        if !keys.renew(&token.key.key_id, token.issued_at) {
            let why = "another connection has a token of this key that is less than 20 minutes off";
            return Err(Reason::TooManyProviderTokenUpdates.because(why));
        }
        if self.bound.is_none() {
            self.bound = Some(token.key.clone());
        }
        let proven = Proven { header: header.clone(), token };
        match last {
            Some(last) => *last = proven,
            None => self.proven.push(proven),
        }
        Ok(())
    }
}
