//! The calls that this phone knows, as a callee and as a caller.
//!
//! ```text
//!   callee   push or frame ──▶ Ringing ──answer──▶ Answered ──end──▶ Ended
//!                                 └────cancelled, elsewhere, unanswered──▶ Ended
//!   caller   start ─────────▶ Calling ──answered──▶ Answered ──end──▶ Ended
//! ```

use std::collections::HashMap;

use tokio::time::Instant;
use wire::{CallAnswer, CallEndReason, CallRinging, CallState, ClientFrame, ServerFrame};

use super::App;
use crate::phone::event::{Life, PhoneEvent, Via};
use crate::phone::installation::Installation;
use crate::phone::options::Platform;

/// Every call since the process started, by id.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<String, Leg>);

/// This phone's end of one call.
#[derive(Debug)]
struct Leg {
    phase: Phase,
    /// When the user takes it, by the phone's behaviour.
    pick_up_at: Option<Instant>,
    /// The user took it, and the server has not said yet what became of that.
    answering: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Calling,
    Ringing,
    Answered,
    Ended,
}

impl Calls {
    /// Lights up the call screen, once for each call.
    pub(super) fn shown(&mut self, phone: &Installation, call: &str, name: &str, via: Via) {
        if self.0.contains_key(call) {
            return;
        }
        phone.saw(PhoneEvent::CallScreen {
            call: call.to_owned(),
            caller_name: name.to_owned(),
            via,
        });
        let pick_up_at = phone.behaviour().answers_calls.map(|after| Instant::now() + after);
        let leg = Leg { phase: Phase::Ringing, pick_up_at, answering: false };
        self.0.insert(call.to_owned(), leg);
    }

    /// The call is over for this phone.
    pub(super) fn ended(
        &mut self,
        phone: &Installation,
        call: &str,
        reason: Option<CallEndReason>,
        via: Via,
    ) {
        let leg = self.0.entry(call.to_owned()).or_insert(Leg {
            phase: Phase::Calling,
            pick_up_at: None,
            answering: false,
        });
        if leg.phase != Phase::Ended {
            *leg = Leg { phase: Phase::Ended, pick_up_at: None, answering: false };
            phone.saw(PhoneEvent::CallEnded { call: call.to_owned(), reason, via });
        }
    }

    /// A frame of a call that this phone's user wants sent.
    pub(super) fn sent(&mut self, frame: &ClientFrame) {
        if let ClientFrame::CallStart(start) = frame {
            let leg = Leg { phase: Phase::Calling, pick_up_at: None, answering: false };
            self.0.insert(start.call.clone(), leg);
        }
    }

    /// The frames that a new session starts with: every call that rings here, and the answers that
    /// the server has not acted upon.
    pub(super) fn on_connected(&self) -> Vec<ClientFrame> {
        let ringing = self.0.iter().filter(|(_, leg)| leg.phase == Phase::Ringing);
        ringing
            .flat_map(|(call, leg)| {
                let answer = leg.answering.then(|| answer_frame(call));
                [Some(ringing_frame(call)), answer].into_iter().flatten()
            })
            .collect()
    }

    /// Whether a call keeps the app running.
    pub(super) fn any_alive(&self) -> bool {
        self.0.values().any(|leg| leg.phase != Phase::Ended)
    }

    /// Whether somebody talks.
    pub(super) fn any_answered(&self) -> bool {
        self.0.values().any(|leg| leg.phase == Phase::Answered)
    }

    pub(super) fn next_pick_up(&self) -> Option<Instant> {
        self.0.values().filter_map(|leg| leg.pick_up_at).min()
    }

    pub(super) fn due_pick_ups(&self, now: Instant) -> Vec<String> {
        let due = self.0.iter().filter(|(_, leg)| leg.pick_up_at.is_some_and(|at| at <= now));
        due.map(|(call, _)| call.clone()).collect()
    }
}

impl App {
    /// The user takes the call: told now, or with the next session.
    pub(super) async fn answer(&mut self, call: &str) {
        let Some(leg) = self.calls.0.get_mut(call) else { return };
        leg.pick_up_at = None;
        if leg.phase == Phase::Ringing {
            leg.answering = true;
            self.write(answer_frame(call)).await;
            self.open_page().await;
        }
    }

    /// Who takes a call by its notification opens the page, which answers once it is connected.
    async fn open_page(&mut self) {
        let runs = matches!(self.life, Life::Foreground | Life::Background);
        if self.installation.options.platform == Platform::Web && !runs {
            self.launch(None).await;
        }
    }

    pub(super) async fn on_call(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::CallRing(ring) => {
                self.calls.shown(&self.installation, &ring.call, &ring.caller_name, Via::Socket);
                self.write(ringing_frame(&ring.call)).await;
            }
            ServerFrame::CallRinging(ringing) => self
                .installation
                .saw(PhoneEvent::CallRinging { call: ringing.call, by: ringing.from }),
            ServerFrame::CallAnswered(answered) => {
                if let Some(leg) = self.calls.0.get_mut(&answered.call) {
                    *leg = Leg { phase: Phase::Answered, pick_up_at: None, answering: false };
                }
                let event = PhoneEvent::CallAnswered { call: answered.call, by: answered.by };
                self.installation.saw(event);
            }
            ServerFrame::CallEnded(ended) => {
                let (call, reason) = (ended.call, Some(ended.reason));
                self.calls.ended(&self.installation, &call, reason, Via::Socket);
            }
            // What this phone missed while it was away; it does not remember calls by itself.
            ServerFrame::CallResumed(resumed) if resumed.state == CallState::Answered => {
                if let Some(leg) = self.calls.0.get_mut(&resumed.call) {
                    *leg = Leg { phase: Phase::Answered, pick_up_at: None, answering: false };
                }
            }
            ServerFrame::CallSignal(signal) => self.installation.saw(PhoneEvent::CallSignal {
                call: signal.call,
                body: signal.body.get().to_owned(),
            }),
            // The caller passes frames of calls only.
            _ => {}
        }
    }
}

fn ringing_frame(call: &str) -> ClientFrame {
    CallRinging { call: call.to_owned(), from: None }.into()
}

fn answer_frame(call: &str) -> ClientFrame {
    CallAnswer { call: call.to_owned(), answer: None }.into()
}
