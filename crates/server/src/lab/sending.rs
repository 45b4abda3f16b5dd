//! What is sent from a phone to a user, and what is known of it since.

use jiff::Timestamp;
use sim::phone::{Life, Logged, PhoneEvent, message};
use wire::http::Record;

use super::view::called;
use super::wall::Lab;
use crate::clock::Clock;
use crate::http::problem::Problem;
use crate::to_wire;

/// Messages of a burst.
pub(super) const BURST: usize = 10;

/// The longest text, in characters.
pub(super) const LONGEST: usize = 500;

/// How often the server is asked of it at most: four minutes and more.
const LOOKS: u32 = 1_200;

/// How often it is asked once the last phone has it: its last records follow by a moment.
const LAST_LOOKS: u32 = 5;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Ten messages in a row.
    Burst,
    /// A call.
    Call,
    /// One message.
    Message,
}

impl What {
    /// Everything that can be sent.
    pub const ALL: [Self; 3] = [Self::Burst, Self::Call, Self::Message];

    /// The word of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Call => "call",
            Self::Message => "message",
        }
    }

    /// What a word means.
    ///
    /// # Errors
    ///
    /// When nobody knows it.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        Self::ALL
            .into_iter()
            .find(|what| what.as_str() == word)
            .ok_or_else(|| Problem::invalid_field("what", "give one of message, burst and call"))
    }
}

/// What was sent last.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) what: What,
    /// The name of the phone that it is from.
    pub(super) from: String,
    pub(super) to: String,
    /// When its user pressed the button.
    pub(super) at: Timestamp,
    /// When its phone learned that the first message is stored.
    pub(super) accepted: Option<Timestamp>,
    /// As the phone calls the messages.
    client_ids: Vec<String>,
    /// As the server calls those that it has taken.
    pub(super) ids: Vec<String>,
    /// The call, if it is one.
    pub(super) call: Option<String>,
    /// What the server says of it, oldest first.
    pub(super) records: Vec<Record>,
    looks: u32,
}

impl Sent {
    /// How many messages it is.
    pub(super) fn count(&self) -> usize {
        self.client_ids.len()
    }

    /// Takes one event of any phone.
    pub(super) fn saw(&mut self, logged: &Logged) {
        match &logged.event {
            PhoneEvent::SendAccepted { client_id, id, .. }
                if self.client_ids.contains(client_id) =>
            {
                self.accepted.get_or_insert(logged.at);
                self.ids.push(id.clone());
            }
            PhoneEvent::CallRinging { call, .. } | PhoneEvent::CallScreen { call, .. }
                if self.call.as_ref() == Some(call) =>
            {
                self.accepted.get_or_insert(logged.at);
            }
            _ => {}
        }
    }

    /// What to ask the server next; `None`: nothing any more, or not yet.
    pub(super) fn look(&mut self) -> Option<String> {
        let path = self.path()?;
        self.looks = self.looks.checked_sub(1)?;
        Some(path)
    }

    /// Where the server says what became of it. Of a burst it is the first message: the others join
    /// its push. A call has no timeline; what is about it stands among what its callee has had.
    fn path(&self) -> Option<String> {
        match &self.call {
            Some(_) => Some(format!("/v1/push-log?user={}&since={}&limit=100", self.to, self.at)),
            None => self.ids.first().map(|id| format!("/v1/messages/{id}/timeline")),
        }
    }

    /// Takes what the server answered; whether that is anything new.
    pub(super) fn learns(&mut self, path: &str, mut records: Vec<Record>) -> bool {
        if self.path().as_deref() != Some(path) {
            // Another message was sent meanwhile.
            return false;
        }
        if self.call.is_some() {
            let of_call = records.iter().filter(|record| record.call == self.call);
            let wakes: Vec<_> = of_call.map(|record| record.wake.clone()).collect();
            records.retain(|record| record.wake.is_some() && wakes.contains(&record.wake));
        }
        records.sort_by_key(|record| record.at);
        let is_new = records != self.records;
        self.records = records;
        is_new
    }

    /// Every phone that it is for has it.
    pub(super) fn is_over(&mut self) {
        self.looks = self.looks.min(LAST_LOOKS);
    }
}

impl Lab {
    /// Sends something from a phone to a user. Its app is opened first, as nobody writes without.
    pub(super) async fn send(
        &self,
        from: &str,
        to: &str,
        what: What,
        text: &str,
    ) -> Result<(), Problem> {
        let phone = self.phone(from).map_err(|problem| problem.with_field("from"))?;
        self.check(phone.user(), to, what, text)?;
        if phone.life() != Life::Foreground {
            self.open_app(&phone).await;
        }
        let texts: Vec<String> = match what {
            What::Burst => (1..=BURST).map(|number| format!("{text} ({number})")).collect(),
            What::Call => Vec::new(),
            What::Message => vec![text.to_owned()],
        };
        let messages: Vec<_> = texts.iter().map(|text| message(&[to], text)).collect();
        let mut sent = Sent {
            what,
            from: phone.name().to_owned(),
            to: to.to_owned(),
            at: to_wire::time(Clock::system().now()),
            accepted: None,
            client_ids: messages.iter().map(|message| message.id.clone()).collect(),
            ids: Vec::new(),
            call: None,
            records: Vec::new(),
            looks: LOOKS,
        };
        let mut wall = self.wall();
        for handset in &mut wall.handsets {
            handset.view.forget_recent();
        }
        let handset = wall.handset(phone.name());
        if let Some(handset) = handset {
            if what == What::Call {
                let call = phone.start_call(to, &called(phone.user())).id().to_owned();
                handset.view.calls(call.clone(), called(to));
                sent.call = Some(call);
            }
            for (message, text) in messages.iter().zip(&texts) {
                handset.view.writes(message.id.clone(), text.clone());
            }
        }
        wall.last = Some(sent);
        drop(wall);
        for message in messages {
            phone.post(message);
        }
        self.touch();
        Ok(())
    }

    fn check(&self, user: &str, to: &str, what: What, text: &str) -> Result<(), Problem> {
        let wall = self.wall();
        if !wall.users().contains(&to) {
            let detail = format!("nobody has that name; there are {}", wall.users().join(", "));
            return Err(Problem::invalid_field("to", detail));
        }
        if to == user {
            let detail = "that is the user of this phone; write to somebody else";
            return Err(Problem::invalid_field("to", detail));
        }
        if what != What::Call && (text.trim().is_empty() || text.chars().count() > LONGEST) {
            let detail = format!("write 1 to {LONGEST} characters");
            return Err(Problem::invalid_field("text", detail));
        }
        Ok(())
    }
}
