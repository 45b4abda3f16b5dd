//! Scenes of calls.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sim::phone::{Phone, PhoneEvent, Platform, Via};
use wire::CallEndReason;

use super::messages::pair;
use super::stage::{PATIENCE, Stage, push_since};

pub(super) async fn answered(stage: &Stage) -> Result<String> {
    let (caller, iphone) = pair(stage, "ida", Platform::Ios, "ida's iPhone").await?;
    let second = stage.phone("ida", Platform::Android, "ida's Pixel").await?;
    iphone.behave(|behaviour| behaviour.answers_calls = Some(Duration::from_millis(400)));
    let mark = iphone.mark();
    let call = caller.start_call("ida", "Grandma");
    let screen = iphone
        .wait_since(
            mark,
            |event| matches!(event, PhoneEvent::CallScreen { via: Via::Push, .. }),
            PATIENCE,
        )
        .await
        .context("the iPhone did not ring")?;
    ensure!(
        matches!(&screen.event, PhoneEvent::CallScreen { caller_name, .. } if caller_name == "Grandma"),
        "the push did not carry the caller's name: {}",
        screen.event
    );
    let rings =
        |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { via: Via::Socket, .. });
    second.wait_for(rings, PATIENCE).await.context("the second device did not ring")?;
    let taken = |event: &PhoneEvent| matches!(event, PhoneEvent::CallAnswered { .. });
    caller.wait_for(taken, PATIENCE).await.context("the caller was not told of the answer")?;
    over(&second, CallEndReason::AnsweredElsewhere).await?;
    call.end();
    over(&iphone, CallEndReason::HungUp).await?;
    let voip = voip_pushes(stage, &iphone);
    ensure!(voip == 1, "{voip} VoIP pushes, one was enough");
    Ok("1 VoIP push with \"Grandma\", answered, second device: answered_elsewhere".to_owned())
}

pub(super) async fn unanswered(stage: &Stage) -> Result<String> {
    let (caller, iphone) = pair(stage, "jana", Platform::Ios, "jana's iPhone").await?;
    let mark = iphone.mark();
    caller.start_call("jana", "The dentist");
    let screen = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { .. });
    iphone.wait_since(mark, screen, PATIENCE).await.context("the iPhone did not ring")?;
    over(&caller, CallEndReason::Unanswered).await.context("caller")?;
    over(&iphone, CallEndReason::Unanswered).await.context("callee")?;
    let missed = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::MessageReceived { missed_call: Some(_), .. })
    };
    iphone.wait_since(mark, missed, PATIENCE).await.context("no missed call in the inbox")?;
    Ok("unanswered to both, missed call in the inbox".to_owned())
}

pub(super) async fn cancelled(stage: &Stage) -> Result<String> {
    let (caller, iphone) = pair(stage, "karl", Platform::Ios, "karl's iPhone").await?;
    let mark = iphone.mark();
    // The server was started anew in the scene before, so it has no connection to Apple yet; and
    // Apple takes none for a while, so that the push has to wait.
    let trouble = stage.world.apns().trouble();
    let before = stage.world.apns().counts().failed_handshakes;
    trouble.alert_next(10_000, INTERNAL_ERROR);
    stage.note("APNs", "takes no connection");
    let call = caller.start_call("karl", "Somebody impatient");
    stage
        .world
        .apns()
        .wait_counts(|counts| counts.failed_handshakes > before, PATIENCE)
        .await
        .context("the server did not try to push")?;
    call.cancel();
    over(&caller, CallEndReason::Cancelled).await?;
    trouble.clear();
    stage.note("APNs", "is back");
    // The missed call's own push shows that pushes get through again.
    push_since(&iphone, mark).await?;
    let missed = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::MessageReceived { missed_call: Some(_), .. })
    };
    iphone.wait_since(mark, missed, PATIENCE).await.context("no missed call in the inbox")?;
    let rang = iphone
        .events()
        .iter()
        .skip(mark)
        .any(|logged| matches!(logged.event, PhoneEvent::CallScreen { .. }));
    let voip = voip_pushes(stage, &iphone);
    ensure!(voip == 0 && !rang, "{voip} VoIP pushes after the call was cancelled");
    Ok("cancelled in time: 0 VoIP pushes, a missed call instead".to_owned())
}

/// TLS alert 80: the service's own trouble.
const INTERNAL_ERROR: u8 = 80;

fn voip_pushes(stage: &Stage, phone: &Phone) -> usize {
    let pushes = stage.pushes(phone);
    pushes
        .iter()
        .filter(|push| push.header("apns-push-type") == Some("voip") && push.status.is_success())
        .count()
}

async fn over(phone: &Phone, expected: CallEndReason) -> Result<()> {
    phone
        .wait_for(
            |event| matches!(event, PhoneEvent::CallEnded { reason: Some(reason), .. } if *reason == expected),
            PATIENCE,
        )
        .await
        .with_context(|| format!("{} was not told that the call is over", phone.name()))?;
    Ok(())
}
