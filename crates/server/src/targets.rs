//! Push targets: checked, stored, and told at once whether pushes to them can work.

use std::sync::Arc;

use domain::{AppId, DeviceNumber, Diagnosis, Environment, Refusal, TargetKind};
use providers::webpush::Subscription;
use store::model::{SetTarget, TargetSet};
use wire::{PushTarget, PushTargetState, PushToken, limits};

use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::secret::token_hash;
use crate::{from_wire, to_wire};

/// A target as it came in.
#[derive(Debug)]
pub struct Wanted {
    /// The kind.
    pub kind: TargetKind,
    /// The token.
    pub token: String,
    /// Declared by the app.
    pub environment: Option<Environment>,
    /// Bundle id or package name.
    pub app_id: Option<String>,
}

/// Sets or removes a target and says what became of it.
pub async fn set_by_frame(
    node: &Arc<Node>,
    app: AppId,
    device: DeviceNumber,
    frame: &PushToken,
) -> PushTarget {
    let kind = from_wire::target_kind(frame.kind);
    let done = match &frame.token {
        None => remove(node, device, Some(kind)).await.map(|_removed| removed(frame)),
        Some(token) => {
            let wanted = Wanted {
                kind,
                token: token.clone(),
                environment: frame.environment.map(from_wire::environment),
                app_id: frame.app_id.clone(),
            };
            set(node, app, device, wanted).await
        }
    };
    done.unwrap_or_else(|problem| PushTarget {
        kind: frame.kind,
        state: PushTargetState::Refused,
        code: Some(problem.diagnosis().unwrap_or(Diagnosis::BadPushToken).code()),
        message: Some(problem.detail().to_owned()),
    })
}

/// Sets a target.
///
/// # Errors
///
/// A [`Problem`] that names the field; the target is not held then.
pub async fn set(
    node: &Arc<Node>,
    app: AppId,
    device: DeviceNumber,
    wanted: Wanted,
) -> Result<PushTarget, Problem> {
    let token = check(&wanted)?;
    if wanted.kind == TargetKind::Webpush {
        check_host(node, &token)?;
    }
    let wanted = Wanted { app_id: app_id(node, app, &wanted)?, ..wanted };
    let warning =
        node.clients.would_fail(&node.circuits, app, wanted.kind, wanted.app_id.as_deref());
    let set = SetTarget {
        device,
        kind: wanted.kind,
        token,
        environment: wanted.environment,
        app_id: wanted.app_id,
        now: node.clock.now(),
    };
    match node.store.set_target(set).await.map_err(storage_problem)? {
        TargetSet::Yes { moved_from, effects } => {
            for from in moved_from {
                tracing::info!(device.id = %device, from = %from, "a push target moved to another device");
            }
            node.carry_out(effects);
            Ok(PushTarget {
                kind: to_wire::target_kind(wanted.kind),
                state: PushTargetState::Active,
                code: warning.as_ref().map(|(diagnosis, _)| diagnosis.code()),
                message: warning.map(|(_, sentence)| sentence),
            })
        }
        TargetSet::TokenOfOtherKind => Err(Problem::invalid_field(
            "token",
            "the same token is registered as the other of `apns` and `apns_voip`; \
             the app's token and PushKit's are two",
        )),
        TargetSet::NoDevice => Err(Problem::new(ProblemCode::NotFound, "no such device")),
    }
}

/// The app id of a target. A browser's subscription belongs to the VAPID key that it was made with:
/// the one it names, else the app's newest.
fn app_id(node: &Node, app: AppId, wanted: &Wanted) -> Result<Option<String>, Problem> {
    if wanted.kind != TargetKind::Webpush {
        return Ok(wanted.app_id.clone());
    }
    match &wanted.app_id {
        None => Ok(node.clients.webpush_key(app)),
        Some(key) if node.clients.has_webpush_key(app, key) => Ok(Some(key.clone())),
        Some(_) => Err(Problem::invalid_field(
            "app_id",
            "give the public key that the browser subscribed with, one of GET /v1/webpush-key",
        )
        .diagnosed(Diagnosis::AppMismatch)),
    }
}

/// Checks that a subscription is with a push service that the operator allows: its pushes would
/// never leave this server.
///
/// # Errors
///
/// A [`Problem`] of the field `token`, with the code 901.
pub fn check_host(node: &Node, subscription: &str) -> Result<(), Problem> {
    let refused = node.clients.refuses_endpoint(subscription);
    refused.map_or(Ok(()), |Refusal { diagnosis, reason, remedy, .. }| {
        Err(Problem::invalid_field("token", format!("{reason}; {remedy}")).diagnosed(diagnosis))
    })
}

/// Removes one target of a device, or all; returns whether there was one.
///
/// # Errors
///
/// A [`Problem`] when the store fails.
pub async fn remove(
    node: &Arc<Node>,
    device: DeviceNumber,
    kind: Option<TargetKind>,
) -> Result<bool, Problem> {
    let removed = node.store.remove_targets(device, kind, node.clock.now()).await;
    let (removed, effects) = removed.map_err(storage_problem)?;
    node.carry_out(effects);
    Ok(removed > 0)
}

/// What stands for a target's token in the API, the same as in the records of its pushes: there
/// only a subscription's endpoint counts.
pub fn hash(kind: TargetKind, token: &str) -> String {
    let endpoint = match kind {
        TargetKind::Webpush => Subscription::parse(token.as_bytes()).ok(),
        TargetKind::Apns | TargetKind::ApnsVoip | TargetKind::Fcm => None,
    };
    match endpoint {
        // The record's form begins with the algorithm's name.
        Some(endpoint) => endpoint.hash().to_string().replace("sha256:", ""),
        None => token_hash(token),
    }
}

fn removed(frame: &PushToken) -> PushTarget {
    PushTarget { kind: frame.kind, state: PushTargetState::Removed, code: None, message: None }
}

/// Checks a target's form; returns its token as it is stored.
///
/// # Errors
///
/// A [`Problem`] that names the field, with its diagnosis code.
pub fn check(wanted: &Wanted) -> Result<String, Problem> {
    if let Some(app_id) = &wanted.app_id {
        let good = (1..=155).contains(&app_id.len())
            && app_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !good {
            return Err(Problem::invalid_field("app_id", "give the bundle id or package name")
                .diagnosed(Diagnosis::AppMismatch));
        }
    }
    check_token(wanted).map_err(|problem| problem.diagnosed(Diagnosis::BadPushToken))
}

fn check_token(wanted: &Wanted) -> Result<String, Problem> {
    let token = wanted.token.trim();
    let length = token.len();
    if !(1..=limits::TOKEN_BYTES).contains(&length) {
        return Err(Problem::invalid_field(
            "token",
            format!("{length} bytes; give 1 to {}", limits::TOKEN_BYTES),
        ));
    }
    match wanted.kind {
        TargetKind::Apns | TargetKind::ApnsVoip => {
            // Apple gives bytes; apps print them as hex, in either case.
            let hex =
                length.is_multiple_of(2) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !hex {
                return Err(Problem::invalid_field(
                    "token",
                    "give the token's bytes as hexadecimal digits",
                ));
            }
            Ok(token.to_ascii_lowercase())
        }
        TargetKind::Fcm => {
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Problem::invalid_field(
                    "token",
                    "give the registration token as FCM gave it",
                ));
            }
            Ok(token.to_owned())
        }
        TargetKind::Webpush => match Subscription::parse(token.as_bytes()) {
            // In one form, so that the same subscription is found again.
            Ok(subscription) => Ok(subscription.expose_json()),
            Err(fault) => Err(Problem::invalid_field(
                "token",
                format!("{}: {}; {}", fault.field, fault.problem, fault.remedy),
            )),
        },
    }
}
