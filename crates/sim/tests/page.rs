//! `docs/simulators.md` names a test for each rule; one that is renamed takes the page along.

/// The page, and the files whose tests it names.
const PAGE: &str = include_str!("../../../docs/simulators.md");
const FILES: [(&str, &str); 21] = [
    ("apns", include_str!("apns.rs")),
    ("apns_broadcasts", include_str!("apns_broadcasts.rs")),
    ("apns_certificates", include_str!("apns_certificates.rs")),
    ("apns_faults", include_str!("apns_faults.rs")),
    ("apns_keys", include_str!("apns_keys.rs")),
    ("apns_limits", include_str!("apns_limits.rs")),
    ("apns_trouble", include_str!("apns_trouble.rs")),
    ("fcm", include_str!("fcm.rs")),
    ("fcm_oauth", include_str!("fcm_oauth.rs")),
    ("fcm_targets", include_str!("fcm_targets.rs")),
    ("fcm_trouble", include_str!("fcm_trouble.rs")),
    ("phone::network", include_str!("../src/phone/tests/network.rs")),
    ("phone::rules", include_str!("../src/phone/tests/rules.rs")),
    ("platform::android", include_str!("../src/platform/android.rs")),
    ("platform::doze", include_str!("../src/platform/doze.rs")),
    ("platform::ios", include_str!("../src/platform/ios.rs")),
    ("platform::waiting", include_str!("../src/platform/waiting.rs")),
    ("platform::web", include_str!("../src/platform/web.rs")),
    ("webpush", include_str!("webpush.rs")),
    ("webpush_faults", include_str!("webpush_faults.rs")),
    ("webpush_wire", include_str!("webpush_wire.rs")),
];

#[test]
fn every_test_that_the_page_names_exists() {
    let mut found = 0;
    for name in PAGE.split('`').skip(1).step_by(2) {
        let parts = ["apns", "fcm", "phone::", "platform::", "webpush"];
        let is_ours = |file: &str| parts.iter().any(|part| file.starts_with(part));
        let Some((file, test)) = name.rsplit_once("::").filter(|(file, _)| is_ours(file)) else {
            continue;
        };
        let text = FILES.iter().find(|(name, _)| *name == file).map(|(_, text)| *text);
        let text = text.unwrap_or_else(|| panic!("no file of tests {file}"));
        assert!(text.contains(&format!("fn {test}(")), "no test {name}");
        found += 1;
    }
    assert!(found > 80, "the page's tables were read: {found}");
}

#[test]
fn the_page_lists_every_kind_of_trouble() {
    let source = include_str!("../src/stand/order.rs");
    let kinds = source.split_once("enum Kind {").unwrap().1.split_once("\n}\n").unwrap().0;
    let variants = kinds.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?.split([' ', '{']).next()?;
        name.starts_with(char::is_uppercase).then_some(name)
    });
    let mut listed = 0;
    for variant in variants {
        let mut word = String::new();
        for letter in variant.chars() {
            if letter.is_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.extend(letter.to_lowercase());
        }
        assert!(PAGE.contains(&format!("`{word}`")), "{word} is missing");
        listed += 1;
    }
    assert!(listed > 10, "the kinds were read: {listed}");
}
