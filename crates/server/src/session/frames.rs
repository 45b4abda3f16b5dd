//! What a client may say once it is connected.

use std::sync::Arc;

use domain::call::CallInput;
use domain::session::Input;
use domain::{AppId, MaySend};
use store::model::{Acked, Reach, Sender};
use wire::{ClientFrame, CloseCode, Rejected, ServerFrame};

use super::hello::failed;
use super::{Connection, Ending, Rights, store_failed};
use crate::accept::{Incoming, accept};
use crate::calls::{self, Caller};
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::rates::Counted;
use crate::users::authenticate;
use crate::{from_wire, reading, targets, to_wire};

impl Connection {
    /// Takes one frame.
    pub(super) async fn frame(&mut self, frame: ClientFrame) -> Result<(), Ending> {
        match frame {
            ClientFrame::Connect(_) => Err(Ending::Close(
                CloseCode::BadFrame,
                Problem::new(
                    ProblemCode::Conflict,
                    "`connect` came twice; it is the first frame alone",
                ),
            )),
            ClientFrame::Send(send) => self.message(send).await,
            ClientFrame::Ack(ack) => self.ack(&ack).await,
            ClientFrame::State(state) => {
                let state = from_wire::app_state(state.state);
                self.node.store.set_state(self.id, state).await.map_err(store_failed)?;
                self.handle_input(Input::State(state)).await
            }
            ClientFrame::PushToken(token) => {
                let answer = targets::set_by_frame(&self.node, self.app, self.device, &token).await;
                self.send(answer).await
            }
            ClientFrame::Refresh(refresh) => self.refresh(&refresh.token).await,
            ClientFrame::Typing(typing) => {
                let now = self.node.clock.now();
                let counted = self.node.rates.take(Counted::Live, self.app, &self.user, 1, now);
                if self.may("typing").is_ok() && counted.is_ok() {
                    tell_typing(&self.node, self.app, &self.user, typing).await;
                }
                Ok(())
            }
            ClientFrame::Read(read) => {
                let read = reading::read(&self.node, &self.report, read).await;
                self.answer(read.map(|()| None)).await
            }
            ClientFrame::CallStart(start) => {
                let started = match self.may("call.start") {
                    Ok(_) => calls::start(&self.node, &self.caller(), start).await,
                    Err(problem) => Err(problem),
                };
                self.answer(started).await
            }
            ClientFrame::CallRinging(ringing) => {
                let told = calls::ringing(&self.node, &self.caller(), &ringing.call).await;
                self.answer(told).await
            }
            ClientFrame::CallAnswer(answer) => {
                let input = CallInput::Answer(self.device);
                let text = answer.answer.map(|answer| String::from(Box::<str>::from(answer)));
                let told = calls::step(&self.node, &self.caller(), &answer.call, input, text).await;
                self.answer(told).await
            }
            ClientFrame::CallReject(reject) => {
                let input = match reject.reason {
                    wire::RejectReason::Declined => CallInput::Decline,
                    wire::RejectReason::Busy => CallInput::Busy,
                };
                let told = calls::step(&self.node, &self.caller(), &reject.call, input, None).await;
                self.answer(told).await
            }
            ClientFrame::CallCancel(cancel) => {
                let told =
                    calls::step(&self.node, &self.caller(), &cancel.call, CallInput::Cancel, None)
                        .await;
                self.answer(told).await
            }
            ClientFrame::CallEnd(end) => {
                let input = CallInput::End(self.device);
                let told = calls::step(&self.node, &self.caller(), &end.call, input, None).await;
                self.answer(told).await
            }
            ClientFrame::CallSignal(signal) => {
                let wire::CallSignal { call, body, .. } = signal;
                let told = calls::signal(&self.node, &self.caller(), &call, body).await;
                self.answer(told).await
            }
        }
    }

    async fn message(&mut self, send: wire::Send) -> Result<(), Ending> {
        let client_id = send.id.clone();
        let taken = match self.may("send") {
            Err(problem) => Err(problem),
            Ok(may_send) => {
                let incoming = Incoming {
                    app: self.app,
                    sender: Some(Sender {
                        inbox: self.inbox,
                        user: self.user.to_string(),
                        device: Some(self.device),
                    }),
                    sender_key: self.device.to_string(),
                    client_id: send.id,
                    to: send.to,
                    makes_users: may_send == MaySend::Any,
                    thread: send.thread,
                    body: send.body,
                    ttl: send.ttl,
                    urgency: send.urgency,
                    push: send.push,
                };
                accept(&self.node, incoming).await
            }
        };
        match taken {
            Ok(taken) => {
                self.send(wire::Accepted {
                    client_id,
                    id: taken.message.to_string(),
                    at: to_wire::time(taken.at),
                    failed: taken.failed,
                    own_copy: taken.own_copy.map(|(epoch, at)| to_wire::position(epoch, at)),
                    live: taken.live,
                })
                .await
            }
            Err(problem) => self.send(Rejected { client_id, problem: problem.into() }).await,
        }
    }

    async fn ack(&mut self, ack: &wire::Ack) -> Result<(), Ending> {
        let bad = |problem| Ending::Close(CloseCode::BadFrame, problem);
        let held = from_wire::held(&ack.position).map_err(bad)?;
        let before = self.machine.acked();
        let acked =
            self.node.store.ack(self.device, held, Some(self.id), self.node.clock.now()).await;
        let (acked, effects) = acked.map_err(store_failed)?;
        self.node.carry_out(effects);
        match acked {
            Acked::Progress(offset) => {
                if self.owed.is_some_and(|owed| owed <= offset) {
                    self.owed = None;
                    let took = self.node.clock.now().since(self.started_at);
                    self.node.metrics.drained(self.platform, took);
                }
                self.report.write(&self.node, "acked", Some((before, offset)), None);
                self.handle_input(Input::Acked(offset)).await
            }
            Acked::Nothing => self.handle_input(Input::Acked(held.offset)).await,
            Acked::OtherEpoch => Err(Ending::Close(
                CloseCode::GoingAway,
                Problem::new(
                    ProblemCode::Conflict,
                    "the position is of another epoch; connect again to resume",
                ),
            )),
            Acked::Contradiction => Err(bad(Problem::new(
                ProblemCode::AckAboveHead,
                format!(
                    "position.offset {} was not sent, or with another entry; \
                     acknowledge only what was delivered",
                    held.offset.number()
                ),
            )
            .with_field("position"))),
            Acked::NoDevice => Err(Ending::Close(
                CloseCode::Forbidden,
                Problem::new(
                    ProblemCode::Forbidden,
                    "this device was removed; take a new device id",
                ),
            )),
        }
    }

    /// A new user token of the same user lifts the limits of a session that only had its secret.
    async fn refresh(&mut self, token: &str) -> Result<(), Ending> {
        match authenticate(&self.node, token).await {
            Ok(speaker) if speaker.inbox == self.inbox => {
                self.rights = Rights::of(&speaker);
                Ok(())
            }
            Ok(_) => {
                self.complain(
                    &Problem::new(
                        ProblemCode::Forbidden,
                        "the token is another user's; connect anew as them",
                    )
                    .with_field("token"),
                )
                .await
            }
            Err(problem) => {
                let problem = failed(&self.node, self.client, problem);
                self.complain(&problem.with_field("token")).await
            }
        }
    }

    /// What leaves the device needs a user token, and one that lets its user speak.
    fn may(&self, what: &'static str) -> Result<MaySend, Problem> {
        let why = match self.rights {
            // Its timer may be late.
            Rights::User { until, .. } if until <= self.node.clock.now() => {
                return Err(crate::users::jwt::expired());
            }
            Rights::User { may_send: may_send @ (MaySend::Known | MaySend::Any), .. } => {
                return Ok(may_send);
            }
            Rights::User { may_send: MaySend::None, .. } => "the user token says `may_send: none`",
            Rights::Device => "it needs a user token; send `refresh` with one, or connect with it",
        };
        Err(Problem::new(ProblemCode::Forbidden, format!("`{what}` is not allowed: {why}")))
    }

    fn caller(&self) -> Caller {
        Caller {
            app: self.app,
            device: self.device,
            inbox: self.inbox,
            session: self.id,
            user: Arc::clone(&self.user),
            device_name: Arc::clone(&self.report.device_name),
        }
    }

    async fn answer(&mut self, told: Result<Option<ServerFrame>, Problem>) -> Result<(), Ending> {
        match told {
            Ok(None) => Ok(()),
            Ok(Some(frame)) => self.send(frame).await,
            Err(problem) => self.complain(&problem).await,
        }
    }

    /// Something was wrong with one frame; the session goes on.
    pub(super) async fn complain(&mut self, problem: &Problem) -> Result<(), Ending> {
        self.send(to_wire::error(problem, false)).await
    }
}

/// Live only: whatever keeps it from arriving is no news to its sender.
async fn tell_typing(node: &Node, app: AppId, from: &str, typing: wire::Typing) {
    let Some(to) = typing.to else { return };
    if let Ok(Reach::Open(inbox)) = node.store.reach(app, to, Some(from.to_owned())).await {
        let from = Some(from.to_owned());
        let frame = wire::Typing { to: None, from, thread: typing.thread }.into();
        node.hub.tell(inbox, &frame, |_| true);
    }
}
