//! Announces the end of credentials, 30, 14, 7 and 1 days ahead.

use std::sync::Arc;
use std::time::Duration;

use domain::expiry;
use serde_json::{Value, json};
use store::model::Credential;

use crate::node::Node;
use crate::to_wire;

/// How often it looks: a day's announcement may be late by so much.
const PAUSE: Duration = Duration::from_secs(3_600);

/// Starts to look, now and every hour.
pub fn start(node: &Arc<Node>) {
    let watcher = Arc::clone(node);
    node.tasks.start("credential expiry", async move {
        loop {
            if let Err(error) = look(&watcher).await {
                tracing::warn!(%error, "credentials could not be looked at; the next look follows");
            }
            tokio::select! {
                () = watcher.tasks.stopped() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    });
}

/// Announces what is due.
///
/// # Errors
///
/// When the store fails.
pub async fn look(node: &Arc<Node>) -> Result<(), store::Error> {
    let now = node.clock.now();
    for credential in node.store.credentials(None).await? {
        let Some(not_after) = credential.not_after else { continue };
        let Some(days) = expiry::due(not_after, credential.announced, now) else { continue };
        let body = json!({
            "credential": credential.id.to_string(),
            "kind": credential.kind,
            "subject": subject(&credential),
            "not_after": to_wire::time(not_after),
            "days": days,
            "remedy": "Make a new certificate in Apple's developer portal and upload it beside this one; or use a .p8 key, which does not expire.",
        });
        if node.store.announce_expiry(credential.id, days, body, now).await? {
            tracing::warn!(
                app.id = %credential.app, credential.id = %credential.id, days,
                "a credential expires soon; upload another one"
            );
        }
    }
    Ok(())
}

/// The certificate's own name, for people.
fn subject(credential: &Credential) -> Option<Value> {
    let facts: Value = serde_json::from_str(&credential.facts).ok()?;
    facts.get("subject").cloned()
}

#[cfg(test)]
mod tests {
    use domain::{EventType, Time};
    use store::model::NewCredential;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    /// The example of the page.
    fn as_the_page_shows_it() -> Value {
        let page = include_str!("../../../../docs/webhooks.md");
        let (_, part) = page.split_once("### `credential.expiring`").unwrap();
        let example = part.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        serde_json::from_str(example).unwrap()
    }

    fn fields(data: &Value) -> Vec<&String> {
        data.as_object().unwrap().keys().collect()
    }

    #[tokio::test]
    async fn the_end_is_announced_once_a_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults().unwrap();
        config.data_dir = folder.path().to_owned();
        let start = Time::from_millis(1_800_000_000_000);
        let (clock, hand) = Clock::by_hand(start);
        let node = Node::start(config, clock, false).await.unwrap();
        let app = node.store.add_app("clinic".to_owned(), start).await.unwrap().id;
        let new = NewCredential {
            app,
            kind: "apns_certificate".to_owned(),
            facts: r#"{"subject": "Apple Push Services: com.example.app"}"#.to_owned(),
            sealed: vec![1],
            not_after: Some(start.plus(Duration::from_secs(40 * 86_400))),
            now: start,
        };
        node.store.add_credential(new).await.unwrap();
        let mut seen = Vec::new();
        let shown = as_the_page_shows_it();
        for day in 0..45 {
            hand.set(start.plus(Duration::from_secs(day * 86_400)));
            look(&node).await.unwrap();
            look(&node).await.unwrap();
            for event in node.store.events(app, seen.len().try_into().unwrap(), 9).await.unwrap() {
                assert_eq!(event.kind, EventType::CredentialExpiring);
                let body: Value = serde_json::from_str(&event.body).unwrap();
                assert_eq!(body["subject"], "Apple Push Services: com.example.app");
                assert_eq!(fields(&body), fields(&shown), "as docs/webhooks.md shows it");
                seen.push((day, body["days"].as_u64().unwrap()));
            }
        }
        assert_eq!(seen, [(10, 30), (26, 14), (33, 7), (39, 1)]);
        node.stop().await;
    }
}
