//! Answers in Google's shapes.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Accepted, oauth::OauthFault};
use crate::{Fate, http2::Verdict};

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const QUOTA_FAILURE: &str = "type.googleapis.com/google.rpc.QuotaFailure";

/// The longest text of what was wrong, in characters.
const MAX_WORDS: usize = 300;

/// Where the FcmError stands among an error's details; all three were seen in the field.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum DetailsOrder {
    /// No details at all.
    Absent,
    /// FcmError, then the others.
    #[default]
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
    /// What was wrong, where the message does not say it.
    why: Option<&'static str>,
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
            .because("data and notification have more than 4096 bytes, to topics more than 2048")
    }

    pub(super) fn bad_token() -> Self {
        Self::invalid("message.token", "Invalid registration token")
    }

    pub(super) fn bad_installation() -> Self {
        Self::invalid("message.fid", "Invalid installation id")
    }

    pub(super) fn unregistered() -> Self {
        let message = "Requested entity was not found.";
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
            .with_code("UNREGISTERED")
            .because("the token or installation is dead")
    }

    pub(super) fn sender_mismatch() -> Self {
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "SenderId mismatch")
            .with_code("SENDER_ID_MISMATCH")
            .because("the token is of another project")
    }

    /// The text is the one of a missing access token, as it was seen in the field: only the code tells.
    pub(super) fn third_party_auth() -> Self {
        Self::unauthenticated()
            .with_code("THIRD_PARTY_AUTH_ERROR")
            .because("the project has no APNs key for this iPhone")
    }

    pub(super) fn unauthenticated() -> Self {
        let message = "Request is missing a required authentication credential. Expected OAuth 2 access token.";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
    }

    pub(super) fn permission_denied() -> Self {
        let message = "Permission 'cloudmessaging.messages.create' denied on the project (or it may not exist).";
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
            .because("the access token is for another project than the path names")
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.")
            .because("there is only POST, to /token and /v1/projects/<project>/messages:send")
    }

    pub(super) fn quota(subject: &'static str) -> Self {
        let message = "Quota exceeded.";
        let failure = json!({
            "@type": QUOTA_FAILURE,
            "violations": [{ "subject": subject, "description": message }],
        });
        Self {
            other: Some(failure),
            why: Some(match subject {
                "device" => "too many messages to this device",
                _ => "too many messages of this project",
            }),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
                .with_code("QUOTA_EXCEEDED")
        }
    }

    pub(super) fn into_verdict(self, order: DetailsOrder) -> Verdict {
        let why = Some(self.words());
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
        let error = json!({ "error": error });
        Verdict { why, ..json_verdict(self.code, &error, Some(reason.to_owned()), Fate::Refused) }
    }

    fn new(code: StatusCode, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), error_code: None, other: None, why: None }
    }

    /// The same, with what was wrong for whoever reads the log.
    pub(super) fn because(self, why: &'static str) -> Self {
        Self { why: Some(why), ..self }
    }

    /// In words: Google's, with the field in front.
    fn words(&self) -> Cow<'static, str> {
        if let Some(why) = self.why {
            return why.into();
        }
        let field =
            self.other.as_ref().and_then(|other| other["fieldViolations"][0]["field"].as_str());
        let words = match field {
            None | Some("") => self.message.clone(),
            Some(field) => format!("{field}: {}", self.message),
        };
        // A name of the client's choosing may stand in it.
        words.chars().take(MAX_WORDS).collect::<String>().into()
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
    let reason = Some(fault.error.to_owned());
    Verdict {
        why: Some(fault.description.into()),
        ..json_verdict(StatusCode::BAD_REQUEST, &body, reason, Fate::NotAPush)
    }
}

fn json_verdict(status: StatusCode, body: &Value, reason: Option<String>, fate: Fate) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    Verdict {
        status,
        headers,
        body: Bytes::from(body.to_string()),
        reason,
        why: None,
        token: String::new(),
        id: None,
        fate,
        streams: None,
        go_away: None,
    }
}
