//! One live connection of one device: what to read, when to worry.
//!
//! ```text
//!               nudge, read returned more
//!                  ┌──────────┐
//!                  ▼          │
//!   connected ─▶ caught up ─▶ reading ─▶ waiting for acks ──ack──▶ caught up
//!                                            │      ▲
//!                              ack deadline  ▼      │ ack progress
//!                                          suspect ─┘
//! ```
//!
//! A session writes only what one ordered read from its cursor returned; a nudge carries no
//! message, it says "look".

use std::collections::VecDeque;
use std::time::Duration;

use crate::inbox::Offset;
use crate::time::Time;

/// Entries on their way at most, before the device acknowledges some: what bounds a session's
/// queue.
pub const WINDOW: usize = 256;

/// Whether the user is looking at the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppState {
    /// On the screen.
    Foreground,
    /// Running for a few seconds.
    Background,
}

/// How long a device may take to acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// In the foreground.
    pub foreground: Duration,
    /// In the background, where the system may freeze the app at any moment.
    pub background: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { foreground: Duration::from_secs(5), background: Duration::from_secs(1) }
    }
}

/// The state of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    acked: Offset,
    sent: Offset,
    /// The newest offset heard of.
    head: Offset,
    reading: bool,
    /// What was heard of when the read under way was asked for.
    asked: Offset,
    /// Look whatever was heard of.
    look: bool,
    /// What is on its way: the last offset of each read, how many entries it had, when it was
    /// read.
    on_the_way: VecDeque<Batch>,
    /// Connect, or the last ack progress.
    alive_at: Time,
    suspect: bool,
    state: AppState,
    deadlines: Deadlines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    last: Offset,
    count: usize,
    read_at: Time,
}

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The session can hear nudges from here on: what came before may have been missed.
    Look,
    /// The inbox may have grown up to here.
    Nudge(Offset),
    /// The read that was asked for returned `count` entries, the last at `last`, of an inbox whose
    /// head is `head`. With `count` 0, `last` is where the reading stands (holes are skipped).
    Read {
        /// The last offset returned.
        last: Offset,
        /// How many entries.
        count: usize,
        /// The head at that moment.
        head: Offset,
    },
    /// The device's cursor moved, durably.
    Acked(Offset),
    /// A frame or pong that is no ack.
    Heard,
    /// The app came to the foreground or left it.
    State(AppState),
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read at most `limit` entries after `after`, and deliver them.
    Read {
        /// The offset to read behind.
        after: Offset,
        /// At most this many.
        limit: usize,
    },
    /// The session is suspect: mark it, which opens the wake.
    Suspect,
    /// Life was seen while nothing is owed: take the mark off. (Ack progress takes it off by
    /// itself, in the ack's transaction.)
    Clear,
}

impl Session {
    /// A session that has just connected and holds everything up to `acked`.
    pub fn connected(
        acked: Offset,
        head: Offset,
        state: AppState,
        deadlines: Deadlines,
        now: Time,
    ) -> Self {
        Self {
            acked,
            sent: acked,
            head,
            reading: false,
            asked: head,
            look: false,
            on_the_way: VecDeque::new(),
            alive_at: now,
            suspect: false,
            state,
            deadlines,
        }
    }

    /// Takes one input; returns what to do, at most one thing.
    pub fn handle(&mut self, input: Input, now: Time) -> Option<Effect> {
        match input {
            Input::Look => self.look = true,
            Input::Nudge(head) => self.head = self.head.max(head),
            Input::Read { last, count, head } => {
                self.reading = false;
                self.head = self.head.max(head);
                self.sent = self.sent.max(last);
                if count > 0 && last <= self.acked {
                    // Acknowledged by another way (HTTP) while it was being read.
                } else if count > 0 {
                    self.on_the_way.push_back(Batch { last, count, read_at: now });
                } else if self.head <= self.asked.max(head) {
                    // All that was heard of when the read began has expired or was trimmed.
                    self.sent = self.sent.max(self.head);
                }
            }
            Input::Acked(offset) => {
                if offset > self.acked {
                    self.acked = offset;
                    self.sent = self.sent.max(offset);
                    self.alive_at = now;
                    self.suspect = false;
                    while self.on_the_way.front().is_some_and(|batch| batch.last <= offset) {
                        self.on_the_way.pop_front();
                    }
                }
            }
            Input::Heard => {
                if self.suspect && self.on_the_way.is_empty() {
                    self.suspect = false;
                    return Some(Effect::Clear);
                }
            }
            Input::State(state) => self.state = state,
            Input::Tick => {
                if !self.suspect && self.deadline().is_some_and(|deadline| deadline <= now) {
                    self.suspect = true;
                    return Some(Effect::Suspect);
                }
            }
        }
        self.want_read()
    }

    /// When to tick next: the ack deadline, if something is on its way.
    ///
    /// It runs from the latest of connect, the last ack progress and the read that first returned
    /// the oldest unacknowledged entry.
    pub fn deadline(&self) -> Option<Time> {
        let oldest = self.on_the_way.front()?;
        if self.suspect {
            return None;
        }
        let patience = match self.state {
            AppState::Foreground => self.deadlines.foreground,
            AppState::Background => self.deadlines.background,
        };
        Some(self.alive_at.max(oldest.read_at).plus(patience))
    }

    /// What the device has acknowledged.
    pub const fn acked(&self) -> Offset {
        self.acked
    }

    /// The last offset written to the device.
    pub const fn sent(&self) -> Offset {
        self.sent
    }

    /// Whether it missed its ack deadline.
    pub const fn is_suspect(&self) -> bool {
        self.suspect
    }

    fn want_read(&mut self) -> Option<Effect> {
        let on_the_way: usize = self.on_the_way.iter().map(|batch| batch.count).sum();
        let room = WINDOW.saturating_sub(on_the_way);
        let wanted = self.look || self.head > self.sent;
        if self.reading || !wanted || room == 0 {
            return None;
        }
        self.look = false;
        self.reading = true;
        self.asked = self.head;
        Some(Effect::Read { after: self.sent, limit: room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(number: i64) -> Offset {
        Offset::from_number(number)
    }

    fn ms(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn fresh() -> Session {
        Session::connected(at(0), at(0), AppState::Foreground, Deadlines::default(), ms(0))
    }

    #[test]
    fn the_drawing() {
        let mut session = fresh();
        // Caught up: a nudge makes it read, a second one while reading does not.
        assert_eq!(
            session.handle(Input::Nudge(at(2)), ms(10)),
            Some(Effect::Read { after: at(0), limit: WINDOW })
        );
        assert_eq!(session.handle(Input::Nudge(at(3)), ms(11)), None);
        // The read returned less than is heard of by now: read on.
        assert_eq!(
            session.handle(Input::Read { last: at(2), count: 2, head: at(2) }, ms(12)),
            Some(Effect::Read { after: at(2), limit: WINDOW - 2 })
        );
        assert_eq!(
            session.handle(Input::Read { last: at(3), count: 1, head: at(3) }, ms(13)),
            None
        );
        // Waiting for acks: the deadline runs from the read of the oldest entry.
        assert_eq!(session.deadline(), Some(ms(5_012)));
        assert_eq!(session.handle(Input::Tick, ms(5_011)), None);
        assert_eq!(session.handle(Input::Tick, ms(5_012)), Some(Effect::Suspect));
        assert_eq!(session.handle(Input::Tick, ms(9_000)), None, "suspect once");
        // A pong does not clear it while something is owed, ack progress does.
        assert_eq!(session.handle(Input::Heard, ms(9_001)), None);
        assert!(session.is_suspect());
        assert_eq!(session.handle(Input::Acked(at(2)), ms(9_002)), None);
        assert!(!session.is_suspect());
        assert_eq!(session.deadline(), Some(ms(14_002)), "from the last progress");
        assert_eq!(session.handle(Input::State(AppState::Background), ms(9_003)), None);
        assert_eq!(session.deadline(), Some(ms(10_002)), "one second in the background");
        session.handle(Input::Acked(at(3)), ms(9_004));
        assert_eq!(session.deadline(), None);
    }

    #[test]
    fn a_full_window_stops_the_reading_and_an_ack_resumes_it() {
        let mut session = fresh();
        session.handle(Input::Nudge(at(1_000)), ms(1));
        let window = i64::try_from(WINDOW).expect("the window is small");
        let full = Input::Read { last: at(window), count: WINDOW, head: at(1_000) };
        assert_eq!(session.handle(full, ms(2)), None);
        assert_eq!(
            session.handle(Input::Acked(at(window)), ms(3)),
            Some(Effect::Read { after: at(window), limit: WINDOW })
        );
    }

    #[test]
    fn a_hole_up_to_the_head_is_not_read_for_ever() {
        let mut session = fresh();
        session.handle(Input::Nudge(at(5)), ms(1));
        assert_eq!(session.handle(Input::Read { last: at(5), count: 0, head: at(5) }, ms(2)), None);
        assert_eq!(session.deadline(), None);
        assert_eq!(session.sent(), at(5));
    }

    #[test]
    fn a_look_reads_though_nothing_was_heard_of_and_a_nudge_meanwhile_is_not_lost() {
        let mut session = fresh();
        let read = Some(Effect::Read { after: at(0), limit: WINDOW });
        assert_eq!(session.handle(Input::Look, ms(1)), read);
        // Accepted after the read began: the read does not know it, the nudge does.
        assert_eq!(session.handle(Input::Nudge(at(1)), ms(2)), None);
        assert_eq!(session.handle(Input::Read { last: at(0), count: 0, head: at(0) }, ms(3)), read);
        assert_eq!(session.handle(Input::Read { last: at(1), count: 1, head: at(1) }, ms(4)), None);
        assert_eq!(session.deadline(), Some(ms(5_004)));
    }

    fn inputs() -> impl Strategy<Value = Vec<(u8, i64, u64)>> {
        proptest::collection::vec((0_u8..6, 0_i64..40, 0_u64..4_000), 0..80)
    }

    proptest! {
        /// Whatever happens: never two reads at once, never more on its way than the window, and
        /// with something on its way there is a deadline or the suspicion already.
        #[test]
        fn nothing_on_its_way_is_forgotten(inputs in inputs()) {
            let mut session = fresh();
            let mut now = ms(0);
            let mut head = 0_i64;
            let mut reading: Option<(i64, usize)> = None;
            for (kind, number, millis) in inputs {
                now = now.plus(Duration::from_millis(millis));
                let input = match kind {
                    0 => { head += number; Input::Nudge(at(head)) }
                    1 => {
                        let Some((after, limit)) = reading.take() else { continue };
                        let last = head.min(after + i64::try_from(limit).expect("small"));
                        let count = usize::try_from(last - after).expect("not negative");
                        Input::Read { last: at(last), count, head: at(head) }
                    }
                    2 => Input::Acked(at(number.min(session.sent().number()))),
                    3 => Input::Heard,
                    4 => Input::State(if number % 2 == 0 { AppState::Background } else { AppState::Foreground }),
                    _ => Input::Tick,
                };
                if let Some(Effect::Read { after, limit }) = session.handle(input, now) {
                    prop_assert!(reading.is_none(), "two reads at once");
                    reading = Some((after.number(), limit));
                }
                let on_the_way: usize = session.on_the_way.iter().map(|batch| batch.count).sum();
                prop_assert!(on_the_way <= WINDOW);
                prop_assert!(session.on_the_way.is_empty() || session.is_suspect() || session.deadline().is_some());
                prop_assert!(session.acked() <= session.sent());
            }
        }
    }
}
