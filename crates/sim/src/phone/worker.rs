//! The service worker of a page: a process of its own that the browser runs for every push, whether
//! the page is open or closed. It drains the inbox by HTTP and has to show a notification in the
//! end: a page may be pushed to only for what its user sees (`userVisibleOnly`, W3C Push API).

use wire::push::Kind;

use super::drain::{self, Drained};
use super::event::{PhoneEvent, Via};
use super::installation::Installation;
use super::push::Push;
use crate::platform::Input;

/// Runs the worker for one push. It shows the newest message that it found, else what the push says,
/// else a text of the app's own for what waits. The screen of a call is the page's to show.
pub(crate) async fn run(installation: &Installation, push: &Push) {
    let payload = push.payload.as_ref();
    let kind = payload.map(|payload| payload.kind);
    let drained = match kind {
        // The user is to see the call now; what the app's back end pushed and a push of somebody
        // else lead to no inbox.
        None | Some(Kind::Call | Kind::Push) => Drained::default(),
        Some(Kind::CallEnded | Kind::Message | Kind::Missed | Kind::Test) => {
            drain::run(installation, Via::Worker).await
        }
    };
    let told = push.alert.as_ref().map(|alert| (alert.title.clone(), alert.body.clone()));
    let rings = push.is_about_a_call() && kind != Some(Kind::CallEnded);
    let text = drained.newest.or(told).or_else(|| own_text(kind));
    let visible = match text.filter(|_| installation.behaviour().shows_notifications) {
        Some((title, body)) => {
            installation.saw(PhoneEvent::NotificationShown { title, body, via: Via::Worker });
            true
        }
        None if rings => true,
        None => {
            let wake = payload.and_then(|payload| payload.wake.clone());
            installation.saw(PhoneEvent::SilentPush { kind, wake });
            false
        }
    };
    let (drained, trouble) = (drained.count, drained.trouble);
    installation.saw(PhoneEvent::WorkerRan { drained, trouble });
    installation.tell_system(Input::HandlerEnded { sent: push.original_priority, visible });
}

/// What the app says of its own accord, to a push without a text.
fn own_text(kind: Option<Kind>) -> Option<(String, String)> {
    let title = match kind? {
        Kind::Message | Kind::Test => "New message",
        Kind::Missed => "Missed call",
        Kind::Call | Kind::CallEnded | Kind::Push => return None,
    };
    Some((title.to_owned(), String::new()))
}
