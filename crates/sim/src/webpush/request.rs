//! The headers of a push message: RFC 8030, section 5, and RFC 8188, section 2.

use http::{
    HeaderMap, HeaderName,
    header::{CONTENT_ENCODING, HeaderValue},
};
use jiff::{SignedDuration, Timestamp};

use super::answer::{Fault, Kind};
use crate::device::{Expiration, Priority};

/// What a `TTL` too large to be counted is taken for (RFC 9111, section 1.2.2).
const LARGEST_TTL_S: u32 = 1 << 31;
/// The longest `Topic` (RFC 8030, section 5.4).
const LONGEST_TOPIC: usize = 32;
/// Headers of the encodings before `aes128gcm`, which go with no body of it.
const OUTDATED: [&str; 2] = ["encryption", "crypto-key"];

/// What the headers say.
#[derive(Debug)]
pub(super) struct Push {
    /// For how long the service keeps it, in seconds: what was asked for, or the service's limit.
    pub(super) ttl_s: u32,
    pub(super) priority: Priority,
    pub(super) topic: Option<String>,
}

impl Push {
    /// Reads all headers but the authorization.
    pub(super) fn read(
        headers: &HeaderMap,
        has_body: bool,
        longest_ttl_s: Option<u32>,
    ) -> Result<Self, Fault> {
        let ttl_s = ttl(headers)?.min(longest_ttl_s.unwrap_or(u32::MAX));
        let priority = urgency(headers)?;
        let topic = topic(headers)?;
        encoding(headers, has_body)?;
        Ok(Self { ttl_s, priority, topic })
    }

    /// Until when it is kept.
    pub(super) fn expiration(&self, now: Timestamp) -> Expiration {
        if self.ttl_s == 0 {
            return Expiration::Never;
        }
        let end = now.saturating_add(SignedDuration::from_secs(self.ttl_s.into()));
        Expiration::Until(end.unwrap_or(Timestamp::MAX))
    }
}

/// Mandatory, so that no message waits longer than its sender thinks.
fn ttl(headers: &HeaderMap) -> Result<u32, Fault> {
    let fault = |why| Fault::new(Kind::Ttl, why);
    let value = single(headers, HeaderName::from_static("ttl"))
        .map_err(|Repeated| fault("the header TTL comes more than once"))?
        .ok_or_else(|| fault("the header TTL is missing"))?;
    let text = value.to_str().map_err(|_| fault("the header TTL is not a number of seconds"))?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.strip_prefix('-').is_some_and(digits) {
        return Err(Fault::new(Kind::TtlNegative, "the header TTL is negative"));
    }
    if !digits(text) {
        return Err(fault("the header TTL is not a number of seconds"));
    }
    // Only an overflow can fail now.
    Ok(text.parse().unwrap_or(LARGEST_TTL_S).min(LARGEST_TTL_S))
}

fn urgency(headers: &HeaderMap) -> Result<Priority, Fault> {
    let fault = |why| Fault::new(Kind::Urgency, why);
    let value = single(headers, HeaderName::from_static("urgency"))
        .map_err(|Repeated| fault("the header Urgency comes more than once"))?;
    match value.map(HeaderValue::as_bytes) {
        None | Some(b"normal") => Ok(Priority::Normal),
        Some(b"high") => Ok(Priority::High),
        Some(b"low" | b"very-low") => Ok(Priority::Low),
        Some(_) => Err(fault("the header Urgency is none of very-low, low, normal, high")),
    }
}

fn topic(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let fault = |why| Fault::new(Kind::Topic, why);
    let value = single(headers, HeaderName::from_static("topic"))
        .map_err(|Repeated| fault("the header Topic comes more than once"))?;
    let Some(value) = value else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.len() > LONGEST_TOPIC {
        return Err(fault("the header Topic is longer than 32 characters"));
    }
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || !text.bytes().all(base64url) {
        return Err(fault("the header Topic has characters outside of base64url, or none"));
    }
    Ok(Some(text.to_owned()))
}

/// A body is `aes128gcm`, once; no body has no encoding.
fn encoding(headers: &HeaderMap, has_body: bool) -> Result<(), Fault> {
    let fault = |why| Err(Fault::new(Kind::Encoding, why));
    let value = match single(headers, CONTENT_ENCODING) {
        Ok(value) => value.map(HeaderValue::as_bytes),
        Err(Repeated) => return fault("the header Content-Encoding comes more than once"),
    };
    match (value, has_body) {
        (None, false) => return Ok(()),
        (None, true) => return fault("the header Content-Encoding is missing"),
        (Some(_), false) => return fault("a Content-Encoding without a body"),
        (Some(b"aes128gcm"), true) => {}
        (Some(_), true) => return fault("the header Content-Encoding is not aes128gcm"),
    }
    if OUTDATED.iter().any(|name| headers.contains_key(*name)) {
        return fault("a header Encryption or Crypto-Key beside aes128gcm");
    }
    Ok(())
}

/// A header came more than once.
pub(super) struct Repeated;

/// A header that may come once.
pub(super) fn single(
    headers: &HeaderMap,
    name: HeaderName,
) -> Result<Option<&HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(Repeated) } else { Ok(value) }
}
