//! A full disk is said, and loses nothing that was accepted.

use sim::phone::{Platform, SendError, message};
use sim::world::{World, WorldOptions};

use super::{PATIENCE, SERVER};

/// More messages than two MiB hold.
const MANY: usize = 200;

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing_that_was_accepted() {
    let mut options = WorldOptions::new(SERVER);
    options.tuning.more = "[store]\nmax_size_mb = 2\n".to_owned();
    let world = World::start(options).await.expect("the world starts");
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    let phone = world.phone("alice", Platform::Android, "alice's phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    // Nobody acknowledges, so that nothing is trimmed.
    phone.behave(|behaviour| behaviour.ack = false);
    phone.force_quit().await;
    let mut accepted = Vec::new();
    let mut refusal = None;
    for number in 0..MANY {
        let text = format!("{number} {}", "x".repeat(30_000));
        match sender.send_with(message(&["alice"], &text)).await {
            Ok(_) => accepted.push(text),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    let Some(SendError::Rejected(rejected)) = refusal else {
        panic!("{} messages of 30 kB went into 2 MiB: {refusal:?}", accepted.len())
    };
    assert_eq!(rejected.code, "storage_full", "{rejected:?}");
    assert!(rejected.detail.contains("disk is full"), "{rejected:?}");
    assert!(!accepted.is_empty(), "nothing was accepted at all");
    assert!(!world.server_log().contains("panicked"), "{}", world.server_log());
    // With room again everything that was accepted is there, in order.
    world.stop().await.expect("it stops");
    let config = world.directory().join("reveille.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let roomy = text.replace("max_size_mb = 2", "max_size_mb = 100");
    std::fs::write(&config, roomy).expect("written");
    world.start_server().await.expect("it starts again");
    phone.behave(|behaviour| behaviour.ack = true);
    phone.launch().await.expect("it connects");
    let held = phone.wait_messages(accepted.len(), PATIENCE).await.expect("received");
    let bodies: Vec<&str> = held.iter().map(|held| held.body.as_str()).collect();
    assert_eq!(bodies, accepted);
}
