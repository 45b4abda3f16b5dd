//! A page of a broadcast, sent.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::token::CredentialFacts;
use domain::{DeviceNumber, Outcome, ProviderId, Refusal, TargetKind, Time, delivery};
use futures_util::stream::{FuturesUnordered, StreamExt};
use providers::webpush::Subscription;
use serde_json::{Value, json};
use store::log::{DeviceName, Record, Step};
use store::model::{BroadcastOther, DeviceAddress, Judged, Push, Settings};

use super::pace::Rate;
use super::prepared::{Likeness, Prepared, Source};
use crate::attempt;
use crate::circuits::{self, CircuitKey, Place};
use crate::metrics::{PushSubject, Pushed};
use crate::node::Node;
use crate::pushes::content::Content;
use crate::pushes::sending::Attempt;
use crate::report;

/// Pushes on their way at once, of each service. The streams that it gives are fewer at first.
const IN_FLIGHT: usize = 1_000;

/// How long a walk waits for a credential or a service that is away; then what is left goes to the
/// deliveries that are tried again, and other devices are reached meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The shortest wait between two looks at a circuit: the wall clock may have been set back.
const LEAST_WAIT: Duration = Duration::from_millis(200);

/// The longest: a cancel is to be seen.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// Sends the pages of one broadcast.
pub(super) struct Sender {
    node: Arc<Node>,
    push: Push,
    content: Content,
    rate: Rate,
    sending: Attempt,
    /// Circuits that were waited for long enough.
    given_up: Mutex<Vec<CircuitKey>>,
}

/// What became of a page.
#[derive(Default)]
pub(super) struct Sent {
    /// The first device with a target.
    pub(super) first: Option<DeviceNumber>,
    /// How many devices were taken.
    pub(super) accepted: u64,
    /// For how many it came too late.
    pub(super) expired: u64,
    /// Tokens of those that were suspect, or whose environment was learned.
    pub(super) cleared: Vec<Judged>,
    /// All others.
    pub(super) others: Vec<BroadcastOther>,
    /// The first device that was not come to, because the node stops.
    pub(super) cut: Option<DeviceNumber>,
}

/// A push that lacks only its device, or why there is none.
enum Ready {
    Not(Refusal),
    Push(Prepared, CircuitKey),
}

/// A device, and its push.
struct Work {
    device: DeviceAddress,
    /// A browser's, read once for the push's circuit and its encryption.
    subscription: Option<Subscription>,
    ready: Arc<Ready>,
}

/// What became of one device's push.
struct One {
    device: DeviceAddress,
    provider: ProviderId,
    outcome: Outcome,
    credential: CredentialFacts,
    asked_at: Time,
}

impl Sender {
    /// A sender for a broadcast that has begun.
    pub(super) fn new(node: &Arc<Node>, push: &Push, sending: Attempt) -> Self {
        Self {
            node: Arc::clone(node),
            push: push.clone(),
            // What was stored is what was checked; a later version's fields have their defaults.
            content: serde_json::from_str(&push.content).unwrap_or_default(),
            rate: Rate::new(push.rate),
            sending,
            given_up: Mutex::default(),
        }
    }

    /// Whether it is of use to anybody still.
    pub(super) fn is_wanted(&self) -> bool {
        (self.wanted())()
    }

    /// Whether its time is over.
    pub(super) fn is_too_late(&self) -> bool {
        delivery::is_too_late(self.push.kind, self.push.expires_at, self.node.clock.now())
    }

    fn wanted(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        self.sending.wanted(self.push.kind, self.push.expires_at, &self.node.clock)
    }

    /// Sends to every device of a page.
    pub(super) async fn send(&self, settings: &Settings, devices: Vec<DeviceAddress>) -> Sent {
        let first = devices.first().map(|device| device.number);
        let (fcm, rest) = self.prepare(settings, devices);
        let cut = Cut::default();
        // Google's ramp holds up nobody else.
        let (fcm, rest) =
            tokio::join!(self.send_all(settings, fcm, &cut), self.send_all(settings, rest, &cut));
        let mut sent = Sent { first, cut: cut.first(), ..Sent::default() };
        for one in fcm.into_iter().chain(rest) {
            // Whoever goes on comes to those behind the cut again.
            if sent.cut.is_some_and(|cut| one.device.number.number() >= cut.number()) {
                continue;
            }
            if one.outcome == Outcome::Withdrawn && self.is_too_late() {
                sent.expired += 1;
            } else {
                sent.count(one);
            }
        }
        sent
    }

    /// Sends to devices in their order, many at once.
    async fn send_all(&self, settings: &Settings, pushes: Vec<Work>, cut: &Cut) -> Vec<One> {
        let mut done = Vec::with_capacity(pushes.len());
        let mut on_way = FuturesUnordered::new();
        for work in pushes {
            let ready = Arc::clone(&work.ready);
            let turn = self.may_go(&ready);
            tokio::pin!(turn);
            let goes = loop {
                tokio::select! {
                    biased;
                    Some(one) = on_way.next() => done.push(one),
                    goes = &mut turn, if on_way.len() < IN_FLIGHT => break goes,
                }
            };
            if goes {
                on_way.push(self.one(settings, work));
            } else {
                cut.at(work.device.number);
            }
        }
        while let Some(one) = on_way.next().await {
            done.push(one);
        }
        done
    }

    /// Waits for a device's turn. `false`: the node stops.
    async fn may_go(&self, ready: &Ready) -> bool {
        let node = &*self.node;
        let Ready::Push(_, circuit) = ready else { return !node.tasks.is_stopping() };
        if !self.is_wanted() {
            return !node.tasks.is_stopping();
        }
        if !self.wait_closed(circuit).await || !self.rate.permit(node).await {
            return false;
        }
        match circuit.place {
            Place::Fcm => node.broadcasts.ramps.permit(node, circuit.credential).await,
            Place::Apns(_) | Place::Webpush(_) => !node.tasks.is_stopping(),
        }
    }

    /// Waits until a circuit is closed, or was open for too long. `false`: the node stops.
    async fn wait_closed(&self, circuit: &CircuitKey) -> bool {
        let node = &*self.node;
        let since = node.clock.now();
        let mut waiting = None;
        while let Some(open) = node.circuits.open(circuit) {
            let now = node.clock.now();
            if !self.is_wanted() || self.given_up().contains(circuit) {
                return true;
            }
            waiting.get_or_insert_with(|| node.broadcasts.wait());
            if now.since(since) >= LONGEST_WAIT {
                self.given_up().push(circuit.clone());
                return true;
            }
            let pause = now.until(open.probe_at).clamp(LEAST_WAIT, LONGEST_LOOK);
            tokio::select! {
                () = node.tasks.stopped() => return false,
                () = tokio::time::sleep(pause) => {}
            }
        }
        true
    }

    fn given_up(&self) -> MutexGuard<'_, Vec<CircuitKey>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends to one device.
    async fn one(&self, settings: &Settings, work: Work) -> One {
        let Work { device, subscription, ready } = work;
        let node = &self.node;
        let provider = self.provider(&device);
        let asked_at = node.clock.now();
        let mut credential = CredentialFacts::default();
        let mut detail = json!({});
        let outcome = match &*ready {
            _ if !self.is_wanted() => Outcome::Withdrawn,
            Ready::Not(refusal) => Outcome::Refused(refusal.clone()),
            Ready::Push(prepared, circuit) => match node.circuits.open(circuit) {
                Some(open) => Outcome::Refused(circuits::refusal(open, asked_at)),
                None => {
                    let wanted = self.wanted();
                    match prepared
                        .send(&device.target, subscription, provider, asked_at, wanted)
                        .await
                    {
                        Err(refusal) => Outcome::Refused(refusal),
                        Ok(exchange) => {
                            report::print::push(self.push.app, settings, &exchange);
                            if !exchange.outcome.is_accepted() {
                                detail = attempt::shown(&exchange);
                            }
                            if exchange.answer.is_some() {
                                let service = circuit.place.provider();
                                node.metrics.answered(service, exchange.took);
                            }
                            let now = node.clock.now();
                            let outcome = exchange.outcome;
                            credential = node.push_ended(self.push.app, circuit, &outcome, now);
                            outcome
                        }
                    }
                }
            },
        };
        report::pushed(
            node,
            Pushed {
                app: self.push.app,
                subject: PushSubject::Broadcast,
                target: Some(device.target.kind),
                rung: self.push.kind.as_str(),
            },
            &outcome,
        );
        match outcome {
            // They have one record together.
            Outcome::Accepted { .. } | Outcome::Withdrawn => {}
            Outcome::Refused(_) | Outcome::Unknown { .. } => self.log(&device, &outcome, detail),
        }
        One { device, provider, outcome, credential, asked_at }
    }

    /// The push service's name of a device's push: the same, should it be sent again.
    fn provider(&self, device: &DeviceAddress) -> ProviderId {
        let parts = [self.push.id.to_string(), device.number.to_string()];
        let hash = self.node.ids.keyed_hash("broadcast", &[&parts[0], &parts[1]]);
        ProviderId::from_bits(u128::from_be_bytes(hash))
    }

    fn log(&self, device: &DeviceAddress, outcome: &Outcome, mut detail: Value) {
        let word = report::outcome_word(outcome);
        let now = self.node.clock.now();
        let mut record = Record::new(now, self.push.app, device.inbox, Step::Push, word);
        record.device =
            Some(DeviceName { number: device.number, id: Arc::from(device.name.as_str()) });
        record.push = Some(self.push.id);
        detail["kind"] = self.push.kind.as_str().into();
        detail["target"] = device.target.kind.as_str().into();
        report::outcome(&mut record, &mut detail, outcome);
        record.detail = Some(detail.to_string());
        self.node.report(record);
    }

    /// Gives each device its push: those for Google, and the others.
    fn prepare(&self, settings: &Settings, devices: Vec<DeviceAddress>) -> (Vec<Work>, Vec<Work>) {
        let source = Source {
            node: &self.node,
            push: &self.push,
            content: &self.content,
            settings,
            now: self.node.clock.now(),
        };
        let mut known: HashMap<Likeness, Arc<Ready>> = HashMap::new();
        let mut pushes = Vec::with_capacity(devices.len());
        for device in devices {
            let target = &device.target;
            let subscription = (target.kind == TargetKind::Webpush)
                .then(|| Subscription::parse(target.token.as_bytes()).ok())
                .flatten();
            let likeness = Likeness::of(&device, subscription.as_ref(), &self.content, settings);
            let ready = match known.entry(likeness) {
                Entry::Occupied(ready) => Arc::clone(ready.get()),
                Entry::Vacant(place) => {
                    let made = match source.prepare(&device) {
                        Ok((prepared, circuit)) => Ready::Push(prepared, circuit),
                        Err(refusal) => Ready::Not(refusal),
                    };
                    Arc::clone(place.insert(Arc::new(made)))
                }
            };
            pushes.push(Work { device, subscription, ready });
        }
        pushes.into_iter().partition(|work| work.device.target.kind == TargetKind::Fcm)
    }
}

impl Sent {
    fn count(&mut self, one: One) {
        let One { device, provider, outcome, credential, asked_at } = one;
        let target = device.target;
        let is_news = target.suspect_since.is_some() || target.learned.is_some();
        let token = Judged {
            device: device.number,
            target: (target.kind, target.token),
            credential,
            asked_at,
        };
        if !outcome.is_accepted() {
            self.others.push(BroadcastOther { token, outcome, provider });
            return;
        }
        self.accepted += 1;
        if is_news {
            self.cleared.push(token);
        }
    }
}

/// The first device that is left for later.
#[derive(Default)]
struct Cut(Mutex<Option<DeviceNumber>>);

impl Cut {
    fn at(&self, number: DeviceNumber) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none_or(|first| number.number() < first.number()) {
            *first = Some(number);
        }
    }

    fn first(&self) -> Option<DeviceNumber> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
