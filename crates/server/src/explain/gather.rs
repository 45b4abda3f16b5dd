//! What is known of a device, from everywhere.

use std::time::Duration;

use domain::explain::{CredentialHealth, Facts, LastPush, Link, Seen, TargetFacts, Woken};
use domain::{Diagnosis, Environment, Router, TargetKind, Time};
use serde_json::Value;
use store::log::{Query, Record, Step};
use store::model::{Device, DeviceIdentity, Target};

use super::Look;
use crate::circuits::Place;
use crate::credentials::{Chosen, Traffic};

/// So many records of a device are looked at: more than a wake with all its repeats leaves.
const RECORDS: usize = 300;

/// The facts, and what only the sentences need.
pub(super) struct Gathered {
    pub(super) facts: Facts,
    /// Its user.
    pub(super) user: String,
    /// The target that carries its messages.
    pub(super) target: Option<Target>,
    /// Which of Apple's environments its token goes to.
    pub(super) environment: Option<Environment>,
    /// What the refusal before sending says to do.
    pub(super) unsent: Option<String>,
    /// The credential, by its kind and id.
    pub(super) credential: Option<String>,
    /// What the last refused push said to do.
    pub(super) refused: Option<(u16, String, String)>,
    /// The problem that a woken app met.
    pub(super) woken_problem: Option<String>,
}

/// Gathers them.
pub(super) async fn facts(
    look: &Look<'_>,
    device: &Device,
    identity: &DeviceIdentity,
) -> Result<Gathered, store::Error> {
    let node = look.node;
    let kinds: Vec<TargetKind> = device.targets.iter().map(|target| target.kind).collect();
    let policy = &look.settings.policy;
    let router = Router { ios: policy.ios_route, apns: node.clients.has_apns(look.app) };
    let carries = router.messages(device.platform, &kinds);
    let target = device.targets.iter().find(|target| Some(target.kind) == carries).cloned();
    let mut gathered = Gathered {
        facts: Facts {
            push_enabled: policy.push_enabled,
            platform: device.platform,
            session: match (device.live, device.suspect) {
                (true, _) => Link::Live,
                (false, true) => Link::Suspect,
                (false, false) => Link::None,
            },
            last_seen_at: device.last_seen_at,
            targets: kinds,
            target: None,
            seen: Seen::default(),
            wake: device.wakes.iter().find(|open| !open.call).map(|open| open.wake.clone()),
            is_behind: is_behind(look, identity).await?,
        },
        user: identity.user.clone(),
        target: None,
        environment: None,
        unsent: None,
        credential: None,
        refused: None,
        woken_problem: None,
    };
    if let Some(target) = target {
        carried(look, target, &mut gathered);
    }
    let query = Query { device: Some(device.number), limit: RECORDS, ..Query::of(look.app) };
    for record in &node.log.query(query).await?.records {
        note(record, look.now, &mut gathered);
    }
    Ok(gathered)
}

async fn is_behind(look: &Look<'_>, identity: &DeviceIdentity) -> Result<bool, store::Error> {
    let read = look.node.store.read(identity.inbox, identity.cursor, 0, look.now).await?;
    Ok(read.is_some_and(|read| read.head > identity.cursor))
}

/// The credential that would carry a push to this target now.
fn carried(look: &Look<'_>, target: Target, gathered: &mut Gathered) {
    let (node, settings) = (look.node, &look.settings);
    let chosen = node.clients.choose(&node.circuits, &target, look.app, settings, Traffic::Wake);
    let credential = match chosen {
        Err(refusal) => {
            gathered.unsent = Some(refusal.remedy);
            Err(refusal.diagnosis)
        }
        Ok(Chosen { circuit, .. }) => {
            if let Place::Apns(environment) = circuit.place {
                gathered.environment = Some(environment);
            }
            let stored = look.credentials.get(&circuit.credential);
            gathered.credential =
                stored.map(|stored| format!("{} {}", stored.kind, circuit.credential));
            let known = node.circuits.facts(&circuit, look.now);
            Ok(CredentialHealth {
                open: node.circuits.open(&circuit).map(|open| open.diagnosis),
                believed_at: known.believed_at.max(stored.and_then(|stored| stored.believed_at)),
                in_mass_failure: known.in_mass_failure,
                not_after: stored.and_then(|stored| stored.not_after),
            })
        }
    };
    gathered.facts.target =
        Some(TargetFacts { kind: target.kind, suspect_since: target.suspect_since, credential });
    gathered.target = Some(target);
}

/// What one record of the push log says; the newest come first.
fn note(record: &Record, now: Time, gathered: &mut Gathered) {
    let detail: Value = record
        .detail
        .as_deref()
        .and_then(|detail| serde_json::from_str(detail).ok())
        .unwrap_or_default();
    match record.step {
        Step::Session => session(record, &detail, gathered),
        Step::Push => push(record, &detail, now, gathered),
        Step::Settle if record.reason == "token_dropped" => {
            gathered.facts.seen.token_dropped_at.get_or_insert(record.at);
        }
        Step::Settle | Step::Accept | Step::Route | Step::Wake => {}
    }
}

fn session(record: &Record, detail: &Value, gathered: &mut Gathered) {
    let seen = &mut gathered.facts.seen;
    let how = match &*record.reason {
        "woken" => Some(Woken::Well),
        "woken_but_refused" => Some(Woken::Refused),
        "woken_late" => Some(Woken::Late),
        "woken_demoted" => Some(Woken::Demoted),
        _ => None,
    };
    if let Some(how) = how
        && seen.woken.is_none()
    {
        seen.woken = Some((record.at, how));
        let problem = detail.get("problem").and_then(Value::as_str);
        gathered.woken_problem = problem.map(str::to_owned);
    }
    match &*record.reason {
        // What the server does, or notices, is no sign of life.
        "closed" | "disconnected" | "suspect" | "read" => return,
        "delivered" => {
            // Over a socket it is the server that writes; by HTTP it was asked to.
            if detail.get("by").is_none() {
                return;
            }
            seen.read_at.get_or_insert(record.at);
        }
        "acked" => {
            seen.acked_at.get_or_insert(record.at);
        }
        _ => {}
    }
    seen.life_at.get_or_insert(record.at);
}

fn push(record: &Record, detail: &Value, now: Time, gathered: &mut Gathered) {
    let seen = &mut gathered.facts.seen;
    let text = |field: &str| detail.get(field).and_then(Value::as_str).unwrap_or_default();
    let last = match &*record.reason {
        // A direct push is shown, and nobody is asked to come: silence after it means nothing.
        "accepted" if record.wake.is_none() => return,
        "accepted" => {
            let recent = now.since(record.at) < Duration::from_secs(3_600);
            if recent && text("rung") == "background" {
                seen.background_last_hour += 1;
            }
            LastPush::Taken
        }
        "refused" => {
            let code = record.code.and_then(Diagnosis::from_code);
            LastPush::Refused(code.unwrap_or(Diagnosis::TemporarilyDisabled))
        }
        "unknown" => LastPush::Unknown,
        // Nothing was sent.
        _ => return,
    };
    if seen.push.is_some() {
        return;
    }
    seen.push = Some((record.at, last));
    if let LastPush::Refused(diagnosis) = last {
        let said = (diagnosis.code(), text("reason").to_owned(), text("remedy").to_owned());
        gathered.refused = Some(said);
    }
}
