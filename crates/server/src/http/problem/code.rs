//! The table of problems: word, status, title, and what to do; and the page written from it.

use http::StatusCode;

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
    NoTarget,
    NotFound,
    PushRefused,
    RateLimited,
    StorageFull,
    TokenExpired,
    TooManyRecipients,
    Unauthorized,
    Unavailable,
    UnknownUser,
    UnsupportedMediaType,
    UpgradeRequired,
    WrongKeyKind,
}

impl ProblemCode {
    /// Every code, by name.
    pub const ALL: [Self; 24] = [
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
        Self::NoTarget,
        Self::NotFound,
        Self::PushRefused,
        Self::RateLimited,
        Self::StorageFull,
        Self::TokenExpired,
        Self::TooManyRecipients,
        Self::Unauthorized,
        Self::Unavailable,
        Self::UnknownUser,
        Self::UnsupportedMediaType,
        Self::UpgradeRequired,
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
                "The uploaded file cannot be used for pushes.\nThe detail begins with a diagnosis code: 903 it has expired, 904 it is damaged, the wrong file or without its key, 905 it is for the sandbox alone and the app sends everything to production, 912 it belongs to another app than was said.",
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "not allowed",
                "The key is valid and may not do this, or the page is of an origin that is not allowed.\nUse the key of the right app, or a user token with the right to send; an origin is allowed by the option `allowed_origins`.",
            ),
            Self::IdReused => (
                "id_reused",
                // The status that the draft of the header Idempotency-Key gives a key that comes
                // again with another request: draft-ietf-httpapi-idempotency-key-header, 2.7.
                StatusCode::UNPROCESSABLE_ENTITY,
                "id used for another message",
                "The same id came before with another recipient or another content, and that message or push was accepted.\nGive every message and push an id of its own, and resend it unchanged.",
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
            Self::NoTarget => (
                "no_target",
                StatusCode::CONFLICT,
                "no push target",
                "Nobody who is named has a push target that could carry the push.\nA device has one once its app has registered its push token.",
            ),
            Self::NotFound => (
                "not_found",
                StatusCode::NOT_FOUND,
                "not found",
                "There is no such path, or nothing of that id in the app that the key belongs to.",
            ),
            Self::PushRefused => (
                "push_refused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "push refused",
                "A push service would refuse the push as it would be sent: it is too large, or an override breaks a rule of the service.\nThe detail begins with the diagnosis code 913 and names the push service; `field` names what to make smaller, or the override.",
            ),
            Self::RateLimited => (
                "rate_limited",
                StatusCode::TOO_MANY_REQUESTS,
                "too many in a short time",
                "A user did more of it in a minute than the server's operator allows; the limits are the options under `rate`.\nSend again after the pause that is given, with the same id: nothing was stored.\nOr this address has shown too many keys, tokens or secrets that are not good: a good one passes, and after the pause it is told again what is wrong with the others.",
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
                "A message goes to no more users than the limit that `connected` lists, a direct push to no more than 1000 users, devices and targets.\nSend it in parts, each with an id of its own.",
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
            Self::UpgradeRequired => (
                "upgrade_required",
                StatusCode::UPGRADE_REQUIRED,
                "not asked as a WebSocket",
                "The path is the WebSocket's door, and the request is none of a WebSocket client.\nConnect with one, and ask for the sub-protocol `reveille.v1`.",
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
| `diagnosis` | of what belongs to a push: the diagnosis code, 901 to 913, as the push log has it |
| `type` | the link to the section below |

Programs should decide by `code`: texts change, and several codes share a status.
What a push says, who its targets are and with which credential it goes is checked before anything is stored or sent; a refusal of a field of it has `diagnosis` 913, or a closer one: 911 for a token that is none, 912 for a target of another app than the credentials', 901 for a browser's push service that the operator does not allow.
Where it helps to ask again, the header `Retry-After` says in how many seconds.
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::golden;

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
}
