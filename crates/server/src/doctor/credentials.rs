//! Credentials, as their push services see them, and the push services themselves.

use std::collections::HashSet;
use std::sync::Arc;

use domain::explain::{ENDS_SOON, Verdict};
use domain::{Diagnosis, Outcome};
use futures_util::stream::{self, StreamExt};
use providers::Belief;
use store::model::Credential;
use wire::http::Check;

use super::Checked;
use crate::circuits::{CircuitKey, Place};
use crate::credentials::Probed;
use crate::node::Node;

/// Probes under way at once.
const AT_ONCE: usize = 8;

/// Looks at every credential, in each place where it is used.
pub(super) async fn check(node: &Arc<Node>) -> Result<Vec<Check>, store::Error> {
    let mut places = Vec::new();
    let mut checks = Vec::new();
    for credential in node.store.credentials(None).await? {
        if let Some(check) = by_itself(node, &credential) {
            checks.push(about(check, &credential, None));
            continue;
        }
        for place in node.clients.places(credential.app, credential.id) {
            places.push((credential.clone(), place));
        }
    }
    let probes = stream::iter(places).map(|(credential, place)| async move {
        let key = CircuitKey { credential: credential.id, place };
        let probed = node.clients.probe(credential.app, &key, node.clock.now()).await;
        (credential, key.place, probed)
    });
    let probed: Vec<_> = probes.buffered(AT_ONCE).collect().await;
    let (mut hosts, mut clocks) = (HashSet::new(), HashSet::new());
    for (credential, place, probed) in probed {
        let Some(probed) = probed else {
            let text = "Only a push to a device can tell whether it is taken.";
            let check = Checked::Credential.found(Verdict::Note, text, None);
            checks.push(about(check, &credential, Some(&place)));
            continue;
        };
        if hosts.insert(Arc::clone(&probed.host)) {
            checks.push(reach(&probed));
        }
        if let Some(theirs) = probed.date
            && clocks.insert(Arc::clone(&probed.host))
        {
            checks.push(super::clock(node.clock.now(), theirs, &probed.host));
        }
        checks.push(about(believed(&probed), &credential, Some(&place)));
    }
    Ok(checks)
}

/// What is wrong with it, or all there is to say, without asking anybody.
fn by_itself(node: &Node, credential: &Credential) -> Option<Check> {
    let failed = |text: &str, remedy: &str| {
        Some(Checked::Credential.found(Verdict::Failure, text, Some(remedy.to_owned())))
    };
    let now = node.clock.now();
    if credential.not_after.is_some_and(|end| end <= now) {
        return failed("It has expired (903).", "Upload another certificate, or a .p8 key.");
    }
    if !node.clients.is_open(credential.app, credential.id) {
        return failed(
            "It cannot be opened; the server's log says why.",
            "Start the server with the master key that sealed it, or upload the credential again.",
        );
    }
    if credential.not_after.is_some_and(|end| now.until(end) < ENDS_SOON) {
        let remedy = "Upload another certificate beside it, or a .p8 key, which does not end.";
        let text = "It ends within 30 days.";
        return Some(Checked::Credential.found(Verdict::Warning, text, Some(remedy.to_owned())));
    }
    node.clients.places(credential.app, credential.id).is_empty().then(|| {
        Checked::Credential.found(
            Verdict::Note,
            "It is in order; only a push to a browser can tell whether it is taken.",
            None,
        )
    })
}

/// Whether a push service was reached: whatever it answered, TLS and all before it held.
fn reach(probed: &Probed) -> Check {
    let check = match unreached(&probed.outcome) {
        None => Checked::Reach.ok("It is reached, and its certificate is trusted."),
        Some((text, remedy)) => Checked::Reach.found(Verdict::Failure, text, Some(remedy)),
    };
    Check { about: Some(probed.host.to_string()), ..check }
}

/// Why a push service gave no answer.
fn unreached(outcome: &Outcome) -> Option<(String, String)> {
    const USUAL: &str = "Check DNS, firewall and proxy (outbound.proxy_url) of this machine: APNs needs TCP 443 or 2197, FCM TCP 443 to fcm.googleapis.com and oauth2.googleapis.com.";
    match outcome {
        Outcome::Refused(refusal)
            if refusal.status.is_none() && refusal.diagnosis == Diagnosis::TemporarilyDisabled =>
        {
            let remedy = format!("{} {USUAL}", refusal.remedy);
            Some((format!("It is not reached: {}.", refusal.reason), remedy.trim().to_owned()))
        }
        Outcome::Unknown { detail } => {
            Some((format!("It gives no answer: {detail}."), USUAL.to_owned()))
        }
        Outcome::Refused(_) | Outcome::Accepted { .. } | Outcome::Withdrawn => None,
    }
}

/// What a push service thinks of a credential.
fn believed(probed: &Probed) -> Check {
    match &probed.belief {
        Belief::Believed => Checked::Credential.ok("The push service takes it."),
        Belief::Refused(refusal) => Checked::Credential.found(
            Verdict::Failure,
            format!(
                "The push service does not take it: {} ({}).",
                refusal.reason,
                refusal.diagnosis.code()
            ),
            Some(refusal.remedy.clone()),
        ),
        Belief::Unknown => Checked::Credential.found(
            Verdict::Warning,
            "Nobody knows whether the push service takes it: it did not say.",
            Some("Mend what keeps the push service from answering, and look again.".to_owned()),
        ),
    }
}

/// Whose check it is.
fn about(check: Check, credential: &Credential, place: Option<&Place>) -> Check {
    let place = place.map_or_else(String::new, |place| format!(", {}", place.name()));
    let about = format!("{} {} of {}{place}", credential.kind, credential.id, credential.app);
    Check { about: Some(about), ..check }
}
