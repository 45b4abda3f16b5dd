//! Performs the steps of a plan.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use sim::phone::{Life, Phone};
use sim::world::World;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wire::TargetKindName;

use super::calls::Calls;
use super::killer::Deed;
use super::pushes::{Pushes, TOPIC};
use super::sends::Ledger;
use super::trouble;
use crate::evidence::Service;
use crate::plan::{Action, Trouble};

/// Before a request is made again.
const RETRY: Duration = Duration::from_millis(100);
/// How many messages a user reads at once.
const READ: usize = 20;
/// For how long after a trouble an answer may still be missing: the server's time limit, and more.
const HIDDEN: SignedDuration = SignedDuration::from_secs(5);

/// What the steps act upon.
pub(super) struct Stage {
    world: Arc<World>,
    phones: Vec<Phone>,
    first_of: HashMap<String, usize>,
    ledger: Ledger,
    deeds: mpsc::UnboundedSender<Deed>,
    /// Trouble that is to end, and requests that go on until they are answered.
    going: JoinSet<()>,
    left: Left,
}

/// What is left when the last step is done.
#[derive(Default)]
pub(super) struct Left {
    pub(super) calls: Calls,
    pub(super) pushes: Pushes,
    /// Phones whose tokens died, with the tokens.
    pub(super) dead_tokens: Vec<(usize, Vec<String>)>,
    pub(super) read: HashSet<(String, String)>,
    pub(super) unmuted: Vec<(String, Timestamp)>,
    pub(super) mute_services: Vec<(Service, Timestamp, Timestamp)>,
}

impl Stage {
    pub(super) fn new(
        world: &Arc<World>,
        phones: &[Phone],
        ledger: &Ledger,
        deeds: mpsc::UnboundedSender<Deed>,
    ) -> Self {
        let mut first_of = HashMap::new();
        for (number, phone) in phones.iter().enumerate() {
            first_of.entry(phone.user().to_owned()).or_insert(number);
        }
        Self {
            world: Arc::clone(world),
            phones: phones.to_vec(),
            first_of,
            ledger: ledger.clone(),
            deeds,
            going: JoinSet::new(),
            left: Left::default(),
        }
    }

    /// The last step is done: waits for what goes on.
    pub(super) async fn leave(mut self) -> Left {
        drop(self.deeds);
        while self.going.join_next().await.is_some() {}
        self.left
    }

    pub(super) async fn perform(&mut self, action: &Action) {
        while self.going.try_join_next().is_some() {}
        match action {
            Action::Send { from, to, count } => {
                let phone = &self.phones[*from];
                if phone.life() != Life::Foreground {
                    phone.open();
                }
                self.ledger.send(phone, to, *count);
            }
            Action::BackEndSend { to, count } => {
                self.ledger.send_from_back_end(&self.world, to, *count);
            }
            Action::Read(phone) => {
                let phone = &self.phones[*phone];
                let newest = phone.held().into_iter().rev();
                // What tells of a missed call stays unread: who has it is asked by the call.
                let texts = newest.filter(|held| !held.own_copy && held.body.contains('#'));
                let ids: Vec<String> = texts.take(READ).map(|held| held.id).collect();
                if phone.life() == Life::Foreground && !ids.is_empty() {
                    let user = phone.user();
                    self.left.read.extend(ids.iter().map(|id| (user.to_owned(), id.clone())));
                    phone.read(ids);
                }
            }
            Action::Mute { user, on } => {
                if !on {
                    self.left.unmuted.push((user.clone(), Timestamp::now()));
                }
                self.ask(*on, format!("/v1/users/{user}/mutes/*"));
            }
            Action::Subscribe { phone, on } => {
                let device = self.phones[*phone].device_id();
                self.ask(*on, format!("/v1/topics/{TOPIC}/devices/{device}"));
            }
            Action::Call { from, to, end } => {
                if let Some(callee) = self.first_of.get(to) {
                    let (phone, callee) = (&self.phones[*from], &self.phones[*callee]);
                    self.left.calls.call(phone, to, callee, *end);
                }
            }
            Action::Push(direct) => self.left.pushes.push(&self.world, direct),
            Action::Open(phone) => self.phones[*phone].open(),
            Action::Background(phone) => self.phones[*phone].background().await,
            Action::Suspend(phone) => self.phones[*phone].suspend().await,
            Action::Freeze(phone) => self.phones[*phone].freeze().await,
            Action::KillApp(phone) => self.phones[*phone].kill_app().await,
            Action::ForceQuit(phone) => self.phones[*phone].force_quit().await,
            Action::Doze(phone) => self.phones[*phone].doze().await,
            Action::ScreenOn(phone) => self.phones[*phone].screen_on().await,
            Action::LowPower { phone, on } => {
                self.phones[*phone].behave(|it| it.ignores_background = *on);
            }
            Action::Network(phone, network) => self.phones[*phone].set_network(*network),
            Action::TokensDie(phone) => {
                let tokens = tokens(&self.phones[*phone]);
                for token in &tokens {
                    self.world.devices().unregister(token);
                }
                self.left.dead_tokens.push((*phone, tokens));
            }
            Action::KillServer { down, aim } => {
                self.deed(Deed::Kill { down: *down, aim: aim.clone() });
            }
            Action::Backup => self.deed(Deed::Backup),
            Action::Restore => self.deed(Deed::Restore),
            Action::Trouble(service, trouble) => self.trouble(*service, *trouble),
        }
    }

    fn deed(&self, deed: Deed) {
        // The killer's task ends only after this side is dropped.
        let _ = self.deeds.send(deed);
    }

    fn trouble(&mut self, service: Service, trouble: Trouble) {
        trouble::begin(&self.world, service, trouble, &mut self.going);
        if trouble.hides_answers() {
            let now = Timestamp::now();
            let lasts = SignedDuration::try_from(trouble.lasts().unwrap_or_default());
            let until = now + lasts.unwrap_or_default() + HIDDEN;
            self.left.mute_services.push((service, now, until));
        }
    }

    /// `PUT` or `DELETE`, until there is an answer.
    fn ask(&mut self, put: bool, path: String) {
        let world = Arc::clone(&self.world);
        self.going.spawn(async move {
            let method = if put { Method::PUT } else { Method::DELETE };
            while !matches!(
                world.api(method.clone(), &path, world.app_key(), None).await,
                Ok((200..=499, _))
            ) {
                sleep(RETRY).await;
            }
        });
    }
}

/// The push tokens that a phone has now.
pub(super) fn tokens(phone: &Phone) -> Vec<String> {
    let kinds = [
        TargetKindName::Apns,
        TargetKindName::ApnsVoip,
        TargetKindName::Fcm,
        TargetKindName::Webpush,
    ];
    kinds.into_iter().filter_map(|kind| phone.push_token(kind)).collect()
}
