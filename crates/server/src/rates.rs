//! How often users may do what costs others something: messages, calls, live frames, test
//! pushes.
//!
//! Only what users send is counted; an app's back end is trusted with its own pace. Kept in memory
//! by this node, and forgotten once given back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::rate::{Rate, Used};
use domain::{AppId, Time};

use crate::config;
use crate::http::problem::{Problem, ProblemCode};

/// Entries that are looked through for those that are over, once there are so many.
const LOOK_THROUGH: usize = 10_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Messages that a user sends.
    Messages,
    /// Messages from users that a user gets.
    MessagesTo,
    /// Calls that a user starts.
    Calls,
    /// Calls that ring at a user.
    CallsTo,
    /// Frames that are passed on live: typing, signals, messages with a ttl of 0.
    Live,
    /// Test pushes that a user asks for.
    TestPushes,
}

/// A person presses a button so often, and not a program.
const TEST_PUSHES_PER_MINUTE: u32 = 6;

/// How much everybody has used.
#[derive(Debug)]
pub struct Rates(Mutex<State>);

#[derive(Debug)]
struct State {
    limits: config::Rate,
    used: HashMap<(Counted, AppId, Box<str>), Used>,
    look_through_at: usize,
}

impl Rates {
    /// Nobody has used anything.
    pub fn new(limits: config::Rate) -> Self {
        Self(Mutex::new(State { limits, used: HashMap::new(), look_through_at: LOOK_THROUGH }))
    }

    /// Holds everybody to other limits from here on; what was used stays used.
    pub fn set(&self, limits: config::Rate) {
        self.lock().limits = limits;
    }

    /// Counts what a user does, or says after which pause it may be done.
    ///
    /// # Errors
    ///
    /// A [`Problem`] with the pause; nothing is counted then.
    pub fn take(
        &self,
        counted: Counted,
        app: AppId,
        user: &str,
        count: u32,
        now: Time,
    ) -> Result<(), Problem> {
        let state = &mut *self.lock();
        if state.used.len() >= state.look_through_at {
            state.used.retain(|_, used| !used.is_over(now));
            state.look_through_at = LOOK_THROUGH.max(state.used.len() * 2);
        }
        let entry = state.used.entry((counted, app, Box::from(user))).or_default();
        let most = most(&state.limits, counted);
        let taken = Rate::per_minute(most).take(*entry, count, now);
        *entry = taken.map_err(|pause| limited(counted, most, user, pause))?;
        Ok(())
    }

    /// Every change under the lock is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many a minute.
const fn most(limits: &config::Rate, counted: Counted) -> u32 {
    match counted {
        Counted::Messages => limits.messages_per_minute,
        Counted::MessagesTo => limits.messages_to_user_per_minute,
        Counted::Calls => limits.calls_per_minute,
        Counted::CallsTo => limits.calls_to_user_per_minute,
        Counted::Live => limits.live_per_minute,
        Counted::TestPushes => TEST_PUSHES_PER_MINUTE,
    }
}

fn limited(counted: Counted, most: u32, user: &str, pause: Duration) -> Problem {
    let detail = match counted {
        Counted::Messages => format!("a user may send {most} messages a minute"),
        Counted::MessagesTo => {
            format!("{user:?} takes {most} messages a minute from other users")
        }
        Counted::Calls => format!("a user may start {most} calls a minute"),
        Counted::CallsTo => format!("{user:?} is called {most} times a minute at most"),
        Counted::Live => format!("a user may send {most} live frames a minute"),
        Counted::TestPushes => format!("a user may send {most} test pushes a minute"),
    };
    let problem = Problem::new(
        ProblemCode::RateLimited,
        format!("{detail}; send again after the pause, with the same id"),
    );
    problem.with_retry_after(pause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const NOW: Time = Time::from_millis(1_000_000);

    #[test]
    fn each_user_has_their_own_and_what_was_given_back_is_forgotten() {
        let config = Config::defaults().unwrap();
        let rates = Rates::new(config::Rate { calls_per_minute: 2, ..config.rate });
        let app = AppId::from_number(1);
        let call = |user: &str, now| rates.take(Counted::Calls, app, user, 1, now);
        assert!(call("alice", NOW).is_ok() && call("alice", NOW).is_ok());
        let limited = call("alice", NOW).unwrap_err();
        assert_eq!(limited.code(), ProblemCode::RateLimited);
        assert_eq!(limited.retry_after(), Some(Duration::from_secs(30)));
        assert!(call("bob", NOW).is_ok());
        assert!(rates.take(Counted::Messages, app, "alice", 1, NOW).is_ok());
        assert!(call("alice", NOW.plus(Duration::from_secs(30))).is_ok());
        // With the three that are there.
        for number in 3..LOOK_THROUGH {
            call(&format!("user {number}"), NOW).unwrap();
        }
        let later = NOW.plus(Duration::from_secs(120));
        call("carol", later).unwrap();
        assert_eq!(rates.lock().used.len(), 1);
    }

    #[test]
    fn other_limits_hold_from_the_next_one_on() {
        let config = Config::defaults().unwrap();
        let limits = |calls_per_minute| config::Rate { calls_per_minute, ..config.rate };
        let rates = Rates::new(limits(2));
        let call = || rates.take(Counted::Calls, AppId::from_number(1), "alice", 1, NOW);
        assert!(call().is_ok());
        rates.set(limits(1));
        assert!(call().unwrap_err().detail().contains("start 1 calls"));
        rates.set(limits(20));
        assert!(call().is_ok());
    }
}
