//! For each rule, code that breaks it and code that comes close and does not.

use super::{RULES, Rule};
use crate::tidy::source::Source;

/// A rule's name, a path, code that breaks it there, and code that does not.
const SAMPLES: &[(&str, &str, &str, &str)] = &[
    (
        "domain-clock",
        "crates/domain/src/wake.rs",
        "let now = std::time::Instant::now();",
        "fn due(instant: Time) -> Duration {}",
    ),
    (
        "domain-async",
        "crates/domain/src/wake.rs",
        "pub async fn claim() {}",
        "/// Not async.\npub fn claim() {}",
    ),
    (
        "domain-serde",
        "crates/domain/src/wake.rs",
        "#[derive(Serialize)]",
        "#[derive(Debug)] // no Serialize",
    ),
    (
        "domain-io",
        "crates/domain/src/wake.rs",
        "use std::{env, fs};",
        "use std::{fmt, time::Duration};",
    ),
    (
        "wall-clock",
        "crates/store/src/lib.rs",
        "let now = jiff::Timestamp::now();",
        "let now = Timestamp::from_second(1);",
    ),
    (
        "monotonic-clock",
        "crates/server/src/wake.rs",
        "let started = tokio::time::Instant::now();",
        "let started: Instant = clock.instant();",
    ),
    (
        "detached-task",
        "crates/server/src/session.rs",
        "use tokio::{spawn, time};",
        "tasks.spawn(run()); tokio::task::spawn_blocking(f).await",
    ),
    (
        "environment",
        "crates/server/src/lib.rs",
        "std::env::var(\"HOME\")",
        "env!(\"CARGO_PKG_VERSION\")",
    ),
    (
        "loose-route",
        "crates/server/src/http/mod.rs",
        "Router::new().route(\"/v1/new\", get(new))",
        "fn router() -> Router<Arc<Node>> { routes::router().with_state(node) }",
    ),
    (
        "http-status",
        "crates/store/src/lib.rs",
        "use http::StatusCode;",
        "let status: u16 = answer.status;",
    ),
    (
        "outgoing",
        "crates/server/src/webhooks.rs",
        "let stream = tokio::net::TcpStream::connect(address).await?;",
        "use tokio::net::{TcpListener, TcpStream}; let (stream, _) = listener.accept().await?;",
    ),
    (
        "loose-errors",
        "crates/server/src/session.rs",
        "fn run() -> anyhow::Result<()> {}",
        "fn run() -> Result<(), Error> {}",
    ),
    (
        "global-crypto",
        "crates/server/tests/main.rs",
        "aws_lc_rs::default_provider().install_default()",
        "ServerConfig::builder_with_provider(provider)",
    ),
    (
        "global-state",
        "crates/server/src/session.rs",
        "static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);",
        "const LIMIT: usize = 1;",
    ),
    ("allow-attribute", "crates/wire/src/lib.rs", "#[allow(dead_code)]", "#[expect(dead_code)]"),
    ("unfinished", "crates/wire/src/lib.rs", "fn a() { todo!() }", "fn a() {} // todo!()"),
    ("module-name", "crates/wire/src/lib.rs", "pub(crate) mod utils;", "mod utility_bill;"),
    (
        "silenced-test",
        "crates/wire/src/lib.rs",
        "#[ignore = \"slow\"]",
        "#[expect(unused, reason = \"#[ignore]\")]",
    ),
    (
        "sleeping-test",
        "crates/server/tests/main.rs",
        "use tokio::time::{sleep, timeout};",
        "phone.sleep(); tokio::time::timeout(LIMIT, phone.woken()).await",
    ),
];

#[test]
fn every_rule_finds_its_bad_sample_and_only_that() {
    for &(name, path, bad, fine) in SAMPLES {
        let rule = rule(name);
        assert!(breaks(rule, path, bad), "{name} does not find: {bad}");
        assert!(!breaks(rule, path, fine), "{name} finds wrongly: {fine}");
    }
}

#[test]
fn every_rule_has_a_sample() {
    for rule in RULES {
        let covered = SAMPLES.iter().any(|(name, ..)| *name == rule.name);
        assert!(covered, "add a sample for {} to samples.rs", rule.name);
    }
}

#[test]
fn every_word_of_every_rule_is_found() {
    for rule in RULES {
        let path = SAMPLES.iter().find(|(name, ..)| *name == rule.name).expect("tested above").1;
        for word in rule.words {
            assert!(breaks(rule, path, word), "{}: {word}", rule.name);
        }
    }
}

#[test]
fn homes_and_exceptions_lie_where_the_rule_holds() {
    for rule in RULES {
        let places = rule.except.iter().map(|except| except.path).chain(rule.home.iter().copied());
        for place in places {
            let within = rule.from.iter().any(|from| place.starts_with(from));
            assert!(within, "{}: {place} lies outside of the rule", rule.name);
        }
    }
}

fn rule(name: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.name == name).expect("a sample names a rule that exists")
}

fn breaks(rule: &Rule, path: &str, code: &str) -> bool {
    let source = Source::new(path.to_owned(), code.to_owned());
    rule.covers(path) && !rule.breaches(&source).is_empty()
}
