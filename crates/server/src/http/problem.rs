//! Problem details: every refusal of the HTTP API, and of a send over the WebSocket.
//!
//! The one place where an error gets an HTTP status. Inside the server an error says whose fault
//! it is and what to do next; here it gets the words and the number that the outside sees.

mod code;

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::Diagnosis;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use wire::shortened;

pub use code::{ProblemCode, page};

use crate::secret::SecretError;

/// The longest detail of a refusal, in characters. What a reader says of an input may repeat all of
/// it.
const LONGEST_DETAIL: usize = 800;
/// The longest name of a field: of a map's entry it is of the asker's choosing.
const LONGEST_FIELD: usize = 200;

/// A refusal, ready to be shown to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    field: Option<String>,
    diagnosis: Option<Diagnosis>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A refusal; `detail` says what is wrong with this request and what to do, and nothing that
    /// the asker must not know.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let detail = shortened(&detail.into(), LONGEST_DETAIL);
        Self { code, detail, field: None, diagnosis: None, retry_after: None }
    }

    /// A field that breaks its rule.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidField, detail).with_field(field)
    }

    /// A credential that cannot be used: what is wrong with it and what to do.
    pub fn credential_refused(diagnosis: Diagnosis, fault: &str, remedy: &str) -> Self {
        let detail = format!("{diagnosis}: {fault}; {remedy}");
        Self::new(ProblemCode::CredentialRefused, detail).with_field("file").diagnosed(diagnosis)
    }

    /// A fault of ours, of which the asker learns nothing; whoever makes one logs what it was.
    pub fn internal() -> Self {
        Self::new(
            ProblemCode::Internal,
            "the server failed; send again with the same id, and tell its operator if it goes on",
        )
    }

    /// Not now; again after `pause`.
    pub fn unavailable(detail: impl Into<String>, pause: Duration) -> Self {
        Self::new(ProblemCode::Unavailable, detail).with_retry_after(pause)
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(shortened(&field.into(), LONGEST_FIELD));
        self
    }

    /// The same of a part: its field is named behind the part's own name.
    #[must_use]
    pub fn within(mut self, part: &str) -> Self {
        self.field = Some(match self.field {
            Some(field) => format!("{part}.{field}"),
            None => part.to_owned(),
        });
        self
    }

    /// A push that no push service would take as it would be sent: 913.
    pub fn push_refused(field: impl Into<String>, fault: &str, remedy: &str) -> Self {
        let detail = format!("{}: {fault}; {remedy}", Diagnosis::BadPayload);
        Self::new(ProblemCode::PushRefused, detail)
            .with_field(field)
            .diagnosed(Diagnosis::BadPayload)
    }

    /// Says what it is of a push, unless that is said already.
    #[must_use]
    pub fn diagnosed(mut self, diagnosis: Diagnosis) -> Self {
        self.diagnosis.get_or_insert(diagnosis);
        self
    }

    /// The same of a push: a fault of what it says is 913, unless it is said more closely.
    #[must_use]
    pub fn of_push(self) -> Self {
        let of_field = matches!(
            self.code,
            ProblemCode::BodyTooLarge
                | ProblemCode::InvalidField
                | ProblemCode::MalformedJson
                | ProblemCode::PushRefused
                | ProblemCode::TooManyRecipients
        );
        if of_field { self.diagnosed(Diagnosis::BadPayload) } else { self }
    }

    /// Says when to ask again; whole seconds on the wire, rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// What kind of refusal it is.
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// The field at fault, if it is one's.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What it is of a push, if it has to do with one.
    pub const fn diagnosis(&self) -> Option<Diagnosis> {
        self.diagnosis
    }

    /// When to ask again.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The same in milliseconds, as bodies and frames say it.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
    }

    /// What is wrong with this request, and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<Problem> for wire::Problem {
    fn from(problem: Problem) -> Self {
        Self {
            retry_after_ms: problem.retry_after_ms(),
            r#type: problem.code.documentation(),
            title: problem.code.title().to_owned(),
            status: problem.code.status().as_u16(),
            code: problem.code.as_str().to_owned(),
            detail: problem.detail,
            field: problem.field,
            diagnosis: problem.diagnosis.map(Diagnosis::code),
        }
    }
}

/// A key that was shown and is none, or of another kind. What a file has to do with it is ours to
/// log and nobody else's to know.
impl From<&SecretError> for Problem {
    fn from(error: &SecretError) -> Self {
        match error {
            SecretError::Malformed { .. } | SecretError::NotAKey => {
                Self::new(ProblemCode::Unauthorized, error.to_string())
            }
            SecretError::WrongKind { .. } => {
                Self::new(ProblemCode::WrongKeyKind, error.to_string())
            }
            SecretError::File { .. } | SecretError::Open { .. } => Self::internal(),
        }
    }
}

/// The code is an extension of the response as well, for what looks at answers on their way out.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, retry_after) = (self.code, self.retry_after);
        let mut response = (code.status(), Json(wire::Problem::from(self))).into_response();
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(pause) = retry_after {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110, 15.5.2: a 401 must say how to authenticate.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::secret::{KeyKind, KeyText};

    /// Status, headers and body as a client sees them.
    async fn seen(problem: Problem) -> (http::response::Parts, wire::Problem) {
        let (parts, body) = problem.into_response().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_problem_on_the_wire() {
        let problem = Problem::invalid_field("ttl", "ttl is 3, less than 5; give 5 to 100");
        let (parts, body) = seen(problem).await;
        assert_eq!(parts.status.as_u16(), 422);
        assert_eq!(parts.headers["content-type"], "application/problem+json");
        assert!(!parts.headers.contains_key("retry-after"));
        assert_eq!(
            body,
            wire::Problem {
                retry_after_ms: None,
                r#type: "docs/problems.md#invalid_field".into(),
                title: "a field breaks its rule".into(),
                status: 422,
                code: "invalid_field".into(),
                detail: "ttl is 3, less than 5; give 5 to 100".into(),
                field: Some("ttl".into()),
                diagnosis: None,
            }
        );
    }

    #[tokio::test]
    async fn headers_that_a_status_asks_for() {
        let (parts, _) = seen(Problem::unavailable("stopping", Duration::from_millis(1_001))).await;
        assert_eq!(parts.headers["retry-after"], "2");
        let (parts, _) = seen(Problem::new(ProblemCode::TokenExpired, "it ended")).await;
        assert_eq!(parts.headers["www-authenticate"], "Bearer");
    }

    #[test]
    fn a_refusal_is_short_however_long_the_request() {
        let (long, field) = ("x".repeat(20_000), "ä".repeat(20_000));
        let problem = Problem::invalid_field(field, format!("it is {long}; give less"));
        let shown = wire::Problem::from(problem);
        assert_eq!(shown.detail.chars().count(), LONGEST_DETAIL + 3);
        assert!(shown.detail.ends_with("; give less"), "{}", shown.detail);
        assert_eq!(shown.field.map(|field| field.chars().count()), Some(LONGEST_FIELD + 3));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_told_apart() {
        let device = KeyText::generate(KeyKind::Device);
        for (text, expected) in [
            ("nonsense", ProblemCode::Unauthorized),
            ("rvl_app_short", ProblemCode::Unauthorized),
            (device.expose(), ProblemCode::WrongKeyKind),
        ] {
            let error = KeyText::parse_kind(text, KeyKind::App).unwrap_err();
            let problem = Problem::from(&error);
            assert_eq!(problem.code(), expected);
            assert!(!problem.detail().contains(text), "{}", problem.detail());
        }
    }

    #[test]
    fn a_refused_credential_begins_with_its_diagnosis() {
        let problem = Problem::credential_refused(
            Diagnosis::CertificateExpired,
            "the certificate \"Apple Push Services\" is past its end",
            "make a new one",
        );
        assert_eq!(problem.diagnosis(), Some(Diagnosis::CertificateExpired));
        assert_eq!(
            problem.detail(),
            "903 push certificate expired: the certificate \"Apple Push Services\" is past its end; make a new one"
        );
    }
    #[test]
    fn a_fault_of_what_a_push_says_is_913_unless_it_is_said_more_closely() {
        let code = |problem: Problem| wire::Problem::from(problem.of_push()).diagnosis;
        assert_eq!(code(Problem::invalid_field("badge", "give less")), Some(913));
        let token = Problem::invalid_field("to.targets[0].token", "give hexadecimal digits");
        assert_eq!(code(token.diagnosed(Diagnosis::BadPushToken)), Some(911));
        assert_eq!(code(Problem::new(ProblemCode::UnknownUser, "no such user")), None);
        assert_eq!(code(Problem::internal()), None);
    }
}
