//! A call: who rings, who took it, how it ended.
//!
//! ```text
//!                ┌── answer (the first device) ──▶ answered ── end, lost ──┐
//!   start ─▶ ringing                                                       ▼
//!                └── reject, cancel, unanswered, lost ─────────────────▶ ended
//! ```
//!
//! Each transition is one conditional update of the call's row, so that two devices answering at
//! once have one winner. Signals live beside it.
//!
//! A call has one leg while it rings, the calling device, and two once it is answered. A leg whose
//! device has no session left is lost, and has some time to come back:
//!
//! ```text
//!   there ── lost ──▶ away until a time ── back ──▶ there
//!                          └── that time, unless the call ended before ──▶ ended, lost
//! ```

use std::time::Duration;

use crate::id::DeviceNumber;
use crate::time::Time;

/// Signals that a call may hold.
pub const MOST_SIGNALS: i64 = 1_000;

/// Bytes of JSON text in all signals of a call.
pub const MOST_SIGNAL_BYTES: i64 = 4 * 1024 * 1024;

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
    /// When the calling device has to be back; `None`: it is there, or the call is over.
    pub caller_back_by: Option<Time>,
    /// When the device that answered has to be back; `None`: it is there, there is none yet, or
    /// the call is over.
    pub answerer_back_by: Option<Time>,
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
    /// A device has no session any more.
    Lost {
        /// The device.
        device: DeviceNumber,
        /// When it has to be back, if it is one of the call's two.
        back_by: Time,
    },
    /// A device has a session again.
    Back(DeviceNumber),
    /// Time has passed.
    Tick,
}

/// What a transition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// The call changed; everybody concerned is to be told.
    Changed(Call),
    /// A leg was lost or is back: to be remembered, and no news to anybody.
    Noted(Call),
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
        let phase = CallPhase::Ringing { until };
        Self { phase, caller, caller_back_by: None, answerer_back_by: None }
    }

    /// Until when it rings, if it does.
    pub const fn rings_until(self) -> Option<Time> {
        match self.phase {
            CallPhase::Ringing { until } => Some(until),
            CallPhase::Answered { .. } | CallPhase::Ended { .. } => None,
        }
    }

    /// Whether the device is a leg of it: the calling one, or the one that answered.
    pub fn has_leg(self, device: DeviceNumber) -> bool {
        match self.phase {
            CallPhase::Ringing { .. } => device == self.caller,
            CallPhase::Answered { by } => device == self.caller || device == by,
            CallPhase::Ended { .. } => false,
        }
    }

    /// When it ends by itself, if nothing happens before.
    pub fn due(self) -> Option<Time> {
        self.ends().map(|(at, _)| at)
    }

    /// When and why it ends by itself: the earliest of the ring time's end and of its lost legs'.
    fn ends(self) -> Option<(Time, EndReason)> {
        let lost = [self.caller_back_by, self.answerer_back_by].into_iter().flatten().min();
        let lost = lost.map(|at| (at, EndReason::Lost));
        let unanswered = self.rings_until().map(|at| (at, EndReason::Unanswered));
        match (unanswered, lost) {
            (Some(unanswered), Some(lost)) if lost.0 < unanswered.0 => Some(lost),
            (Some(unanswered), _) => Some(unanswered),
            (None, lost) => lost,
        }
    }

    /// Takes one input.
    pub fn handle(self, input: CallInput, now: Time) -> CallStep {
        let end = |reason| {
            let phase = CallPhase::Ended { reason };
            let over = Self { phase, caller_back_by: None, answerer_back_by: None, ..self };
            CallStep::Changed(over)
        };
        // Whatever comes after its time finds the call over. Who is there and who is not is noted
        // all the same: a leg that is back before anybody looked goes on.
        if let Some((at, reason)) = self.ends()
            && now >= at
            && !matches!(input, CallInput::Lost { .. } | CallInput::Back(_))
        {
            return end(reason);
        }
        match (self.phase, input) {
            (CallPhase::Ringing { .. }, input) => match input {
                CallInput::Answer(by) if by == self.caller => CallStep::NotYours,
                CallInput::Answer(by) => {
                    CallStep::Changed(Self { phase: CallPhase::Answered { by }, ..self })
                }
                CallInput::Decline => end(EndReason::Declined),
                CallInput::Busy => end(EndReason::Busy),
                CallInput::Cancel => end(EndReason::Cancelled),
                CallInput::End(device) if device == self.caller => end(EndReason::Cancelled),
                CallInput::End(_) => CallStep::NotYours,
                CallInput::Lost { device, back_by } => self.lost(device, back_by),
                CallInput::Back(device) => self.back(device),
                CallInput::Tick => CallStep::Nothing,
            },
            (CallPhase::Answered { by }, input) => match input {
                // Said twice, because the first answer was lost.
                CallInput::Answer(device) if device == by => CallStep::Nothing,
                CallInput::Answer(_) | CallInput::Decline | CallInput::Busy => CallStep::TooLate,
                // The caller gave up while the answer was on its way.
                CallInput::Cancel => end(EndReason::HungUp),
                CallInput::End(device) if self.has_leg(device) => end(EndReason::HungUp),
                CallInput::End(_) => CallStep::NotYours,
                CallInput::Lost { device, back_by } => self.lost(device, back_by),
                CallInput::Back(device) => self.back(device),
                CallInput::Tick => CallStep::Nothing,
            },
            (
                CallPhase::Ended { .. },
                CallInput::Tick | CallInput::Lost { .. } | CallInput::Back(_),
            ) => CallStep::Nothing,
            (CallPhase::Ended { .. }, _) => CallStep::TooLate,
        }
    }

    /// A leg that was lost before keeps its time: losing it again gives it no more.
    fn lost(mut self, device: DeviceNumber, back_by: Time) -> CallStep {
        match self.leg(device) {
            Some(leg @ None) => {
                *leg = Some(back_by);
                CallStep::Noted(self)
            }
            Some(Some(_)) | None => CallStep::Nothing,
        }
    }

    fn back(mut self, device: DeviceNumber) -> CallStep {
        match self.leg(device) {
            Some(leg @ Some(_)) => {
                *leg = None;
                CallStep::Noted(self)
            }
            Some(None) | None => CallStep::Nothing,
        }
    }

    fn leg(&mut self, device: DeviceNumber) -> Option<&mut Option<Time>> {
        match self.phase {
            CallPhase::Ringing { .. } | CallPhase::Answered { .. } if device == self.caller => {
                Some(&mut self.caller_back_by)
            }
            CallPhase::Answered { by } if device == by => Some(&mut self.answerer_back_by),
            CallPhase::Ringing { .. } | CallPhase::Answered { .. } | CallPhase::Ended { .. } => {
                None
            }
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
    /// When a lost leg has to be back.
    const SOON: Time = Time::from_millis(31_000);

    fn ringing() -> Call {
        Call::start(CALLER, NOW.plus(Duration::from_secs(45)))
    }

    fn in_phase(phase: CallPhase) -> Call {
        Call { phase, ..ringing() }
    }

    #[test]
    fn the_drawing() {
        use CallInput::{Answer, Back, Busy, Cancel, Decline, End, Tick};
        let lost = |device| CallInput::Lost { device, back_by: SOON };
        let answered = in_phase(CallPhase::Answered { by: FIRST });
        let alone = Call { caller_back_by: Some(SOON), ..ringing() };
        let caller_away = Call { caller_back_by: Some(SOON), ..answered };
        let both_away = Call { answerer_back_by: Some(SOON), ..caller_away };
        let ended = |reason| in_phase(CallPhase::Ended { reason });
        let over = ended(EndReason::HungUp);
        let (changed, noted) = (CallStep::Changed, CallStep::Noted);
        let table = [
            (ringing(), Answer(FIRST), changed(answered)),
            (ringing(), Answer(CALLER), CallStep::NotYours),
            (ringing(), Decline, changed(ended(EndReason::Declined))),
            (ringing(), Busy, changed(ended(EndReason::Busy))),
            (ringing(), Cancel, changed(ended(EndReason::Cancelled))),
            (ringing(), End(CALLER), changed(ended(EndReason::Cancelled))),
            (ringing(), End(FIRST), CallStep::NotYours),
            (ringing(), lost(CALLER), noted(alone)),
            (ringing(), lost(FIRST), CallStep::Nothing),
            (ringing(), Back(CALLER), CallStep::Nothing),
            (ringing(), Tick, CallStep::Nothing),
            (alone, Answer(FIRST), changed(caller_away)),
            (alone, Cancel, changed(ended(EndReason::Cancelled))),
            (alone, Back(CALLER), noted(ringing())),
            (alone, Back(FIRST), CallStep::Nothing),
            (alone, Tick, CallStep::Nothing),
            (answered, Answer(FIRST), CallStep::Nothing),
            (answered, Answer(SECOND), CallStep::TooLate),
            (answered, Decline, CallStep::TooLate),
            (answered, Busy, CallStep::TooLate),
            (answered, Cancel, changed(ended(EndReason::HungUp))),
            (answered, End(FIRST), changed(ended(EndReason::HungUp))),
            (answered, End(CALLER), changed(ended(EndReason::HungUp))),
            (answered, End(SECOND), CallStep::NotYours),
            (answered, lost(CALLER), noted(caller_away)),
            (answered, lost(SECOND), CallStep::Nothing),
            (answered, Back(FIRST), CallStep::Nothing),
            (answered, Tick, CallStep::Nothing),
            (caller_away, lost(FIRST), noted(both_away)),
            (caller_away, lost(CALLER), CallStep::Nothing),
            (caller_away, Back(CALLER), noted(answered)),
            (caller_away, End(FIRST), changed(ended(EndReason::HungUp))),
            (both_away, Back(FIRST), noted(caller_away)),
            (both_away, Tick, CallStep::Nothing),
            (over, Answer(FIRST), CallStep::TooLate),
            (over, Decline, CallStep::TooLate),
            (over, Busy, CallStep::TooLate),
            (over, Cancel, CallStep::TooLate),
            (over, End(FIRST), CallStep::TooLate),
            (over, lost(CALLER), CallStep::Nothing),
            (over, Back(CALLER), CallStep::Nothing),
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

    #[test]
    fn a_lost_leg_that_is_not_back_in_time_ends_the_call_for_both() {
        let lost = |device| CallInput::Lost { device, back_by: SOON };
        let CallStep::Noted(ring) = ringing().handle(lost(CALLER), NOW) else { panic!() };
        let answered = in_phase(CallPhase::Answered { by: FIRST });
        let CallStep::Noted(talk) = answered.handle(lost(FIRST), NOW) else { panic!() };
        let over = CallStep::Changed(in_phase(CallPhase::Ended { reason: EndReason::Lost }));
        let before = SOON.minus(Duration::from_millis(1));
        for call in [ring, talk] {
            assert_eq!(call.due(), Some(SOON));
            assert_eq!(call.handle(CallInput::Tick, before), CallStep::Nothing);
            assert_eq!(call.handle(CallInput::Tick, SOON), over);
            // Whoever says something first, the call is over.
            assert_eq!(call.handle(CallInput::Answer(FIRST), SOON), over);
            assert_eq!(call.handle(CallInput::End(CALLER), SOON), over);
        }
        // Back, late, and nobody had looked: it goes on.
        assert_eq!(ring.handle(CallInput::Back(CALLER), SOON), CallStep::Noted(ringing()));
        assert_eq!(talk.handle(CallInput::Back(FIRST), SOON), CallStep::Noted(answered));
    }

    #[test]
    fn of_two_ends_the_earlier_one_counts() {
        let until = NOW.plus(Duration::from_secs(45));
        let late = until.plus(Duration::from_secs(45));
        for (back_by, due, reason) in [
            (SOON, SOON, EndReason::Lost),
            (until, until, EndReason::Unanswered),
            (late, until, EndReason::Unanswered),
        ] {
            let call = Call { caller_back_by: Some(back_by), ..ringing() };
            assert_eq!(call.due(), Some(due));
            let over = in_phase(CallPhase::Ended { reason });
            assert_eq!(call.handle(CallInput::Tick, late), CallStep::Changed(over));
        }
        assert_eq!(in_phase(CallPhase::Answered { by: FIRST }).due(), None);
    }

    fn input() -> impl Strategy<Value = CallInput> {
        prop_oneof![
            (1_i64..5).prop_map(|n| CallInput::Answer(DeviceNumber::from_number(n))),
            (1_i64..5).prop_map(|n| CallInput::End(DeviceNumber::from_number(n))),
            Just(CallInput::Decline),
            Just(CallInput::Busy),
            Just(CallInput::Cancel),
            (1_i64..5).prop_map(|n| {
                CallInput::Lost { device: DeviceNumber::from_number(n), back_by: Time::EPOCH }
            }),
            (1_i64..5).prop_map(|n| CallInput::Back(DeviceNumber::from_number(n))),
            Just(CallInput::Tick),
        ]
    }

    proptest! {
        /// One winner and one end; no leg is lost twice without being back between; and a call
        /// that goes on has both its legs, or ends by itself.
        #[test]
        fn a_call_ends_once(history in proptest::collection::vec((input(), 0_u64..20), 0..30)) {
            let mut call = ringing();
            let mut now = NOW;
            let mut winner = None;
            let mut ends = 0;
            let mut away: Vec<(DeviceNumber, Time)> = Vec::new();
            for (input, seconds) in history {
                now = now.plus(Duration::from_secs(seconds));
                let input = match input {
                    CallInput::Lost { device, .. } => {
                        CallInput::Lost { device, back_by: now.plus(Duration::from_secs(30)) }
                    }
                    other => other,
                };
                let due = call.due();
                match call.handle(input, now) {
                    CallStep::Changed(next) => {
                        if let CallPhase::Answered { by } = next.phase {
                            prop_assert!(winner.is_none() && by != CALLER);
                            winner = Some(by);
                        }
                        if let CallPhase::Ended { reason } = next.phase {
                            ends += 1;
                            prop_assert_eq!(next.due(), None);
                            let lost = away.iter().any(|(_, back_by)| *back_by <= now);
                            prop_assert!(reason != EndReason::Lost || lost, "lost without a loss");
                        }
                        call = next;
                    }
                    CallStep::Noted(next) => {
                        prop_assert_eq!(next.phase, call.phase, "no news to anybody");
                        match input {
                            CallInput::Lost { device, back_by } => {
                                prop_assert!(call.has_leg(device));
                                prop_assert!(away.iter().all(|(other, _)| *other != device));
                                away.push((device, back_by));
                            }
                            CallInput::Back(device) => away.retain(|(other, _)| *other != device),
                            other => prop_assert!(false, "{:?} is noted", other),
                        }
                        call = next;
                    }
                    CallStep::TooLate | CallStep::NotYours | CallStep::Nothing => {
                        let noted = matches!(input, CallInput::Lost { .. } | CallInput::Back(_));
                        prop_assert!(noted || due.is_none_or(|due| due > now), "still running");
                    }
                }
            }
            prop_assert!(ends <= 1);
            let over = matches!(call.phase, CallPhase::Ended { .. });
            prop_assert_eq!(over, ends == 1);
            let later = now.plus(Duration::from_secs(3_600));
            let ended = |input| match call.handle(input, later) {
                CallStep::Changed(next) => matches!(next.phase, CallPhase::Ended { .. }),
                CallStep::Noted(_)
                | CallStep::TooLate
                | CallStep::NotYours
                | CallStep::Nothing => false,
            };
            let lost = !away.is_empty();
            prop_assert!(over || !lost || ended(CallInput::Tick), "a lost leg ends it");
            let rings = call.rings_until().is_some();
            prop_assert!(over || !rings || ended(CallInput::Tick), "nothing rings for ever");
            prop_assert!(over || ended(CallInput::End(CALLER)));
        }
    }
}
