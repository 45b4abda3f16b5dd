//! What the server says in a living session, and the ack that follows.

use wire::{Ack, ServerFrame};

use super::App;
use super::session::Link;
use crate::phone::SendError;
use crate::phone::event::{Life, PhoneEvent, Via};
use crate::phone::journal::lock;
use crate::phone::link::Read;

impl App {
    /// Handles what was read and all that can be read without waiting, then acknowledges the lot.
    pub(super) async fn read_all(&mut self, first: Read) {
        let mut read = Some(first);
        while let Some(one) = read {
            match one {
                Read::Frame(frame) => self.on_frame(*frame).await,
                Read::Strange(message) => self
                    .installation
                    .saw(PhoneEvent::ServerError { code: "unreadable_frame".to_owned(), message }),
                Read::Closed { code } => {
                    self.lost(code);
                    return;
                }
            }
            read = match &mut self.link {
                Link::Up { link, .. } => link.read_now(),
                Link::Down | Link::Opening(_) => return,
            };
        }
        self.acknowledge().await;
        self.touch();
    }

    async fn on_frame(&mut self, frame: ServerFrame) {
        match &frame {
            ServerFrame::Message(_)
            | ServerFrame::Receipt(_)
            | ServerFrame::ReadSync(_)
            | ServerFrame::Gap(_) => self.take(&frame),
            ServerFrame::Accepted(accepted) => self.accepted(accepted.clone()),
            ServerFrame::Rejected(rejected) => self.rejected(rejected.clone()),
            ServerFrame::PushTarget(target) => {
                self.installation.saw(PhoneEvent::TargetAnswered {
                    kind: target.kind,
                    state: target.state,
                    code: target.code,
                });
                self.owed_targets.retain(|kind| *kind != target.kind);
                self.launched();
            }
            ServerFrame::Typing(typing) => self.installation.saw(PhoneEvent::Typing {
                from: typing.from.clone(),
                thread: typing.thread.clone(),
            }),
            ServerFrame::Error(error) => self.installation.saw(PhoneEvent::ServerError {
                code: error.code.clone(),
                message: error.message.clone(),
            }),
            ServerFrame::CallRing(_)
            | ServerFrame::CallRinging(_)
            | ServerFrame::CallAnswered(_)
            | ServerFrame::CallEnded(_)
            | ServerFrame::CallResumed(_)
            | ServerFrame::CallSignal(_) => self.on_call(frame).await,
            // Only ever the first frame; a second one says nothing new.
            ServerFrame::Connected(_) => {}
        }
    }

    /// Takes an entry into the storage. An app that runs off the screen shows a notification for
    /// each new message, as a push handler does.
    fn take(&self, frame: &ServerFrame) {
        let mut storage = lock(&self.installation.storage);
        for event in storage.take(frame, Via::Socket) {
            let shown = match &event {
                PhoneEvent::MessageReceived { from, body, own_copy: false, .. }
                    if self.life == Life::Background
                        && self.installation.behaviour().shows_notifications =>
                {
                    Some(PhoneEvent::NotificationShown {
                        title: from.clone().unwrap_or_default(),
                        body: body.clone(),
                        via: Via::Socket,
                    })
                }
                _ => None,
            };
            self.installation.saw(event);
            if let Some(shown) = shown {
                self.installation.saw(shown);
            }
        }
    }

    async fn acknowledge(&mut self) {
        if !self.installation.behaviour().ack || !self.link.is_up() {
            return;
        }
        let owed = lock(&self.installation.storage).ack_owed();
        let Some(position) = owed else { return };
        self.write(Ack { position: position.clone() }.into()).await;
        if self.link.is_up() {
            let offset = position.offset;
            lock(&self.installation.storage).acked(position);
            self.installation.saw(PhoneEvent::Acked { offset, confirmed: false });
        }
    }

    fn accepted(&mut self, accepted: wire::Accepted) {
        lock(&self.installation.storage).outbox.retain(|send| send.id != accepted.client_id);
        self.installation.saw(PhoneEvent::SendAccepted {
            client_id: accepted.client_id.clone(),
            id: accepted.id.clone(),
            failed: accepted.failed.iter().map(|failed| failed.user.clone()).collect(),
        });
        if let Some(reply) = self.sending.remove(&accepted.client_id) {
            // A sender that no longer waits still has it in the log.
            let _ = reply.send(Ok(accepted));
        }
    }

    fn rejected(&mut self, rejected: wire::Rejected) {
        lock(&self.installation.storage).outbox.retain(|send| send.id != rejected.client_id);
        self.installation.saw(PhoneEvent::SendRejected {
            client_id: rejected.client_id.clone(),
            code: rejected.problem.code.clone(),
        });
        if let Some(reply) = self.sending.remove(&rejected.client_id) {
            let _ = reply.send(Err(SendError::Rejected(Box::new(rejected.problem))));
        }
    }
}
