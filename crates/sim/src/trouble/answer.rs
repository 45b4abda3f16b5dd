//! What is said in place of a service's own judgement.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// An answer given in place of the service's own judgement.
#[derive(Clone, Debug)]
pub struct Scripted {
    /// Status to answer.
    pub status: StatusCode,
    /// Headers to answer; none is added.
    pub headers: HeaderMap,
    /// Body to answer, as it is.
    pub body: Bytes,
}

impl Scripted {
    /// An answer with an empty body.
    pub fn status(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// An answer with a body.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(status) }
    }

    /// An APNs refusal as Apple writes it: `{"reason":"…"}`.
    pub fn apns(status: StatusCode, reason: &str) -> Self {
        Self::new(status, serde_json::json!({ "reason": reason }).to_string())
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// An FCM refusal as Google writes it: `error_code` is the word of its FcmError.
    pub fn fcm(status: StatusCode, word: &str, error_code: Option<&str>) -> Self {
        let mut error =
            serde_json::json!({ "code": status.as_u16(), "status": word, "message": word });
        if let Some(error_code) = error_code {
            let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
            error["details"] = serde_json::json!([{ "@type": kind, "errorCode": error_code }]);
        }
        Self::new(status, serde_json::json!({ "error": error }).to_string())
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// The page that Google's front end answers with when the service behind it is away.
    pub fn front_end_502() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "<!DOCTYPE html><html><title>Error 502</title></html>")
            .header(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=UTF-8"),
            )
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// A GOAWAY to be sent.
#[derive(Clone, Debug)]
pub struct GoAway {
    /// HTTP/2 error code (RFC 9113, section 7); 0 is NO_ERROR, the one Apple sends.
    pub code: u32,
    /// Debug data; APNs puts `{"reason":"…"}` there.
    pub debug_data: Bytes,
}

impl GoAway {
    /// NO_ERROR with Apple's JSON reason.
    pub fn reason(reason: &str) -> Self {
        Self { code: 0, debug_data: serde_json::json!({ "reason": reason }).to_string().into() }
    }

    /// NO_ERROR without a reason.
    pub fn plain() -> Self {
        Self { code: 0, debug_data: Bytes::new() }
    }
}
