//! The back end's direct pushes and broadcasts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sim::world::World;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use wire::http::{PushKindName, PushStateName};

use crate::evidence::{Audience, DirectRecord, Order};
use crate::plan::Direct;

/// The topic.
pub(super) const TOPIC: &str = "news";

/// Before a request is made again.
const RETRY: Duration = Duration::from_millis(100);

/// Everything that was pushed.
#[derive(Default)]
pub(super) struct Pushes {
    begun: usize,
    taken: Arc<Mutex<Vec<DirectRecord>>>,
    asking: JoinSet<()>,
}

impl Pushes {
    /// Pushes, and asks of the push what the plan says.
    pub(super) fn push(&mut self, world: &Arc<World>, direct: &Direct) {
        let to = match direct.to {
            Audience::All => json!({ "all": true }),
            Audience::Topic => json!({ "topic": TOPIC }),
            Audience::Users => json!({ "users": direct.users }),
        };
        self.begun += 1;
        let mut body = json!({ "to": to, "id": format!("push-{}", self.begun) });
        if direct.background {
            body["kind"] = "background".into();
        } else {
            body["title"] = format!("push {}", self.begun).into();
        }
        if let Some(rate) = direct.rate {
            body["rate"] = rate.into();
        }
        if let Some(later) = direct.later {
            let later = SignedDuration::try_from(later).unwrap_or_default();
            body["send_at"] = (Timestamp::now() + later).to_string().into();
        }
        let (world, taken) = (Arc::clone(world), Arc::clone(&self.taken));
        let (to, orders) = (direct.to, direct.orders.clone());
        self.asking.spawn(async move {
            let Some(id) = create(&world, &body).await else { return };
            let record = DirectRecord {
                push: None,
                id: id.clone(),
                to,
                pauses: false,
                orders: vec![(Order::Create, Timestamp::now())],
            };
            let number = {
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                taken.push(record);
                taken.len() - 1
            };
            let start = Instant::now();
            for (after, order) in orders {
                sleep_until(start + after).await;
                if ask(&world, &id, order).await {
                    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                    taken[number].orders.push((order, Timestamp::now()));
                }
            }
        });
    }

    /// Waits until all that was taken in is over, or nothing has moved for `patience`; returns how
    /// it stands. An app has two broadcasts walked at once at most, so that the others wait.
    pub(super) async fn over(&mut self, world: &World, patience: Duration) -> Vec<DirectRecord> {
        while self.asking.join_next().await.is_some() {}
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut left: Vec<&mut DirectRecord> = taken.iter_mut().collect();
        let mut moved = Instant::now();
        while !left.is_empty() {
            let before = left.len();
            let mut still = Vec::with_capacity(before);
            for record in left {
                let counts = record.push.as_ref().map(|push| push.counts);
                if !is_over(world, record).await {
                    if record.push.as_ref().map(|push| push.counts) != counts {
                        moved = Instant::now();
                    }
                    still.push(record);
                }
            }
            left = still;
            if left.len() < before {
                moved = Instant::now();
            }
            if moved.elapsed() > patience {
                break;
            }
            sleep(RETRY).await;
        }
        for record in left {
            let background =
                record.push.as_ref().is_some_and(|it| it.kind == PushKindName::Background);
            record.pauses = pauses(world, &record.id, background).await;
        }
        taken
    }
}

/// Asks how a push stands, and notes it; whether that is its end. One that is not known any more
/// is over, too.
async fn is_over(world: &World, record: &mut DirectRecord) -> bool {
    let path = format!("/v1/pushes/{}", record.id);
    match world.api(Method::GET, &path, world.app_key(), None).await {
        Ok((404, _)) => true,
        Ok((200, body)) => {
            record.push = serde_json::from_value(body).ok();
            let Some(push) = &record.push else { return false };
            // A restore may have taken it back to before it was resumed.
            if push.state == PushStateName::Paused {
                ask(world, &record.id, Order::Resume).await;
            }
            push.ended_at.is_some()
        }
        Ok(_) | Err(_) => false,
    }
}

/// Whether all that is left of a push has a time at which it is tried (again), and a reason to wait
/// for it: it was refused, or in the background and the device got three within the hour.
async fn pauses(world: &World, id: &str, background: bool) -> bool {
    let path = format!("/v1/pushes/{id}/deliveries?limit=1000");
    let Ok((200, page)) = world.api(Method::GET, &path, world.app_key(), None).await else {
        return false;
    };
    let deliveries = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut left = deliveries.iter().filter(|it| it["state"] == "waiting").peekable();
    left.peek().is_some()
        && left
            .all(|it| it["due_at"].is_string() && (background || it["refused"].as_u64() > Some(0)))
}

/// Asks until there is an answer, with the same id. A user may have no token just then: that push
/// is not taken in.
async fn create(world: &World, body: &Value) -> Option<String> {
    loop {
        let answer = world.api(Method::POST, "/v1/pushes", world.app_key(), Some(body)).await;
        match answer {
            Ok((202, push)) => return push["id"].as_str().map(str::to_owned),
            Ok((400..=499, _)) => return None,
            // No answer, or a fault of the server: nothing is known.
            Ok(_) | Err(_) => sleep(RETRY).await,
        }
    }
}

/// Asks until there is an answer; whether it was done.
async fn ask(world: &World, id: &str, order: Order) -> bool {
    let word = match order {
        Order::Create => return false,
        Order::Pause => "pause",
        Order::Resume => "resume",
        Order::Cancel => "cancel",
    };
    let path = format!("/v1/pushes/{id}/{word}");
    loop {
        match world.api(Method::POST, &path, world.app_key(), None).await {
            Ok((200..=299, _)) => return true,
            Ok((400..=499, _)) => return false,
            Ok(_) | Err(_) => sleep(RETRY).await,
        }
    }
}
