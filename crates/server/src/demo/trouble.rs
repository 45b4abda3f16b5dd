//! Scenes of things that break.

use anyhow::{Context, Result, ensure};
use sim::phone::{PhoneEvent, Platform};
use wire::TargetKindName;

use super::messages::pair;
use super::stage::{PATIENCE, Stage, in_order, push_since, receipt};

pub(super) async fn token_gone(stage: &Stage) -> Result<String> {
    let (sender, iphone) = pair(stage, "lena", Platform::Ios, "lena's iPhone").await?;
    let pixel = stage.sleeping("lena", Platform::Android, "lena's Pixel").await?;
    let token = iphone.push_token(TargetKindName::Apns).context("the iPhone has no token")?;
    stage.world.devices().unregister(&token);
    stage.note("APNs", "forgets the iPhone's token");
    let mark = pixel.mark();
    let accepted = sender.send("lena", "To both of you").await?;
    push_since(&pixel, mark).await.context("the other device")?;
    in_order(&pixel.wait_messages(1, PATIENCE).await?, &["To both of you".to_owned()])?;
    receipt(&sender, &accepted.id).await?;
    let refused = stage
        .world
        .apns()
        .wait_for(|push| push.token == token && push.status.as_u16() == GONE, PATIENCE);
    refused.await.context("Apple was not asked")?;
    // The record follows the answer by a moment.
    let record = until(PATIENCE, || async {
        let records = stage.world.push_log(&iphone).await?;
        Ok(records.into_iter().find(|record| record.code == Some(911)))
    });
    let record = record.await.context("no record with code 911")?;
    let reason = record.detail.as_ref().and_then(|detail| detail["reason"].as_str());
    let reason = reason.unwrap_or_default().to_owned();
    ensure!(reason == "Unregistered", "the record's reason is {reason:?}");
    let gone = until(PATIENCE, || async {
        let devices = stage.world.devices_of("lena").await?;
        let held = devices.iter().any(|device| {
            device.id == iphone.device_id()
                && device.targets.iter().any(|target| target.kind == TargetKindName::Apns)
        });
        Ok((!held).then_some(()))
    });
    gone.await.context("the token is still held")?;
    Ok(format!("dropped ({reason}), 911 recorded, the other device woken"))
}

pub(super) async fn server_killed(stage: &Stage) -> Result<String> {
    let (sender, phone) = pair(stage, "mona", Platform::Android, "mona's Pixel").await?;
    // Google hangs up on every request, so that nothing can be pushed before the kill.
    let trouble = stage.world.fcm().trouble();
    trouble.close_next(10_000);
    stage.note("FCM", "hangs up on every request");
    let mark = phone.mark();
    sender.send("mona", "Survives a SIGKILL").await?;
    stage.world.kill().await?;
    stage.note("the server", "SIGKILL");
    let before = stage.pushes(&phone).len();
    ensure!(before == 0, "{before} pushes before the kill; the scene shows nothing");
    trouble.clear();
    stage.world.start_server().await?;
    stage.note("the server", "is up again");
    push_since(&phone, mark).await?;
    let woken =
        |event: &PhoneEvent| matches!(event, PhoneEvent::Connected { woken_by: Some(_), .. });
    phone.wait_since(mark, woken, PATIENCE).await.context("the phone did not connect")?;
    in_order(&phone.wait_messages(1, PATIENCE).await?, &["Survives a SIGKILL".to_owned()])?;
    Ok("accepted, SIGKILL, restarted, pushed, woken, received".to_owned())
}

/// Apple's status for a token that is no more.
const GONE: u16 = 410;

/// Asks again and again until there is an answer.
async fn until<T, F>(patience: std::time::Duration, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let again = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(patience, again).await.context("not in time")?
}
