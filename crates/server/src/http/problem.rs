//! Problem details: every refusal of the HTTP API, and of a send over the WebSocket.
//!
//! The one place where an error gets an HTTP status. Inside the server an error says whose fault
//! it is and what to do next; here it gets the words and the number that the outside sees.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::Diagnosis;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::secret::SecretError;

/// What kinds of refusals there are: the `code` of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`about` says what each is, and docs/problems.md shows it")]
pub enum ProblemCode {
    AckAboveHead,
    BodyTooLarge,
    Conflict,
    CredentialRefused,
    Forbidden,
    IdReused,
    InboxFull,
    Internal,
    InvalidField,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    StorageFull,
    TokenExpired,
    TooManyRecipients,
    Unauthorized,
    Unavailable,
    UnknownUser,
    UnsupportedMediaType,
    WrongKeyKind,
}

impl ProblemCode {
    /// Every code, by name.
    pub const ALL: [Self; 20] = [
        Self::AckAboveHead,
        Self::BodyTooLarge,
        Self::Conflict,
        Self::CredentialRefused,
        Self::Forbidden,
        Self::IdReused,
        Self::InboxFull,
        Self::Internal,
        Self::InvalidField,
        Self::MalformedJson,
        Self::MethodNotAllowed,
        Self::NotFound,
        Self::StorageFull,
        Self::TokenExpired,
        Self::TooManyRecipients,
        Self::Unauthorized,
        Self::Unavailable,
        Self::UnknownUser,
        Self::UnsupportedMediaType,
        Self::WrongKeyKind,
    ];

    /// The stable word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// What kind of problem it is, in a few words; the same for every problem of the code.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// When it occurs and what to do, for `docs/problems.md`.
    pub const fn about(self) -> &'static str {
        self.row().3
    }

    /// Where it is documented, a link relative to the project.
    pub fn documentation(self) -> String {
        format!("docs/problems.md#{}", self.as_str())
    }

    /// Word, status, title, explanation.
    const fn row(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        match self {
            Self::AckAboveHead => (
                "ack_above_head",
                StatusCode::UNPROCESSABLE_ENTITY,
                "acknowledged more than was sent",
                "The position lies above the newest entry of the inbox.\nAcknowledge only what the server delivered; connect again to learn where the inbox stands.",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "too large",
                "The request, or the field that is named, is larger than its limit.\nThe detail says the limit; `connected` lists the limits of frames and message bodies.",
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "does not fit the present state",
                "Something else changed it first, or it exists already.\nRead it again, then decide.",
            ),
            Self::CredentialRefused => (
                "credential_refused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "credential refused",
                "The uploaded file cannot be used for pushes.\nThe detail begins with a diagnosis code: 903 it has expired, 904 it is damaged, the wrong file or without its key, 905 it is for the sandbox only, 912 it belongs to another app.",
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "not allowed",
                "The key is valid and may not do this.\nUse the key of the right app, or a user token with the right to send.",
            ),
            Self::IdReused => (
                "id_reused",
                // The status that the draft of the header Idempotency-Key gives a key that comes
                // again with another request: draft-ietf-httpapi-idempotency-key-header, 2.7.
                StatusCode::UNPROCESSABLE_ENTITY,
                "id used for another message",
                "The same id came before with another recipient or another content, and that message was accepted.\nGive every message an id of its own, and resend a message unchanged.",
            ),
            Self::InboxFull => (
                "inbox_full",
                StatusCode::CONFLICT,
                "inbox full",
                "No recipient could take the message, because too much waits for their devices.\nSend again once a device has connected; messages also leave when their time to live ends.",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "fault of the server",
                "Something failed that should not; the server's log says what.\nSend again with the same id: a message that was stored is not stored twice.",
            ),
            Self::InvalidField => (
                "invalid_field",
                StatusCode::UNPROCESSABLE_ENTITY,
                "a field breaks its rule",
                "`field` names the field, the detail says its rule.",
            ),
            Self::MalformedJson => (
                "malformed_json",
                StatusCode::BAD_REQUEST,
                "not the JSON that is expected",
                "The body is no JSON, a field is missing or has the wrong type, or there is one that the endpoint does not know.\nThe detail says what and where.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed",
                "The path exists and takes other methods; the header `Allow` lists them.",
            ),
            Self::NotFound => (
                "not_found",
                StatusCode::NOT_FOUND,
                "not found",
                "There is no such path, or nothing of that id in the app that the key belongs to.",
            ),
            Self::StorageFull => (
                "storage_full",
                StatusCode::INSUFFICIENT_STORAGE,
                "disk full",
                "The server cannot store anything, and so accepts nothing; what it accepted before is safe.\nIts operator has to make room.\nSend again later with the same id.",
            ),
            Self::TokenExpired => (
                "token_expired",
                StatusCode::UNAUTHORIZED,
                "user token expired",
                "The user token was valid once.\nGet a new one from the app's back end; until then a device can fetch its inbox with its device secret.",
            ),
            Self::TooManyRecipients => (
                "too_many_recipients",
                StatusCode::UNPROCESSABLE_ENTITY,
                "too many recipients",
                "A message goes to no more users than the limit that `connected` lists.\nSend it in parts, each with an id of its own.",
            ),
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "not authenticated",
                "The header `Authorization: Bearer …` is missing, or its key is unknown, cut short or revoked.",
            ),
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "not available at the moment",
                "The server is starting, stopping or overloaded.\nSend again after the time in `Retry-After`, with the same id.",
            ),
            Self::UnknownUser => (
                "unknown_user",
                StatusCode::NOT_FOUND,
                "unknown user",
                "No such user exists in the app.\nA user exists once the app's back end has made its first user token.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not declared as JSON",
                "Send the body with `Content-Type: application/json`.",
            ),
            Self::WrongKeyKind => (
                "wrong_key_kind",
                StatusCode::FORBIDDEN,
                "key of the wrong kind",
                "Keys show their kind: `rvl_admin_` the operator, `rvl_app_` the back end of an app, `rvl_user_` a user, `rvl_device_` a device.\nThe detail names the kind given and the kind wanted.",
            ),
        }
    }
}

/// A refusal, ready to be shown to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A refusal; `detail` says what is wrong with this request and what to do, and nothing that
    /// the asker must not know.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, retry_after: None }
    }

    /// A field that breaks its rule.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidField, detail).with_field(field)
    }

    /// A credential that cannot be used: what is wrong with it and what to do.
    pub fn credential_refused(diagnosis: Diagnosis, fault: &str, remedy: &str) -> Self {
        let detail = format!("{diagnosis}: {fault}; {remedy}");
        Self::new(ProblemCode::CredentialRefused, detail).with_field("file")
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
        self.field = Some(field.into());
        self
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

    /// What is wrong with this request, and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<Problem> for wire::Problem {
    fn from(problem: Problem) -> Self {
        Self {
            r#type: problem.code.documentation(),
            title: problem.code.title().to_owned(),
            status: problem.code.status().as_u16(),
            code: problem.code.as_str().to_owned(),
            detail: problem.detail,
            field: problem.field,
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, retry_after) = (self.code, self.retry_after);
        let mut response = (code.status(), Json(wire::Problem::from(self))).into_response();
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

/// The page `docs/problems.md`.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for code in ProblemCode::ALL {
        let (status, title) = (code.status().as_u16(), code.title());
        let section = format!("\n## {}\n\nHTTP {status}: {title}.\n", code.as_str());
        page.push_str(&section);
        page.push_str(code.about());
        page.push('\n');
    }
    page
}

const INTRODUCTION: &str = "\
# Problems

<!-- Written from crates/server/src/http/problem.rs; a test compares them. -->

Every refusal of the HTTP API is a problem in the shape of RFC 9457, with the media type `application/problem+json`; a refused `send` over the WebSocket carries the same object in `rejected`.

| field | meaning |
|---|---|
| `code` | the stable word for programs: the headings below |
| `title` | the kind of problem in a few words, the same for every problem of the code |
| `status` | the HTTP status |
| `detail` | what is wrong with this request, and what to do |
| `field` | the field at fault, where it is one |
| `type` | the link to the section below |

Programs should decide by `code`: texts change, and several codes share a status.
Where it helps to ask again, the header `Retry-After` says in how many seconds.
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http_body_util::BodyExt;

    use super::*;
    use crate::config::golden;
    use crate::secret::{KeyKind, KeyText};

    /// Status, headers and body as a client sees them.
    async fn seen(problem: Problem) -> (http::response::Parts, wire::Problem) {
        let (parts, body) = problem.into_response().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn the_page_is_what_the_table_says() {
        golden::check_page("problems.md", &page());
    }

    #[test]
    fn codes_are_words_in_alphabetical_order() {
        let words: Vec<_> = ProblemCode::ALL.map(ProblemCode::as_str).to_vec();
        let sorted: BTreeSet<_> = words.iter().copied().collect();
        assert_eq!(words, sorted.into_iter().collect::<Vec<_>>());
        for code in ProblemCode::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(!code.title().ends_with('.') && code.about().ends_with('.'), "{code:?}");
        }
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
                r#type: "docs/problems.md#invalid_field".into(),
                title: "a field breaks its rule".into(),
                status: 422,
                code: "invalid_field".into(),
                detail: "ttl is 3, less than 5; give 5 to 100".into(),
                field: Some("ttl".into()),
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
        assert_eq!(
            problem.detail(),
            "903 push certificate expired: the certificate \"Apple Push Services\" is past its end; make a new one"
        );
    }
}
