//! The spans of the log: the steps of a message's way, by their numbers, in the order in which it
//! takes them.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::set_default;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::stage::Stage;

/// A span with its fields, and the names of those around it.
#[derive(Clone, Debug, Default)]
struct Opened {
    name: &'static str,
    fields: Vec<(&'static str, String)>,
    inside: Vec<&'static str>,
}

impl Opened {
    fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        field.map(|(_, value)| value.as_str())
    }
}

impl Visit for Opened {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.push((field.name(), format!("{value:?}").trim_matches('"').to_owned()));
    }
}

/// Every span that was opened.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Opened>>>);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut opened = Opened { name: attributes.metadata().name(), ..Opened::default() };
        attributes.record(&mut opened);
        let scope = context.span_scope(id).into_iter().flatten().skip(1);
        opened.inside = scope.map(|span| span.name()).collect();
        self.0.lock().expect("no test panicked").push(opened);
    }
}

impl Spans {
    fn of_step(&self, step: &str) -> Vec<Opened> {
        let all = self.0.lock().expect("no test panicked").clone();
        all.into_iter().filter(|span| span.field("step") == Some(step)).collect()
    }
}

#[tokio::test]
async fn the_spans_of_a_message_have_the_numbers_of_its_steps() {
    let spans = Spans::default();
    // The server's tasks run on the thread of this test.
    let _subscriber = set_default(Registry::default().with(spans.clone()));
    let stage = Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    let phone = server.device("alice", "phone").await;
    stage.token(&phone).await;
    server.message("alice", json!("wake up")).await;
    stage.pushed("accepted").await;
    let settled = "/v1/push-log?device=phone&step=wake&limit=1";
    server.until(settled, |log| log["items"][0]["reason"] == "climbing").await;
    let connect = json!({
        "device": { "id": "phone", "platform": "ios" }, "device_secret": phone.secret,
    });
    let (mut session, _) = server.session_with("alice", connect).await;
    assert_eq!(session.hear().await["type"], "message");

    let app = server.app.0.as_str();
    let accept = spans.of_step("1");
    assert_eq!((accept.len(), accept[0].name, accept[0].field("app.id")), (1, "accept", Some(app)));
    assert_eq!(accept[0].inside, ["request"], "it is part of the request that brought it");
    assert_eq!(spans.of_step("2")[0].name, "route");
    let wake = &spans.of_step("3b")[0];
    assert_eq!((wake.name, wake.field("app.id")), ("wake", Some(app)));
    let (device, id) = (wake.field("device.id").unwrap(), wake.field("wake.id").unwrap());
    assert!(id.starts_with("wak_"), "{id}");
    // Born claimed: it is part of what called for it.
    assert_eq!(spans.of_step("4")[0].inside, ["wake", "accept", "request"]);
    let sessions = spans.of_step("3a");
    let session_span = sessions.last().unwrap();
    assert_eq!((session_span.name, session_span.field("device.id")), ("session", Some(device)));
    let reports = spans.of_step("5");
    let reported: Vec<_> = reports.iter().filter_map(|report| report.field("reason")).collect();
    for reason in ["accepted", "claimed", "climbing", "connected", "delivered"] {
        assert!(reported.contains(&reason), "{reported:?}");
    }
    assert!(reports.iter().any(|report| report.inside.contains(&"wake")));
    for span in spans.0.lock().unwrap().iter() {
        for (field, value) in &span.fields {
            assert!(!value.contains("alice") && value != "phone", "{}: {field}={value}", span.name);
        }
    }
    session.leave().await;
    server.call(Method::GET, "/readyz", None).await.is(200);
    stage.server.stop().await;
}
