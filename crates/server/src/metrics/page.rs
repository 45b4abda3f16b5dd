//! The page `docs/metrics.md`, written from the tables.

use std::fmt::Write as _;

use super::table::{Found, Happened, Kind, Process, Row};

const INTRODUCTION: &str = "\
# Metrics

Written from the tables in `crates/server/src/metrics/table.rs`; do not edit by hand.

`GET /metrics` on `internal_listen`, `http://127.0.0.1:7301/metrics` unless configured otherwise, shows them in the text format of [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/), which Prometheus reads.
Whoever reaches that address may read them: keep it inside your own network.

```yaml
scrape_configs:
  - job_name: reveille
    static_configs:
      - targets: [\"127.0.0.1:7301\"]
```

What to alert on is in [operations.md](operations.md#what-to-alert-on).

The steps are those of [ARCHITECTURE.md](../ARCHITECTURE.md): 1 accept, 2 route, 3a session, 3b wake, 4 settle, 5 report.
`app` is the app's id, `provider` is `apns`, `fcm` or `webpush`, `code` is one of the [codes 901 to 913](push.md), `subject` is `message`, `call`, `push` (a direct push) or `broadcast`; `rung` is `background`, `alert`, `repeat` or `ring` for a wake, and the kind of a direct push.
No label has a user, a device or a text in it.
A series is there once something of it has happened.
";

/// The page.
fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let parts = [
        ("What happens", "Counted since the start of the process.", Happened::TABLE),
        ("What is there", "Read for each request.", Found::TABLE),
        (
            "The process",
            "Under the names that all of Prometheus' clients use; on Linux alone, but for the first.",
            Process::TABLE,
        ),
    ];
    for (title, about, table) in parts {
        let _ = write!(page, "\n## {title}\n\n{about}\n\n");
        page.push_str("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
        for Row { name, kind, labels, about } in table {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let (labels, kind) = (labels.join(", "), word(*kind));
            let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {about} |");
        }
    }
    page
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

#[test]
fn the_page_has_every_metric() {
    crate::config::golden::check_page("metrics.md", &page());
}

/// Whoever copies a name, or the rules, finds the metrics.
#[test]
fn handbook_and_rules_name_no_metric_that_is_not() {
    let texts = [
        include_str!("../../../../docs/operations.md"),
        include_str!("../../../../contrib/alerts.yml"),
    ];
    for text in texts {
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        let named: Vec<_> = words
            .filter(|word| word.starts_with("reveille_") || word.starts_with("process_"))
            .collect();
        assert!(named.len() > 10, "{} are named", named.len());
        for word in named {
            assert!(is_a_metric(word), "`{word}` is no metric");
        }
    }
}

fn is_a_metric(word: &str) -> bool {
    let mut all = [Happened::TABLE, Found::TABLE, Process::TABLE].into_iter().flatten();
    all.any(|row| match row.kind {
        Kind::Counter | Kind::Gauge => row.name == word,
        Kind::Histogram => {
            let suffix = word.strip_prefix(row.name);
            suffix.is_some_and(|suffix| ["", "_bucket", "_sum", "_count"].contains(&suffix))
        }
    })
}

/// Each rule is explained, and there is a rule for each explanation.
#[test]
fn the_handbook_has_the_rules() {
    let rules = include_str!("../../../../contrib/alerts.yml").lines();
    let rules: Vec<_> = rules.filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let handbook = include_str!("../../../../docs/operations.md").lines();
    let explained: Vec<_> = handbook
        .filter_map(|line| line.strip_prefix("| `Reveille")?.split_once('`'))
        .map(|(name, _)| format!("Reveille{name}"))
        .collect();
    assert_eq!(rules, explained);
}
