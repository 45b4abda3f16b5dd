//! The short way to the inbox: what a push handler drains by HTTP in its few seconds, where a
//! WebSocket has no room.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};
use wire::ServerFrame;
use wire::push::{Kind, Payload};

use super::event::{PhoneEvent, Via};
use super::installation::Installation;
use super::journal::lock;

/// Between two attempts to reach a server that does not answer.
const RETRY: Duration = Duration::from_millis(200);

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// How many messages are new.
    pub(crate) count: usize,
    /// Sender and text of the newest of them.
    pub(crate) newest: Option<(String, String)>,
    /// Why it ended before the inbox was empty, if it did.
    pub(crate) trouble: Option<String>,
}

/// Drains the inbox and acknowledges it, as long as the system lets a push handler run.
pub(crate) async fn run(installation: &Installation, via: Via) -> Drained {
    let until = Instant::now() + installation.behaviour().background_run;
    let mut drained = Drained::default();
    drained.trouble = loop {
        let error = match timeout_at(until, drain(installation, via, &mut drained)).await {
            Ok(Ok(())) => break None,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => break Some("the system ended the push handler".to_owned()),
        };
        if Instant::now() + RETRY >= until {
            break Some(error);
        }
        sleep(RETRY).await;
    };
    drained
}

/// Says that a test push has arrived, if this is one.
pub(crate) async fn confirm(installation: &Installation, payload: Option<&Payload>) {
    let Some(Payload { kind: Kind::Test, push: Some(push), .. }) = payload else { return };
    let path = format!("/v1/me/test-push/{push}/received");
    // One that cannot be said is not seen by its user, who presses the button again.
    let _unsaid = installation.request(http::Method::POST, &path, None).await;
}

/// Fetches pages and acknowledges each, until nothing is left.
async fn drain(installation: &Installation, via: Via, drained: &mut Drained) -> Result<()> {
    loop {
        let cursor = lock(&installation.storage).cursor.clone();
        let after = cursor
            .map(|cursor| format!("&epoch={}&after={}", cursor.epoch, cursor.offset))
            .unwrap_or_default();
        let path = format!("/v1/me/inbox?limit={}{after}", wire::limits::PAGE);
        let page = ok(installation.request(http::Method::GET, &path, None).await?)?;
        let entries = page["entries"].as_array().context("`entries` is not a list")?;
        for entry in entries {
            let frame = ServerFrame::parse(&entry.to_string())?;
            take(installation, &frame, via, drained);
        }
        acknowledge(installation).await?;
        if page["more"] != true || entries.is_empty() {
            return Ok(());
        }
    }
}

fn take(installation: &Installation, frame: &ServerFrame, via: Via, drained: &mut Drained) {
    // Logged under the storage's lock, so that the log has the order of the storage.
    let mut storage = lock(&installation.storage);
    for event in storage.take(frame, via) {
        if let PhoneEvent::MessageReceived { from, body, own_copy: false, .. } = &event {
            drained.count += 1;
            drained.newest = Some((from.clone().unwrap_or_default(), body.clone()));
        }
        installation.saw(event);
    }
}

async fn acknowledge(installation: &Installation) -> Result<()> {
    let owed = lock(&installation.storage).ack_owed();
    let (true, Some(position)) = (installation.behaviour().ack, owed) else { return Ok(()) };
    let body = json!({ "position": position });
    ok(installation.request(http::Method::POST, "/v1/me/ack", Some(&body)).await?)?;
    let offset = position.offset;
    lock(&installation.storage).acked(position);
    installation.saw(PhoneEvent::Acked { offset, confirmed: true });
    Ok(())
}

fn ok((status, body): (u16, Value)) -> Result<Value> {
    if !(200..300).contains(&status) {
        bail!("answered {status}: {body}");
    }
    Ok(body)
}
