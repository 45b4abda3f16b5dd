//! The five steps of what was sent last, for each phone that it is for: from what the server says
//! of it, and from what the phones noted.

use jiff::Timestamp;
use serde::Serialize;
use sim::phone::{Logged, PhoneEvent, Platform, Via};
use wire::http::Record;

use super::sending::{Sent, What};
use super::view::called;
use super::wall::Handset;

/// The way of what was sent last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Strip {
    /// What it is.
    pub(super) headline: String,
    /// Each phone that it is for.
    pub(super) rows: Vec<Row>,
}

/// The way to one phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// The phone's id.
    pub(super) phone: String,
    pub(super) name: String,
    pub(super) steps: [Step; 5],
    /// How many pushes went out.
    pub(super) pushes: usize,
    /// How many messages of how many it has.
    pub(super) received: usize,
    pub(super) of: usize,
    /// Why it does not go on, or what the server says of the last push.
    pub(super) note: Option<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) state: StepState,
    /// Milliseconds since it was accepted.
    pub(super) ms: Option<i64>,
    pub(super) text: String,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StepState {
    Done,
    Failed,
    Open,
    /// There is no need of it.
    Spared,
}

impl Strip {
    /// The way of what was sent, to these phones of its recipient.
    pub(super) fn of<'a>(sent: &Sent, phones: impl Iterator<Item = &'a Handset>) -> Self {
        let what = match sent.what {
            What::Burst => format!("{} messages", sent.count()),
            What::Call => "A call".to_owned(),
            What::Message => "A message".to_owned(),
        };
        let headline = format!("{what} from {} to {}", sent.from, called(&sent.to));
        let rows = phones.map(|handset| Trail::new(sent, handset).row(handset)).collect();
        Self { headline, rows }
    }

    /// Whether every phone has it.
    pub(super) fn is_over(&self) -> bool {
        self.rows.iter().all(|row| row.steps[4].state == StepState::Done)
    }
}

impl StepState {
    /// The word of it, for the style.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Open => "open",
            Self::Spared => "spared",
        }
    }
}

/// What is known of the way to one phone.
struct Trail<'a> {
    sent: &'a Sent,
    platform: Platform,
    /// The server's records of this device, oldest first.
    records: Vec<&'a Record>,
    recent: &'a [Logged],
    /// From when on times count.
    zero: Timestamp,
}

impl<'a> Trail<'a> {
    fn new(sent: &'a Sent, handset: &'a Handset) -> Self {
        let device = handset.phone.device_id();
        let of_device = |record: &&Record| record.device.as_deref() == Some(device.as_str());
        let accepted = sent.records.iter().find(|record| record.step == "accept");
        Self {
            sent,
            platform: handset.phone.platform(),
            records: sent.records.iter().filter(of_device).collect(),
            recent: &handset.view.recent,
            zero: match (accepted, &sent.call) {
                (Some(record), None) => record.at,
                (None, None) => sent.accepted.unwrap_or(sent.at),
                (_, Some(_)) => sent.at,
            },
        }
    }

    fn row(&self, handset: &Handset) -> Row {
        let (received, taken) = self.received();
        let steps = match self.sent.what {
            What::Burst | What::Message => {
                let held = self.held();
                [
                    self.accepted(),
                    self.routed(),
                    self.pushed(),
                    self.delivered(received, taken),
                    held,
                ]
            }
            What::Call => {
                let [rings, answered] = self.call();
                [self.accepted(), self.routed(), self.pushed(), rings, answered]
            }
        };
        let note = if steps[4].state == StepState::Done { None } else { self.note() };
        Row {
            phone: handset.id.clone(),
            name: handset.phone.name().to_owned(),
            pushes: self.records.iter().filter(|record| record.step == "push").count(),
            received,
            of: self.sent.count(),
            steps,
            note,
        }
    }

    fn accepted(&self) -> Step {
        let known = self.sent.accepted.is_some() || !self.records.is_empty();
        match known {
            true => self.done("Accepted", Some(self.zero), "stored by the server"),
            false => open("Accepted", "waits on the sender's phone"),
        }
    }

    fn routed(&self) -> Step {
        let first = self.records.iter().find(|record| {
            record.step == "wake" || (record.step == "session" && record.reason == "delivered")
        });
        match first {
            Some(record) if record.step == "wake" => {
                self.done("Routed", Some(record.at), "asleep: it is to be woken")
            }
            Some(record) => self.done("Routed", Some(record.at), "awake: to its session"),
            None => match self.taken_alive() {
                Some(at) => self.done("Routed", Some(at), "awake: to its session"),
                None => open("Routed", ""),
            },
        }
    }

    fn pushed(&self) -> Step {
        let service = match self.platform {
            Platform::Android => "FCM",
            Platform::Ios => "APNs",
            Platform::Web => "Web Push",
        };
        let pushes = || self.records.iter().filter(|record| record.step == "push");
        let status = |record: &Record| {
            let detail = record.detail.as_ref();
            detail.and_then(|detail| detail["answer"]["status"].as_u64())
        };
        if let Some(record) = pushes().find(|record| record.reason == "accepted") {
            let text = match status(record) {
                Some(status) => format!("{service} took it: {status}"),
                None => format!("{service} took it"),
            };
            return self.done("Pushed", Some(record.at), text);
        }
        if let Some(record) = pushes().next_back() {
            let text = match status(record) {
                Some(status) => format!("{service} answered {status}"),
                None => format!("no answer of {service}"),
            };
            let ms = Some(self.ms(record.at));
            return Step { name: "Pushed", state: StepState::Failed, ms, text };
        }
        let woken = self.records.iter().any(|record| record.step == "wake");
        if !woken && self.taken_alive().is_some() {
            let text = "no push: it is awake".to_owned();
            return Step { name: "Pushed", state: StepState::Spared, ms: None, text };
        }
        open("Pushed", "")
    }

    /// How many of the messages this phone has, and when and by which way the last of them came.
    fn received(&self) -> (usize, Option<(Timestamp, Via)>) {
        let mut count = 0;
        let mut last = None;
        for logged in self.recent {
            if let PhoneEvent::MessageReceived { id, via, .. } = &logged.event
                && self.sent.ids.contains(id)
            {
                count += 1;
                last = Some((logged.at, *via));
            }
        }
        (count, last)
    }

    fn delivered(&self, received: usize, last: Option<(Timestamp, Via)>) -> Step {
        let Some((at, via)) = last else { return open("Delivered", "") };
        let way = match via {
            Via::Socket => "over its connection",
            Via::Extension => "by the notification extension",
            Via::Worker => "by the service worker",
            Via::Push => "by the push",
        };
        let of = self.sent.count();
        if received < of {
            let ms = Some(self.ms(at));
            let text = format!("{received} of {of}");
            return Step { name: "Delivered", state: StepState::Open, ms, text };
        }
        let text = if of > 1 { format!("{of} of {of}, {way}") } else { way.to_owned() };
        self.done("Delivered", Some(at), text)
    }

    /// The phone has said that it holds everything.
    fn held(&self) -> Step {
        let offsets = self.recent.iter().filter_map(|logged| match &logged.event {
            PhoneEvent::MessageReceived { id, offset, .. } if self.sent.ids.contains(id) => {
                Some(*offset)
            }
            _ => None,
        });
        let all = self.received().0 == self.sent.count();
        let last = offsets.max().filter(|_| all);
        let acked = last.and_then(|last| {
            self.recent.iter().find(
                |logged| matches!(&logged.event, PhoneEvent::Acked { offset, .. } if *offset >= last),
            )
        });
        match acked {
            Some(logged) => self.done("Acknowledged", Some(logged.at), "the phone holds it"),
            None => open("Acknowledged", ""),
        }
    }

    /// The last two steps of a call.
    fn call(&self) -> [Step; 2] {
        let (mut rings, mut over) = (open("Rings", ""), open("Answered", ""));
        for logged in self.recent {
            let at = Some(logged.at);
            match &logged.event {
                PhoneEvent::CallScreen { call, via, .. } if self.is_it(call) => {
                    let way = match via {
                        Via::Push => "woken: the push shows the call",
                        Via::Socket | Via::Extension | Via::Worker => "over its connection",
                    };
                    rings = self.done("Rings", at, way);
                }
                PhoneEvent::CallAnswered { call, by } if self.is_it(call) => {
                    over = self.done("Answered", at, format!("by {}", called(by)));
                }
                PhoneEvent::CallEnded { call, .. }
                    if self.is_it(call) && over.state == StepState::Open =>
                {
                    over = self.done("Answered", at, "over without an answer");
                }
                _ => {}
            }
        }
        [rings, over]
    }

    fn is_it(&self, call: &str) -> bool {
        self.sent.call.as_deref() == Some(call)
    }

    /// When it came to a phone that no push had to wake.
    fn taken_alive(&self) -> Option<Timestamp> {
        self.recent.iter().find_map(|logged| match &logged.event {
            PhoneEvent::MessageReceived { id, via: Via::Socket, .. }
                if self.sent.ids.contains(id) =>
            {
                Some(logged.at)
            }
            PhoneEvent::CallScreen { call, via: Via::Socket, .. } if self.is_it(call) => {
                Some(logged.at)
            }
            _ => None,
        })
    }

    /// What the server said last about why it stands where it stands.
    fn note(&self) -> Option<String> {
        let told = self.records.iter().rev().find(|record| {
            matches!(record.step.as_str(), "push" | "wake") && !record.sentence.is_empty()
        });
        told.map(|record| record.sentence.clone())
    }

    fn done(&self, name: &'static str, at: Option<Timestamp>, text: impl Into<String>) -> Step {
        Step { name, state: StepState::Done, ms: at.map(|at| self.ms(at)), text: text.into() }
    }

    fn ms(&self, at: Timestamp) -> i64 {
        let micros = at.as_microsecond().saturating_sub(self.zero.as_microsecond());
        // Two processes wrote the times down; less than nothing is nothing.
        (micros / 1_000).max(0)
    }
}

fn open(name: &'static str, text: &str) -> Step {
    Step { name, state: StepState::Open, ms: None, text: text.to_owned() }
}
