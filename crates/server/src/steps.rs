//! The steps of the way as spans of the log: what is logged inside says which step it belongs to,
//! by the numbers of `ARCHITECTURE.md`, and of whom. They are there at `debug`, and cost nothing
//! above it. No span names a user.

use domain::{AppId, InboxId};
use store::log::Record;
use store::model::{Claimed, ClaimedDelivery};
use tracing::{Span, debug_span};

use crate::report::SessionReport;

/// Step 1: a message is taken in.
pub fn accept(app: AppId) -> Span {
    debug_span!("accept", step = "1", app.id = %app)
}

/// Step 2: whoever is there is told to look.
pub fn route(inbox: InboxId) -> Span {
    debug_span!("route", step = "2", inbox.id = %inbox)
}

/// Step 3a: a living session.
pub fn session(of: &SessionReport) -> Span {
    debug_span!("session", step = "3a", app.id = %of.app, device.id = %of.device)
}

/// Step 3b: an attempt to wake a device.
pub fn wake(claimed: &Claimed) -> Span {
    debug_span!(
        "wake",
        step = "3b",
        app.id = %claimed.app,
        device.id = %claimed.key.device,
        wake.id = %claimed.wake,
        attempt.id = %claimed.plan.attempt,
    )
}

/// Step 3b: an attempt of a direct push.
pub fn push(claimed: &ClaimedDelivery) -> Span {
    debug_span!(
        "push",
        step = "3b",
        app.id = %claimed.app,
        push.id = %claimed.key.push,
        attempt.id = %claimed.attempt,
    )
}

/// Step 4: what an attempt came to is stored.
pub fn settle() -> Span {
    debug_span!("settle", step = "4")
}

/// Step 5: the push log is told.
pub fn report(record: &Record) -> Span {
    debug_span!("report", step = "5", reason = &*record.reason)
}
