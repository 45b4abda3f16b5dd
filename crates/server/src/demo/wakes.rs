//! Scenes of phones that do not come at the first call.

use anyhow::{Context, Result, ensure};
use sim::device::PushType;
use sim::phone::{PhoneEvent, Platform, Via};

use super::messages::pair;
use super::stage::{
    ACK_DEADLINE, CLIMB_AFTER, PATIENCE, Stage, in_order, millis, push_since, receipt,
};

pub(super) async fn background_ignored(stage: &Stage) -> Result<String> {
    let (sender, phone) = pair(stage, "fred", Platform::Ios, "fred's iPhone").await?;
    phone.force_quit().await;
    let mark = phone.mark();
    let accepted = sender.send("fred", "Wake up").await?;
    let background = push_since(&phone, mark).await?;
    let alert = phone
        .wait_since(
            mark,
            |event| matches!(event, PhoneEvent::PushArrived { push_type: PushType::Alert, .. }),
            PATIENCE,
        )
        .await
        .context("the alert did not follow")?;
    phone
        .wait_since(
            mark,
            |event| matches!(event, PhoneEvent::ExtensionRan { drained: 1, trouble: None }),
            PATIENCE,
        )
        .await
        .context("the notification extension did not drain the inbox")?;
    receipt(&sender, &accepted.id).await?;
    let waited = millis(&background, &alert);
    ensure!(
        waited + 100 >= CLIMB_AFTER.as_millis(),
        "the alert came {waited} ms after the background push, before the climbing time"
    );
    let socket =
        phone.events().iter().skip(mark).any(|logged| {
            matches!(logged.event, PhoneEvent::MessageReceived { via: Via::Socket, .. })
        });
    ensure!(!socket, "a force-quit app was launched");
    Ok(format!("alert {waited} ms after the background push, drained by HTTP, receipt"))
}

pub(super) async fn dead_socket(stage: &Stage) -> Result<String> {
    let sender = stage.phone("gina-friend", Platform::Android, "the friend").await?;
    let phone = stage.phone("gina", Platform::Android, "gina's Pixel").await?;
    phone.freeze().await;
    let mark = phone.mark();
    let accepted = sender.send("gina", "Still there?").await?;
    let sent = sender
        .wait_for(
            |event| matches!(event, PhoneEvent::SendAccepted { id, .. } if *id == accepted.id),
            PATIENCE,
        )
        .await?;
    let push = push_since(&phone, mark).await?;
    in_order(&phone.wait_messages(1, PATIENCE).await?, &["Still there?".to_owned()])?;
    receipt(&sender, &accepted.id).await?;
    let waited = millis(&sent, &push);
    ensure!(
        waited + 100 >= ACK_DEADLINE.as_millis(),
        "pushed after {waited} ms, before the deadline"
    );
    Ok(format!("pushed {waited} ms after the accept (deadline {} ms)", ACK_DEADLINE.as_millis()))
}

pub(super) async fn expired_token(stage: &Stage) -> Result<String> {
    let (sender, phone) = pair(stage, "hugo", Platform::Android, "hugo's Pixel").await?;
    stage.world.give_spent_token(&phone).await?;
    let mark = phone.mark();
    let accepted = sender.send("hugo", "Your token is old").await?;
    push_since(&phone, mark).await?;
    phone
        .wait_since(
            mark,
            |event| matches!(event, PhoneEvent::Connected { secret_only: true, .. }),
            PATIENCE,
        )
        .await
        .context("the phone did not connect with its device secret")?;
    in_order(&phone.wait_messages(1, PATIENCE).await?, &["Your token is old".to_owned()])?;
    receipt(&sender, &accepted.id).await?;
    Ok("token refused, drained with the device secret, receipt".to_owned())
}
