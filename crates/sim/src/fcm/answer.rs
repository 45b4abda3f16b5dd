//! Answers in Google's shapes.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Accepted, oauth::OauthFault};
use crate::{Fate, http2::Verdict};

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const QUOTA_FAILURE: &str = "type.googleapis.com/google.rpc.QuotaFailure";

/// Where the FcmError stands among an error's details; all three were seen in the field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DetailsOrder {
    /// No details at all.
    Absent,
    /// FcmError, then the others.
    FcmErrorFirst,
    /// FcmError after the others.
    FcmErrorLast,
}

/// An error of the send method.
#[derive(Debug)]
pub(super) struct Refusal {
    code: StatusCode,
    /// Google's canonical word.
    status: &'static str,
    message: String,
    /// `FcmError.errorCode`.
    error_code: Option<&'static str>,
    other: Option<Value>,
}

impl Refusal {
    /// A field that breaks a rule of FCM: FcmError and BadRequest.
    pub(super) fn invalid(field: &str, description: impl Into<String>) -> Self {
        let description = description.into();
        let violation = json!({
            "@type": BAD_REQUEST,
            "fieldViolations": [{ "field": field, "description": description }],
        });
        Self {
            error_code: Some("INVALID_ARGUMENT"),
            other: Some(violation),
            ..Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", description)
        }
    }

    /// A body that does not fit the method's schema: BadRequest only.
    pub(super) fn malformed(field: &str, description: impl Into<String>) -> Self {
        Self { error_code: None, ..Self::invalid(field, description) }
    }

    /// A message over the size limit: no details.
    pub(super) fn too_big() -> Self {
        let message = "Request contains an invalid argument.";
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    pub(super) fn bad_token() -> Self {
        Self::invalid("message.token", "Invalid registration token")
    }

    pub(super) fn bad_installation() -> Self {
        Self::invalid("message.fid", "Invalid installation id")
    }

    pub(super) fn unregistered() -> Self {
        let message = "Requested entity was not found.";
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).with_code("UNREGISTERED")
    }

    pub(super) fn sender_mismatch() -> Self {
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "SenderId mismatch")
            .with_code("SENDER_ID_MISMATCH")
    }

    /// The text is the one of a missing access token, as it was seen in the field: only the code tells.
    pub(super) fn third_party_auth() -> Self {
        Self::unauthenticated().with_code("THIRD_PARTY_AUTH_ERROR")
    }

    pub(super) fn unauthenticated() -> Self {
        let message = "Request is missing a required authentication credential. Expected OAuth 2 access token.";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
    }

    pub(super) fn permission_denied() -> Self {
        let message = "Permission 'cloudmessaging.messages.create' denied on the project (or it may not exist).";
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.")
    }

    pub(super) fn quota(subject: &str) -> Self {
        let message = "Quota exceeded.";
        let failure = json!({
            "@type": QUOTA_FAILURE,
            "violations": [{ "subject": subject, "description": message }],
        });
        Self {
            other: Some(failure),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
                .with_code("QUOTA_EXCEEDED")
        }
    }

    pub(super) fn into_verdict(self, order: DetailsOrder) -> Verdict {
        let fcm_error =
            self.error_code.map(|code| json!({ "@type": FCM_ERROR, "errorCode": code }));
        let details: Vec<Value> = match order {
            DetailsOrder::Absent => Vec::new(),
            DetailsOrder::FcmErrorFirst => fcm_error.into_iter().chain(self.other).collect(),
            DetailsOrder::FcmErrorLast => self.other.into_iter().chain(fcm_error).collect(),
        };
        let mut error =
            json!({ "code": self.code.as_u16(), "message": self.message, "status": self.status });
        if !details.is_empty() {
            error["details"] = details.into();
        }
        let reason = self.error_code.unwrap_or(self.status);
        json_verdict(self.code, &json!({ "error": error }), Some(reason.to_owned()), Fate::Refused)
    }

    fn new(code: StatusCode, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), error_code: None, other: None }
    }

    fn with_code(self, error_code: &'static str) -> Self {
        Self { error_code: Some(error_code), ..self }
    }
}

pub(super) fn accepted(accepted: Accepted, token: String) -> Verdict {
    let mut verdict =
        json_verdict(StatusCode::OK, &json!({ "name": accepted.name }), None, accepted.fate);
    verdict.id = Some(accepted.name);
    verdict.token = token;
    verdict
}

pub(super) fn token(access_token: &str, seconds: u32) -> Verdict {
    let body =
        json!({ "access_token": access_token, "expires_in": seconds, "token_type": "Bearer" });
    json_verdict(StatusCode::OK, &body, None, Fate::NotAPush)
}

pub(super) fn oauth_fault(fault: &OauthFault) -> Verdict {
    let body = json!({ "error": fault.error, "error_description": fault.description });
    json_verdict(StatusCode::BAD_REQUEST, &body, Some(fault.error.to_owned()), Fate::NotAPush)
}

fn json_verdict(status: StatusCode, body: &Value, reason: Option<String>, fate: Fate) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    Verdict {
        status,
        headers,
        body: Bytes::from(body.to_string()),
        reason,
        token: String::new(),
        id: None,
        fate,
        streams: None,
        go_away: None,
    }
}
