//! Scenes of messages that arrive as they should.

use anyhow::{Context, Result, ensure};
use sim::SeenPush;
use sim::phone::{Phone, PhoneEvent, Platform, message};

use super::stage::{PATIENCE, Stage, in_order, millis, push_since, receipt};

pub(super) async fn live(stage: &Stage) -> Result<String> {
    let alice = stage.phone("alice", Platform::Android, "alice's Pixel").await?;
    let bob = stage.phone("bob", Platform::Android, "bob's Pixel").await?;
    let accepted = alice.send("bob", "Good morning").await?;
    in_order(&bob.wait_messages(1, PATIENCE).await?, &["Good morning".to_owned()])?;
    receipt(&alice, &accepted.id).await?;
    let pushes = stage.pushes(&bob).len();
    ensure!(pushes == 0, "{pushes} pushes went to a phone that was awake");
    Ok("over the socket, receipt, 0 pushes".to_owned())
}

pub(super) async fn android(stage: &Stage) -> Result<String> {
    let push = one_message(stage, "carol", Platform::Android, "carol's Pixel").await?;
    let body: serde_json::Value = serde_json::from_slice(&push.payload)?;
    let message = &body["message"];
    ensure!(
        message["android"]["priority"] == "HIGH",
        "priority {}",
        message["android"]["priority"]
    );
    ensure!(message["data"]["reveille_kind"] == "message", "data {}", message["data"]);
    ensure!(message.get("notification").is_none(), "a notification came with the data message");
    Ok("FCM data message (HIGH), woken, ack, receipt".to_owned())
}

pub(super) async fn iphone(stage: &Stage) -> Result<String> {
    let push = one_message(stage, "dora", Platform::Ios, "dora's iPhone").await?;
    let kind = push.header("apns-push-type").unwrap_or_default();
    ensure!(kind == "background", "apns-push-type {kind}");
    ensure!(push.header("apns-priority") == Some("5"), "a background push has priority 5");
    Ok("APNs background push (priority 5), woken, ack, receipt".to_owned())
}

/// One message to a suspended phone: it is pushed once, wakes, holds the message, and the sender
/// learns. Returns the push.
async fn one_message(
    stage: &Stage,
    user: &str,
    platform: Platform,
    name: &str,
) -> Result<SeenPush> {
    let (sender, phone) = pair(stage, user, platform, name).await?;
    let mark = phone.mark();
    let accepted = sender.send(user, "Are you there?").await?;
    push_since(&phone, mark).await?;
    let woken =
        |event: &PhoneEvent| matches!(event, PhoneEvent::Connected { woken_by: Some(_), .. });
    phone.wait_since(mark, woken, PATIENCE).await.context("the phone did not connect")?;
    in_order(&phone.wait_messages(1, PATIENCE).await?, &["Are you there?".to_owned()])?;
    receipt(&sender, &accepted.id).await?;
    let mut pushes = stage.pushes(&phone);
    ensure!(pushes.len() == 1, "{} pushes, one was enough", pushes.len());
    pushes.pop().context("the push service saw no push")
}

pub(super) async fn burst(stage: &Stage) -> Result<String> {
    let (sender, phone) = pair(stage, "erik", Platform::Android, "erik's Pixel").await?;
    let texts: Vec<String> = (1..=10).map(|number| format!("message {number}")).collect();
    let mark = phone.mark();
    for text in &texts {
        sender.post(message(&["erik"], text));
    }
    let push = push_since(&phone, mark).await?;
    in_order(&phone.wait_messages(10, PATIENCE).await?, &texts)?;
    let last = phone.wait_since(
        mark,
        |event| matches!(event, PhoneEvent::MessageReceived { body, .. } if body == "message 10"),
        PATIENCE,
    );
    let last = last.await?;
    let pushes = stage.pushes(&phone).len();
    ensure!(pushes == 1, "{pushes} pushes, one was enough");
    Ok(format!("1 push, 10 messages in order, {} ms after the push", millis(&push, &last)))
}

/// A sender on the screen and a phone whose app is suspended.
pub(super) async fn pair(
    stage: &Stage,
    user: &str,
    platform: Platform,
    name: &str,
) -> Result<(Phone, Phone)> {
    let sender = stage.phone(&format!("{user}-friend"), Platform::Android, "the friend").await?;
    let phone = stage.sleeping(user, platform, name).await?;
    Ok((sender, phone))
}
