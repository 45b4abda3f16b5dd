//! The app's process: one task that owns the connection and everything kept in memory.
//!
//! ```text
//!   user, system ──▶ [Command] ──▶ ┌─────┐ ──▶ storage, journal
//!                                  │ App │
//!   server ◀──▶ Link ◀───────────▶ └─────┘ ◀── timers: reconnect, end of a background run, pick up
//! ```
//!
//! The process is modelled by one task for the phone's whole life; what a kill takes away (the
//! connection, the calls on the screen) is dropped by hand, what survives is in the storage.

mod calls;
mod inbox;
mod session;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use wire::{ClientFrame, State, TargetKindName};

use self::calls::Calls;
use self::session::{Link, Opening};
use super::event::{Life, PhoneEvent};
use super::installation::Installation;
use super::journal::lock;
use super::network::Network;
use super::options::Platform;
use super::push::Push;
use super::{SendError, link};
use crate::device::{Priority, PushType};
use crate::platform::Input;

/// What the user or the system wants of the app.
pub(crate) enum Command {
    /// Brings the app to the foreground; answered once it is connected and its push targets are.
    Launch(Option<oneshot::Sender<Result<()>>>),
    /// Changes the app's life to any other state.
    Become(Life, oneshot::Sender<()>),
    /// The system runs the app for a push.
    Woken(Box<Push>),
    /// The system kills the app, whatever it does.
    Kill,
    /// The phone is started anew.
    Restart(oneshot::Sender<()>),
    /// Puts a message into the outbox.
    Send(Box<wire::Send>, oneshot::Sender<Result<wire::Accepted, SendError>>),
    /// A frame of a call, or what the user has read: it goes out now, or with the next session.
    Say(Box<ClientFrame>),
    /// The user takes the call.
    Answer(String),
}

/// A run off the screen that the system allows after a push.
#[derive(Clone)]
struct Run {
    /// The system ends it then, whatever happens.
    until: Instant,
    /// The app is done by then if nothing more comes.
    idle_at: Option<Instant>,
    /// What the pushes that it is for were sent with.
    sent: Vec<Priority>,
    /// Where the log was when it began.
    mark: usize,
}

/// The app's process.
pub(crate) struct App {
    installation: Arc<Installation>,
    commands: mpsc::UnboundedReceiver<Command>,
    life: Life,
    link: Link,
    /// A connection that is dead but open, kept until a new session stands.
    dead: Option<Box<link::Link>>,
    /// Set while the app runs for a push and not for its user.
    run: Option<Run>,
    /// When to try to connect again.
    retry_at: Option<Instant>,
    /// Push targets that the server has yet to answer since the last launch.
    owed_targets: Vec<TargetKindName>,
    /// Those who wait for the launch to be complete.
    launching: Vec<oneshot::Sender<Result<()>>>,
    /// Those who wait for a send's answer, by client id.
    sending: HashMap<String, oneshot::Sender<Result<wire::Accepted, SendError>>>,
    calls: Calls,
    /// Frames of calls and read marks that wait for a session.
    queued: VecDeque<ClientFrame>,
}

impl App {
    pub(crate) fn new(
        installation: Arc<Installation>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            installation,
            commands,
            life: Life::NotRunning,
            link: Link::Down,
            dead: None,
            run: None,
            retry_at: None,
            owed_targets: Vec::new(),
            launching: Vec::new(),
            sending: HashMap::new(),
            calls: Calls::default(),
            queued: VecDeque::new(),
        }
    }

    /// Runs until the phone is dropped.
    pub(crate) async fn run(mut self) {
        let mut network = self.installation.radio.subscribe();
        loop {
            let timer = self.next_timer();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                news = self.link.next() => self.on_link(news).await,
                Ok(()) = network.changed() => {
                    let runs = matches!(self.life, Life::Foreground | Life::Background);
                    let back = *network.borrow_and_update() == Network::On;
                    if runs && back && matches!(self.link, Link::Down) {
                        self.connect(None);
                    }
                }
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                    self.on_timer().await;
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Launch(done) => self.launch(done).await,
            Command::Become(life, done) => {
                self.become_(life).await;
                // Who no longer waits does not need the answer.
                let _ = done.send(());
            }
            Command::Woken(push) => self.woken(*push).await,
            Command::Kill => self.end(Life::NotRunning).await,
            Command::Restart(done) => {
                self.end(Life::NotRunning).await;
                let _ = done.send(());
            }
            Command::Send(frame, reply) => {
                self.sending.insert(frame.id.clone(), reply);
                self.installation
                    .saw(PhoneEvent::Sent { client_id: frame.id.clone(), to: frame.to.clone() });
                lock(&self.installation.storage).outbox.push_back((*frame).clone());
                if self.link.may_send() {
                    self.write((*frame).into()).await;
                }
            }
            Command::Say(frame) => {
                self.calls.sent(&frame);
                if self.link.is_up() {
                    self.write(*frame).await;
                } else {
                    self.queued.push_back(*frame);
                }
            }
            Command::Answer(call) => self.answer(&call).await,
        }
        self.touch();
    }

    async fn launch(&mut self, done: Option<oneshot::Sender<Result<()>>>) {
        self.run_ended();
        let was_closed = self.life == Life::ForceQuit;
        self.set_life(Life::Foreground);
        if was_closed {
            self.installation.set_browser_open(true);
        }
        self.launching.extend(done);
        self.owed_targets =
            self.installation.push_tokens().iter().map(|target| target.kind).collect();
        if self.link.is_up() {
            self.write(State { state: wire::AppState::Foreground }.into()).await;
            self.send_targets().await;
        } else {
            self.connect(None);
        }
    }

    async fn become_(&mut self, life: Life) {
        if can_become(self.life, life) {
            self.end(life).await;
        }
    }

    /// Whatever ran is over, and the app is in another state.
    async fn end(&mut self, life: Life) {
        self.run_ended();
        self.set_life(life);
        if life != Life::Foreground {
            self.launch_failed("the app left the screen before it was connected");
        }
        match life {
            Life::Foreground => self.launch(None).await,
            Life::Background => {
                if self.link.is_up() {
                    self.write(State { state: wire::AppState::Background }.into()).await;
                }
            }
            Life::Frozen => {
                if let Link::Up { link, .. } = self.hang_up() {
                    self.dead = Some(link);
                }
            }
            Life::Suspended => {
                self.dead = None;
                self.drop_link();
            }
            Life::ForceQuit | Life::NotRunning => {
                if life == Life::ForceQuit {
                    self.installation.set_browser_open(false);
                }
                self.dead = None;
                self.drop_link();
                self.calls = Calls::default();
                self.queued.clear();
            }
        }
    }

    async fn woken(&mut self, push: Push) {
        if push.push_type == PushType::Voip {
            let reported = push.is_about_a_call() && self.installation.behaviour().reports_calls;
            self.installation.tell_system(Input::VoipHandled { reported });
            if !reported {
                // The process is there until the system has looked.
                self.start_run(&push, None);
                return;
            }
        }
        let Some(payload) = &push.payload else {
            // Google dropped what it had stored: the same run, with no wake to name.
            self.start_run(&push, None);
            return;
        };
        match (payload.kind, &payload.call) {
            (wire::push::Kind::CallEnded, Some(call)) => {
                let id = call.id.clone();
                self.calls.ended(&self.installation, &id, None, super::Via::Push);
            }
            (wire::push::Kind::Call, Some(call)) => {
                let (id, name) = (call.id.clone(), call.caller_name.clone());
                self.calls.shown(&self.installation, &id, &name, super::Via::Push);
                self.start_run(&push, self.woken_by(&push, payload));
            }
            (wire::push::Kind::Push, Some(call)) => {
                let (id, name) = (call.id.clone(), call.caller_name.clone());
                self.calls.shown(&self.installation, &id, &name, super::Via::Push);
                self.start_run(&push, None);
            }
            // What the app's back end pushed is the app's own business: nothing waits here.
            (wire::push::Kind::Push, None) => {}
            _ => self.start_run(&push, self.woken_by(&push, payload)),
        }
    }

    /// What the app tells about the push that woke it, if a wake did.
    fn woken_by(&self, push: &Push, payload: &wire::push::Payload) -> Option<wire::WokenBy> {
        let [priority, original_priority] =
            push.priority_words().map_or([None, None], |it| it.map(Some));
        Some(wire::WokenBy {
            wake: payload.wake.clone()?,
            received_at: Some(self.installation.behaviour().clock()),
            priority,
            original_priority,
        })
    }

    /// The system lets the app run for a while; one that runs already only hurries to connect. A
    /// page is opened by its user alone.
    fn start_run(&mut self, push: &Push, woken_by: Option<wire::WokenBy>) {
        if self.installation.options.platform == Platform::Web {
            return;
        }
        match self.life {
            Life::Foreground | Life::Background => {}
            Life::NotRunning | Life::Suspended | Life::Frozen | Life::ForceQuit => {
                self.set_life(Life::Background);
            }
        }
        if self.life == Life::Background && (self.run.is_some() || !self.link.is_up()) {
            let until = Instant::now() + self.installation.behaviour().background_run;
            let mark = self.installation.journal.mark();
            let run = self.run.take().unwrap_or_else(|| Run {
                until,
                idle_at: None,
                sent: Vec::new(),
                mark,
            });
            let sent = run.sent.into_iter().chain([push.original_priority]).collect();
            self.run = Some(Run { until, idle_at: None, sent, mark: run.mark });
        }
        if matches!(self.link, Link::Down) {
            self.connect(woken_by);
        }
        self.touch();
    }

    /// The run that a push has brought is over; the system learns what its user saw of it.
    fn run_ended(&mut self) {
        let Some(run) = self.run.take() else { return };
        let visible = self.installation.journal.any_since(run.mark, |event| {
            matches!(event, PhoneEvent::NotificationShown { .. } | PhoneEvent::CallScreen { .. })
        });
        for sent in run.sent {
            self.installation.tell_system(Input::HandlerEnded { sent, visible });
        }
    }

    fn set_life(&mut self, life: Life) {
        if self.life != life {
            self.life = life;
            self.installation.saw(PhoneEvent::LifeChanged { to: life });
        }
        self.installation.life.send_replace(life);
    }

    /// Something happened: a background run lingers for more from now on.
    fn touch(&mut self) {
        let linger = self.installation.behaviour().linger;
        if let Some(run) = &mut self.run {
            run.idle_at = self.link.is_up().then(|| Instant::now() + linger);
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let run_ends = self.run.as_ref().map(|run| match run.idle_at {
            Some(idle_at) if !self.calls.any_alive() => idle_at.min(run.until),
            _ => run.until,
        });
        [run_ends, self.retry_at, self.calls.next_pick_up()].into_iter().flatten().min()
    }

    async fn on_timer(&mut self) {
        let now = Instant::now();
        for call in self.calls.due_pick_ups(now) {
            self.answer(&call).await;
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.connect(None);
        }
        let Some(run) = &mut self.run else { return };
        let idle = run.idle_at.is_some_and(|at| at <= now) && !self.calls.any_alive();
        if idle || (run.until <= now && !self.calls.any_answered()) {
            self.become_(Life::Suspended).await;
        } else if run.until <= now {
            // A call that is talked on keeps the app running, as CallKit and a foreground service do.
            run.until = now + Duration::from_secs(1);
        }
    }

    /// Those who wait for the launch learn that it is complete.
    fn launched(&mut self) {
        if self.owed_targets.is_empty() && self.link.is_up() {
            for done in self.launching.drain(..) {
                let _ = done.send(Ok(()));
            }
        }
    }

    /// Those who wait for the launch learn that it will not come.
    fn launch_failed(&mut self, why: &str) {
        for done in self.launching.drain(..) {
            let _ = done.send(Err(anyhow!("{why}")));
        }
    }

    fn drop_link(&mut self) {
        drop(self.hang_up());
    }

    /// Takes the connection away and says so.
    fn hang_up(&mut self) -> Link {
        self.retry_at = None;
        let link = std::mem::replace(&mut self.link, Link::Down);
        if link.is_up() {
            self.installation.saw(PhoneEvent::Disconnected { code: None });
        }
        link
    }

    fn connect(&mut self, woken_by: Option<wire::WokenBy>) {
        self.retry_at = None;
        if matches!(self.link, Link::Down) {
            let secret_only = {
                let token = lock(&self.installation.token);
                token.over && lock(&self.installation.storage).secret.is_some()
            };
            self.link = Opening::start(&self.installation, self.life, woken_by, secret_only);
        }
    }
}

/// Whether an app that is in state `from` can be put into state `to`: what does not run cannot be
/// suspended, and only its user brings back what they have quit.
const fn can_become(from: Life, to: Life) -> bool {
    let runs = matches!(from, Life::Foreground | Life::Background);
    match to {
        Life::Foreground | Life::ForceQuit => true,
        Life::Background | Life::Frozen => runs,
        Life::Suspended => runs || matches!(from, Life::Frozen),
        Life::NotRunning => !matches!(from, Life::ForceQuit),
    }
}
