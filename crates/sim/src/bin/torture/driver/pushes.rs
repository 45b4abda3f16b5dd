//! The back end's direct pushes and broadcasts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sim::world::World;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use wire::http::{Push, PushStateName};

use crate::evidence::DirectRecord;

/// Before a request is made again.
const RETRY: Duration = Duration::from_millis(100);

/// Everything that was pushed.
#[derive(Default)]
pub(super) struct Pushes {
    begun: usize,
    taken: Arc<Mutex<Vec<(String, bool)>>>,
    asking: JoinSet<()>,
}

impl Pushes {
    /// Pushes to users.
    pub(super) fn push(&mut self, world: &Arc<World>, to: &[String]) {
        self.ask(world, json!({ "to": { "users": to } }), false);
    }

    /// Pushes to all, so many a second.
    pub(super) fn broadcast(&mut self, world: &Arc<World>, rate: u32) {
        self.ask(world, json!({ "to": { "all": true }, "rate": rate }), true);
    }

    /// Asks until there is an answer, with the same id. A user may have no token just then: that
    /// push is not taken in.
    fn ask(&mut self, world: &Arc<World>, mut body: Value, broadcast: bool) {
        self.begun += 1;
        body["id"] = format!("push-{}", self.begun).into();
        body["title"] = format!("push {}", self.begun).into();
        let (world, taken) = (Arc::clone(world), Arc::clone(&self.taken));
        self.asking.spawn(async move {
            loop {
                let answer = world.api(Method::POST, "/v1/pushes", world.app_key(), Some(&body));
                match answer.await {
                    Ok((202, push)) => {
                        let id = push["id"].as_str().unwrap_or_default().to_owned();
                        taken.lock().unwrap_or_else(PoisonError::into_inner).push((id, broadcast));
                        return;
                    }
                    Ok((400..=499, _)) => return,
                    // No answer, or a fault of the server: nothing is known.
                    Ok(_) | Err(_) => sleep(RETRY).await,
                }
            }
        });
    }

    /// Waits until all that was taken in is over, at most until then; returns how it stands.
    pub(super) async fn over(&mut self, world: &World, until: Instant) -> Vec<DirectRecord> {
        while self.asking.join_next().await.is_some() {}
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut records = Vec::with_capacity(taken.len());
        for (id, broadcast) in taken {
            let path = format!("/v1/pushes/{id}");
            loop {
                let shown = world.call::<Push>(Method::GET, &path, None).await;
                let late = Instant::now() >= until;
                match shown {
                    Ok(push) if push.state == PushStateName::Done || late => {
                        records.push(DirectRecord { push, broadcast });
                        break;
                    }
                    Err(_) if late => break,
                    Ok(_) | Err(_) => sleep(RETRY).await,
                }
            }
        }
        records
    }
}
