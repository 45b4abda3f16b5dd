//! Which of several languages a device is spoken to in.

/// The best of the locales `available` for a device whose locale is `wanted`, as RFC 4647 (section
/// 3.4, lookup) has it: the same tag, else the tag cut from its end until one fits. Letters' case
/// does not count.
pub fn lookup<'a>(
    wanted: &str,
    available: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    // Phones write `pt_BR` where BCP 47 has `pt-BR`.
    let wanted = wanted.replace('_', "-");
    let mut range = wanted.as_str();
    while !range.is_empty() {
        let found = available.clone().find(|tag| tag.eq_ignore_ascii_case(range));
        if found.is_some() {
            return found;
        }
        range = match range.rsplit_once('-') {
            // A single letter begins an extension and means nothing alone.
            Some((rest, _)) => match rest.rsplit_once('-') {
                Some((shorter, letter)) if letter.len() == 1 => shorter,
                _ => rest,
            },
            None => "",
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_cut_from_its_end_until_one_fits() {
        let table = [
            ("de", &["de", "en"][..], Some("de")),
            ("de-AT", &["de", "en"], Some("de")),
            ("de_AT", &["de", "de-AT"], Some("de-AT")),
            ("DE-at", &["de-AT"], Some("de-AT")),
            ("zh-Hant-TW", &["zh-Hans", "zh-Hant"], Some("zh-Hant")),
            ("en-a-bbb", &["en"], Some("en")),
            ("fr", &["de", "en"], None),
            ("de", &["de-AT"], None),
            ("", &["de"], None),
            ("-", &["de"], None),
        ];
        for (wanted, available, expected) in table {
            let found = lookup(wanted, available.iter().copied());
            assert_eq!(found, expected, "{wanted} in {available:?}");
        }
    }
}
