//! The app's session: opening it, what is due when it stands, writing, and losing it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wire::{AppState, ClientFrame, CloseCode, Connect, DeviceInfo, Purpose, WokenBy};

use super::App;
use crate::phone::event::{Life, PhoneEvent};
use crate::phone::installation::Installation;
use crate::phone::journal::lock;
use crate::phone::link::{self, Read, Refusal, Session};
use crate::phone::network::Network;

/// Shortest and longest wait before the app connects again, in milliseconds: at random in between,
/// so that a server that comes back is not met by everybody at once.
const RECONNECT_MS: std::ops::RangeInclusive<u64> = 50..=500;

/// Where the app's connection stands.
pub(super) enum Link {
    Down,
    Opening(Opening),
    Up {
        link: Box<link::Link>,
        /// The device secret proved the session alone: it may drain and answer, not send.
        secret_only: bool,
    },
}

/// A connection on its way.
pub(super) struct Opening {
    future: Pin<Box<dyn Future<Output = Result<Session, Refusal>> + Send>>,
    /// What was said in `connect`.
    state: AppState,
    secret_only: bool,
    woken_by: Option<WokenBy>,
}

/// What a connection came up with.
pub(super) enum News {
    Opened(Result<Session, Refusal>),
    Read(Read),
}

impl Link {
    pub(super) const fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }

    /// Whether the session has the right to send.
    pub(super) const fn may_send(&self) -> bool {
        matches!(self, Self::Up { secret_only: false, .. })
    }

    /// Waits for the connection to do something. May be dropped and called again.
    pub(super) async fn next(&mut self) -> News {
        match self {
            Self::Down => std::future::pending().await,
            Self::Opening(opening) => News::Opened(opening.future.as_mut().await),
            Self::Up { link, .. } => News::Read(link.read().await),
        }
    }
}

impl Opening {
    /// Begins to connect.
    pub(super) fn start(
        installation: &Installation,
        life: Life,
        woken_by: Option<WokenBy>,
        secret_only: bool,
    ) -> Link {
        let (options, radio) = (&installation.options, Arc::clone(&installation.radio));
        let state = match life {
            Life::Foreground => AppState::Foreground,
            _ => AppState::Background,
        };
        let connect = {
            let storage = lock(&installation.storage);
            Connect {
                token: (!secret_only).then(|| lock(&installation.token).text.clone()),
                device: DeviceInfo {
                    id: storage.device_id.clone(),
                    platform: options.platform.name(),
                    app_version: Some("1.0.0".to_owned()),
                    locale: Some(options.locale.clone()),
                    time_zone: Some("Europe/Berlin".to_owned()),
                },
                device_secret: storage.secret.clone(),
                position: storage.position(installation.behaviour().ack),
                state,
                purpose: Purpose::App,
                woken_by: woken_by.clone(),
                calls: Vec::new(),
            }
        };
        let future = Box::pin(link::Link::open(radio, options.server, connect));
        Link::Opening(Self { future, state, secret_only, woken_by })
    }
}

impl App {
    /// Handles what the connection came up with.
    pub(super) async fn on_link(&mut self, news: News) {
        match news {
            News::Opened(outcome) => {
                let Link::Opening(opening) = std::mem::replace(&mut self.link, Link::Down) else {
                    return;
                };
                match outcome {
                    Ok(session) => self.opened(session, opening).await,
                    Err(refusal) => self.refused(refusal, opening),
                }
            }
            News::Read(read) => self.read_all(read).await,
        }
    }

    async fn opened(&mut self, session: Session, opening: Opening) {
        let Session { link, connected } = session;
        self.dead = None;
        {
            let mut storage = lock(&self.installation.storage);
            if let Some(secret) = connected.device_secret {
                storage.secret = Some(secret);
            }
            storage.resume(&connected.cursor);
        }
        self.installation.saw(PhoneEvent::Connected {
            session: connected.session,
            cursor: connected.cursor.offset,
            head: connected.head.offset,
            secret_only: opening.secret_only,
            woken_by: opening.woken_by.map(|woken| woken.wake),
        });
        self.link = Link::Up { link, secret_only: opening.secret_only };
        let state = match self.life {
            Life::Foreground => AppState::Foreground,
            _ => AppState::Background,
        };
        if state != opening.state {
            self.write(wire::State { state }.into()).await;
        }
        for frame in self.calls.on_connected() {
            self.write(frame).await;
        }
        while let Some(frame) = self.queued.pop_front() {
            self.write(frame).await;
        }
        self.send_targets().await;
        if self.link.may_send() {
            let outbox = lock(&self.installation.storage).outbox.clone();
            for send in outbox {
                self.write(send.into()).await;
            }
        }
        self.touch();
        self.launched();
    }

    fn refused(&mut self, refusal: Refusal, opening: Opening) {
        match refusal {
            Refusal::Unreachable(why) => {
                self.installation.saw(PhoneEvent::Unreachable { why });
                self.retry_later();
            }
            Refusal::Refused { code, reconnect } => {
                self.installation.saw(PhoneEvent::Refused { code: code.clone(), reconnect });
                let has_secret = lock(&self.installation.storage).secret.is_some();
                if reconnect {
                    self.retry_later();
                } else if has_secret && !opening.secret_only {
                    // The token is not valid any more; the secret alone still drains the inbox.
                    self.link =
                        Opening::start(&self.installation, self.life, opening.woken_by, true);
                } else {
                    self.launch_failed(&format!("the server refused the connect: {code}"));
                }
            }
        }
    }

    /// The connection is over; an app that runs connects again, unless another one replaced it.
    pub(super) fn lost(&mut self, code: Option<u16>) {
        self.link = Link::Down;
        self.installation.saw(PhoneEvent::Disconnected { code });
        let known = CloseCode::ALL.into_iter().find(|known| Some(known.number()) == code);
        if known.is_none_or(CloseCode::reconnect) {
            self.retry_later();
        }
        if let Some(run) = &mut self.run {
            run.idle_at = None;
        }
    }

    fn retry_later(&mut self) {
        // Without a network there is nothing to try; its return is told.
        let reachable = self.installation.radio.network() != Network::Off;
        if reachable && matches!(self.life, Life::Foreground | Life::Background) {
            let wait = Duration::from_millis(rand::random_range(RECONNECT_MS));
            self.retry_at = Some(Instant::now() + wait);
        }
    }

    /// Sends the push targets that the server has yet to answer.
    pub(super) async fn send_targets(&mut self) {
        if self.owed_targets.is_empty() {
            return;
        }
        for target in self.installation.push_tokens() {
            if self.owed_targets.contains(&target.kind) {
                self.write(target.into()).await;
            }
        }
    }

    /// Writes one frame, if there is a session to write it to.
    pub(super) async fn write(&mut self, frame: ClientFrame) {
        let Link::Up { link, .. } = &mut self.link else { return };
        if link.write(&frame).await.is_err() {
            self.lost(None);
        }
    }
}
