//! The first frame: who is calling, and what it holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Message;
use domain::session::{AppState, Session};
use domain::{Offset, Platform, SessionId, Time};
use store::model::{CallRecord, Connect, Connected, ConnectedDevice, Identity};
use wire::{ClientFrame, CloseCode, Purpose};

use super::calls::{Heard, heard};
use super::socket::Socket;
use super::{Ending, Rights, too_large, woken};
use crate::accept::check_name;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::report::SessionReport;
use crate::route::Handle;
use crate::secret::{KeyKind, KeyText};
use crate::users::authenticate;
use crate::{from_wire, to_wire};

/// The last words to a session whose token is good no more.
pub const TAKEN_BACK: &str = "the user's tokens were taken back; connect with a new one";

/// A device that has proven itself, ready to talk.
pub(super) struct Hello {
    pub(super) id: SessionId,
    pub(super) handle: Arc<Handle>,
    pub(super) machine: Session,
    pub(super) connected: wire::Connected,
    pub(super) calls: Vec<CallRecord>,
    pub(super) heard: Heard,
    pub(super) seen_before: Time,
    pub(super) ping_interval: Duration,
    pub(super) rights: Rights,
    pub(super) report: SessionReport,
    pub(super) platform: Platform,
    /// The head, if the device is behind it.
    pub(super) owed: Option<Offset>,
}

/// Waits for the first frame and connects its device.
pub(super) async fn hello(
    node: &Arc<Node>,
    socket: &mut Socket,
    client: IpAddr,
) -> Result<Hello, Ending> {
    let patience = node.config().session.first_frame_timeout;
    let frame = tokio::time::timeout(patience, first_frame(socket)).await.map_err(|_| {
        let detail = "no first frame came in time; send `connect` at once";
        Ending::Close(CloseCode::TimedOut, Problem::new(ProblemCode::Unauthorized, detail))
    })??;
    let refused = |code: CloseCode| move |problem: Problem| Ending::Close(code, problem);
    let revocations = node.hub.revocations();
    let (identity, rights) = match identify(node, &frame).await {
        Ok(identified) => identified,
        Err(problem) => {
            woken::refused(node, &frame, &problem).await;
            return Err(refuse(failed(node, client, problem)));
        }
    };
    let device_secret = KeyText::generate(KeyKind::Device);
    let session = SessionId::from_bits(rand::random());
    let state = from_wire::app_state(frame.state);
    let heard = heard(&frame.calls).map_err(refused(CloseCode::BadFrame))?;
    let connect = to_connect(node, &frame, identity, &device_secret, session)
        .map_err(refused(CloseCode::BadFrame))?;
    let connected = node.store.connect(connect).await;
    let connected = connected.map_err(|error| {
        Ending::Close(CloseCode::Internal, crate::accept::storage_problem(error))
    })?;
    let mut device = match connected {
        Connected::Yes(device) => device,
        Connected::SecretRequired => {
            return Err(forbidden(
                "this device has proven a secret before; send it as `device_secret`, \
                 or take a new device id",
            ));
        }
        Connected::BadSecret => {
            return Err(guessed(node, client));
        }
    };
    let effects = std::mem::take(&mut device.effects);
    let hello = greet(node, &frame, *device, &device_secret, session, state, rights);
    let hello = Hello { heard, ..hello };
    node.carry_out(effects);
    // Tokens were taken back while this one connected: the sessions that were ended then did not
    // include it.
    if node.hub.revocations() != revocations
        && let Err(problem) = identify(node, &frame).await
    {
        node.hub.close(hello.report.inbox, session, CloseCode::Unauthorized, TAKEN_BACK);
        tracing::debug!(problem = problem.detail(), "a token was taken back while it connected");
    }
    Ok(hello)
}

async fn first_frame(socket: &mut Socket) -> Result<wire::Connect, Ending> {
    let wrong = |problem| Ending::Close(CloseCode::BadFrame, problem);
    loop {
        match socket.receive().await? {
            Message::Text(text) if text.len() > wire::limits::FRAME_BYTES => {
                return Err(too_large(text.len()));
            }
            Message::Text(text) => {
                let frame = ClientFrame::parse(&text).map_err(|error| {
                    wrong(Problem::new(ProblemCode::MalformedJson, error.to_string()))
                })?;
                let ClientFrame::Connect(connect) = frame else {
                    let detail =
                        format!("the first frame is `{}`; send `connect` first", frame.kind());
                    return Err(wrong(Problem::new(ProblemCode::Unauthorized, detail)));
                };
                return Ok(connect);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return Err(Ending::Gone),
            Message::Binary(_) => {
                let detail = "a binary frame came; send JSON in text frames";
                return Err(wrong(Problem::new(ProblemCode::MalformedJson, detail)));
            }
        }
    }
}

/// By a user token; or, for a woken app whose token has expired, by the device secret alone.
async fn identify(node: &Node, frame: &wire::Connect) -> Result<(Identity, Rights), Problem> {
    match (&frame.token, &frame.device_secret) {
        (Some(token), _) => {
            let speaker = authenticate(node, token).await;
            let speaker = speaker.map_err(|problem| problem.with_field("token"))?;
            let identity = Identity::User { app: speaker.app, inbox: speaker.inbox };
            Ok((identity, Rights::of(&speaker)))
        }
        (None, Some(_)) => Ok((Identity::Secret, Rights::Device)),
        (None, None) => Err(Problem::new(
            ProblemCode::Unauthorized,
            "`connect` has neither `token` nor `device_secret`; send the user token",
        )
        .with_field("token")),
    }
}

fn to_connect(
    node: &Node,
    frame: &wire::Connect,
    identity: Identity,
    new_secret: &KeyText,
    session: SessionId,
) -> Result<Connect, Problem> {
    let device = &frame.device;
    check_name("device.id", &device.id)?;
    for (field, text) in [
        ("device.app_version", &device.app_version),
        ("device.locale", &device.locale),
        ("device.time_zone", &device.time_zone),
    ] {
        if let Some(text) = text {
            check_name(field, text)?;
        }
    }
    let secret = match &frame.device_secret {
        None => None,
        Some(text) => {
            let key = KeyText::parse_kind(text, KeyKind::Device);
            Some(*key.map_err(|error| Problem::from(&error))?.hash().as_bytes())
        }
    };
    Ok(Connect {
        identity,
        device: device.id.clone(),
        platform: from_wire::platform(device.platform),
        app_version: device.app_version.clone(),
        locale: device.locale.clone(),
        time_zone: device.time_zone.clone(),
        secret,
        new_secret: *new_secret.hash().as_bytes(),
        held: frame.position.as_ref().map(from_wire::held).transpose()?,
        state: from_wire::app_state(frame.state),
        replaces: frame.purpose == Purpose::App,
        session,
        incarnation: node.incarnation,
        // A wake that nobody knows any more is no reason to refuse.
        woken_by: frame.woken_by.as_ref().and_then(woken::by),
        now: node.clock.now(),
    })
}

/// The session stands in the store: makes it known here, and says so to the client.
fn greet(
    node: &Arc<Node>,
    frame: &wire::Connect,
    device: ConnectedDevice,
    secret: &KeyText,
    session: SessionId,
    state: AppState,
    rights: Rights,
) -> Hello {
    for replaced in &device.replaced {
        let (code, why) = if device.rolled_back {
            (CloseCode::GoingAway, "the server's history was restored; connect again")
        } else {
            (CloseCode::Replaced, "the same device connected again; do not connect again")
        };
        node.hub.close(device.inbox, *replaced, code, why);
    }
    let handle = Handle::new(session, device.device, device.head);
    node.hub.add(device.inbox, Arc::clone(&handle));
    let report = SessionReport {
        app: device.app,
        inbox: device.inbox,
        user: Arc::from(device.user.as_str()),
        device: device.device,
        device_name: Arc::from(frame.device.id.as_str()),
    };
    let woken_by = frame.woken_by.as_ref().map(|woken| woken.wake.as_str());
    if let Some(woken) = frame.woken_by.as_ref().and_then(woken::by) {
        woken::report(node, &report, woken, device.wake, (device.cursor, device.head));
    }
    let detail = serde_json::json!({
        "session": session.to_string(),
        "woken_by": woken_by,
        "open_wake": device.wake.map(|wake| wake.to_string()),
    });
    report.write(node, "connected", None, Some(detail));
    let platform = from_wire::platform(frame.device.platform);
    let waited = device.pushed_at.map(|pushed_at| pushed_at.until(node.clock.now()));
    node.metrics.connected(device.app, platform, waited);
    let ping_interval = node.config().session.ping_interval;
    let connected = wire::Connected {
        session: session.to_string(),
        user: device.user,
        head: to_wire::position(device.epoch, device.head),
        cursor: to_wire::position(device.epoch, device.cursor),
        device_secret: device.secret_issued.then(|| secret.expose().to_owned()),
        targets: device.targets.into_iter().map(to_wire::target_kind).collect(),
        server_time: to_wire::time(node.clock.now()),
        ping_interval: u32::try_from(ping_interval.as_secs()).unwrap_or(u32::MAX).max(1),
        limits: wire::Limits::default(),
    };
    let machine =
        Session::connected(device.cursor, device.cursor, state, node.deadlines(), node.clock.now());
    Hello {
        id: session,
        handle,
        machine,
        connected,
        calls: device.calls,
        heard: Heard::new(),
        seen_before: device.seen_before,
        ping_interval,
        rights,
        report,
        platform,
        owed: (device.cursor < device.head).then_some(device.head),
    }
}

/// A key was not good: the refusal, or another one without the reason if there were too many.
pub(super) fn failed(node: &Node, client: IpAddr, problem: Problem) -> Problem {
    if problem.code() != ProblemCode::Unauthorized {
        return problem;
    }
    node.failures.count(client, node.clock.now()).unwrap_or(problem)
}

/// Closes with the code that says whether another token would help.
fn refuse(problem: Problem) -> Ending {
    let code = match problem.code() {
        ProblemCode::Unauthorized | ProblemCode::TokenExpired | ProblemCode::WrongKeyKind => {
            CloseCode::Unauthorized
        }
        ProblemCode::Internal | ProblemCode::StorageFull | ProblemCode::Unavailable => {
            CloseCode::Internal
        }
        ProblemCode::RateLimited => CloseCode::TooSlow,
        _ => CloseCode::BadFrame,
    };
    Ending::Close(code, problem)
}

/// A secret was shown that is not the device's.
fn guessed(node: &Node, client: IpAddr) -> Ending {
    let held = node.failures.count(client, node.clock.now());
    held.map_or_else(
        || {
            forbidden(
                "`device_secret` is not this device's; send the one that `connected` gave, \
                 or take a new device id",
            )
        },
        refuse,
    )
}

fn forbidden(detail: &'static str) -> Ending {
    let problem = Problem::new(ProblemCode::Forbidden, detail).with_field("device_secret");
    Ending::Close(CloseCode::Forbidden, problem)
}
