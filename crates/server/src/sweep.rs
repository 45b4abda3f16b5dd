//! Forgets what has outlived its use, slowly and all the time; and finds sessions that the store
//! takes for living and nobody serves.

use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;

/// The pause between two sweeps: 256 slices of the sends come round in under an hour.
const PAUSE: Duration = Duration::from_secs(10);

/// Sweeps between two looks for dead sessions.
const LOOK_EVERY: u8 = 6;

/// A session younger than this may stand in the store and not be known here yet.
const YOUNG: Duration = Duration::from_secs(30);

/// Starts the sweeping.
pub fn start(node: &Arc<Node>) {
    let sweeper = Arc::clone(node);
    node.tasks.start("sweep", async move {
        let mut slice = 0_u8;
        loop {
            tokio::select! {
                () = sweeper.tasks.stopped() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            match sweeper.store.sweep(slice, sweeper.clock.now()).await {
                Ok((_, effects)) => sweeper.carry_out(effects),
                Err(error) => tracing::warn!(%error, "a sweep failed; the next one follows"),
            }
            if slice.is_multiple_of(LOOK_EVERY)
                && let Err(error) = end_dead_sessions(&sweeper).await
            {
                tracing::warn!(%error, "dead sessions could not be looked for; trying again");
            }
            slice = slice.wrapping_add(1);
        }
    });
}

/// Ends sessions that nobody serves: their task ended without a word (a panic), and their devices
/// would never be woken.
async fn end_dead_sessions(node: &Arc<Node>) -> Result<(), store::Error> {
    let now = node.clock.now();
    // First the store, then the hub: a session leaves the hub before it leaves the store.
    let stored = node.store.sessions(now.minus(YOUNG)).await?;
    let served = node.hub.ids();
    for session in stored.into_iter().filter(|session| !served.contains(session)) {
        tracing::warn!(session.id = %session, "a session was left behind; ending it");
        let effects = node.store.end_session(session, now).await?;
        node.carry_out(effects);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::session::AppState;
    use domain::{Platform, SessionId};
    use store::model::{Connect, Connected, Identity};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    #[tokio::test]
    async fn a_session_that_nobody_serves_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults().unwrap();
        config.data_dir = folder.path().to_owned();
        let (clock, hand) = Clock::by_hand(domain::Time::from_millis(1_000_000));
        let node = Node::start(config, clock, false).await.unwrap();
        let app = node.store.add_app("test".to_owned(), node.clock.now()).await.unwrap().id;
        let user = node.store.ensure_user(app, "alice".to_owned(), node.clock.now()).await;
        let inbox = user.unwrap().unwrap();
        let connect = Connect {
            identity: Identity::User { app, inbox },
            device: "phone".to_owned(),
            platform: Platform::Android,
            app_version: None,
            locale: None,
            time_zone: None,
            secret: None,
            new_secret: [7; 32],
            held: None,
            state: AppState::Foreground,
            replaces: true,
            session: SessionId::from_bits(1),
            incarnation: node.incarnation,
            woken_by: None,
            now: node.clock.now(),
        };
        let connected = node.store.connect(connect).await.unwrap();
        assert!(matches!(connected, Connected::Yes(_)));
        let live = async || node.store.devices(inbox).await.unwrap()[0].live;
        end_dead_sessions(&node).await.unwrap();
        assert!(live().await, "too young to be judged");
        hand.advance(YOUNG * 2);
        end_dead_sessions(&node).await.unwrap();
        assert!(!live().await);
        node.stop().await;
    }
}
