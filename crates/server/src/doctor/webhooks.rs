//! Endpoints of back ends: what became of their events, and whether their hosts are there.

use std::collections::HashMap;

use domain::explain::Verdict;
use futures_util::future::join_all;
use providers::Origin;
use store::model::{Webhook, WebhookCounts, WebhookState};
use wire::http::Check;

use super::Checked;
use super::reach::{Asker, Reached};
use crate::node::Node;

/// So many hosts are asked, all at once; those of the oldest endpoints.
const MOST_HOSTS: usize = 50;

/// Looks at every endpoint.
pub(super) async fn check(node: &Node) -> Result<Vec<Check>, store::Error> {
    let webhooks = node.store.webhooks(None).await?;
    let hosts = ask(node, &webhooks).await;
    let mut checks = Vec::new();
    for webhook in webhooks {
        let counts = node.store.webhook_counts(webhook.id).await?;
        let about = format!("{} of {}", webhook.id, webhook.app);
        let check = by_secret(node, &webhook).unwrap_or_else(|| by_deliveries(&webhook, &counts));
        checks.push(Check { about: Some(about.clone()), ..check });
        if webhook.state == WebhookState::On {
            checks.push(by_asking(&webhook, &about, &hosts));
        }
    }
    Ok(checks)
}

/// Asks the hosts of the endpoints that get events, each once.
async fn ask(node: &Node, webhooks: &[Webhook]) -> HashMap<Origin, Reached> {
    let mut hosts = Vec::new();
    for webhook in webhooks.iter().filter(|webhook| webhook.state == WebhookState::On) {
        let Ok(origin) = Origin::of_url(&webhook.url) else { continue };
        if hosts.len() < MOST_HOSTS && !hosts.contains(&origin) {
            hosts.push(origin);
        }
    }
    let asker = &Asker::new(node);
    let asked = hosts.into_iter().map(|origin| async move {
        let reached = asker.ask(&origin).await;
        (origin, reached)
    });
    join_all(asked).await.into_iter().collect()
}

fn by_asking(webhook: &Webhook, about: &str, hosts: &HashMap<Origin, Reached>) -> Check {
    // An endpoint is kept with a URL that was read.
    let origin = Origin::of_url(&webhook.url);
    let reached = origin.as_ref().ok().and_then(|origin| hosts.get(origin));
    let check = reached.map(|reached| reached.check(Checked::WebhookReach)).unwrap_or_else(|| {
        let text = format!("It was not asked: no more than {MOST_HOSTS} hosts are.");
        Checked::WebhookReach.found(Verdict::Note, text, None)
    });
    let at = origin.map_or_else(|_| String::new(), |origin| format!(", {origin}"));
    Check { about: Some(format!("{about}{at}")), ..check }
}

/// What is wrong with its secret, if anything is.
fn by_secret(node: &Node, webhook: &Webhook) -> Option<Check> {
    let failed = |text: &str| {
        let remedy =
            "Give it another with POST …/rotate, then switch it on with PATCH and enabled true.";
        Some(Checked::Webhook.found(Verdict::Failure, text, Some(remedy.to_owned())))
    };
    if webhook.secret.is_empty() {
        return failed("Its secret was lost with the master key, so it is switched off.");
    }
    let context = store::webhook_context(webhook.app);
    match node.master_key.open(&context, &webhook.secret) {
        Ok(_) => None,
        Err(_) => {
            failed("Its secret cannot be opened, so it gets nothing; the server's log says why.")
        }
    }
}

fn by_deliveries(webhook: &Webhook, counts: &WebhookCounts) -> Check {
    match webhook.state {
        WebhookState::Off => Checked::Webhook.found(Verdict::Note, "It is switched off.", None),
        WebhookState::Gone => Checked::Webhook.found(
            Verdict::Failure,
            "The endpoint said that it is gone (410), so it gets nothing any more.",
            Some("Correct its URL or delete it; switch it on again with PATCH and enabled true.".to_owned()),
        ),
        WebhookState::On if counts.parked > 0 => Checked::Webhook.found(
            Verdict::Warning,
            format!("{} events were tried for a day in vain.", counts.parked),
            Some("See why with GET …/deliveries?state=parked, mend the endpoint, and send them again with POST …/replay.".to_owned()),
        ),
        WebhookState::On if counts.waiting > 0 => Checked::Webhook.found(
            Verdict::Warning,
            format!("{} events were refused and are tried again.", counts.waiting),
            Some("See what the endpoint answers: GET …/deliveries?state=waiting.".to_owned()),
        ),
        WebhookState::On => Checked::Webhook.ok("It takes its events."),
    }
}
