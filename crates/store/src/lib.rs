//! The durable truth of Reveille.
//!
//! What it does: keeps apps, users' inboxes, devices, sessions, wakes and calls; every change of a
//! user's delivery is one transaction that looks at everything anew, asks `domain` what to do, and
//! writes it. What it does **not** do: no sockets, no pushes, no clock (`now` is an argument), no
//! public shapes.
//!
//! ```text
//!   accept, ack, connect, claim, settle, … ─▶ [ one writer, group commit ] ─▶ reveille.db
//!                                                 │ Effects: look at that inbox, that lane
//!   read, devices, … ◀───────── [ readers ] ◀─────┘
//!   records of what was done and why ─▶ [ log ] ─▶ log/2026-11-23.db
//! ```
//!
//! Read first: [`Store`], [`model::Effects`], [`model::Claimed`].

mod audit;
pub mod backup;
mod bell;
mod console;
mod credentials;
mod error;
pub mod log;
pub mod model;
mod pushes;
mod reading;
mod slots;
mod sqlite;
mod standing;
mod users;
mod webhooks;

use std::path::PathBuf;

use domain::inbox::Held;
use domain::session::AppState;
use domain::{
    AppId, CallId, DeviceNumber, InboxId, Incarnation, KeyId, KeyScopes, LaneId, MessageId, Offset,
    SessionId, TargetKind, Time,
};

pub use credentials::{credential_context, token_context};
pub use error::Error;
pub use slots::{Slot, Slots};
pub use users::token_key_context;
pub use webhooks::webhook_context;

use model::{
    Accept, Accepted, Acked, ApiKey, App, CallMove, CallMoved, CallRecord, CallStart, CallStarted,
    Claimed, Connect, Connected, Device, DeviceIdentity, Digest, Effects, InboxLimits, InboxRead,
    Lane, SetTarget, Settings, Settle, SettleDone, Signal, SignalKept, TargetSet,
};
use sqlite::Sqlite;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// Reader threads.
    pub readers: usize,
    /// Changes in one commit at most.
    pub batch: usize,
    /// What an inbox holds at most.
    pub inbox: InboxLimits,
    /// The most pages of 4 KiB the database may grow to; `None`: as the disk allows.
    pub max_pages: Option<u32>,
}

impl Options {
    /// The usual ones, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            readers: 2,
            batch: 256,
            inbox: InboxLimits::default(),
            max_pages: None,
        }
    }
}

/// A life of this node has begun.
#[derive(Debug)]
pub struct Started {
    /// Its number.
    pub incarnation: Incarnation,
    /// What the end of the last one left to do.
    pub effects: Effects,
}

/// The durable truth. Cheap to clone; every handle is the same store.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
}

/// The closed set of back ends.
#[derive(Clone)]
enum Backend {
    /// One file, one process.
    Sqlite(Sqlite),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Backend::Sqlite(_) = &self.backend;
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the SQLite store of a data directory, brings its schema up to date, and takes its
    /// lock.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Newer`], [`Error::File`], [`Error::Database`].
    pub fn open(options: &Options) -> Result<Self, Error> {
        Ok(Self { backend: Backend::Sqlite(Sqlite::open(options)?) })
    }

    fn sqlite(&self) -> &Sqlite {
        let Backend::Sqlite(sqlite) = &self.backend;
        sqlite
    }

    /// Ends the store once the last change is answered. Other handles must be gone.
    pub fn close(self) {
        let Backend::Sqlite(sqlite) = self.backend;
        sqlite.close();
    }

    /// The key that turns idempotency keys into message ids. It goes with the database.
    pub fn id_key(&self) -> [u8; 32] {
        self.sqlite().id_key()
    }

    /// Begins a life of this node: sessions and attempts of the last one are void. Devices whose
    /// session died with it are pushed only after `grace`, time to come back.
    pub async fn start(&self, now: Time, grace: Time) -> Result<Started, Error> {
        self.sqlite().start(now, grace).await
    }

    // --- messages ---------------------------------------------------------------------------------

    /// Accepts a message: answered only after it, its idempotency key and every wake owed are
    /// durable in one transaction.
    pub async fn accept(&self, accept: Accept) -> Result<(Accepted, Effects), Error> {
        self.sqlite().accept(accept).await
    }

    /// One ordered read: up to `limit` entries behind `after`. `None`: no such inbox.
    pub async fn read(
        &self,
        inbox: InboxId,
        after: Offset,
        limit: usize,
        now: Time,
    ) -> Result<Option<InboxRead>, Error> {
        self.sqlite().read(inbox, after, limit, now).await
    }

    /// A device holds everything up to a position. Progress writes receipts for the senders, trims,
    /// and closes the device's wake when nothing is owed any more. With `session`, progress takes
    /// that session's suspicion off.
    pub async fn ack(
        &self,
        device: DeviceNumber,
        held: Held,
        session: Option<SessionId>,
        now: Time,
    ) -> Result<(Acked, Effects), Error> {
        self.sqlite().ack(device, held, session, now).await
    }

    /// A push handler read the inbox by HTTP: a due wake moves away, once per attempt.
    pub async fn fetched(&self, device: DeviceNumber, now: Time) -> Result<Effects, Error> {
        self.sqlite().fetched(device, now).await
    }

    /// Where a message is. `None`: unknown, or older than the idempotency window.
    pub async fn find_message(
        &self,
        app: AppId,
        message: MessageId,
    ) -> Result<Option<Vec<(InboxId, Offset)>>, Error> {
        self.sqlite().find_message(app, message).await
    }

    // --- devices and sessions -----------------------------------------------------------------------

    /// A device connects: proves itself, acks what it holds, and has a session.
    pub async fn connect(&self, connect: Connect) -> Result<Connected, Error> {
        self.sqlite().connect(connect).await
    }

    /// A session ended; opens the wake when the cursor is behind. Conditional on the session's id:
    /// the late close of a replaced session does nothing.
    pub async fn end_session(&self, session: SessionId, now: Time) -> Result<Effects, Error> {
        self.sqlite().end_session(session, now).await
    }

    /// A session missed its ack deadline: it is suspect, and the wake is open and due.
    pub async fn suspect(&self, session: SessionId, now: Time) -> Result<Effects, Error> {
        self.sqlite().suspect(session, now).await
    }

    /// A suspect session shows life while nothing is owed.
    pub async fn clear_suspect(&self, session: SessionId) -> Result<(), Error> {
        self.sqlite().clear_suspect(session).await
    }

    /// The sessions that connected before `before` and have not ended.
    pub async fn sessions(&self, before: Time) -> Result<Vec<SessionId>, Error> {
        self.sqlite().sessions(before).await
    }

    /// The app came to the foreground or left it.
    pub async fn set_state(&self, session: SessionId, state: AppState) -> Result<(), Error> {
        self.sqlite().set_state(session, state).await
    }

    /// Registers a push target. A token that was another device's moves to this one.
    pub async fn set_target(&self, set: SetTarget) -> Result<TargetSet, Error> {
        self.sqlite().set_target(set).await
    }

    /// The Web Push services with the most push targets, most first, at most `limit`: scheme, host
    /// and port of their endpoints.
    pub async fn webpush_services(&self, limit: usize) -> Result<Vec<String>, Error> {
        self.sqlite().webpush_services(limit).await
    }

    /// Forgets one push target of a device, or all; returns how many there were.
    pub async fn remove_targets(
        &self,
        device: DeviceNumber,
        kind: Option<TargetKind>,
        now: Time,
    ) -> Result<(usize, Effects), Error> {
        self.sqlite().remove_targets(device, kind, now).await
    }

    /// The devices of a user, with targets and open wakes.
    pub async fn devices(&self, inbox: InboxId) -> Result<Vec<Device>, Error> {
        self.sqlite().devices(inbox).await
    }

    /// Removes a device with its secret, its push targets, wakes and topics; returns the sessions
    /// that it had, which are to be closed. A device that is gone already has none.
    pub async fn remove_device(
        &self,
        device: DeviceNumber,
        now: Time,
    ) -> Result<(Vec<SessionId>, Effects), Error> {
        self.sqlite().remove_device(device, now).await
    }

    /// The device of a secret.
    pub async fn device_by_secret(&self, secret: Digest) -> Result<Option<DeviceIdentity>, Error> {
        self.sqlite().device_by_secret(secret).await
    }

    /// A device of an app, by the client's own id.
    pub async fn device_by_name(
        &self,
        app: AppId,
        name: String,
    ) -> Result<Option<DeviceIdentity>, Error> {
        self.sqlite().device_by_name(app, name).await
    }

    // --- wakes ------------------------------------------------------------------------------------------

    /// Claims up to `limit` due wakes of a lane: re-reads everything and says what to push.
    pub async fn claim(
        &self,
        lane: LaneId,
        limit: usize,
        incarnation: Incarnation,
        now: Time,
    ) -> Result<(Vec<Claimed>, Effects), Error> {
        self.sqlite().claim(lane, limit, incarnation, now).await
    }

    /// Settles an attempt: the token's verdict, then the wake's next step, if the attempt is still
    /// the open one.
    pub async fn settle(&self, settle: Settle) -> Result<SettleDone, Error> {
        self.sqlite().settle(settle).await
    }

    /// Every lane with a wake that is not parked, and when its next one is due.
    pub async fn lanes_due(&self) -> Result<Vec<(LaneId, Time)>, Error> {
        self.sqlite().lanes_due().await
    }

    /// What a lane carries.
    pub async fn lane(&self, lane: LaneId) -> Result<Option<Lane>, Error> {
        self.sqlite().lane(lane).await
    }

    // --- calls --------------------------------------------------------------------------------------------

    /// Starts a call, with a wake for every device of the callee.
    pub async fn start_call(&self, start: CallStart) -> Result<(CallStarted, Effects), Error> {
        self.sqlite().start_call(start).await
    }

    /// A device says that it rings. `None`: no such call for this user.
    pub async fn ringing(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
    ) -> Result<(Option<CallRecord>, Effects), Error> {
        self.sqlite().ringing(app, call, device, inbox).await
    }

    /// Moves a call; one winner. The end of a missed call and its message are one transaction.
    pub async fn move_call(&self, step: CallMove) -> Result<(CallMoved, Effects), Error> {
        self.sqlite().move_call(step).await
    }

    /// Whether a call still rings.
    pub async fn call_rings(&self, number: i64) -> Result<bool, Error> {
        self.sqlite().call_rings(number).await
    }

    /// Calls that end by themselves now, because nobody took them or a lost leg is not back, and
    /// when the next one does.
    pub async fn calls_overdue(&self, now: Time) -> Result<(Vec<CallRecord>, Option<Time>), Error> {
        self.sqlite().calls_overdue(now).await
    }

    /// Keeps and numbers a signal.
    pub async fn signal(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
        body: String,
    ) -> Result<SignalKept, Error> {
        self.sqlite().signal(app, call, device, inbox, body).await
    }

    /// The signals of a call for a device, behind `after`, in order: up to a hundred. The caller
    /// gets what the callee's devices sent, each of those what the caller sent.
    pub async fn signals(
        &self,
        call: i64,
        device: DeviceNumber,
        after: i64,
    ) -> Result<Vec<Signal>, Error> {
        self.sqlite().signals(call, device, after).await
    }

    /// How many signals of a call a device has sent, of those that are kept.
    pub async fn signals_sent(&self, call: i64, device: DeviceNumber) -> Result<i64, Error> {
        self.sqlite().signals_sent(call, device).await
    }

    /// A call, as a device that has a part in it may see it.
    pub async fn call_of(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
    ) -> Result<Option<CallRecord>, Error> {
        self.sqlite().call_of(app, call, device, inbox).await
    }

    /// What a device that connects has to be told of, oldest first: the calls that ring for its
    /// user or were taken by one of the user's devices, those it is calling or answering in, and
    /// the newest of those that ended since `since`, when it was last there.
    pub async fn calls_to_tell(
        &self,
        device: DeviceNumber,
        inbox: InboxId,
        since: Time,
    ) -> Result<Vec<CallRecord>, Error> {
        self.sqlite().calls_to_tell(device, inbox, since).await
    }

    /// A note that goes with the database, kept for the server under a name of its own.
    pub async fn note(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.sqlite().note(name).await
    }

    /// Keeps a note.
    pub async fn set_note(&self, name: &'static str, value: Vec<u8>) -> Result<(), Error> {
        self.sqlite().set_note(name, value).await
    }

    // --- apps -----------------------------------------------------------------------------------------------

    /// Makes an app, with default settings.
    pub async fn add_app(&self, name: String, now: Time) -> Result<App, Error> {
        self.sqlite().add_app(name, now).await
    }

    /// All apps, oldest first.
    pub async fn apps(&self) -> Result<Vec<App>, Error> {
        self.sqlite().apps().await
    }

    /// One app.
    pub async fn app(&self, app: AppId) -> Result<Option<App>, Error> {
        self.sqlite().app(app).await
    }

    /// Deletes an app, if it is there: from now on nobody can ask for it, its keys and credentials
    /// are gone. Its sessions end by [`Self::end_deleted_sessions`], the rest goes by
    /// [`Self::purge_app`].
    pub async fn delete_app(&self, app: AppId, now: Time) -> Result<bool, Error> {
        self.sqlite().delete_app(app, now).await
    }

    /// Ends some sessions of deleted apps, and returns whose; to be called until there are none.
    pub async fn end_deleted_sessions(&self) -> Result<Vec<InboxId>, Error> {
        self.sqlite().end_deleted_sessions().await
    }

    /// Takes away some of what deleted apps had; to be called until it says that there is no more.
    pub async fn purge_app(&self) -> Result<bool, Error> {
        self.sqlite().purge_app().await
    }

    /// Adds an API key to an app. `None`: no such app.
    pub async fn add_key(
        &self,
        app: AppId,
        name: String,
        scopes: KeyScopes,
        hash: Digest,
        now: Time,
    ) -> Result<Option<ApiKey>, Error> {
        self.sqlite().add_key(app, name, scopes, hash, now).await
    }

    /// Notes that an API key was used.
    pub async fn note_key_use(&self, key: KeyId, now: Time) -> Result<(), Error> {
        self.sqlite().note_key_use(key, now).await
    }

    /// The API keys of an app, oldest first.
    pub async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Error> {
        self.sqlite().keys(app).await
    }

    /// The API key of a hash.
    pub async fn key_by_hash(&self, hash: Digest) -> Result<Option<ApiKey>, Error> {
        self.sqlite().key_by_hash(hash).await
    }

    /// Takes an API key back; returns whether there was one.
    pub async fn remove_key(&self, app: AppId, key: KeyId) -> Result<bool, Error> {
        self.sqlite().remove_key(app, key).await
    }

    /// An app's settings. `None`: no such app.
    pub async fn settings(&self, app: AppId) -> Result<Option<Settings>, Error> {
        self.sqlite().settings(app).await
    }

    /// Changes an app's settings; open wakes look again. `false`: no such app.
    pub async fn set_settings(
        &self,
        app: AppId,
        settings: Settings,
        now: Time,
    ) -> Result<(bool, Effects), Error> {
        self.sqlite().set_settings(app, settings, now).await
    }

    /// Forgets what has outlived its use; call it now and then with `slice` going round from 0 to
    /// 255. Returns whether every inbox was looked at.
    pub async fn sweep(&self, slice: u8, now: Time) -> Result<(bool, Effects), Error> {
        self.sqlite().sweep(slice, now).await
    }
}
