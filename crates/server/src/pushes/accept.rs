//! Takes a direct push in, or says why not.

use std::sync::Arc;

use aws_lc_rs::digest;
use domain::{AppId, Diagnosis, PushId};
use serde_json::json;
use store::log::{Record, Step};
use store::model::{Audience, NewPush, Push, PushAdded, PushFault, Settings};
use wire::http::PushCreate;

use super::address::{Address, Destination};
use super::check::{self, Checked, Times};
use super::preview::Preview;
use crate::accept::{check_client_id, storage_problem};
use crate::credentials::Traffic;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::targets;

pub use crate::http::auth::Asker;

/// A push that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// How it stands.
    pub push: Push,
    /// Who named in it gets none, and why.
    pub failed: Vec<(String, PushFault)>,
}

/// Takes a push in: answered only after it and its deliveries are durable.
///
/// # Errors
///
/// A [`Problem`] that names the field and says what to do; nothing is stored then.
pub async fn accept(
    node: &Arc<Node>,
    app: AppId,
    asker: Asker,
    client_id: &str,
    create: PushCreate,
) -> Result<Taken, Problem> {
    check_client_id("id", client_id)?;
    let id = node.ids.push(app, &asker.to_string(), client_id);
    let request = request_digest(&create);
    let settings = node.settings(app).await.map_err(storage_problem)?;
    let checked = check::check(create, app, &settings.policy)?;
    take(node, app, &settings, id, request, checked).await
}

/// Takes a test of a device in, as its user asks for it; a kind of push of its own.
///
/// # Errors
///
/// As [`accept`].
pub(super) async fn accept_test(
    node: &Arc<Node>,
    app: AppId,
    create: PushCreate,
) -> Result<Taken, Problem> {
    // No key's id looks like this, and each test is another one.
    let id = node.ids.push(app, "test", &uuid::Uuid::new_v4().to_string());
    let request = request_digest(&create);
    let settings = node.settings(app).await.map_err(storage_problem)?;
    let mut checked = check::check(create, app, &settings.policy)?;
    checked.content.test = true;
    take(node, app, &settings, id, request, checked).await
}

async fn take(
    node: &Arc<Node>,
    app: AppId,
    settings: &Settings,
    id: PushId,
    request: [u8; 32],
    checked: Checked,
) -> Result<Taken, Problem> {
    let now = node.clock.now();
    let times = match checked.times(now) {
        Ok(times) => times,
        Err(problem) => {
            // Sent again it may be too late for what was in time the first time.
            node.store.push(app, id).await.map_err(storage_problem)?.ok_or(problem)?;
            Times { send_at: now, expires_at: now }
        }
    };
    if let Err(problem) = reach(node, app, settings, &checked.addresses) {
        // Sent again it may lack the credential that it had the first time.
        node.store.push(app, id).await.map_err(storage_problem)?.ok_or(problem)?;
    }
    let preview = Preview {
        ids: &node.ids,
        app,
        push: id,
        kind: checked.kind,
        content: &checked.content,
        fcm_topic: checked.fcm_topic.as_ref(),
        sound: &settings.sound,
        times,
    };
    preview.check()?;
    let new = NewPush {
        id,
        app,
        request,
        audience: checked.audience,
        kind: checked.kind,
        content: serde_json::to_string(&checked.content).map_err(|_| Problem::internal())?,
        rate: checked.rate,
        send_at: times.send_at,
        expires_at: times.expires_at,
        now,
    };
    match node.store.add_push(new).await.map_err(storage_problem)? {
        PushAdded::Added { push, failed, replayed, effects } => {
            node.carry_out(effects);
            if !replayed {
                report(node, &push);
            }
            if push.audience != Audience::Listed {
                node.broadcasts.changed();
            }
            Ok(Taken { push: *push, failed })
        }
        PushAdded::IdReused => Err(Problem::new(
            ProblemCode::IdReused,
            "this id was used for another push before; give every push an id of its own, and \
             resend a push unchanged",
        )
        .with_field("id")),
        PushAdded::Nobody(failed) => Err(nobody(&failed)),
    }
}

/// Whether each target that is no device's is one that this app's credentials and this server's
/// operator let it reach. What the app lacks altogether, any credential of the kind, is waited for
/// and no fault of the request.
fn reach(
    node: &Node,
    app: AppId,
    settings: &Settings,
    addresses: &[(String, Address)],
) -> Result<(), Problem> {
    for (place, address) in addresses {
        if let Destination::Subscription(subscription) = &address.to {
            targets::check_host(node, subscription)
                .map_err(|problem| problem.with_field(format!("{place}.subscription")))?;
        }
        let target = address.target();
        let chosen = node.clients.choose(&node.circuits, &target, app, settings, Traffic::Wake);
        if let Err(refusal) = chosen
            && refusal.diagnosis == Diagnosis::AppMismatch
        {
            let problem = Problem::invalid_field(format!("{place}.app_id"), refusal.remedy);
            return Err(problem.diagnosed(refusal.diagnosis));
        }
    }
    Ok(())
}

fn report(node: &Node, push: &Push) {
    let mut record = Record::new(push.created_at, push.app, None, Step::Accept, "accepted");
    record.push = Some(push.id);
    let detail = json!({ "kind": push.kind.as_str(), "devices": push.counts.devices });
    record.detail = Some(detail.to_string());
    node.report(record);
}

fn nobody(failed: &[(String, PushFault)]) -> Problem {
    match failed.first() {
        Some((user, PushFault::UnknownUser)) => Problem::new(
            ProblemCode::UnknownUser,
            format!("the app has no user {user:?}; make a user token for them first"),
        )
        .with_field("to.users"),
        Some((device, PushFault::UnknownDevice)) => Problem::new(
            ProblemCode::NotFound,
            format!("the app has no device {device:?}; it must have connected once"),
        )
        .with_field("to.devices"),
        Some((topic, PushFault::UnknownTopic)) => Problem::new(
            ProblemCode::NotFound,
            format!("the app has no topic {topic:?}; its first device makes it"),
        )
        .with_field("to.topic"),
        Some((name, PushFault::NoTarget)) => Problem::new(
            ProblemCode::NoTarget,
            format!("no device of {name:?} has a push target that could carry it"),
        )
        .with_field("to"),
        None => Problem::invalid_field("to", "name users, devices or targets"),
    }
}

/// A hash of the whole request, whose id is out of it: the same id with another one is refused.
fn request_digest(create: &PushCreate) -> [u8; 32] {
    // Maps are sorted, so that the same request has the same text.
    let text = serde_json::to_vec(create).unwrap_or_default();
    let mut sum = [0; 32];
    for (to, from) in sum.iter_mut().zip(digest::digest(&digest::SHA256, &text).as_ref()) {
        *to = *from;
    }
    sum
}
