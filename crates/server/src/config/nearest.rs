//! The name somebody probably meant.

/// The candidate most like `typed`, if one is like it at all: the same key in another section, a
/// name that lacks its unit, or a few letters off.
pub(crate) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let closeness = |candidate: &str| {
        if last_part(candidate) == last_part(typed) || candidate.starts_with(&format!("{typed}_")) {
            return Some(0);
        }
        // A third of the letters may differ; beyond that a suggestion is a guess.
        let letters = typed.chars().count();
        let near = |distance: usize| distance * 3 <= letters.max(3);
        // What differs more in length alone, such as a whole file, need not be compared.
        let distance =
            near(letters.abs_diff(candidate.chars().count())).then(|| distance(typed, candidate));
        distance.filter(|distance| near(*distance))
    };
    candidates
        .into_iter()
        .filter_map(|candidate| closeness(candidate).map(|distance| (distance, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

fn last_part(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// How many letters must be changed, added or taken away (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant() {
        let names = ["data_dir", "listen", "log.level", "session.ping_interval_ms", "store.batch"];
        for (typed, expected) in [
            ("lisen", Some("listen")),
            ("ping_interval_ms", Some("session.ping_interval_ms")),
            ("session.ping_interval", Some("session.ping_interval_ms")),
            ("wake.batch", Some("store.batch")),
            ("data-dir", Some("data_dir")),
            ("colour", None),
            ("", None),
            (&"listen".repeat(10_000), None),
        ] {
            assert_eq!(nearest(typed, names), expected, "{typed}");
        }
    }

    #[test]
    fn distances() {
        for (left, right, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("listen", "silent", 4)]
        {
            assert_eq!(distance(left, right), expected);
            assert_eq!(distance(right, left), expected);
        }
    }
}
