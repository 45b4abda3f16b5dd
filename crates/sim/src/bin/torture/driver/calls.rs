//! Users who call each other.

use std::time::Duration;

use jiff::Timestamp;
use sim::phone::{CallHandle, Life, Phone};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::evidence::CallRecord;
use crate::plan::CallEnding;

/// A lost caller is back after so long: after their side of the call is over.
const AWAY: Duration = Duration::from_secs(7);

/// Everything that was begun.
#[derive(Default)]
pub(super) struct Calls {
    begun: Vec<(CallHandle, CallRecord)>,
    going: JoinSet<()>,
}

impl Calls {
    /// A phone calls a user; it ends as the plan says. `callee`: that user's first phone.
    pub(super) fn call(&mut self, phone: &Phone, to: &str, callee: &Phone, end: CallEnding) {
        if phone.life() != Life::Foreground {
            phone.open();
        }
        let at = Timestamp::now();
        let handle = phone.start_call(to, phone.user());
        let record = CallRecord {
            id: handle.id().to_owned(),
            caller: phone.name().to_owned(),
            callee: to.to_owned(),
            at,
        };
        let (call, phone, callee) = (handle.clone(), phone.clone(), callee.clone());
        self.begun.push((handle, record));
        self.going.spawn(async move {
            match end {
                CallEnding::Cancel(after) => {
                    sleep(after).await;
                    call.cancel();
                }
                CallEnding::Reject(after, reason) => {
                    sleep(after).await;
                    callee.reject(call.id(), reason);
                }
                CallEnding::HangUp(after) => {
                    sleep(after).await;
                    call.end();
                }
                CallEnding::LoseCaller(after) => {
                    sleep(after).await;
                    phone.kill_app().await;
                    sleep(AWAY).await;
                    phone.open();
                }
            }
        });
    }

    /// Waits until every call has come to what the plan says, then ends those that go on.
    pub(super) async fn over(&mut self) -> Vec<CallRecord> {
        while self.going.join_next().await.is_some() {}
        for (call, _) in &self.begun {
            call.end();
        }
        self.begun.iter().map(|(_, record)| record.clone()).collect()
    }
}
