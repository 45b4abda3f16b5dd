//! Plays a history, and remembers what was promised in it.

use std::collections::{BTreeMap, BTreeSet};

use domain::call::CallInput;
use domain::{
    CallId, Diagnosis, InboxId, Offset, Outcome, Platform, PushId, RetryRule, SessionId,
    TargetKind, Time, TokenVerdict, Urgency,
};
use store::model::{
    Accept, Accepted, Acked, CallMove, CallRecord, CallStart, CallStarted, Claimed,
    ClaimedDelivery, Connect, Identity,
};

use super::super::world::{DAY, Phone, SECOND, World, accepted, credential, held, refused};
use super::{PHONES, Step, THREADS};

pub(super) const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// The world, and what everybody in it was told.
pub(super) struct Player {
    pub(super) world: World,
    pub(super) inboxes: [InboxId; 3],
    pub(super) phones: [Option<Held>; PHONES],
    /// Every session there ever was.
    pub(super) sessions: Vec<SessionId>,
    /// Every send that was answered, with the answer.
    pub(super) sends: Vec<(Accept, Vec<(InboxId, Offset)>)>,
    /// Accepted messages of each inbox, by offset.
    pub(super) messages: BTreeMap<InboxId, BTreeMap<i64, Message>>,
    /// What some device of each inbox acknowledged.
    pub(super) delivered: BTreeMap<InboxId, i64>,
    /// Pushes on their way.
    pub(super) pushes: Vec<Claimed>,
    pub(super) calls: Vec<CallRecord>,
    /// Direct pushes there ever were.
    pub(super) direct: Vec<PushId>,
    /// Deliveries of them on their way.
    pub(super) deliveries: Vec<ClaimedDelivery>,
    /// Who blocks whom, by their places in [`USERS`].
    pub(super) blocks: BTreeSet<(usize, usize)>,
}

/// A phone and what it has acknowledged.
pub(super) struct Held {
    pub(super) phone: Phone,
    pub(super) cursor: i64,
}

/// A message that was accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) id: u128,
    pub(super) expires_at: Time,
}

impl Player {
    pub(super) async fn new() -> Self {
        let world = World::new().await;
        let mut inboxes = Vec::new();
        for user in USERS {
            inboxes.push(world.user(user).await);
        }
        Self {
            world,
            inboxes: inboxes.try_into().expect("one inbox for each user"),
            phones: [const { None }; PHONES],
            sessions: Vec::new(),
            sends: Vec::new(),
            messages: BTreeMap::new(),
            delivered: BTreeMap::new(),
            pushes: Vec::new(),
            calls: Vec::new(),
            direct: Vec::new(),
            deliveries: Vec::new(),
            blocks: BTreeSet::new(),
        }
    }

    pub(super) async fn play(&mut self, step: Step) {
        match step {
            Step::Send { from, to, thread, short, quiet, urgent, born } => {
                let users: Vec<_> = USERS
                    .into_iter()
                    .enumerate()
                    .filter(|(bit, _)| to & (1 << bit) != 0)
                    .map(|(_, user)| user)
                    .collect();
                let sender = from.and_then(|from| self.phones[from].as_ref());
                let sender = sender.map(|held| held.phone.clone());
                let accept = match &sender {
                    None => self.world.message(&users),
                    Some(phone) => self.world.message_from(phone, &users),
                };
                let birth = born.then(|| self.world.birth(1));
                let mut content = (*accept.content).clone();
                content.expires_at =
                    self.world.now.plus(if short { SECOND * 20 } else { DAY * 20 });
                content.wakes = !quiet;
                content.thread = THREADS[thread].map(str::to_owned);
                content.urgency = if urgent { Urgency::High } else { Urgency::Normal };
                self.send(Accept { content: content.into(), birth, ..accept }).await;
            }
            Step::Resend(nth) => {
                let Some((accept, entries)) = pick(&self.sends, nth).cloned() else { return };
                if self.world.now.since(accept.now) < DAY * 2 {
                    let again = Accept { now: self.world.now, ..accept };
                    let (answer, _) = self.world.accept(again).await;
                    let Accepted::Stored { entries: now, replayed: true, .. } = answer else {
                        panic!("{answer:?}");
                    };
                    assert_eq!(now, entries);
                }
            }
            Step::Mute { user, thread, on } => self.mute(user, thread, on).await,
            Step::Block { user, other, on } => self.block(user, other, on).await,
            Step::Read { phone, thread, entries } => self.read(phone, thread, entries).await,
            Step::Connect { phone, fetch, holds } => self.connect(phone, fetch, holds).await,
            Step::SignIn { phone, fetch } => self.sign_in(phone, fetch).await,
            Step::End(nth) => {
                let Some(session) = pick(&self.sessions, nth).copied() else { return };
                self.world.store().end_session(session, self.world.now).await.expect("ended");
            }
            Step::Suspect(nth) => {
                let Some(session) = pick(&self.sessions, nth).copied() else { return };
                self.world.store().suspect(session, self.world.now).await.expect("marked");
            }
            Step::Clear(nth) => {
                let Some(session) = pick(&self.sessions, nth).copied() else { return };
                self.world.store().clear_suspect(session).await.expect("cleared");
            }
            Step::Ack { phone, entries, over_session } => {
                self.ack(phone, entries, over_session).await;
            }
            Step::Fetched(phone) => {
                let Some(held) = &self.phones[phone] else { return };
                let number = held.phone.number;
                self.world.store().fetched(number, self.world.now).await.expect("fetched");
            }
            Step::Target { phone, kind, token } => {
                let Some(held) = &self.phones[phone] else { return };
                let kinds = match held.phone.platform {
                    Platform::Ios => [TargetKind::Apns, TargetKind::ApnsVoip, TargetKind::Fcm],
                    _ => [TargetKind::Fcm; 3],
                };
                let phone = held.phone.clone();
                self.world.set_target(&phone, kinds[kind], &format!("token {token}")).await;
            }
            Step::Untarget(phone) => {
                let Some(held) = &self.phones[phone] else { return };
                let number = held.phone.number;
                let removed = self.world.store().remove_targets(number, None, self.world.now).await;
                removed.expect("removed");
            }
            Step::Credential => self.replace_credential().await,
            Step::Claim => {
                let claimed = self.world.claim_due().await;
                self.pushes.extend(claimed);
            }
            Step::Settle { push, outcome } => self.settle(push, outcome).await,
            Step::Push { to, all, later, background } => {
                self.push(USERS[to], all, later, background).await;
            }
            Step::CancelPush(nth) => {
                let Some(push) = pick(&self.direct, nth).copied() else { return };
                // After a week it is forgotten.
                let now = self.world.now;
                self.world.store().cancel_push(self.world.app, push, now).await.expect("answered");
            }
            Step::ClaimDeliveries => {
                let claimed = self.world.claim_deliveries_due().await;
                self.deliveries.extend(claimed);
            }
            Step::SettleDelivery { delivery, outcome } => {
                self.settle_delivery(delivery, an_outcome(outcome, self.world.now)).await;
            }
            Step::Route { firebase, production } => self.route(firebase, production).await,
            Step::Call { phone, to } => self.call(phone, to).await,
            Step::Move { call, phone, input } => self.move_call(call, phone, input).await,
            Step::Ringing { call, phone } => {
                let Some(call) = pick(&self.calls, call).map(|call| call.id) else { return };
                let Some(held) = &self.phones[phone] else { return };
                let (number, inbox) = (held.phone.number, held.phone.inbox);
                let rings = self.world.store().ringing(self.world.app, call, number, inbox).await;
                rings.expect("answered");
            }
            Step::Pass(time) => self.world.pass(time),
            Step::Sweep => {
                // Numbers drawn by the world begin with a zero byte: one slice has all sends.
                self.world.store().sweep(0, self.world.now).await.expect("swept");
            }
            Step::Restart => drop(self.world.restart().await),
            Step::Kill => drop(self.world.kill().await),
        }
        self.world.look();
    }

    async fn send(&mut self, accept: Accept) {
        let (accepted, effects) = self.world.accept(accept.clone()).await;
        let Accepted::Stored { entries, failed, replayed: false, .. } = accepted else {
            panic!("{accepted:?}");
        };
        let reached: Vec<_> = entries.iter().map(|(inbox, _)| *inbox).collect();
        assert_eq!((reached, failed.len()), (self.who_takes(&accept), 0), "all but who blocks");
        for (inbox, offset) in &entries {
            let message =
                Message { id: accept.message.bits(), expires_at: accept.content.expires_at };
            self.messages.entry(*inbox).or_default().insert(offset.number(), message);
        }
        let snapshot = self.world.look();
        for born in &effects.born {
            self.world.no_push_to_the_awake(&snapshot, born);
        }
        self.pushes.extend(effects.born);
        self.sends.push((Accept { birth: None, ..accept }, entries));
    }

    pub(super) async fn connect(&mut self, nth: usize, fetch: bool, holds: bool) {
        if self.phones[nth].is_none() {
            let platform = if nth.is_multiple_of(2) { Platform::Android } else { Platform::Ios };
            let phone = self.world.phone_of(USERS[nth / 2 % 2], platform, None).await;
            self.sessions.push(phone.session);
            let cursor = self.world.look().device(phone.number).cursor.number();
            self.phones[nth] = Some(Held { phone, cursor });
            return;
        }
        let Some(phone) = &mut self.phones[nth] else { return };
        let hello = self.world.hello(&phone.phone);
        let position = held(phone.phone.epoch, phone.cursor, None);
        let connect = Connect { replaces: !fetch, held: holds.then_some(position), ..hello };
        let connected = self.world.greet(&mut phone.phone, connect).await;
        assert_eq!(connected.cursor.number(), phone.cursor, "a cursor is what was acknowledged");
        assert!(!connected.rolled_back);
        self.sessions.push(phone.phone.session);
    }

    async fn sign_in(&mut self, nth: usize, fetch: bool) {
        let Some(phone) = &mut self.phones[nth] else { return };
        let other = usize::from(phone.phone.user == USERS[0]);
        let identity = Identity::User { app: self.world.app, inbox: self.inboxes[other] };
        let hello = self.world.hello(&phone.phone);
        let connect = Connect { identity, replaces: !fetch, ..hello };
        let connected = self.world.greet(&mut phone.phone, connect).await;
        phone.phone.user = USERS[other].to_owned();
        phone.cursor = connected.cursor.number();
        self.sessions.push(phone.phone.session);
    }

    pub(super) async fn ack(&mut self, nth: usize, entries: usize, over_session: bool) {
        let Some(phone) = &mut self.phones[nth] else { return };
        let read = self.world.read(&phone.phone, phone.cursor, entries.max(1)).await;
        // Acknowledging nothing new, and less than was acknowledged before, is allowed.
        let offset =
            if entries == 0 { phone.cursor.saturating_sub(1) } else { read.read_to.number() };
        let session = over_session.then_some(phone.phone.session);
        let position = held(phone.phone.epoch, offset, None);
        let (acked, _) = self.world.ack_held(&phone.phone, position, session).await;
        if offset > phone.cursor {
            assert_eq!(acked, Acked::Progress(Offset::from_number(offset)));
            phone.cursor = offset;
            let delivered = self.delivered.entry(phone.phone.inbox).or_default();
            *delivered = offset.max(*delivered);
        } else {
            assert_eq!(acked, Acked::Nothing);
        }
    }

    pub(super) async fn replace_credential(&self) {
        let added = self.world.store().add_credential(credential(
            self.world.app,
            "fcm_service_account",
            1,
            self.world.now,
        ));
        added.await.expect("added");
        self.world.look();
    }

    async fn settle(&mut self, nth: usize, outcome: usize) {
        if self.pushes.is_empty() {
            return;
        }
        let push = self.pushes.remove(nth % self.pushes.len());
        let before = self.world.look();
        let open = before.wake_at(push.key).and_then(|wake| wake.attempt);
        let settled = self.world.settle(&push, an_outcome(outcome, self.world.now)).await;
        assert_eq!(settled.stale, open != Some(push.plan.attempt.bits()), "the open attempt only");
        let others = |snapshot: &super::super::snapshot::Snapshot| {
            let targets = snapshot.targets.iter();
            let others = targets.filter(|target| target.device != push.key.device);
            others.map(|target| target.token.clone()).collect::<Vec<_>>()
        };
        assert_eq!(others(&self.world.look()), others(&before), "a word about one device's token");
    }

    async fn call(&mut self, nth: usize, to: usize) {
        let Some(held) = &self.phones[nth] else { return };
        let (caller, caller_inbox) = (held.phone.number, held.phone.inbox);
        let start = CallStart {
            app: self.world.app,
            call: CallId::from_bits(self.world.draw()),
            caller,
            caller_inbox,
            callee: USERS[to].to_owned(),
            video: false,
            caller_name: "somebody".to_owned(),
            caller_handle: None,
            offer: None,
            now: self.world.now,
            birth: None,
        };
        let (started, _) = self.world.store().start_call(start).await.expect("answered");
        let CallStarted::Rings(record) = started else { panic!("{started:?}") };
        self.calls.push(record);
    }

    async fn move_call(&self, call: usize, nth: usize, input: usize) {
        let Some(record) = pick(&self.calls, call) else { return };
        let Some(held) = &self.phones[nth] else { return };
        let number = held.phone.number;
        let (by, input) = match input {
            0 => (true, CallInput::Answer(number)),
            1 => (true, CallInput::Decline),
            2 => (true, CallInput::Cancel),
            3 => (true, CallInput::End(number)),
            4 => (false, CallInput::Tick),
            _ => (false, CallInput::Back(number)),
        };
        let step = CallMove {
            call: record.id,
            app: self.world.app,
            by: by.then_some((number, held.phone.inbox)),
            input,
            answer: None,
            now: self.world.now,
        };
        self.world.store().move_call(step).await.expect("answered");
    }
}

pub(super) fn pick<T>(from: &[T], nth: usize) -> Option<&T> {
    nth.checked_rem(from.len()).and_then(|nth| from.get(nth))
}

fn an_outcome(nth: usize, now: Time) -> Outcome {
    use RetryRule::{After, BackOff, Bare, WhenChanged};
    use TokenVerdict::{Drop, Elsewhere, Keep, Suspect};
    let some_time_ago = Some(now.minus(SECOND * 10));
    match nth % 13 {
        0..=3 => accepted(),
        4 => refused(Diagnosis::TemporarilyDisabled, After(SECOND * 3), Keep),
        5 => refused(Diagnosis::TemporarilyDisabled, BackOff { first: SECOND }, Keep),
        6 => refused(Diagnosis::CertificateError, WhenChanged, Keep),
        7 => refused(Diagnosis::BadPushToken, WhenChanged, Suspect),
        8 => refused(Diagnosis::BadPushToken, WhenChanged, Drop { invalid_since: some_time_ago }),
        9 => refused(Diagnosis::BadPayload, Bare, Keep),
        10 => refused(Diagnosis::BadPushToken, WhenChanged, Elsewhere),
        11 => Outcome::Unknown { detail: "the connection was lost".to_owned() },
        _ => Outcome::Withdrawn,
    }
}
