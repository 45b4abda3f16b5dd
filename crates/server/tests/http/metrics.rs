//! What Prometheus reads, after a message has gone all the way to a phone that slept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use server::metrics::table::{Found, Happened, Kind, Process, Row};

use super::inbox::{ringing, step};
use super::rig::{Server, text};
use super::stage::Stage;

/// By this much the clock is set ahead between two steps: in the histograms that is above 30
/// seconds and up to 60, however slow the machine is.
const STEP: Duration = Duration::from_secs(45);

/// The samples of a page, by name and labels.
struct Page(BTreeMap<String, f64>);

impl Page {
    async fn of(server: &Server) -> Self {
        let answer = server.inside("/metrics").await;
        let media_type = answer.headers["content-type"].to_str().expect("text").to_owned();
        assert!(media_type.starts_with("application/openmetrics-text; version=1.0.0"));
        let page = text(&answer.is(200));
        assert!(page.ends_with("# EOF\n"), "{page}");
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        Self(
            samples
                .map(|sample| {
                    let (series, value) = sample.rsplit_once(' ').expect("a value");
                    (series.to_owned(), value.parse().expect("a number"))
                })
                .collect(),
        )
    }

    #[track_caller]
    fn has(&self, series: &str, value: f64) {
        assert_eq!(self.0.get(series), Some(&value), "{series} in {:#?}", self.0);
    }

    /// One observation, by the hand of the clock.
    #[track_caller]
    fn observed_a_step(&self, histogram: &str, labels: &str) {
        self.has(&format!("{histogram}_bucket{{le=\"30.0\",{labels}}}"), 0.0);
        self.has(&format!("{histogram}_bucket{{le=\"60.0\",{labels}}}"), 1.0);
        self.has(&format!("{histogram}_count{{{labels}}}"), 1.0);
    }
}

/// The row that a series belongs to, and the names of its labels.
fn row_of(series: &str) -> Option<(&'static Row, BTreeSet<String>)> {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
    let names = labels.map(|label| label.split('=').next().expect("a name").to_owned());
    let mut all = [Happened::TABLE, Found::TABLE, Process::TABLE].into_iter().flatten();
    let row = all.find(|row| match row.kind {
        Kind::Counter | Kind::Gauge => name == row.name,
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| name.strip_suffix(suffix) == Some(row.name)),
    })?;
    Some((row, names.filter(|name| name != "le").collect()))
}

#[tokio::test]
async fn a_message_is_measured_on_its_way_to_a_phone_that_slept() {
    let stage = Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    let slow = Some(json!({ "climb_after": 600 }));
    server.call(Method::PATCH, &settings, slow).await.is(200);
    let phone = server.device("alice", "phone").await;
    server.message("alice", json!("wake up")).await;
    let app = format!("app=\"{}\"", server.app.0);

    // Its wake waits for a push target, and that is part of the way.
    let page = Page::of(server).await;
    page.has(&format!("reveille_messages_accepted_total{{{app}}}"), 1.0);
    page.has(&format!("reveille_wakes_opened_total{{{app},subject=\"message\"}}"), 1.0);
    page.has("reveille_wakes_open{subject=\"message\",state=\"parked\"}", 1.0);
    page.has("reveille_sessions", 0.0);

    stage.hand.advance(STEP);
    stage.token(&phone).await;
    stage.pushed("accepted").await;
    let settled = "/v1/push-log?device=phone&step=wake&limit=1";
    server.until(settled, |log| log["items"][0]["reason"] == "climbing").await;
    let page = Page::of(server).await;
    let push = "subject=\"message\",provider=\"apns\",rung=\"background\",outcome=\"accepted\"";
    page.has(&format!("reveille_pushes_total{{{app},{push},code=\"\"}}"), 1.0);
    page.observed_a_step(
        "reveille_accept_to_wire_seconds",
        "subject=\"message\",provider=\"apns\"",
    );
    page.has("reveille_wire_to_answer_seconds_count{provider=\"apns\"}", 1.0);
    page.has("reveille_wakes_open{subject=\"message\",state=\"later\"}", 1.0);
    page.has(
        "reveille_circuits_open{app=\"app_1\",credential=\"crd_1\",place=\"apns_production\"}",
        0.0,
    );

    stage.hand.advance(STEP);
    let connect = json!({
        "device": { "id": "phone", "platform": "ios" }, "device_secret": phone.secret,
    });
    let (mut session, _) = server.session_with("alice", connect).await;
    let message = session.hear().await;
    let page = Page::of(server).await;
    page.observed_a_step("reveille_push_to_connected_seconds", "platform=\"ios\"");
    page.has("reveille_sessions", 1.0);

    stage.hand.advance(STEP);
    session
        .say(json!({ "type": "ack", "position": message["position"], "entry": message["entry"] }))
        .await;
    let acked = "/v1/push-log?device=phone&step=session&limit=1";
    server.until(acked, |log| log["items"][0]["reason"] == "acked").await;
    session.leave().await;
    server.until(acked, |log| log["items"][0]["reason"] == "disconnected").await;
    let page = Page::of(server).await;
    page.observed_a_step("reveille_connected_to_drained_seconds", "platform=\"ios\"");
    let closed = format!("{app},subject=\"message\",reason=\"acked\"");
    page.has(&format!("reveille_wakes_closed_total{{{closed}}}"), 1.0);
    page.has(&format!("reveille_entries_delivered_total{{{app}}}"), 1.0);
    page.has(&format!("reveille_sessions_ended_total{{{app},reason=\"disconnected\"}}"), 2.0);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_push_that_was_refused_is_counted_by_its_code() {
    let stage = Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    let token = "ab".repeat(32);
    let target = json!({ "kind": "apns", "token": token, "environment": "production" });
    let push = server.push(json!({ "to": { "targets": [target] } })).await;
    let path = format!("/v1/pushes/{push}");
    server.until(&path, |push| push["state"] == "done").await;
    let page = Page::of(server).await;
    let refused =
        "subject=\"push\",provider=\"apns\",rung=\"alert\",outcome=\"refused\",code=\"911\"";
    page.has(&format!("reveille_pushes_total{{app=\"{}\",{refused}}}", server.app.0), 1.0);
    page.has(
        "reveille_http_requests_total{method=\"POST\",route=\"/v1/pushes\",status=\"202\"}",
        1.0,
    );
    stage.server.stop().await;
}

#[tokio::test]
async fn calls_are_counted_by_how_they_end() {
    let server = Server::start().await;
    let (_caller, callee, call) = ringing(&server).await;
    step(&server, &callee, &call, "ringing", None).await.is(204);
    let page = Page::of(&server).await;
    let app = format!("app=\"{}\"", server.app.0);
    page.has(&format!("reveille_calls_started_total{{{app}}}"), 1.0);
    page.has("reveille_calls_open", 1.0);
    step(&server, &callee, &call, "reject", None).await.is(204);
    let page = Page::of(&server).await;
    page.has(&format!("reveille_calls_ended_total{{{app},reason=\"declined\"}}"), 1.0);
    page.has("reveille_calls_open", 0.0);
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_what_the_table_says() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    server.target(&phone, "apns", &"ab".repeat(32)).await;
    let (session, _) = server.session("bob", "tablet").await;
    server.message("alice", json!("hello")).await;
    server.push(json!({ "to": { "users": ["alice"] } })).await;
    let page = text(&server.inside("/metrics").await.is(200));
    let series = page.lines().filter(|line| !line.starts_with('#'));
    let mut rows = BTreeSet::new();
    for series in series.map(|sample| sample.rsplit_once(' ').expect("a value").0) {
        let (row, labels) = row_of(series).unwrap_or_else(|| panic!("{series} is in no table"));
        // OpenMetrics speaks of a counter without its suffix.
        let family = row.name.trim_end_matches("_total");
        assert!(page.contains(&format!("# HELP {family} {}.\n", row.about)), "{series}");
        rows.insert(row.name);
        let told: BTreeSet<String> = row.labels.iter().map(|&label| label.to_owned()).collect();
        assert_eq!(labels, told, "{series}");
        assert!(
            !["alice", "bob", "phone", "tablet"].iter().any(|name| series.contains(name)),
            "{series}"
        );
    }
    // All but what waits for a push service's answer, or belongs to a credential or a webhook.
    assert!(rows.len() >= 25, "{rows:?}");
    session.leave().await;
    server.stop().await;
}

#[tokio::test]
async fn each_address_has_its_own_routes() {
    let server = Server::start().await;
    server.inside("/healthz").await.is(200);
    server.inside("/v1/none").await.refused(404, "not_found", None);
    server.call(Method::GET, "/metrics", None).await.refused(404, "not_found", None);
    let posted: Value = server.call(Method::POST, "/healthz", None).await.body;
    assert_eq!(posted["code"], "method_not_allowed", "{posted}");
    server.stop().await;
}
