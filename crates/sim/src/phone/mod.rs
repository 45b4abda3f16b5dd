//! Virtual phones: an app, its notification extension and the system that puts them to sleep.
//!
//! What it does: behaves towards the server and the push services as an installation of an app on
//! an Android phone, an iPhone or in a browser does, and logs everything that can be seen. What it
//! does **not** do: it decides nothing about delivery and knows nothing of the server but the public
//! wire.
//!
//! ```text
//!   push service ──▶ os ──┬──▶ app ───────WebSocket──▶ server
//!                         └──▶ extension, worker ──HTTP──▶ server
//!                                 all ──▶ storage (survives every kill) and journal
//! ```
//!
//! Read first: [`Phone`], [`PhoneEvent`], [`Behaviour`].

mod app;
mod drain;
mod event;
mod extension;
pub(crate) mod http;
mod installation;
pub(crate) mod journal;
mod link;
mod network;
mod options;
mod os;
mod push;
mod storage;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use wire::{
    CallCancel, CallEnd, CallReject, CallSignal, CallStart, ClientFrame, Media, Problem, Read,
    RejectReason, Send, TargetKindName, UrgencyName,
};

use self::app::{App, Command};
pub use self::event::{Life, Logged, PhoneEvent, Via};
use self::installation::{Installation, UserToken};
use self::journal::lock;
pub use self::network::Network;
pub use self::options::{Behaviour, Browser, PhoneOptions, Platform};
pub use self::storage::Held;
use crate::platform::Input;

/// How long [`Phone::launch`] waits for the server.
const LAUNCH: Duration = Duration::from_secs(20);

/// One installation of an app on one phone. Clones are the same phone; with the last one its
/// processes end and its connections close.
#[derive(Clone)]
pub struct Phone {
    installation: Arc<Installation>,
    commands: mpsc::UnboundedSender<Command>,
    /// Ends the phone's tasks when the last clone goes.
    _processes: Arc<JoinSet<()>>,
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Phone").field(&self.name()).finish()
    }
}

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The server refused it.
    #[error("rejected with {}: {}", .0.code, .0.detail)]
    Rejected(Box<Problem>),
    /// The phone was dropped before the server answered.
    #[error("the phone is gone; keep a clone of it while you wait")]
    Gone,
}

impl Phone {
    /// Installs the app; nothing runs yet.
    pub fn install(options: PhoneOptions) -> Self {
        let (deliveries, tokens) = mpsc::unbounded_channel();
        let (commands, ordered) = mpsc::unbounded_channel();
        let (orders, inputs) = mpsc::unbounded_channel();
        let installation = Arc::new(Installation::new(options, deliveries, orders));
        let mut processes = JoinSet::new();
        processes.spawn(App::new(Arc::clone(&installation), ordered).run());
        processes.spawn(os::run(Arc::clone(&installation), tokens, inputs, commands.clone()));
        Self { installation, commands, _processes: Arc::new(processes) }
    }

    // --- the app's life ----------------------------------------------------------------------
    // What makes no sense does nothing: an app that does not run cannot be suspended, and one that
    // was force-quit comes back by `launch` or by a VoIP push only.

    /// Opens the app, waits until it is connected and the server has answered its push targets.
    ///
    /// # Errors
    /// When the server refuses the connect or nothing comes of it within 20 s.
    pub async fn launch(&self) -> Result<()> {
        let (done, launched) = oneshot::channel();
        self.command(Command::Launch(Some(done)));
        match tokio::time::timeout(LAUNCH, launched).await {
            Ok(outcome) => outcome.context("the phone is gone")?,
            Err(_) => bail!(
                "{} was not launched within {LAUNCH:?}; its log so far:\n{}",
                self.name(),
                self.installation.journal.tail(40)
            ),
        }
    }

    /// Opens the app and does not wait.
    pub fn open(&self) {
        self.command(Command::Launch(None));
    }

    /// The app leaves the screen but runs on, until [`Self::suspend`].
    pub async fn background(&self) {
        self.become_(Life::Background).await;
    }

    /// The system suspends the app: its connection is closed by TCP, without a word.
    pub async fn suspend(&self) {
        self.become_(Life::Suspended).await;
    }

    /// The app stops running and its connection is dead but open: TCP stays up, nothing is read or
    /// answered. A push runs the app again, which then opens a new connection.
    pub async fn freeze(&self) {
        self.become_(Life::Frozen).await;
    }

    /// The user swipes the app away (iOS), stops it by force (Android) or closes the browser (web),
    /// whose push service then keeps what it may until the next launch.
    pub async fn force_quit(&self) {
        self.become_(Life::ForceQuit).await;
    }

    /// The system kills the process; a push may start it again.
    pub async fn kill_app(&self) {
        self.become_(Life::NotRunning).await;
    }

    /// The user signs out: the app removes its push targets by HTTP and ends.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses a removal; the app ends all the same.
    pub async fn logout(&self) -> Result<()> {
        let mut outcome = Ok(());
        for target in self.installation.push_tokens() {
            let kind = serde_json::to_value(target.kind)?;
            let path = format!("/v1/me/targets/{}", kind.as_str().unwrap_or_default());
            let removed = self.installation.request(::http::Method::DELETE, &path, None).await;
            if let Err(error) = removed.and_then(|answer| accept_2xx(&path, answer)) {
                outcome = Err(error);
            }
        }
        self.kill_app().await;
        outcome
    }

    /// What the app's process is doing.
    pub fn life(&self) -> Life {
        self.installation.life()
    }

    // --- the phone's life ----------------------------------------------------------------------
    // Times are those of the push services' clock ([`crate::Clock`]); whoever moves it ahead says
    // so by `time_passes`.

    /// The network drops, stalls, or is back.
    pub fn set_network(&self, network: Network) {
        self.installation.set_network(network);
    }

    /// Somebody looks at the phone; it dozes no longer.
    pub async fn screen_on(&self) {
        self.installation.system_takes(Input::Screen(true)).await;
    }

    /// The phone is put away. An Android phone that lies there without a charger dozes after an
    /// hour.
    pub async fn screen_off(&self) {
        self.installation.system_takes(Input::Screen(false)).await;
    }

    /// The phone is put on a charger; it dozes no longer.
    pub async fn plug_in(&self) {
        self.installation.system_takes(Input::Charging(true)).await;
    }

    /// The phone is taken off its charger.
    pub async fn unplug(&self) {
        self.installation.system_takes(Input::Charging(false)).await;
    }

    /// An Android phone dozes at once, until its screen goes on or a charger is near.
    pub async fn doze(&self) {
        self.installation.system_takes(Input::ForceDoze).await;
    }

    /// The services' clock was moved ahead: what is due by now happens.
    pub async fn time_passes(&self) {
        self.installation.system_takes(Input::TimePassed).await;
    }

    /// The phone is started anew; no app runs, and none counts as force-quit.
    pub async fn restart(&self) {
        let (done, ended) = oneshot::channel();
        self.command(Command::Restart(done));
        let _ = ended.await;
        self.installation.system_takes(Input::Restarted).await;
    }

    // --- what it is and how it behaves ---------------------------------------------------------

    /// Asks the server by HTTP as this device and its user; the status and the JSON of the answer.
    ///
    /// # Errors
    /// When the server could not be reached.
    pub async fn ask(
        &self,
        method: ::http::Method,
        path: &str,
    ) -> Result<(u16, serde_json::Value)> {
        self.installation.request(method, path, None).await
    }

    /// Its name, as people call it.
    pub fn name(&self) -> &str {
        &self.installation.options.name
    }

    /// The user who is logged in.
    pub fn user(&self) -> &str {
        &self.installation.options.user
    }

    /// What it runs.
    pub fn platform(&self) -> Platform {
        self.installation.options.platform
    }

    /// The id of this installation.
    pub fn device_id(&self) -> String {
        lock(&self.installation.storage).device_id.clone()
    }

    /// The secret that proves it, once it has connected.
    pub fn device_secret(&self) -> Option<String> {
        lock(&self.installation.storage).secret.clone()
    }

    /// Its token of one kind, once it was launched; for the push services' registry. Of a browser
    /// it is the endpoint.
    pub fn push_token(&self, kind: TargetKindName) -> Option<String> {
        self.installation.push_token(kind)
    }

    /// The browser replaces its subscription, as it may at any time: messages to the old one are
    /// answered 410, and the service worker tells the server the new one by HTTP
    /// (`pushsubscriptionchange`), with the page open or closed.
    ///
    /// # Errors
    /// When there is no subscription, or the server cannot be reached or refuses the new one.
    pub async fn rotate_subscription(&self) -> Result<()> {
        let target = self.installation.rotate_subscription();
        let target = target.context("there is no subscription; launch a phone of Platform::Web")?;
        self.installation.saw(PhoneEvent::SubscriptionChanged);
        let body = serde_json::json!({ "token": target.token, "app_id": target.app_id });
        let path = "/v1/me/targets/webpush";
        let answer = self.installation.request(::http::Method::PUT, path, Some(&body)).await?;
        let answer = accept_2xx(path, answer)?;
        let told: wire::PushTarget = serde_json::from_value(answer)?;
        self.installation.saw(PhoneEvent::TargetAnswered {
            kind: told.kind,
            state: told.state,
            code: told.code,
        });
        Ok(())
    }

    /// Changes how the phone behaves, from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.installation.behaviour));
    }

    /// The user token runs out, and the app knows: from now on it connects with its device secret
    /// alone. (For a token that the server has to refuse see [`Self::use_token`].)
    pub fn expire_token(&self) {
        lock(&self.installation.token).over = true;
    }

    /// The app gets another user token. It believes it to be valid: if the server refuses it, the
    /// app tries again with its device secret alone.
    pub fn use_token(&self, token: &str) {
        *lock(&self.installation.token) = UserToken { text: token.to_owned(), over: false };
    }

    // --- messages --------------------------------------------------------------------------------

    /// Sends `{"text": text}` to one user and waits for the server's answer. The message stays in
    /// the phone's outbox until then: it is sent again, with the same id, by each new session.
    ///
    /// # Errors
    /// When the server rejects it.
    pub async fn send(&self, to: &str, text: &str) -> Result<wire::Accepted, SendError> {
        self.send_with(message(&[to], text)).await
    }

    /// Sends any message; the rest is as in [`Self::send`]. Dropping the future does not take the
    /// message back.
    ///
    /// # Errors
    /// When the server rejects it.
    pub async fn send_with(&self, send: Send) -> Result<wire::Accepted, SendError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Send(Box::new(send), reply));
        answer.await.unwrap_or(Err(SendError::Gone))
    }

    /// An id for a message of this phone's, by its clock.
    pub fn new_id(&self) -> String {
        self.installation.behaviour().new_id()
    }

    /// Puts a message into the outbox and does not wait: the answer is an event.
    pub fn post(&self, send: Send) {
        let (reply, _) = oneshot::channel();
        self.command(Command::Send(Box::new(send), reply));
    }

    /// The messages that it holds, in the order in which they came.
    pub fn held(&self) -> Vec<Held> {
        lock(&self.installation.storage).held.clone()
    }

    /// The user has read these messages, at most 100: told now, or with the next session.
    pub fn read(&self, messages: Vec<String>) {
        self.say(Read { messages, ..Read::default() });
    }

    // --- calls -----------------------------------------------------------------------------------

    /// Calls a user; `name` is what the callee's screen shows.
    pub fn start_call(&self, to: &str, name: &str) -> CallHandle {
        let call = self.installation.behaviour().new_id();
        self.say(CallStart {
            call: call.clone(),
            to: to.to_owned(),
            media: Media::Audio,
            caller_name: name.to_owned(),
            caller_handle: None,
            offer: None,
        });
        CallHandle { phone: self.clone(), call }
    }

    /// The caller gives up.
    pub fn cancel_call(&self, call: &str) {
        self.say(CallCancel { call: call.to_owned() });
    }

    /// The user of this phone takes the call that rings here.
    pub fn answer(&self, call: &str) {
        self.command(Command::Answer(call.to_owned()));
    }

    /// The user of this phone does not want the call.
    pub fn reject(&self, call: &str, reason: RejectReason) {
        self.say(CallReject { call: call.to_owned(), reason });
    }

    /// The user of this phone hangs up.
    pub fn end(&self, call: &str) {
        self.say(CallEnd { call: call.to_owned() });
    }

    /// The app sends an opaque signal to the other side's app.
    pub fn signal(&self, call: &str, body: &serde_json::Value) {
        let body = serde_json::value::to_raw_value(body).unwrap_or_default();
        self.say(CallSignal { call: call.to_owned(), sequence: None, body });
    }

    // --- what can be seen ------------------------------------------------------------------------

    /// Everything that happened so far.
    pub fn events(&self) -> Vec<Logged> {
        self.installation.journal.all()
    }

    /// A place in the log, to wait from with [`Self::wait_since`].
    pub fn mark(&self) -> usize {
        self.installation.journal.mark()
    }

    /// The first event of the whole log for which `wanted` holds, waited for if need be.
    ///
    /// # Errors
    /// When it did not come in time; the text holds the end of the log.
    pub async fn wait_for(
        &self,
        wanted: impl FnMut(&PhoneEvent) -> bool,
        timeout: Duration,
    ) -> Result<Logged> {
        self.wait_since(0, wanted, timeout).await
    }

    /// As [`Self::wait_for`], for events after `mark`.
    ///
    /// # Errors
    /// When it did not come in time; the text holds the end of the log.
    pub async fn wait_since(
        &self,
        mark: usize,
        wanted: impl FnMut(&PhoneEvent) -> bool,
        timeout: Duration,
    ) -> Result<Logged> {
        self.installation.journal.wait(mark, wanted, timeout).await
    }

    /// Waits until `count` messages were received (own copies apart) and returns all of them.
    ///
    /// # Errors
    /// When they did not come in time; the text holds the end of the log.
    pub async fn wait_messages(&self, count: usize, timeout: Duration) -> Result<Vec<Held>> {
        let mut received = 0;
        let enough = |event: &PhoneEvent| {
            let counts = matches!(event, PhoneEvent::MessageReceived { own_copy: false, .. });
            received += usize::from(counts);
            received >= count
        };
        if count > 0 {
            self.wait_for(enough, timeout).await?;
        }
        let mut held = self.held();
        held.retain(|message| !message.own_copy);
        Ok(held)
    }

    /// Waits until the app's process is in the state `life`.
    ///
    /// # Errors
    /// When that did not come in time; the text holds the end of the log.
    pub async fn wait_life(&self, life: Life, timeout: Duration) -> Result<()> {
        let mut watching = self.installation.life.subscribe();
        let reached = tokio::time::timeout(timeout, watching.wait_for(|now| *now == life)).await;
        if reached.is_err() {
            bail!(
                "{} was not {life:?} within {timeout:?}; its log so far:\n{}",
                self.name(),
                self.installation.journal.tail(40)
            );
        }
        Ok(())
    }

    /// Sends a copy of each later event, with the phone's name, to `trace`.
    pub fn set_trace(&self, trace: mpsc::UnboundedSender<(Arc<str>, Logged)>) {
        self.installation.journal.set_trace(trace);
    }

    async fn become_(&self, life: Life) {
        let (done, reached) = oneshot::channel();
        self.command(Command::Become(life, done));
        // The task ends only with the phone, and then there is no life to wait for.
        let _ = reached.await;
    }

    fn say(&self, frame: impl Into<ClientFrame>) {
        self.command(Command::Say(Box::new(frame.into())));
    }

    fn command(&self, command: Command) {
        // The task ends only with the phone; then nobody is left to see the effect.
        let _ = self.commands.send(command);
    }
}

/// A call that this phone started.
#[derive(Clone, Debug)]
pub struct CallHandle {
    phone: Phone,
    call: String,
}

impl CallHandle {
    /// The call's id.
    pub fn id(&self) -> &str {
        &self.call
    }

    /// The caller gives up.
    pub fn cancel(&self) {
        self.phone.cancel_call(&self.call);
    }

    /// The caller hangs up.
    pub fn end(&self) {
        self.phone.end(&self.call);
    }
}

/// A message `{"text": text}` to users, with a fresh client id and everything else left out.
pub fn message(to: &[&str], text: &str) -> Send {
    let body = serde_json::value::to_raw_value(&serde_json::json!({ "text": text }));
    Send {
        id: uuid::Uuid::now_v7().to_string(),
        to: to.iter().map(|user| (*user).to_owned()).collect(),
        thread: None,
        body: body.unwrap_or_default(),
        ttl: None,
        urgency: UrgencyName::Normal,
        push: None,
    }
}

fn accept_2xx(what: &str, answer: (u16, serde_json::Value)) -> Result<serde_json::Value> {
    match answer {
        (200..=299, body) => Ok(body),
        (status, body) => bail!("{what} was answered with {status}: {body}"),
    }
}
