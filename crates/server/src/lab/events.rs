//! `GET /lab/events`: the parts of the page that change, as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::page::Parts;
use super::wall::Lab;

/// What happens within this time is one change.
const TOGETHER: Duration = Duration::from_millis(40);

/// Who follows the lab.
struct Follower {
    lab: Arc<Lab>,
    changes: watch::Receiver<u64>,
    /// What the page shows, by the ids of its elements.
    shown: HashMap<String, String>,
}

/// Each event has the name `parts`, and a map from the id of an element to its new inside.
pub(super) async fn events(State(lab): State<Arc<Lab>>) -> Response {
    let mut changes = lab.changes();
    // The first event has all: something may have happened since the page was made.
    changes.mark_changed();
    let follower = Follower { lab, changes, shown: HashMap::new() };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Follower {
    /// The next change; `None`: the lab has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = self.lab.ended() => return None,
            }
            tokio::time::sleep(TOGETHER).await;
            self.changes.mark_unchanged();
            let parts = match Parts::of(&self.lab.state()) {
                Ok(parts) => parts,
                Err(error) => {
                    tracing::error!(%error, "a part of the page cannot be written");
                    return None;
                }
            };
            let mut new = HashMap::new();
            for (id, html) in parts.into_pairs() {
                if self.shown.get(&id) != Some(&html) {
                    self.shown.insert(id.clone(), html.clone());
                    new.insert(id, html);
                }
            }
            if !new.is_empty() {
                return Event::default().event("parts").json_data(new).ok();
            }
        }
    }
}
