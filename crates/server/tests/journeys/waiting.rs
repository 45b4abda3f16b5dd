//! What waits for its time: a rung over the death of the server, a ring push for a connection.

use sim::device::PushType;
use sim::phone::{PhoneEvent, Platform};
use wire::CallEndReason;
use wire::http::Settings;

use super::{PATIENCE, world};

#[tokio::test]
async fn a_wake_that_waits_out_a_rung_survives_a_kill_though_nothing_else_happens() {
    let world = world().await;
    // Long enough for the server to be killed meanwhile on a busy machine.
    let settings = Settings { climb_after: Some(3), ..Settings::default() };
    world.set(&settings).await.expect("set");
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    let phone = world.phone("alice", Platform::Ios, "alice's phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.force_quit().await;
    let mark = phone.mark();
    let accepted = sender.send("alice", "wake up").await.expect("accepted");
    // Nobody else's push, message or session may stir the lane after the restart.
    sender.force_quit().await;
    let climbing = async {
        loop {
            let timeline = world.timeline(&accepted.id).await.expect("a timeline");
            if timeline.items.iter().any(|record| record.reason == "climbing") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, climbing).await.expect("the background push was accepted");
    world.kill().await.expect("killed");
    world.start_server().await.expect("it starts again");
    let alert = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::PushArrived { push_type: PushType::Alert, .. })
    };
    phone.wait_since(mark, alert, PATIENCE).await.expect("the alert follows");
    let pushes = world.apns().seen();
    let kinds: Vec<_> = pushes.iter().filter_map(|push| push.header("apns-push-type")).collect();
    assert_eq!(kinds[..2], ["background", "alert"], "the ladder was not begun anew");
}

#[tokio::test]
async fn a_ring_push_that_waits_for_room_is_not_written_once_the_call_is_over() {
    let world = world().await;
    let caller = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    caller.launch().await.expect("it connects");
    let iphone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a phone");
    let other = world.phone("carol", Platform::Ios, "carol's iPhone").await.expect("a phone");
    for phone in [&iphone, &other] {
        phone.launch().await.expect("it connects");
        phone.suspend().await;
    }
    let mark = iphone.mark();
    // Apple gives a connection one stream until its first answer, and that one is held.
    let trouble = world.apns().trouble();
    trouble.hold_next(1);
    caller.send("carol", "takes the one stream").await.expect("accepted");
    trouble.wait_held(1, PATIENCE).await.expect("the first push is on its way");
    let call = caller.start_call("alice", "Bob");
    let claimed = async {
        loop {
            let records = world.push_log(&iphone).await.expect("the push log");
            if records.iter().any(|record| record.reason == "claimed") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, claimed).await.expect("the ring push is claimed");
    call.cancel();
    let over = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::CallEnded { reason: Some(CallEndReason::Cancelled), .. })
    };
    caller.wait_for(over, PATIENCE).await.expect("the call is over");
    trouble.release();
    // The missed call waits for the same room, behind the ring push that was not written.
    let missed = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::MessageReceived { missed_call: Some(_), .. })
    };
    iphone.wait_since(mark, missed, PATIENCE).await.expect("the missed call");
    let pushes = world.apns().seen();
    let kinds: Vec<_> = pushes.iter().filter_map(|push| push.header("apns-push-type")).collect();
    assert!(!kinds.contains(&"voip"), "{kinds:?}");
}
