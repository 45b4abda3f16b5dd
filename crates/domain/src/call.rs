//! A call: who rings, who took it, how it ended.
//!
//! ```text
//!                ┌── answer (the first device) ──▶ answered ── end, lost ──┐
//!   start ─▶ ringing                                                       ▼
//!                └── reject, cancel, unanswered, lost ─────────────────▶ ended
//! ```
//!
//! Each transition is one conditional update of the call's row, so that two devices answering at
//! once have one winner. Signals and legs live beside it.

use std::time::Duration;

use crate::id::DeviceNumber;
use crate::time::Time;

/// Signals are kept this long after the end, for a device that is late.
pub const KEPT_AFTER_END: Duration = Duration::from_secs(60);

/// How long a device with a living session has to say that it rings before it is pushed.
pub const RING_ACK: Duration = Duration::from_secs(2);

/// The same for an app in the background.
pub const RING_ACK_BACKGROUND: Duration = Duration::from_secs(1);

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where it is in its life.
    pub phase: CallPhase,
    /// The calling device; the other device of the call is the one that answered.
    pub caller: DeviceNumber,
}

/// Where a call is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPhase {
    /// It rings.
    Ringing {
        /// When it stops by itself.
        until: Time,
    },
    /// Taken.
    Answered {
        /// By this device.
        by: DeviceNumber,
    },
    /// Over.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The callee is in another call.
    Busy,
    /// The caller gave up.
    Cancelled,
    /// The callee said no.
    Declined,
    /// One side hung up.
    HungUp,
    /// A connection was lost and did not come back.
    Lost,
    /// Nobody took it in time.
    Unanswered,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Busy, Self::Cancelled, Self::Declined, Self::HungUp, Self::Lost, Self::Unanswered];

    /// The word used in frames, logs and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Declined => "declined",
            Self::HungUp => "hung_up",
            Self::Lost => "lost",
            Self::Unanswered => "unanswered",
        }
    }

    /// The reason of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// Whether the callee should find a missed call in the inbox.
    pub const fn is_missed(self) -> bool {
        match self {
            Self::Cancelled | Self::Lost | Self::Unanswered => true,
            Self::Busy | Self::Declined | Self::HungUp => false,
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallInput {
    /// A device of the callee takes it.
    Answer(DeviceNumber),
    /// A device of the callee does not want it.
    Decline,
    /// The callee is in another call.
    Busy,
    /// The caller gives up.
    Cancel,
    /// One of the two devices of the call hangs up.
    End(DeviceNumber),
    /// A connection of the call was lost for good.
    Lost,
    /// Time has passed.
    Tick,
}

/// What a transition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// The call changed; everybody concerned is to be told.
    Changed(Call),
    /// Another device was first, or it is over already: tell whoever asked how it stands.
    TooLate,
    /// Not this device's to say.
    NotYours,
    /// Nothing to do.
    Nothing,
}

impl Call {
    /// A call that starts to ring.
    pub const fn start(caller: DeviceNumber, until: Time) -> Self {
        Self { phase: CallPhase::Ringing { until }, caller }
    }

    /// Until when it rings, if it does.
    pub const fn rings_until(self) -> Option<Time> {
        match self.phase {
            CallPhase::Ringing { until } => Some(until),
            CallPhase::Answered { .. } | CallPhase::Ended { .. } => None,
        }
    }

    /// Takes one input.
    pub fn handle(self, input: CallInput, now: Time) -> CallStep {
        let end = |reason| CallStep::Changed(Self { phase: CallPhase::Ended { reason }, ..self });
        match (self.phase, input) {
            (CallPhase::Ringing { until }, input) => match input {
                CallInput::Tick if now < until => CallStep::Nothing,
                // Whatever comes after the ringing time finds it over.
                _ if now >= until => end(EndReason::Unanswered),
                CallInput::Tick => CallStep::Nothing,
                CallInput::Answer(by) if by == self.caller => CallStep::NotYours,
                CallInput::Answer(by) => {
                    CallStep::Changed(Self { phase: CallPhase::Answered { by }, ..self })
                }
                CallInput::Decline => end(EndReason::Declined),
                CallInput::Busy => end(EndReason::Busy),
                CallInput::Cancel => end(EndReason::Cancelled),
                CallInput::End(device) if device == self.caller => end(EndReason::Cancelled),
                CallInput::End(_) => CallStep::NotYours,
                CallInput::Lost => end(EndReason::Lost),
            },
            (CallPhase::Answered { by }, input) => match input {
                // Said twice, because the first answer was lost.
                CallInput::Answer(device) if device == by => CallStep::Nothing,
                CallInput::Answer(_) | CallInput::Decline | CallInput::Busy => CallStep::TooLate,
                // The caller gave up while the answer was on its way.
                CallInput::Cancel => end(EndReason::HungUp),
                CallInput::End(device) if device == by || device == self.caller => {
                    end(EndReason::HungUp)
                }
                CallInput::End(_) => CallStep::NotYours,
                CallInput::Lost => end(EndReason::Lost),
                CallInput::Tick => CallStep::Nothing,
            },
            (CallPhase::Ended { .. }, CallInput::Tick | CallInput::Lost) => CallStep::Nothing,
            (CallPhase::Ended { .. }, _) => CallStep::TooLate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALLER: DeviceNumber = DeviceNumber::from_number(1);
    const FIRST: DeviceNumber = DeviceNumber::from_number(2);
    const SECOND: DeviceNumber = DeviceNumber::from_number(3);
    const NOW: Time = Time::from_millis(1_000);

    fn ringing() -> Call {
        Call::start(CALLER, NOW.plus(Duration::from_secs(45)))
    }

    fn in_phase(phase: CallPhase) -> Call {
        Call { phase, caller: CALLER }
    }

    #[test]
    fn the_drawing() {
        use CallInput::{Answer, Busy, Cancel, Decline, End, Lost, Tick};
        let answered = in_phase(CallPhase::Answered { by: FIRST });
        let ended = |reason| in_phase(CallPhase::Ended { reason });
        let over = ended(EndReason::HungUp);
        let changed = CallStep::Changed;
        let table = [
            (ringing(), Answer(FIRST), changed(answered)),
            (ringing(), Answer(CALLER), CallStep::NotYours),
            (ringing(), Decline, changed(ended(EndReason::Declined))),
            (ringing(), Busy, changed(ended(EndReason::Busy))),
            (ringing(), Cancel, changed(ended(EndReason::Cancelled))),
            (ringing(), End(CALLER), changed(ended(EndReason::Cancelled))),
            (ringing(), End(FIRST), CallStep::NotYours),
            (ringing(), Lost, changed(ended(EndReason::Lost))),
            (ringing(), Tick, CallStep::Nothing),
            (answered, Answer(FIRST), CallStep::Nothing),
            (answered, Answer(SECOND), CallStep::TooLate),
            (answered, Decline, CallStep::TooLate),
            (answered, Busy, CallStep::TooLate),
            (answered, Cancel, changed(ended(EndReason::HungUp))),
            (answered, End(FIRST), changed(ended(EndReason::HungUp))),
            (answered, End(CALLER), changed(ended(EndReason::HungUp))),
            (answered, End(SECOND), CallStep::NotYours),
            (answered, Lost, changed(ended(EndReason::Lost))),
            (answered, Tick, CallStep::Nothing),
            (over, Answer(FIRST), CallStep::TooLate),
            (over, Decline, CallStep::TooLate),
            (over, Busy, CallStep::TooLate),
            (over, Cancel, CallStep::TooLate),
            (over, End(FIRST), CallStep::TooLate),
            (over, Lost, CallStep::Nothing),
            (over, Tick, CallStep::Nothing),
        ];
        for (call, input, expected) in table {
            assert_eq!(call.handle(input, NOW), expected, "{:?} {input:?}", call.phase);
        }
    }

    #[test]
    fn an_answer_after_the_ringing_time_finds_it_over() {
        let late = NOW.plus(Duration::from_secs(45));
        let step = ringing().handle(CallInput::Answer(FIRST), late);
        let expected = in_phase(CallPhase::Ended { reason: EndReason::Unanswered });
        assert_eq!(step, CallStep::Changed(expected));
    }

    fn input() -> impl Strategy<Value = CallInput> {
        prop_oneof![
            (1_i64..5).prop_map(|n| CallInput::Answer(DeviceNumber::from_number(n))),
            (1_i64..5).prop_map(|n| CallInput::End(DeviceNumber::from_number(n))),
            Just(CallInput::Decline),
            Just(CallInput::Busy),
            Just(CallInput::Cancel),
            Just(CallInput::Lost),
            Just(CallInput::Tick),
        ]
    }

    proptest! {
        /// One winner, one end, and from every reachable state time or a hang-up leads to the end.
        #[test]
        fn a_call_ends_once(history in proptest::collection::vec((input(), 0_u64..20), 0..30)) {
            let mut call = ringing();
            let mut now = NOW;
            let mut winner = None;
            let mut ends = 0;
            for (input, seconds) in history {
                now = now.plus(Duration::from_secs(seconds));
                if let CallStep::Changed(next) = call.handle(input, now) {
                    if let CallPhase::Answered { by } = next.phase {
                        prop_assert!(winner.is_none() && by != CALLER);
                        winner = Some(by);
                    }
                    if let CallPhase::Ended { .. } = next.phase {
                        ends += 1;
                    }
                    call = next;
                }
            }
            prop_assert!(ends <= 1);
            let later = now.plus(Duration::from_secs(3_600));
            let ways_out = [CallInput::Tick, CallInput::End(CALLER), CallInput::Lost];
            let over = matches!(call.phase, CallPhase::Ended { .. });
            let ends = |way| match call.handle(way, later) {
                CallStep::Changed(next) => matches!(next.phase, CallPhase::Ended { .. }),
                CallStep::TooLate | CallStep::NotYours | CallStep::Nothing => false,
            };
            prop_assert!(over || ways_out.into_iter().any(ends));
        }
    }
}
