//! The stage: the world, what happens on it printed as it happens, and what scenes ask of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::Time;
use sim::phone::{Held, Logged, Phone, PhoneEvent, Platform, Via};
use sim::world::{Tuning, World, WorldOptions};
use sim::{Fate, SeenPush};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::http::Settings;
use wire::{ReceiptState, TargetKindName};

use super::{BOLD, DIM};
use crate::clock::Clock;

/// How long a scene waits for anything; generous, the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The climbing time on this stage; 30 s by default.
pub(super) const CLIMB_AFTER: Duration = Duration::from_secs(2);

/// The ack deadline on this stage; 5 s by default.
pub(super) const ACK_DEADLINE: Duration = Duration::from_secs(2);

/// How long calls ring on this stage; 45 s by default.
pub(super) const RING_TIME: Duration = Duration::from_secs(8);

/// How long phones have to come back after a restart on this stage; 15 s by default.
const RESTART_GRACE: Duration = Duration::from_millis(500);

/// How long a scene's last receipts and closes may echo, so that they stand with their scene.
const ECHOES: Duration = Duration::from_millis(120);

/// The world and its voice.
pub(super) struct Stage {
    pub(super) world: World,
    trace: mpsc::UnboundedSender<Line>,
    lines: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Line>>>,
    forwarders: Mutex<JoinSet<()>>,
}

/// What the printer gets.
enum Line {
    Event(Arc<str>, Box<Logged>),
    /// What happens to the server or the push services, by the scene's own hand.
    Note(&'static str, &'static str, Time),
    End,
}

/// Prints what happens until it is ended.
pub(super) struct Trace {
    end: mpsc::UnboundedSender<Line>,
    printer: JoinSet<()>,
}

impl Trace {
    /// Prints what has happened, the last echoes of the scene too, and no more.
    pub(super) async fn end(mut self) {
        tokio::time::sleep(ECHOES).await;
        // The printer ends only by this line, so it is there to take it.
        let _ended = self.end.send(Line::End);
        while self.printer.join_next().await.is_some() {}
    }
}

impl Stage {
    /// Starts the world around this very program.
    pub(super) async fn set() -> Result<Self> {
        let exe = std::env::current_exe().context("this program cannot find itself")?;
        let settings = Settings {
            climb_after: Some(seconds(CLIMB_AFTER)),
            ring_time: Some(seconds(RING_TIME)),
            ..Settings::default()
        };
        let tuning = Tuning {
            ack_deadline: Some(ACK_DEADLINE),
            restart_grace: Some(RESTART_GRACE),
            ..Tuning::default()
        };
        let world =
            World::start(WorldOptions { settings, tuning, ..WorldOptions::new(exe) }).await?;
        let (trace, lines) = mpsc::unbounded_channel();
        let lines = Arc::new(tokio::sync::Mutex::new(lines));
        Ok(Self { world, trace, lines, forwarders: Mutex::default() })
    }

    /// Says where everything is.
    pub(super) fn introduce(&self) {
        let address = self.world.address();
        let rows = [
            ("server", format!("http://{address}   WebSocket ws://{address}/v1/connect")),
            (
                "APNs simulator",
                format!(
                    "{} (production), {} (sandbox)",
                    self.world.apns().url(),
                    self.world.apns_sandbox().url()
                ),
            ),
            ("FCM simulator", self.world.fcm().url()),
            ("data and keys", self.world.directory().display().to_string()),
            (
                "shortened",
                format!(
                    "climbing {} s (30), ack deadline {} s (5), ringing {} s (45)",
                    CLIMB_AFTER.as_secs(),
                    ACK_DEADLINE.as_secs(),
                    RING_TIME.as_secs()
                ),
            ),
        ];
        for (name, value) in rows {
            anstream::println!("  {DIM}{name:<15}{DIM:#} {value}");
        }
    }

    /// Begins to print what happens, with times from now on.
    pub(super) fn begin(&self) -> Trace {
        let lines = Arc::clone(&self.lines);
        let started = Clock::system().now();
        let mut printer = JoinSet::new();
        printer.spawn(async move {
            let mut lines = lines.lock().await;
            loop {
                let (name, text, at) = match lines.recv().await {
                    Some(Line::Event(name, logged)) => match say(&logged.event) {
                        Some(text) => (name, text, logged.at.as_microsecond()),
                        None => continue,
                    },
                    Some(Line::Note(name, text, at)) => {
                        (Arc::from(name), text.to_owned(), at.as_micros())
                    }
                    Some(Line::End) | None => return,
                };
                let at = at.saturating_sub(started.as_micros()) / 1_000;
                anstream::println!("    {DIM}{at:>6} ms{DIM:#}  {BOLD}{name:<16}{BOLD:#} {text}");
            }
        });
        Trace { end: self.trace.clone(), printer }
    }

    /// Says what the scene does to the server or to a push service.
    pub(super) fn note(&self, who: &'static str, what: &'static str) {
        // The printer outlives the scene.
        let _printed = self.trace.send(Line::Note(who, what, Clock::system().now()));
    }

    /// A phone that is logged in and on the screen.
    pub(super) async fn phone(&self, user: &str, platform: Platform, name: &str) -> Result<Phone> {
        let phone = self.world.phone(user, platform, name).await?;
        let (sender, mut events) = mpsc::unbounded_channel();
        phone.set_trace(sender);
        let trace = self.trace.clone();
        let forward = async move {
            while let Some((name, logged)) = events.recv().await {
                if trace.send(Line::Event(name, Box::new(logged))).is_err() {
                    return;
                }
            }
        };
        self.forwarders.lock().unwrap_or_else(PoisonError::into_inner).spawn(forward);
        phone.launch().await?;
        Ok(phone)
    }

    /// A phone whose app is suspended.
    pub(super) async fn sleeping(
        &self,
        user: &str,
        platform: Platform,
        name: &str,
    ) -> Result<Phone> {
        let phone = self.phone(user, platform, name).await?;
        phone.suspend().await;
        Ok(phone)
    }

    /// The pushes that the push services took for a phone, in order.
    pub(super) fn pushes(&self, phone: &Phone) -> Vec<SeenPush> {
        let kinds = [TargetKindName::Fcm, TargetKindName::Apns, TargetKindName::ApnsVoip];
        let tokens: Vec<String> =
            kinds.into_iter().filter_map(|kind| phone.push_token(kind)).collect();
        let mut pushes = self.world.apns().seen();
        pushes.extend(self.world.fcm().seen());
        pushes.retain(|push| tokens.contains(&push.token) && push.fate != Fate::NotAPush);
        pushes.sort_by_key(|push| push.at);
        pushes
    }

    /// The end of the server's log.
    pub(super) fn log_tail(&self) -> String {
        let log = self.world.server_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends the world.
    pub(super) async fn strike(self) {
        if let Err(error) = self.world.stop().await {
            anstream::eprintln!("the server did not stop by itself: {error:#}");
        }
    }
}

/// Waits for the delivered receipt of a message.
pub(super) async fn receipt(sender: &Phone, message: &str) -> Result<Logged> {
    sender
        .wait_for(
            |event| matches!(event, PhoneEvent::ReceiptReceived { id, state: ReceiptState::Delivered, .. } if id == message),
            PATIENCE,
        )
        .await
        .context("no delivered receipt")
}

/// Waits for a phone's first push since `mark`.
pub(super) async fn push_since(phone: &Phone, mark: usize) -> Result<Logged> {
    let push = |event: &PhoneEvent| matches!(event, PhoneEvent::PushArrived { .. });
    phone.wait_since(mark, push, PATIENCE).await.context("no push arrived")
}

/// Checks that exactly these texts were received, in this order.
pub(super) fn in_order(held: &[Held], texts: &[String]) -> Result<()> {
    let bodies: Vec<&str> = held.iter().map(|held| held.body.as_str()).collect();
    ensure!(bodies == texts, "received {bodies:?}");
    Ok(())
}

/// Milliseconds between two things a phone noted.
pub(super) fn millis(from: &Logged, to: &Logged) -> u128 {
    to.instant.saturating_duration_since(from.instant).as_millis()
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// What is worth a line, in words.
fn say(event: &PhoneEvent) -> Option<String> {
    Some(match event {
        PhoneEvent::Sent { to, .. } => format!("sends to {}", to.join(", ")),
        PhoneEvent::SendAccepted { .. } => "accepted, and so stored".to_owned(),
        PhoneEvent::PushArrived { kind, push_type, priority, .. } => {
            let kind = kind.map_or("of somebody else", |kind| kind.as_str());
            format!("push arrives: {kind} ({push_type:?}, {priority:?} priority)")
        }
        PhoneEvent::PushIgnored { why } => format!("push ignored: {why}"),
        PhoneEvent::Connected { woken_by: Some(_), secret_only: true, .. } => {
            "woken, connected with its device secret alone".to_owned()
        }
        PhoneEvent::Connected { woken_by: Some(_), .. } => "woken, connected".to_owned(),
        PhoneEvent::Connected { .. } => "connected".to_owned(),
        PhoneEvent::Refused { code, .. } => format!("connect refused: {code}"),
        PhoneEvent::MessageReceived { missed_call: Some(_), .. } => {
            "finds a missed call".to_owned()
        }
        PhoneEvent::MessageReceived { body, via: Via::Extension, .. } => {
            format!("extension fetches {body:?}")
        }
        PhoneEvent::MessageReceived { body, .. } => format!("receives {body:?}"),
        PhoneEvent::NotificationShown { title, body, .. } => format!("shows \"{title}: {body}\""),
        PhoneEvent::Acked { offset, .. } => format!("acknowledges up to {offset}"),
        PhoneEvent::ReceiptReceived { user, .. } => format!("learns: delivered to {user}"),
        PhoneEvent::CallScreen { caller_name, via: Via::Push, .. } => {
            format!("rings, by push: {caller_name:?} is calling")
        }
        PhoneEvent::CallScreen { caller_name, .. } => format!("rings: {caller_name:?} is calling"),
        PhoneEvent::CallRinging { .. } => "hears it ring".to_owned(),
        PhoneEvent::CallAnswered { by, .. } => format!("call answered by {by}"),
        PhoneEvent::CallEnded { reason: Some(reason), .. } => format!("call over: {reason:?}"),
        PhoneEvent::CallEnded { reason: None, .. } => "call over".to_owned(),
        PhoneEvent::LifeChanged { to } => match to {
            sim::phone::Life::Suspended => "is suspended".to_owned(),
            sim::phone::Life::Frozen => "falls silent, its socket open".to_owned(),
            sim::phone::Life::ForceQuit => "is force-quit".to_owned(),
            _ => return None,
        },
        _ => return None,
    })
}
