//! Guesses at the console's password: one after the other, with few who wait, and none from an
//! address that has guessed wrong too often.
//!
//! ```text
//!   POST ─▶ too often? ─▶ a place? ─▶ its turn ─▶ too often by now? ─▶ Argon2
//!              └──────────────┴── 429 ─────────────────────┘
//! ```
//!
//! A password can be guessed, and keys cannot: here the right one is held off as well, where
//! [`Failures`] lets a good key pass. So it is counted apart from keys. Whoever shows bad keys
//! through a proxy that nobody has named must not lock out whoever comes through it to the console.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::Time;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::failures::Failures;

/// Whoever has the turn, and those who wait for it: more would only make everybody wait longer.
const PLACES: usize = 4;

/// Who guesses.
#[derive(Debug)]
pub(crate) struct Guesses {
    wrong: Failures,
    places: Arc<Semaphore>,
    turn: Arc<Mutex<()>>,
}

/// May try one password. It goes with the work: a browser that goes away while its password is
/// tried must not let the next one begin beside it.
#[derive(Debug)]
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedMutexGuard<()>,
}

/// Why a password is not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Others are at it.
    Busy,
    /// This address was wrong too often; after this pause it may try again.
    TooOften(Duration),
}

impl Guesses {
    /// Nobody has guessed. So many wrong ones a minute may come from one address.
    pub(crate) fn new(per_minute: u32) -> Self {
        let places = Arc::new(Semaphore::new(PLACES));
        Self { wrong: Failures::new(per_minute), places, turn: Arc::default() }
    }

    /// Lets another number a minute come from here on.
    pub(crate) fn set(&self, per_minute: u32) {
        self.wrong.set(per_minute);
    }

    /// Waits for the turn of an address. It counts as wrong until it [was right](Self::was_right):
    /// who goes away before the answer has guessed too.
    pub(super) async fn turn(&self, address: IpAddr, clock: &Clock) -> Result<Turn, Held> {
        self.may_guess(address, clock.now())?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Held::Busy)?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Those before it may have been of the same address.
        let now = clock.now();
        self.may_guess(address, now)?;
        self.was_wrong(address, now);
        Ok(Turn { _place: place, _turn: turn })
    }

    /// Whether an address may guess now.
    pub(super) fn may_guess(&self, address: IpAddr, now: Time) -> Result<(), Held> {
        self.wrong.pause(address, now).map_or(Ok(()), |pause| Err(Held::TooOften(pause)))
    }

    /// Counts a wrong one.
    pub(super) fn was_wrong(&self, address: IpAddr, now: Time) {
        // What it is told stands with who asks.
        let _held = self.wrong.count(address, now);
    }

    /// It was right: whoever knows the password guesses no more, and nothing counts against them.
    pub(super) fn was_right(&self, address: IpAddr) {
        self.wrong.forget(address);
    }
}

impl Held {
    /// After which pause to try again, in whole seconds.
    pub(super) fn retry_after_s(self) -> u64 {
        match self {
            Self::Busy => 2,
            Self::TooOften(pause) => pause.as_secs() + u64::from(pause.subsec_nanos() > 0),
        }
    }

    /// The same in words, about what was given: `passwords`, `codes`.
    pub(super) fn text(self, given: &str) -> String {
        let seconds = match self.retry_after_s() {
            1 => "a second".to_owned(),
            seconds => format!("{seconds} seconds"),
        };
        match self {
            Self::Busy => format!("Others are signing in; try again in {seconds}."),
            Self::TooOften(_) => {
                format!("Too many {given} from your address were wrong; try again in {seconds}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000_000);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test]
    async fn an_address_that_was_wrong_too_often_gets_no_turn_until_time_gives_it_back() {
        let (clock, hand) = Clock::by_hand(NOW);
        let guesses = Guesses::new(2);
        for _ in 0..2 {
            guesses.turn(address(1), &clock).await.expect("a turn");
        }
        let held = guesses.turn(address(1), &clock).await.expect_err("no more");
        assert_eq!(held, Held::TooOften(Duration::from_secs(30)));
        let text = "Too many passwords from your address were wrong; try again in 30 seconds.";
        assert_eq!((held.retry_after_s(), held.text("passwords")), (30, text.to_owned()));
        guesses.turn(address(2), &clock).await.expect("another address is counted apart");
        hand.advance(Duration::from_secs(30));
        guesses.turn(address(1), &clock).await.expect("it was given back");
        // Who is right has never guessed.
        guesses.was_right(address(1));
        for _ in 0..2 {
            guesses.turn(address(1), &clock).await.expect("a turn");
        }
    }

    #[tokio::test]
    async fn few_wait_and_each_is_asked_again_when_its_turn_comes() {
        let (clock, _hand) = Clock::by_hand(NOW);
        let guesses = Guesses::new(1);
        // Those who wait are of one address, which may guess once.
        let first = guesses.turn(address(1), &clock).await.expect("a turn");
        let mut waiting: Vec<_> =
            (1..PLACES).map(|_| Box::pin(guesses.turn(address(2), &clock))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one.as_mut()).is_pending(), "somebody has the turn");
        }
        let busy = guesses.turn(address(3), &clock).await.expect_err("no place is left");
        assert_eq!(busy, Held::Busy);
        assert_eq!(busy.text("passwords"), "Others are signing in; try again in 2 seconds.");
        drop(first);
        let mut got = Vec::new();
        for one in waiting {
            got.push(one.await.map(drop));
        }
        let held = Err(Held::TooOften(Duration::from_secs(60)));
        assert_eq!(got, [Ok(()), held, held]);
        guesses.turn(address(3), &clock).await.expect("the places are free again");
    }
}
