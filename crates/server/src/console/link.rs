//! Names as a part of an address.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A name as one segment of a path, or the value of a parameter: users and devices are named by
/// any text.
pub(super) fn escaped(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// What has to be escaped in a segment of a path (RFC 3986, 2.3), so that ids stay as they are.
const NOT_OF_SEGMENTS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same of a whole path.
const NOT_OF_PATHS: &AsciiSet = &NOT_OF_SEGMENTS.remove(b'/');

/// A path of the API from its segments: what stands in an address of the console may be any text.
pub(super) fn api_path(segments: &[&str]) -> String {
    let mut path = "/v1".to_owned();
    for segment in segments {
        path.push('/');
        path.extend(utf8_percent_encode(segment, NOT_OF_SEGMENTS));
    }
    path
}

/// A whole path as the value of a parameter, still to be read by people.
pub(super) fn escaped_path(path: &str) -> String {
    utf8_percent_encode(path, NOT_OF_PATHS).to_string()
}

/// The part behind the path that asks for these; nothing for what is empty.
pub(super) fn asking(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&escaped(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_segment_and_one_value() {
        assert_eq!(escaped("a/b?c ü"), "a%2Fb%3Fc%20%C3%BC");
        assert_eq!(asking(&[("a", ""), ("b", "x y"), ("c", "1")]), "?b=x%20y&c=1");
        assert_eq!(asking(&[("a", "")]), "");
        assert_eq!(api_path(&["apps", "app_1", "a b/ü"]), "/v1/apps/app_1/a%20b%2F%C3%BC");
        assert_eq!(escaped_path("/a_b/c%20d?e=f&g"), "/a_b/c%2520d%3Fe%3Df%26g");
    }
}
