//! A store with users and phones, and a clock that stands still until it is moved.

mod direct;
mod pushes;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::inbox::Held;
use domain::session::AppState;
use domain::{
    AppId, Epoch, InboxId, Incarnation, MessageId, Offset, Platform, SessionId, TargetKind, Time,
    Urgency,
};
use domain::{DeviceNumber, EntryId};
use store::model::{
    Accept, Accepted, Acked, Connect, Connected, ConnectedDevice, Content, Digest, Effects,
    Identity, InboxRead, Sender, SetTarget, TargetSet,
};
use store::{Options, Store};

use super::Backend;
use super::snapshot::{EntryFact, Snapshot};

pub(crate) use direct::{devices, to_device, users};
pub(crate) use pushes::{BELIEVED, accepted, credential, refused};

/// 2026-11-23 12:00 UTC: when every story begins.
pub(crate) const NOON: Time = Time::from_millis(1_795_435_200_000);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// What a device whose session died with its node gets to come back.
pub(crate) const GRACE: Duration = Duration::from_secs(15);

/// A store, its clock, and the numbers drawn so far.
pub(crate) struct World {
    pub(crate) backend: Backend,
    pub(crate) options: Options,
    store: Option<Store>,
    pub(crate) now: Time,
    pub(crate) app: AppId,
    pub(crate) incarnation: Incarnation,
    drawn: u128,
    /// Every entry that was ever seen, as it was when it was seen first.
    seen: RefCell<BTreeMap<(InboxId, Offset), EntryFact>>,
}

/// A phone as its own app sees it.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    pub(crate) number: DeviceNumber,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) inbox: InboxId,
    pub(crate) platform: Platform,
    pub(crate) secret: Option<Digest>,
    pub(crate) epoch: Epoch,
    /// Its last session.
    pub(crate) session: SessionId,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With options other than the usual ones.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let backend = Backend::fresh();
        let mut options = backend.options();
        change(&mut options);
        let store = backend.open(&options).expect("a fresh store opens");
        let started = store.start(NOON, NOON.plus(GRACE)).await.expect("it starts");
        let app = store.add_app("chat".to_owned(), NOON).await.expect("an app");
        Self {
            backend,
            options,
            store: Some(store),
            now: NOON,
            app: app.id,
            incarnation: started.incarnation,
            drawn: 0,
            seen: RefCell::default(),
        }
    }

    /// On what an earlier process left behind, with its only app; and what its end left to do.
    pub(crate) async fn found(backend: Backend) -> (Self, Effects) {
        let options = backend.options();
        let store = backend.open(&options).expect("what is there opens");
        let started = store.start(NOON, NOON.plus(GRACE)).await.expect("it starts");
        let apps = store.apps().await.expect("apps are read");
        let [app] = &apps[..] else { panic!("one app: {apps:?}") };
        let world = Self {
            backend,
            options,
            app: app.id,
            store: Some(store),
            now: NOON,
            incarnation: started.incarnation,
            drawn: 0,
            seen: RefCell::default(),
        };
        (world, started.effects)
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("the store is open outside of a restart")
    }

    /// A number that was not drawn before.
    pub(crate) fn draw(&mut self) -> u128 {
        self.drawn += 1;
        self.drawn
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// Looks at the committed state from outside; fails if a rule does not hold, or if an entry
    /// is another one than it was.
    pub(crate) fn look(&self) -> Snapshot {
        let snapshot = self.backend.snapshot();
        let faults = snapshot.faults(self.now);
        assert!(faults.is_empty(), "at {:?}: {faults:#?}", self.now);
        let mut seen = self.seen.borrow_mut();
        for entry in &snapshot.entries {
            let first = seen.entry((entry.inbox, entry.offset)).or_insert_with(|| entry.clone());
            assert_eq!(entry, first, "a stored entry never changes");
        }
        drop(seen);
        snapshot
    }

    /// Closes the store in good order and opens it again; a new life begins.
    pub(crate) async fn restart(&mut self) -> Effects {
        self.close();
        self.reopen().await
    }

    /// The process is killed, and another one takes its place.
    pub(crate) async fn kill(&mut self) -> Effects {
        self.backend = self.backend.killed();
        self.options = Options { dir: self.backend.options().dir, ..self.options.clone() };
        drop(self.store.take());
        self.reopen().await
    }

    /// Opens the store that is closed, and begins a new life.
    pub(crate) async fn reopen(&mut self) -> Effects {
        let store = self.backend.open(&self.options).expect("the store opens again");
        let started = store.start(self.now, self.now.plus(GRACE)).await.expect("it starts");
        self.store = Some(store);
        self.incarnation = started.incarnation;
        self.look();
        started.effects
    }

    pub(crate) fn close(&mut self) {
        self.backend.look_away();
        self.store.take().expect("it was open").close();
    }

    // --- users and phones ------------------------------------------------------------------------

    pub(crate) async fn user(&self, user: &str) -> InboxId {
        let made = self.store().ensure_user(self.app, user.to_owned(), self.now).await;
        made.expect("the user is written").expect("the app is there")
    }

    /// A new Android phone of a user, connected, with a token for pushes.
    pub(crate) async fn phone(&mut self, user: &str) -> Phone {
        self.phone_of(user, Platform::Android, Some(TargetKind::Fcm)).await
    }

    pub(crate) async fn phone_of(
        &mut self,
        user: &str,
        platform: Platform,
        target: Option<TargetKind>,
    ) -> Phone {
        let inbox = self.user(user).await;
        let number = self.draw();
        let mut phone = Phone {
            number: DeviceNumber::from_number(0),
            name: format!("{user}-{number}"),
            user: user.to_owned(),
            inbox,
            platform,
            secret: None,
            epoch: Epoch::from_number(0),
            session: SessionId::from_bits(0),
        };
        self.connect(&mut phone).await;
        if let Some(kind) = target {
            self.set_target(&phone, kind, &format!("token of {}", phone.name)).await;
        }
        phone
    }

    /// A new phone that is asleep.
    pub(crate) async fn sleeper(&mut self, user: &str) -> Phone {
        let phone = self.phone(user).await;
        self.end(&phone).await;
        phone
    }

    /// What the phone sends when its app connects, holding nothing it would tell of.
    pub(crate) fn hello(&mut self, phone: &Phone) -> Connect {
        let drawn = self.draw();
        Connect {
            identity: Identity::User { app: self.app, inbox: phone.inbox },
            device: phone.name.clone(),
            platform: phone.platform,
            app_version: None,
            locale: None,
            time_zone: None,
            secret: phone.secret,
            new_secret: digest(drawn),
            held: None,
            state: AppState::Foreground,
            replaces: true,
            session: SessionId::from_bits(drawn),
            incarnation: self.incarnation,
            woken_by: None,
            now: self.now,
        }
    }

    pub(crate) async fn connect_as(&self, connect: Connect) -> Connected {
        let connected = self.store().connect(connect).await.expect("a connect is answered");
        self.look();
        connected
    }

    /// The phone's app connects and the phone remembers what it is told.
    pub(crate) async fn connect(&mut self, phone: &mut Phone) -> ConnectedDevice {
        let hello = self.hello(phone);
        self.greet(phone, hello).await
    }

    /// The same with a frame of the test's own.
    pub(crate) async fn greet(&self, phone: &mut Phone, hello: Connect) -> ConnectedDevice {
        let (session, new_secret) = (hello.session, hello.new_secret);
        let Connected::Yes(connected) = self.connect_as(hello).await else {
            panic!("{} is not let in", phone.name);
        };
        if connected.secret_issued {
            phone.secret = Some(new_secret);
        }
        phone.number = connected.device;
        phone.inbox = connected.inbox;
        phone.epoch = connected.epoch;
        phone.session = session;
        *connected
    }

    /// The phone's session ends.
    pub(crate) async fn end(&self, phone: &Phone) -> Effects {
        let ended = self.store().end_session(phone.session, self.now).await;
        self.look();
        ended.expect("a session ends")
    }

    pub(crate) async fn suspect(&self, phone: &Phone) -> Effects {
        let marked = self.store().suspect(phone.session, self.now).await;
        self.look();
        marked.expect("a session is marked")
    }

    pub(crate) async fn set_target(
        &self,
        phone: &Phone,
        kind: TargetKind,
        token: &str,
    ) -> TargetSet {
        let set = SetTarget {
            device: phone.number,
            kind,
            token: token.to_owned(),
            environment: None,
            app_id: Some("com.example.chat".to_owned()),
            now: self.now,
        };
        let set = self.store().set_target(set).await.expect("a target is set");
        self.look();
        set
    }

    // --- messages ----------------------------------------------------------------------------------

    /// A message from the back end that wakes and is kept for an hour.
    pub(crate) fn message(&mut self, to: &[&str]) -> Accept {
        let drawn = self.draw();
        Accept {
            app: self.app,
            message: MessageId::from_bits(drawn),
            request: digest(drawn),
            sender: None,
            recipients: to.iter().map(|user| (*user).to_owned()).collect(),
            makes_users: false,
            content: Arc::new(Content {
                thread: None,
                body: format!(r#"{{"n":{drawn}}}"#),
                urgency: Urgency::Normal,
                wakes: true,
                push: None,
                expires_at: self.now.plus(SECOND * 3_600),
            }),
            now: self.now,
            birth: None,
        }
    }

    /// The same with its content changed.
    pub(crate) fn message_with(
        &mut self,
        to: &[&str],
        change: impl FnOnce(&mut Content),
    ) -> Accept {
        let mut accept = self.message(to);
        change(Arc::make_mut(&mut accept.content));
        accept
    }

    pub(crate) async fn accept(&self, accept: Accept) -> (Accepted, Effects) {
        let accepted = self.store().accept(accept).await.expect("a send is answered");
        self.look();
        accepted
    }

    /// Sends to one user; returns where it is.
    pub(crate) async fn send(&mut self, to: &str) -> Offset {
        let accept = self.message(&[to]);
        self.send_this(accept).await
    }

    /// Sends to one user; returns where it is.
    pub(crate) async fn send_this(&self, accept: Accept) -> Offset {
        let (accepted, _) = self.accept(accept).await;
        let Accepted::Stored { entries, failed, replayed: false, .. } = accepted else {
            panic!("not stored: {accepted:?}");
        };
        assert_eq!((entries.len(), failed.len()), (1, 0));
        entries[0].1
    }

    /// A message from a phone.
    pub(crate) fn message_from(&mut self, phone: &Phone, to: &[&str]) -> Accept {
        let sender =
            Sender { inbox: phone.inbox, user: phone.user.clone(), device: Some(phone.number) };
        Accept { sender: Some(sender), ..self.message(to) }
    }

    pub(crate) async fn read(&self, phone: &Phone, after: i64, limit: usize) -> InboxRead {
        let read =
            self.store().read(phone.inbox, Offset::from_number(after), limit, self.now).await;
        read.expect("an inbox is read").expect("it is there")
    }

    /// The phone acknowledges over its session everything up to `offset`.
    pub(crate) async fn ack(&self, phone: &Phone, offset: i64) -> (Acked, Effects) {
        self.ack_held(phone, held(phone.epoch, offset, None), Some(phone.session)).await
    }

    pub(crate) async fn ack_held(
        &self,
        phone: &Phone,
        held: Held,
        session: Option<SessionId>,
    ) -> (Acked, Effects) {
        let acked = self.store().ack(phone.number, held, session, self.now).await;
        self.look();
        acked.expect("an ack is answered")
    }
}

pub(crate) fn held(epoch: Epoch, offset: i64, entry: Option<u128>) -> Held {
    Held { epoch, offset: Offset::from_number(offset), entry: entry.map(EntryId::from_bits) }
}

pub(crate) fn digest(number: u128) -> Digest {
    let mut digest = [7; 32];
    digest[..16].copy_from_slice(&number.to_be_bytes());
    digest
}

/// Offsets as numbers.
pub(crate) fn offsets(read: &InboxRead) -> Vec<i64> {
    read.entries.iter().map(|entry| entry.offset.number()).collect()
}
