//! Secrets stay secret.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sim::phone::{PhoneEvent, Platform};
use wire::TargetKindName;

use super::{PATIENCE, SERVER};

/// A text that must not turn up in any log.
const TEXT: &str = "the text of a message is nobody's business";

#[tokio::test]
async fn no_secret_is_in_the_log_or_the_database() {
    let mut options = sim::world::WorldOptions::new(SERVER);
    options.tuning.log_level = "trace".to_owned();
    let world = sim::world::World::start(options).await.expect("the world starts");
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    let phone = world.phone("alice", Platform::Android, "alice's phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    let iphone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a phone");
    iphone.launch().await.expect("it connects");
    phone.suspend().await;
    iphone.suspend().await;
    sender.send("alice", TEXT).await.expect("accepted");
    phone.wait_messages(1, PATIENCE).await.expect("received");
    iphone.wait_messages(1, PATIENCE).await.expect("received");
    let acked = |event: &PhoneEvent| matches!(event, PhoneEvent::Acked { .. });
    phone.wait_for(acked, PATIENCE).await.expect("acked");
    let user_token = world.user_token("alice", None).await.expect("a token").token;
    let mut secrets = vec![
        ("admin key", world.admin_key().to_owned()),
        ("app key", world.app_key().to_owned()),
        ("user token", user_token),
        ("private key", "PRIVATE KEY".to_owned()),
    ];
    // A credential is uploaded in base64, and that is how it would be read in the clear.
    secrets.extend(in_base64("PRIVATE KEY").map(|part| ("private key in base64", part)));
    world.stop().await.expect("it stops in good order");
    // The database may have left some of itself in the files beside it.
    let data = world.directory().join("data");
    let mut everywhere = vec![data.join("log")];
    for entry in std::fs::read_dir(&data).expect("the data folder") {
        let entry = entry.expect("an entry");
        if entry.file_name().to_string_lossy().starts_with("reveille.db") {
            everywhere.push(entry.path());
        }
    }
    assert!(everywhere.len() > 1, "no database in {}", data.display());
    for (name, secret) in &secrets {
        for place in &everywhere {
            assert!(!holds(place, secret.as_bytes()), "the {name} is in {}", place.display());
        }
    }
    // Push tokens and texts are in the database, where they are needed, and in no log.
    for (phone, kind) in [(&phone, TargetKindName::Fcm), (&iphone, TargetKindName::Apns)] {
        secrets.push(("push token", phone.push_token(kind).expect("a token")));
    }
    secrets.push(("text", TEXT.to_owned()));
    let log = world.server_log();
    let push_log = world.directory().join("data/log");
    for (name, secret) in &secrets {
        assert!(!log.contains(secret.as_str()), "the {name} is in the server's log");
        assert!(!holds(&push_log, secret.as_bytes()), "the {name} is in the push log");
    }
}

/// What a text looks like somewhere inside of something in base64: one form for each of the three
/// places it can have in a group, without the letters that it shares with its neighbours.
fn in_base64(text: &str) -> [String; 3] {
    [0_usize, 1, 2].map(|shift| {
        let bytes = [&[0; 2][..shift], text.as_bytes()].concat();
        let letters = STANDARD.encode(&bytes);
        letters[(shift * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
    })
}

/// Whether a file, or any file below a folder, holds these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a folder");
        return entries.into_iter().any(|entry| holds(&entry.expect("an entry").path(), bytes));
    }
    let content = std::fs::read(path).expect("a file");
    content.windows(bytes.len()).any(|window| window == bytes)
}
