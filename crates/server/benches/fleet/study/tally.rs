//! What is counted.

use std::time::Duration;

/// Times until something is visible are kept in steps of this length.
const STEP: Duration = Duration::from_millis(100);
/// Times from here on are one.
const LONGEST: usize = 36_000;

/// What came of some devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) devices: u64,
    /// Messages whose device could be reached ten minutes before the end or earlier.
    pub(crate) messages: u64,
    /// Of these, on the device within so long of being reachable.
    pub(crate) within_10_s: u64,
    pub(crate) within_60_s: u64,
    pub(crate) within_10_min: u64,
    /// All messages: on the device, expired before, or neither.
    pub(crate) held: u64,
    pub(crate) expired: u64,
    pub(crate) open: u64,
    pub(crate) wakes: u64,
    pub(crate) pushes: u64,
    /// Pushes to a device whose app is on the screen and has a network.
    pub(crate) awake: u64,
    /// Of these, while the server had no session that it could rely on.
    pub(crate) raced: u64,
    /// Background pushes to an iPhone above three in an hour.
    pub(crate) over_budget: u64,
    /// Android phones on which the app is demoted in the end.
    pub(crate) demoted: u64,
    /// How many messages became visible after how many steps; the last is for all longer times.
    visible: Vec<u64>,
    never_visible: u64,
}

impl Tally {
    /// Something was visible so long after the device could be reached; `None`: never.
    pub(crate) fn saw(&mut self, after: Option<Duration>) {
        let Some(after) = after else {
            self.never_visible += 1;
            return;
        };
        let step = usize::try_from(after.as_millis() / STEP.as_millis()).unwrap_or(LONGEST);
        if self.visible.is_empty() {
            self.visible = vec![0; LONGEST + 1];
        }
        self.visible[step.min(LONGEST)] += 1;
    }

    /// The median time until something was visible; `None` if there is none, or it is an hour or
    /// more.
    pub(crate) fn median_visible(&self) -> Option<Duration> {
        let all = self.visible.iter().sum::<u64>() + self.never_visible;
        let mut seen = 0;
        for (step, count) in self.visible.iter().enumerate() {
            seen += count;
            if seen * 2 >= all && all > 0 {
                return (step < LONGEST).then(|| STEP * u32::try_from(step).unwrap_or(u32::MAX));
            }
        }
        None
    }

    /// Pushes to sleeping devices for each time that one had to be woken.
    pub(crate) fn pushes_per_wake(&self) -> Option<f64> {
        (self.wakes > 0).then(|| (self.pushes - self.awake) as f64 / self.wakes as f64)
    }

    /// Counts what another has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            devices,
            messages,
            within_10_s,
            within_60_s,
            within_10_min,
            held,
            expired,
            open,
            wakes,
            pushes,
            awake,
            raced,
            over_budget,
            demoted,
            visible,
            never_visible,
        } = other;
        self.devices += devices;
        self.messages += messages;
        self.within_10_s += within_10_s;
        self.within_60_s += within_60_s;
        self.within_10_min += within_10_min;
        self.held += held;
        self.expired += expired;
        self.open += open;
        self.wakes += wakes;
        self.pushes += pushes;
        self.awake += awake;
        self.raced += raced;
        self.over_budget += over_budget;
        self.demoted += demoted;
        self.never_visible += never_visible;
        if self.visible.is_empty() {
            self.visible.clone_from(visible);
        } else {
            for (sum, count) in self.visible.iter_mut().zip(visible) {
                *sum += count;
            }
        }
    }
}
