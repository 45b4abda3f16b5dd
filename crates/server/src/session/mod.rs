//! Step 3a of the way: one living connection of one device.
//!
//! ```text
//!   first frame ─▶ hello: authenticate, connect ─▶ ┌────────────── loop ──────────────┐
//!                                                  │ frame from the client  ─▶ frames │
//!                                                  │ nudge ─┐                         │
//!                                                  │ read ──┼▶ domain::Session ─▶ read, suspect, clear
//!                                                  │ tick ──┘                         │
//!                                                  │ live frame, close   ping         │
//!                                                  └───────────────┬──────────────────┘
//!                                                                  ▼
//!                                                  end: the store opens the wake if behind
//! ```
//!
//! A session writes only what one ordered read from its cursor returned.

mod calls;
mod frames;
mod hello;
mod socket;
mod woken;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use domain::rate::{Rate, Used};
use domain::session::{Effect, Input, Session};
use domain::{AppId, DeviceNumber, InboxId, MaySend, Offset, Platform, SessionId, Time};
use store::model::InboxRead;
use tracing::Instrument;
use wire::{ClientFrame, CloseCode, ServerFrame, limits};

use crate::clock::Stopwatch;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::report::SessionReport;
use crate::route::{Event, Handle};
use crate::users::Speaker;
use crate::{steps, to_wire};
use socket::Socket;

pub use hello::TAKEN_BACK;

/// The pause before the end of a session is written again, after the store could not.
const END_AGAIN: Duration = Duration::from_millis(500);

/// Why a session ends.
#[derive(Debug)]
enum Ending {
    /// The client left, or its connection broke.
    Gone,
    /// The server ends it: the code, and the words of the last `error`.
    Close(CloseCode, Problem),
}

/// A read of the inbox that is under way.
type Reading =
    Pin<Box<dyn Future<Output = (Offset, Result<Option<InboxRead>, store::Error>)> + Send>>;

/// What a session may do.
#[derive(Clone, Copy, Debug)]
enum Rights {
    /// Proven by the device secret alone: drain, ack, set targets and answer calls.
    Device,
    /// Proven by a user token.
    User {
        /// To whom the user may send.
        may_send: MaySend,
        /// When the token ends.
        until: Time,
    },
}

impl Rights {
    fn of(speaker: &Speaker) -> Self {
        Self::User { may_send: speaker.may_send, until: speaker.expires_at }
    }

    const fn until(self) -> Option<Time> {
        match self {
            Self::Device => None,
            Self::User { until, .. } => Some(until),
        }
    }
}

/// A connection whose device is known.
struct Connection {
    node: Arc<Node>,
    socket: Socket,
    machine: Session,
    handle: Arc<Handle>,
    reading: Option<Reading>,
    id: SessionId,
    /// From where it speaks.
    client: IpAddr,
    app: AppId,
    inbox: InboxId,
    device: DeviceNumber,
    user: Arc<str>,
    /// What its user token lets it do.
    rights: Rights,
    /// The signals of its calls that the device has.
    heard: calls::Heard,
    report: SessionReport,
    /// How many frames it has sent, against what it may.
    frames: Used,
    heard_at: Time,
    since_ping: Stopwatch,
    /// As `connected` told it: a reload changes it for those that come later.
    ping_interval: Duration,
    platform: Platform,
    /// The head when it connected, until it has acknowledged that: it was behind.
    owed: Option<Offset>,
    started_at: Time,
}

/// Serves one WebSocket, of a client at this address, until it ends.
pub async fn serve(node: Arc<Node>, socket: Box<WebSocket>, client: IpAddr) {
    // All that is not the waiting is boxed: a task is as large as its largest step, and most
    // sessions do nothing but wait.
    if let Some(mut connection) = Box::pin(Connection::begin(node, socket, client)).await {
        let step = steps::session(&connection.report);
        let ending = connection.talk().instrument(step).await;
        Box::pin(connection.end(ending)).await;
    }
}

impl Connection {
    /// Greets whoever comes; `None` when nothing came of it.
    async fn begin(node: Arc<Node>, socket: Box<WebSocket>, client: IpAddr) -> Option<Box<Self>> {
        let mut socket = Socket::new(socket, node.config().session.ack_deadline);
        let hello = match hello::hello(&node, &mut socket, client).await {
            Ok(hello) => hello,
            Err(Ending::Gone) => return None,
            Err(Ending::Close(code, problem)) => {
                socket.close(code, &problem).await;
                return None;
            }
        };
        let hello::Hello {
            handle,
            machine,
            connected,
            rights,
            report,
            id,
            calls,
            heard,
            seen_before,
            ping_interval,
            platform,
            owed,
        } = hello;
        let now = node.clock.now();
        let mut connection = Box::new(Self {
            app: report.app,
            inbox: report.inbox,
            device: report.device,
            user: Arc::clone(&report.user),
            reading: None,
            frames: Used::default(),
            heard_at: now,
            since_ping: node.clock.stopwatch(),
            ping_interval,
            platform,
            owed,
            started_at: now,
            node,
            socket,
            machine,
            handle,
            id,
            client,
            rights,
            heard,
            report,
        });
        match connection.greet(connected, calls, seen_before).await {
            Ok(()) => Some(connection),
            Err(ending) => {
                connection.end(ending).await;
                None
            }
        }
    }

    /// The first frames: `connected`, then how calls stand.
    async fn greet(
        &mut self,
        connected: wire::Connected,
        calls: Vec<store::model::CallRecord>,
        seen_before: Time,
    ) -> Result<(), Ending> {
        self.socket.send(&connected.into()).await?;
        self.greet_calls(calls, seen_before).await?;
        // What was accepted between the store's connect and the hub's add had nobody to nudge.
        self.handle_input(Input::Look).await
    }

    async fn talk(&mut self) -> Ending {
        loop {
            let now = self.node.clock.now();
            let deadlines = self.machine.deadline().into_iter().chain(self.rights.until());
            let deadline = deadlines.min().map_or(Duration::MAX, |at| now.until(at));
            let wait = deadline.min(self.ping_in());
            let step = tokio::select! {
                message = self.socket.receive() => match message {
                    Ok(message) => Box::pin(self.received(message)).await,
                    Err(ending) => Err(ending),
                },
                event = self.handle.told() => Box::pin(self.told(event)).await,
                (code, why) = self.handle.closed() => Err(self.closed(code, why)),
                head = self.handle.nudged() => Box::pin(self.handle_input(Input::Nudge(head))).await,
                (after, read) = next_read(&mut self.reading) => Box::pin(self.deliver(after, read)).await,
                () = tokio::time::sleep(wait) => Box::pin(self.time_has_come()).await,
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    async fn received(&mut self, message: Message) -> Result<(), Ending> {
        self.heard_at = self.node.clock.now();
        let rate = Rate::per_minute(self.node.config().rate.frames_per_minute);
        self.frames = rate.take(self.frames, 1, self.heard_at).map_err(too_many)?;
        match message {
            Message::Text(text) => {
                if text.len() > limits::FRAME_BYTES {
                    return Err(too_large(text.len()));
                }
                let frame = ClientFrame::parse(&text).map_err(|error| {
                    let problem = Problem::new(ProblemCode::MalformedJson, error.to_string());
                    Ending::Close(CloseCode::BadFrame, problem)
                })?;
                match self.strange(&text, &frame) {
                    Some(problem) => self.complain(&problem).await?,
                    None => self.frame(frame).await?,
                }
            }
            Message::Binary(_) => {
                return Err(Ending::Close(
                    CloseCode::BadFrame,
                    Problem::new(
                        ProblemCode::MalformedJson,
                        "a binary frame came; send JSON in text frames",
                    ),
                ));
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return Err(Ending::Gone),
        }
        self.handle_input(Input::Heard).await
    }

    /// For developers of apps: a field that nobody knows is a misspelt one.
    fn strange(&self, text: &str, frame: &ClientFrame) -> Option<Problem> {
        let field = self.node.dev.then(|| crate::dev::unknown_field(text, frame)).flatten()?;
        let detail = format!("`{}` has no field `{field}`; the frame was not taken", frame.kind());
        Some(Problem::invalid_field(field, detail))
    }

    async fn told(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Frame(frame) => self.socket.send(&frame).await,
            Event::Signals { call, id } => self.signals(call, id).await,
        }
    }

    /// The last words of a session that others end.
    fn closed(&self, code: CloseCode, why: &'static str) -> Ending {
        let problem = match code {
            // All of them at once would come back all at once.
            CloseCode::GoingAway => {
                let spread = self.node.config().session.drain_spread;
                Problem::unavailable(why, spread.mul_f64(rand::random()))
            }
            CloseCode::TooSlow | CloseCode::Internal | CloseCode::TimedOut => {
                Problem::new(ProblemCode::Unavailable, why)
            }
            CloseCode::Unauthorized => Problem::new(ProblemCode::Unauthorized, why),
            CloseCode::Forbidden => Problem::new(ProblemCode::Forbidden, why),
            CloseCode::BadFrame | CloseCode::Replaced | CloseCode::TooLarge => {
                Problem::new(ProblemCode::Conflict, why)
            }
        };
        Ending::Close(code, problem)
    }

    /// A ping, the machine's deadline, or the end of the user token: the session goes on with the
    /// rights of its device alone then. If it is several, the next look finds the others.
    async fn time_has_come(&mut self) -> Result<(), Ending> {
        if self.ping_in().is_zero() {
            return self.ping().await;
        }
        if self.rights.until().is_none_or(|end| end > self.node.clock.now()) {
            return self.handle_input(Input::Tick).await;
        }
        self.rights = Rights::Device;
        self.complain(&Problem::new(
            ProblemCode::TokenExpired,
            "the user token has ended; send `refresh` with a new one. Until then this session \
             receives, acknowledges, sets push targets and answers calls",
        ))
        .await
    }

    /// Until the next ping, whatever happens to the wall time.
    fn ping_in(&self) -> Duration {
        self.ping_interval.saturating_sub(self.since_ping.elapsed())
    }

    async fn ping(&mut self) -> Result<(), Ending> {
        let silent = self.node.clock.now().since(self.heard_at);
        if silent > self.ping_interval * 2 {
            let problem = Problem::new(
                ProblemCode::Conflict,
                "no sign of life for two ping intervals; connect again",
            );
            return Err(Ending::Close(CloseCode::TimedOut, problem));
        }
        self.since_ping = self.node.clock.stopwatch();
        self.socket.ping().await
    }

    /// Gives the machine an input and does what it says.
    async fn handle_input(&mut self, input: Input) -> Result<(), Ending> {
        let now = self.node.clock.now();
        match self.machine.handle(input, now) {
            None => {}
            Some(Effect::Read { after, limit }) => {
                let (store, inbox) = (self.node.store.clone(), self.inbox);
                self.reading =
                    Some(Box::pin(
                        async move { (after, store.read(inbox, after, limit, now).await) },
                    ));
            }
            Some(Effect::Suspect) => {
                let effects = self.node.store.suspect(self.id, now).await.map_err(store_failed)?;
                self.report.write(&self.node, "suspect", None, None);
                self.node.carry_out(effects);
            }
            Some(Effect::Clear) => {
                self.node.store.clear_suspect(self.id).await.map_err(store_failed)?;
            }
        }
        Ok(())
    }

    /// Writes what a read returned, in order.
    async fn deliver(
        &mut self,
        after: Offset,
        read: Result<Option<InboxRead>, store::Error>,
    ) -> Result<(), Ending> {
        self.reading = None;
        let Some(read) = read.map_err(store_failed)? else { return Err(Ending::Gone) };
        let gap = (read.floor > after).then_some(read.floor);
        self.node.metrics.delivered(self.app, read.entries.len());
        let mut count = 0;
        let mut last = read.read_to;
        if let Some(floor) = gap {
            let up_to = to_wire::position(read.epoch, floor);
            self.socket.feed(&wire::Gap { up_to }.into()).await?;
            (count, last) = (1, floor);
        }
        for entry in read.entries {
            (count, last) = (count + 1, entry.offset);
            self.socket.feed(&to_wire::entry(read.epoch, entry)).await?;
        }
        self.socket.flush().await?;
        if count > 0 {
            self.report.write(&self.node, "delivered", Some((after, last)), None);
        }
        self.handle_input(Input::Read { last, count, head: read.head }).await
    }

    /// Ends: the last words, then the store, which opens the wake if the device is behind.
    async fn end(mut self: Box<Self>, ending: Ending) {
        self.node.hub.remove(self.inbox, self.id);
        let why = match &ending {
            Ending::Gone => "disconnected",
            Ending::Close(..) => "closed",
        };
        self.node.metrics.ended(self.app, why);
        let lived_ms = self.node.clock.now().since(self.started_at).as_millis();
        self.report.write(&self.node, why, None, Some(serde_json::json!({ "lived_ms": lived_ms })));
        let mut told = false;
        loop {
            match self.node.store.end_session(self.id, self.node.clock.now()).await {
                Ok(effects) => break self.node.carry_out(effects),
                Err(store::Error::Closed) => break,
                Err(_) if told => {}
                // A session the store takes for living keeps its device from being woken: this
                // must be written, however long the disk is full.
                Err(error) => {
                    tracing::error!(%error, "the end of a session is not stored; trying until it is");
                    told = true;
                }
            }
            tokio::select! {
                () = self.node.tasks.stopped() => break,
                () = tokio::time::sleep(END_AGAIN) => {}
            }
        }
        if let Ending::Close(code, problem) = ending {
            self.socket.close(code, &problem).await;
        }
    }

    async fn send(&mut self, frame: impl Into<ServerFrame>) -> Result<(), Ending> {
        self.socket.send(&frame.into()).await
    }
}

async fn next_read(
    reading: &mut Option<Reading>,
) -> (Offset, Result<Option<InboxRead>, store::Error>) {
    match reading {
        Some(read) => read.await,
        None => std::future::pending().await,
    }
}

fn store_failed(error: store::Error) -> Ending {
    Ending::Close(CloseCode::Internal, crate::accept::storage_problem(error))
}

fn too_large(bytes: usize) -> Ending {
    let most = limits::FRAME_BYTES;
    Ending::Close(
        CloseCode::TooLarge,
        Problem::new(
            ProblemCode::BodyTooLarge,
            format!(
                "the frame has {bytes} bytes, {most} are allowed; send a link to what is larger"
            ),
        ),
    )
}

fn too_many(pause: Duration) -> Ending {
    let problem = Problem::new(
        ProblemCode::RateLimited,
        "more frames came than a session may send in a minute; connect again after the pause",
    );
    Ending::Close(CloseCode::TooSlow, problem.with_retry_after(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of what an `async fn` returns.
    fn bytes<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_that_waits_is_small() {
        // Tens of thousands of these lie in memory; docs/performance.md measures them whole.
        let bytes = bytes(serve);
        assert!(bytes <= 1_024, "a session's future has {bytes} bytes; box what it seldom does");
    }
}
