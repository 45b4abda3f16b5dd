//! The notification extension of an iPhone: a process of its own that the system runs for an alert
//! with `mutable-content`, also when the app was force-quit. It drains the inbox by HTTP, because
//! a WebSocket has no room in its few seconds, and shows the notification in the end.

use super::drain;
use super::event::{PhoneEvent, Via};
use super::installation::Installation;
use super::push::Alert;

/// Runs the extension for one alert. What it could not replace is shown as it came.
pub(crate) async fn run(installation: &Installation, alert: Alert) {
    let drained = drain::run(installation, Via::Extension).await;
    let (title, body) = drained.newest.unwrap_or((alert.title, alert.body));
    installation.saw(PhoneEvent::NotificationShown { title, body, via: Via::Extension });
    let (drained, trouble) = (drained.count, drained.trouble);
    installation.saw(PhoneEvent::ExtensionRan { drained, trouble });
}
