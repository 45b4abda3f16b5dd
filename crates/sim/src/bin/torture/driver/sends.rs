//! The senders' own record of what they sent and were told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sim::phone::{Phone, PhoneEvent, message};
use sim::world::World;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::evidence::{Outcome, SendRecord};

/// Before a back end asks again with the same id.
const RETRY: Duration = Duration::from_millis(100);

/// Everything that was sent, in order; clones share it.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    sends: Arc<Mutex<Vec<Begun>>>,
    told: Arc<Mutex<Told>>,
    /// Requests of the back end that have no answer yet.
    asking: Arc<Mutex<JoinSet<()>>>,
}

/// What the back end was told, and when, by its id.
type Told = HashMap<String, (Outcome, Timestamp)>;

struct Begun {
    client_id: String,
    label: String,
    from: Option<(String, String)>,
    to: Vec<String>,
    at: Timestamp,
}

impl Ledger {
    /// A burst from a phone. It goes into the phone's outbox, which sends until it is answered.
    pub(super) fn send(&self, phone: &Phone, to: &[String], count: usize) {
        let users: Vec<&str> = to.iter().map(String::as_str).collect();
        let mut sends = lock(&self.sends);
        for _ in 0..count {
            let label = format!("{}#{}", phone.name(), sends.len());
            let mut frame = message(&users, &label);
            frame.id = phone.new_id();
            sends.push(Begun {
                client_id: frame.id.clone(),
                label,
                from: Some((phone.name().to_owned(), phone.user().to_owned())),
                to: to.to_vec(),
                at: Timestamp::now(),
            });
            phone.post(frame);
        }
    }

    /// A burst from the back end: each request is made until it is answered, with the same id.
    pub(super) fn send_from_back_end(&self, world: &Arc<World>, to: &[String], count: usize) {
        let mut sends = lock(&self.sends);
        for _ in 0..count {
            let label = format!("back end#{}", sends.len());
            let client_id = format!("back-end-{}", sends.len());
            let body = json!({ "id": client_id, "to": to, "body": { "text": label } });
            let (world, told) = (Arc::clone(world), Arc::clone(&self.told));
            let id = client_id.clone();
            lock(&self.asking).spawn(async move {
                let outcome = ask_until_answered(&world, &body).await;
                lock(&told).insert(id, (outcome, Timestamp::now()));
            });
            let to = to.to_vec();
            sends.push(Begun { client_id, label, from: None, to, at: Timestamp::now() });
        }
    }

    /// Whether the back end still waits for an answer.
    pub(super) fn busy(&self) -> bool {
        let asked = lock(&self.sends).iter().filter(|begun| begun.from.is_none()).count();
        lock(&self.told).len() < asked
    }

    /// What the senders know by now.
    pub(super) fn records(&self, phones: &[Phone]) -> Vec<SendRecord> {
        let mut told = lock(&self.told).clone();
        for logged in phones.iter().flat_map(Phone::events) {
            let (client_id, outcome) = match logged.event {
                PhoneEvent::SendAccepted { client_id, id, failed } => {
                    (client_id, Outcome::Accepted { id, failed })
                }
                PhoneEvent::SendRejected { client_id, code } => {
                    (client_id, Outcome::Rejected(code))
                }
                _ => continue,
            };
            // The first answer is the one that the sender acts upon.
            told.entry(client_id).or_insert((outcome, logged.at));
        }
        let sends = lock(&self.sends);
        let records = sends.iter().map(|begun| {
            let told = told.get(&begun.client_id);
            SendRecord {
                label: begun.label.clone(),
                from: begun.from.as_ref().map(|(phone, _)| phone.clone()),
                user: begun.from.as_ref().map(|(_, user)| user.clone()),
                to: begun.to.clone(),
                outcome: told.map_or(Outcome::Unanswered, |(outcome, _)| outcome.clone()),
                begun: begun.at,
                told: told.map(|(_, at)| *at),
            }
        });
        records.collect()
    }
}

async fn ask_until_answered(world: &World, body: &Value) -> Outcome {
    loop {
        let answer = world.api(Method::POST, "/v1/messages", world.app_key(), Some(body)).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match answer {
            Ok((200..=299, body)) => {
                let failed = body["failed"].as_array().map(Vec::as_slice).unwrap_or_default();
                return Outcome::Accepted {
                    id: text(&body["id"]),
                    failed: failed.iter().map(|one| text(&one["user"])).collect(),
                };
            }
            Ok((400..=499, problem)) => return Outcome::Rejected(text(&problem["code"])),
            // No answer, or a fault of the server: nothing is known, so the same id is asked again.
            Ok(_) | Err(_) => sleep(RETRY).await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
