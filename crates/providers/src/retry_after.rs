//! The `Retry-After` header (RFC 9110, section 10.2.3): seconds or a date; and the dates of HTTP.

use std::time::Duration;

use domain::Time;
use http::{HeaderMap, header::RETRY_AFTER};
use jiff::civil::DateTime;
use jiff::fmt::{rfc2822::DateTimeParser, strtime};
use jiff::tz::TimeZone;

/// No provider's pause is believed beyond this; a longer one is a mistake or a broken clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the answer asks to wait, if it says so in a form that can be read; at most a day.
pub(crate) fn retry_after(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => now.until(http_date(text)?),
    };
    // A pause of nothing is a date in the past, by a clock that is wrong here or there.
    Some(pause.min(LONGEST)).filter(|pause| !pause.is_zero())
}

/// A date in any of the three forms that a recipient must take (RFC 9110, section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<Time> {
    let obsolete = |form| {
        let date: DateTime = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        TimeZone::UTC.to_timestamp(date).ok()
    };
    let date = DateTimeParser::new().parse_timestamp(text).ok();
    let date = date
        .or_else(|| obsolete("%A, %d-%b-%y %H:%M:%S GMT"))
        .or_else(|| obsolete("%a %b %e %H:%M:%S %Y"))?;
    Some(Time::from_millis(date.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, now: Time, expected: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("test text is visible"));
        assert_eq!(retry_after(&headers, now), expected, "{text}");
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let now = Time::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
        check("120", now, Some(Duration::from_secs(120)));
        check(" 1 ", now, Some(Duration::from_secs(1)));
        check("0", now, None);
        check("Sun, 06 Nov 1994 08:50:37 GMT", now, Some(Duration::from_secs(60)));
        check("Sun, 06 Nov 1994 08:00:00 GMT", now, None);
        // The obsolete forms: RFC 850's and that of C's asctime.
        check("Sunday, 06-Nov-94 08:50:37 GMT", now, Some(Duration::from_secs(60)));
        check("Sun Nov  6 08:50:37 1994", now, Some(Duration::from_secs(60)));
        check("99999999999999", now, Some(LONGEST));
        check("-5", now, None);
        check("soon", now, None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    proptest! {
        #[test]
        fn never_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            text in "(Sun)?(day)?,? ?[0-9]{1,2}[- ]Nov[- ][0-9]{1,6} [0-9:]{0,10} ?(GMT|[-+][0-9]{4})?",
            now: i64,
        ) {
            let _ = http_date(&text);
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(RETRY_AFTER, value);
                let pause = retry_after(&headers, Time::from_micros(now));
                prop_assert!(pause.is_none_or(|pause| pause <= LONGEST));
            }
        }
    }
}
