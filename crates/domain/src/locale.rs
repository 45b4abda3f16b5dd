//! Which of several languages a device is spoken to in.

use std::collections::BTreeMap;

/// The longest tag in bytes: RFC 5646, section 4.4.1, advises room for 35.
pub const LONGEST_TAG: usize = 35;

/// Whether it has the form of RFC 5646, section 2.1, as far as a lookup needs it: a language of
/// letters, then parts of letters and digits, with hyphens between.
pub fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    text.len() <= LONGEST_TAG
        && (2..=8).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// What there is for a device whose locale is `wanted`, by the lookup of RFC 4647 (section 3.4):
/// the value of its own tag first, then those of the tag cut from its end again and again. Letters'
/// case does not count.
///
/// The RFC stops at the first; here the next one may fill what it lacks.
pub fn lookup<'a, T>(
    wanted: &str,
    by_tag: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a T> + use<'a, T> {
    // Phones write `pt_BR` where BCP 47 has `pt-BR`.
    let mut range = wanted.replace('_', "-");
    std::iter::from_fn(move || {
        while !range.is_empty() {
            let found = by_tag.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(&range));
            range.truncate(shorter(&range).len());
            if let Some((_, value)) = found {
                return Some(value);
            }
        }
        None
    })
}

/// The tag without its last part, and without a single letter or digit that then stands last: it
/// only introduced what was cut.
fn shorter(tag: &str) -> &str {
    let (shorter, _) = tag.rsplit_once('-').unwrap_or_default();
    match shorter.rsplit_once('-') {
        Some((rest, last)) if last.len() == 1 => rest,
        _ => shorter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that is found for a locale, each value being its own tag.
    fn found(wanted: &str, available: &[&str]) -> Vec<String> {
        let by_tag: BTreeMap<_, _> =
            available.iter().map(|tag| ((*tag).to_owned(), (*tag).to_owned())).collect();
        lookup(wanted, &by_tag).cloned().collect()
    }

    #[test]
    fn a_tag_is_cut_from_its_end_until_one_fits() {
        // The example of RFC 4647, section 3.4.
        let all = [
            "zh-Hant-CN-x-private1-private2",
            "zh-Hant-CN-x-private1",
            "zh-Hant-CN-x",
            "zh-Hant-CN",
            "zh-Hant",
            "zh",
        ];
        let private = ["zh-Hant-CN-x-private1-private2", "zh-Hant-CN-x-private1"];
        let rest = ["zh-Hant-CN", "zh-Hant", "zh"];
        assert_eq!(found(all[0], &all), [&private[..], &rest].concat());
        for (wanted, available, expected) in [
            ("de", &["de", "en"][..], &["de"][..]),
            ("de-AT", &["de", "en"], &["de"]),
            ("de-AT", &["de", "de-AT", "de-CH"], &["de-AT", "de"]),
            ("de_AT", &["de", "de-AT"], &["de-AT", "de"]),
            ("DE-at", &["de-AT"], &["de-AT"]),
            ("de-at", &["DE"], &["DE"]),
            ("de-CH-1996", &["de-CH", "de"], &["de-CH", "de"]),
            // The `u` goes with what it introduces, and so does a digit.
            ("de-CH-u-co-phonebk", &["de-CH-u-co", "de-CH-u", "de-CH"], &["de-CH-u-co", "de-CH"]),
            ("en-a-bbb", &["en-a", "en"], &["en"]),
            ("en-1-bbb", &["en-1", "en"], &["en"]),
            ("zh-Hant-TW", &["zh-Hans", "zh-Hant", "zh"], &["zh-Hant", "zh"]),
            // A longer tag is another language, and so is one that only begins alike.
            ("de", &["de-AT"], &[]),
            ("den", &["de"], &[]),
            ("fr", &["de", "en"], &[]),
            ("fr", &[], &[]),
            // Nobody's locale finds nothing and ends.
            ("", &["de"], &[]),
            ("-", &["de"], &[]),
            ("--", &["de"], &[]),
            ("de-", &["de"], &["de"]),
            ("-de", &["de"], &[]),
            ("x-de", &["de"], &[]),
            ("de\u{e9}-AT", &["de"], &[]),
        ] {
            assert_eq!(found(wanted, available), expected, "{wanted} in {available:?}");
        }
    }

    #[test]
    fn tags_have_a_form() {
        for good in
            ["de", "de-AT", "zh-Hant-TW", "sl-rozaj-biske-1994", "de-CH-u-co-phonebk", "haw"]
        {
            assert!(is_tag(good), "{good}");
        }
        let long = format!("de{}", "-abcdefgh".repeat(4));
        for bad in
            ["", "-", "d", "de-", "-de", "de--AT", "de_AT", "de AT", "d1", "abcdefghi", "dé", &long]
        {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
