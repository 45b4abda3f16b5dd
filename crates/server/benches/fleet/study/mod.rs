//! A day of many virtual devices, without a socket: the wake machine of the server on one side,
//! the rules of the platforms on the other.
//!
//! ```text
//!   World ──draws──▶ Life ──▶ [Day]: heap of events of one device
//!                              ├── Server: sessions as it sees them, domain::wake ──pushes──┐
//!                              └── Phone: sim::platform, app, network  ◀────────────────────┘
//!                                      └──▶ Tally, by platform
//! ```
//!
//! Simplifying assumptions: one device for each user, so that devices do not meet and each lives
//! its day alone; the server never restarts, its own work takes no time, and the push services take
//! every push.
//!
//! Read first: [`run`], [`World`], [`Scheme`].

mod day;
mod dice;
mod phone;
mod server;
mod tally;
mod world;

use std::time::Duration;

use domain::Platform;

use self::day::Day;
pub(crate) use self::server::Scheme;
pub(crate) use self::tally::Tally;
pub(crate) use self::world::World;

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) devices: u64,
    /// How long things happen to them.
    pub(crate) length: Duration,
    /// How long it goes on after that.
    pub(crate) run_out: Duration,
    pub(crate) seed: u64,
    pub(crate) world: World,
}

/// What came of one scheme, by platform.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) android: Tally,
    pub(crate) ios: Tally,
    pub(crate) web: Tally,
}

impl Outcome {
    /// The tally of a platform.
    pub(crate) fn of(&mut self, platform: Platform) -> &mut Tally {
        match platform {
            Platform::Android => &mut self.android,
            Platform::Ios => &mut self.ios,
            // The study has no other devices.
            Platform::Web | Platform::Other => &mut self.web,
        }
    }

    /// All platforms together.
    pub(crate) fn all(&self) -> Tally {
        let mut all = self.android.clone();
        all.add(&self.ios);
        all.add(&self.web);
        all
    }
}

/// Lets every device live its day once for each scheme; the day is the same for all of them.
pub(crate) fn run(plan: &Plan, schemes: &[Scheme]) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::default(); schemes.len()];
    for device in 0..plan.devices {
        let life = plan.world.life(plan.seed, device, plan.length);
        for (scheme, outcome) in schemes.iter().zip(&mut outcomes) {
            let tally = outcome.of(life.traits.platform);
            Day::new(plan, device, &life, scheme, tally).live();
        }
    }
    outcomes
}
