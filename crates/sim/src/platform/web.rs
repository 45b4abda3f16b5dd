//! Browsers: a page may be pushed to for what its user sees, and for nothing else.
//!
//! | rule | source |
//! |---|---|
//! | every push runs the service worker, whether the page is open or closed | W3C Push API |
//! | a worker that shows nothing breaks the promise `userVisibleOnly` that the page gave | W3C Push API |
//! | Safari then takes the permission away | Apple, "Sending web push notifications in web apps and browsers" |
//! | Chrome then shows a text of its own (when it does so at once, and when it only notes it, is unverified) | the Chromium intent |
//! | Firefox (unverified: it keeps a quota, which is left out) | |
//! | how long a worker may run (unverified, here 30 s) | |
//!
//! What comes while the browser is closed waits at its push service: [`super::Waiting`].

use std::time::Duration;

use jiff::Timestamp;

use super::{Effect, Input, Kind, after};
use crate::webpush::Vendor;

/// How long a worker may run (unverified).
const WORKER_RUN: Duration = Duration::from_secs(30);

/// One browser and one page.
#[derive(Clone, Debug)]
pub struct Web {
    vendor: Vendor,
    revoked: bool,
}

impl Web {
    /// A browser whose user allows the page notifications.
    pub fn new(vendor: Vendor) -> Self {
        Self { vendor, revoked: false }
    }

    /// Takes one input.
    pub fn handle<P>(&mut self, input: Input<P>, now: Timestamp) -> Vec<Effect<P>> {
        match input {
            Input::Push(_, _, push) if self.revoked => {
                vec![Effect::Drop(push, "the permission to show notifications is gone")]
            }
            Input::Push(Kind::Web, _, push) => {
                vec![Effect::RunWorker(push, after(now, WORKER_RUN))]
            }
            Input::Push(_, _, push) => vec![Effect::Drop(push, "no push that a page handles")],
            Input::HandlerEnded { visible: false, .. } => match self.vendor {
                Vendor::Apple if self.revoked => Vec::new(),
                Vendor::Apple => {
                    self.revoked = true;
                    vec![Effect::RevokePermission]
                }
                Vendor::Google => vec![Effect::ShowGeneric],
                Vendor::Mozilla | Vendor::Plain => Vec::new(),
            },
            Input::App(_)
            | Input::Charging(_)
            | Input::ForceDoze
            | Input::HandlerEnded { visible: true, .. }
            | Input::Restarted
            | Input::Screen(_)
            | Input::TimePassed
            | Input::VoipHandled { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;
    use crate::device::Priority;

    #[test]
    fn a_push_that_shows_nothing_costs_what_the_browser_says() {
        let check = |vendor, visible, expected: &[Effect<&str>], still_runs| {
            let mut web = Web::new(vendor);
            let push =
                |web: &mut Web| web.handle(Input::Push(Kind::Web, Priority::High, "a"), at(0));
            let runs = [Effect::RunWorker("a", at(30))];
            assert_eq!(push(&mut web), runs);
            let ended = Input::HandlerEnded { sent: Priority::High, visible };
            assert_eq!(web.handle(ended, at(1)), expected, "{vendor:?} {visible}");
            assert_eq!(push(&mut web) == runs, still_runs, "{vendor:?} {visible}");
        };
        for vendor in [Vendor::Apple, Vendor::Google, Vendor::Mozilla, Vendor::Plain] {
            check(vendor, true, &[], true);
        }
        check(Vendor::Apple, false, &[Effect::RevokePermission], false);
        check(Vendor::Google, false, &[Effect::ShowGeneric], true);
        check(Vendor::Mozilla, false, &[], true);
        check(Vendor::Plain, false, &[], true);
    }
}
