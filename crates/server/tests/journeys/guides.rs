//! The end of each guide, typed as it stands there: the message that wakes the device; and the
//! client of `examples/`.

use std::path::{Path, PathBuf};
use std::process::Output;

use sim::phone::{Phone, PhoneEvent, Platform, Via};
use sim::webpush::Vendor;
use sim::world::{World, WorldOptions};
use tokio::process::Command;

use super::{PATIENCE, SERVER};

#[tokio::test]
async fn the_message_at_the_end_of_a_guide_wakes_the_device() {
    let options = WorldOptions { webpush: Some(Vendor::Mozilla), ..WorldOptions::new(SERVER) };
    let world = World::start(options).await.expect("the world starts");
    for (guide, platform) in [
        ("android", Platform::Android),
        ("backend", Platform::Android),
        ("ios", Platform::Ios),
        ("migrating", Platform::Ios),
        ("web", Platform::Web),
    ] {
        let phone = asleep(&world, platform, guide).await;
        let mark = phone.mark();
        for line in end_of(guide) {
            let done = typed(&world, &line).await;
            let said = String::from_utf8_lossy(&done.stdout);
            let trouble = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "docs/{guide}.md: {line}\n{said}{trouble}");
            if line.contains(" send ") {
                let woken = |event: &PhoneEvent| matches!(event, PhoneEvent::MessageReceived { body, .. } if body == "Wake up");
                phone.wait_since(mark, woken, PATIENCE).await.expect("it wakes the device");
            }
        }
        // The next guide has a device of its own.
        let path = format!("/v1/users/alice/devices/{}", phone.device_id());
        let taken = world.api(http::Method::DELETE, &path, world.app_key(), None).await;
        assert_eq!(taken.expect("an answer").0, 204);
    }
}

/// A device of alice's whose app has run once and does not any more.
async fn asleep(world: &World, platform: Platform, name: &str) -> Phone {
    let phone = world.phone("alice", platform, name).await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.kill_app().await;
    phone
}

/// The commands of a guide's last two sections that are no requests.
fn end_of(guide: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join(format!("docs/{guide}.md"))).expect(guide);
    let (_, end) = page.split_once("Wake it\n").expect("every guide has it");
    let blocks = end.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter(|line| !line.starts_with("curl "));
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    assert!(lines.len() > 2, "docs/{guide}.md ends with {lines:?}");
    lines
}

/// What a line of a shell comes to, by somebody who has the app's key.
async fn typed(world: &World, line: &str) -> Output {
    let mut words = words(line).into_iter();
    let mut command = match words.next().as_deref() {
        Some("reveille") => Command::new(SERVER),
        Some("python3") => {
            // As it is copied in the guide.
            let file = words.next();
            assert_eq!(file.as_deref(), Some("client.py"), "{line}");
            client()
        }
        other => panic!("{line}: {other:?} is a command that no test looks at"),
    };
    command.args(words).current_dir(world.directory());
    command.env("REVEILLE_SERVER", format!("http://{}", world.address()));
    command.env("REVEILLE_KEY", world.app_key()).env("REVEILLE_ADMIN_KEY", world.admin_key());
    tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs")
}

/// The words of a line with double quotes at most.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    quoted.collect()
}

/// The client, by a Python that finds nothing but its standard library.
fn client() -> Command {
    let mut command = Command::new(python());
    command.arg("-S").arg(root().join("examples/client.py"));
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a command says that must succeed.
async fn said(world: &World, line: &str) -> String {
    let done = typed(world, line).await;
    let trouble = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{line}\n{trouble}");
    String::from_utf8(done.stdout).expect("text")
}

#[tokio::test]
async fn the_client_does_what_its_guide_says() {
    let world = World::start(WorldOptions::new(SERVER)).await.expect("the world starts");
    let app = said(&world, "python3 client.py app Clinic").await;
    assert!(app.starts_with("app_") && app.contains(" rvl_app_"), "{app}");
    let token = said(&world, "python3 client.py token --user alice --ttl 3600").await;
    assert!(token.starts_with("rvl_user_"), "{token}");

    let phone = asleep(&world, Platform::Android, "alice's phone").await;
    let send = r#"python3 client.py send --to alice --id visit-19 --title Clinic "Dr Who will see you now""#;
    let sent = said(&world, send).await;
    let received = |event: &PhoneEvent| matches!(event, PhoneEvent::MessageReceived { body, via: Via::Socket, .. } if body == "Dr Who will see you now");
    phone.wait_for(received, PATIENCE).await.expect("it wakes the phone");
    assert_eq!(said(&world, send).await, sent, "said again it is the same message");
    let timeline = said(&world, &format!("python3 client.py timeline {}", sent.trim())).await;
    assert!(timeline.lines().count() > 3, "{timeline}");
    let events = said(&world, "python3 client.py events --after 0 --count 1").await;
    let event: serde_json::Value = serde_json::from_str(&events).expect("an event a line");
    assert!(event["type"].is_string(), "{event}");

    let nobody = typed(&world, "python3 client.py send --to nobody hello").await;
    let trouble = String::from_utf8_lossy(&nobody.stderr);
    assert!(!nobody.status.success() && trouble.contains("unknown_user: "), "{trouble}");
}

/// Its own tests, in its own language: what it does with bad answers and forged webhooks.
#[tokio::test]
async fn the_client_passes_its_own_tests() {
    let tests = Command::new(python())
        .args(["-S", "-m", "unittest"])
        .current_dir(root().join("examples"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let tests = tokio::time::timeout(PATIENCE, tests).await.expect("they end").expect("they run");
    let said = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success(), "{said}");
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next());
    let ran: usize = ran.and_then(|ran| ran.parse().ok()).expect("how many");
    assert!(ran >= 10, "{said}");
}

/// The Python that `cargo xtask test` provides.
fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python/bin/python")
}
