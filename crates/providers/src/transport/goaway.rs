//! The debug data of a GOAWAY frame.
//!
//! APNs puts its reason there (`{"reason":"BadCertificateEnvironment"}`), often with NO_ERROR and
//! without answering any request. `h2` 0.4 keeps the bytes inside its error and shows them only in
//! the error's text, as `bytes` prints them: `connection error received: reason (b"…")`. This
//! module reads them back; a test against the real printer fails if that form ever changes.

use bytes::Bytes;

/// The debug data in the text of an `h2::Error` that came from a GOAWAY; empty if there is none.
pub(super) fn debug_data(error: &h2::Error) -> Bytes {
    if !error.is_go_away() {
        return Bytes::new();
    }
    debug_data_of(&error.to_string()).unwrap_or_default()
}

/// Finds and unescapes the `b"…"` in brackets at the end.
pub(super) fn debug_data_of(text: &str) -> Option<Bytes> {
    let (_, rest) = text.split_once("(b\"")?;
    unescape(rest.strip_suffix("\")")?)
}

/// Undoes the escapes that the `Debug` of `bytes::Bytes` writes.
fn unescape(text: &str) -> Option<Bytes> {
    let mut data = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            data.push(byte);
            continue;
        }
        data.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'x' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    Some(data.into())
}

/// The value of a hexadecimal digit.
fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reason_is_read_back() {
        let text =
            r#"connection error received: not a result of an error (b"{\"reason\":\"Shutdown\"}")"#;
        assert_eq!(debug_data_of(text).as_deref(), Some(&br#"{"reason":"Shutdown"}"#[..]));
        assert_eq!(debug_data_of("connection error received: protocol error"), None);
    }

    proptest! {
        #[test]
        fn what_bytes_prints_is_read_back(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let data = Bytes::from(data);
            let text = format!("connection error received: x ({data:?})");
            prop_assert_eq!(debug_data_of(&text), Some(data));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = debug_data_of(&text);
            let _ = unescape(&text);
        }
    }
}
