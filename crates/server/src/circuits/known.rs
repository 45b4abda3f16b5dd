//! What is known of credentials in their places.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::circuit::{Moved, Open, Pauses};
use domain::token::CredentialFacts;
use domain::{AppId, Circuit, CredentialId, Diagnosis, LaneId, MassFailure, Outcome, Time};

use super::CircuitKey;
use crate::config;

/// A credential's word with its service is stored at most this often.
const BELIEF_KEPT_EVERY: Duration = Duration::from_secs(60);

/// Every circuit that was asked for.
#[derive(Debug, Default)]
pub struct Circuits {
    pauses: Pauses,
    known: Mutex<HashMap<CircuitKey, Known>>,
}

/// What is known about a credential in a place.
#[derive(Debug, Default)]
struct Known {
    app: Option<AppId>,
    circuit: Circuit,
    failures: MassFailure,
    /// Whether the mass failure was told.
    told: bool,
    /// When the service last believed the credential.
    believed_at: Option<Time>,
    /// The same, as far as it is stored.
    kept_at: Option<Time>,
    /// The lanes that go by it.
    lanes: HashSet<LaneId>,
}

/// What an observation calls for.
#[derive(Debug)]
pub(super) struct Observed {
    pub facts: CredentialFacts,
    pub moved: Moved,
    pub lanes: Vec<LaneId>,
    /// To be stored.
    pub belief: Option<Time>,
    /// A mass failure that nobody was told of yet.
    pub mass_failure: Option<Diagnosis>,
}

impl Circuits {
    /// All closed, with the configuration's pauses between probes.
    pub fn new(config: &config::Circuit) -> Self {
        let pauses = Pauses {
            credential_first: config.credential_probe,
            credential_longest: config.credential_probe.saturating_mul(5),
            service_first: config.service_probe,
            service_longest: config.service_probe.saturating_mul(12),
        };
        Self { pauses, known: Mutex::default() }
    }

    /// Why nothing may go now.
    pub fn open(&self, key: &CircuitKey) -> Option<Open> {
        self.known().get(key).and_then(|known| known.circuit.open())
    }

    /// What is remembered of credentials from the last life.
    pub fn remember(&self, app: AppId, key: CircuitKey, believed_at: Option<Time>) {
        let mut all = self.known();
        let known = all.entry(key).or_default();
        known.app = Some(app);
        known.believed_at = known.believed_at.max(believed_at);
        known.kept_at = known.believed_at;
    }

    /// A lane goes by this circuit from now on; says whether it is open.
    pub(super) fn carries(&self, app: AppId, key: &CircuitKey, lane: LaneId) -> bool {
        let mut all = self.known();
        for (other, known) in all.iter_mut() {
            if other != key {
                known.lanes.remove(&lane);
            }
        }
        let known = all.entry(key.clone()).or_default();
        known.app = Some(app);
        known.lanes.insert(lane);
        known.circuit.open().is_some()
    }

    /// Whether the lane is known to go by this circuit.
    pub(super) fn knows(&self, key: &CircuitKey, lane: LaneId) -> bool {
        self.known().get(key).is_some_and(|known| known.lanes.contains(&lane))
    }

    pub(super) fn observe(
        &self,
        key: &CircuitKey,
        outcome: &Outcome,
        kind: Observation,
        now: Time,
    ) -> Observed {
        let mut all = self.known();
        let known = all.entry(key.clone()).or_default();
        let moved = match kind {
            Observation::Push => {
                known.failures.note(outcome, now);
                known.circuit.observe(outcome, &self.pauses, now)
            }
            Observation::Probe => known.circuit.probed(outcome, &self.pauses, now),
        };
        let mut belief = None;
        // A probe shows that the credential is believed, not that the devices are this app's.
        if outcome.is_accepted() && kind == Observation::Push {
            known.believed_at = Some(now);
            if known.kept_at.is_none_or(|kept| now.since(kept) >= BELIEF_KEPT_EVERY) {
                known.kept_at = Some(now);
                belief = Some(now);
            }
        }
        let mass_failure = known.failures.holds(now);
        let news = mass_failure.filter(|_| !known.told);
        known.told = mass_failure.is_some();
        Observed {
            facts: CredentialFacts {
                believed_at: known.believed_at,
                in_mass_failure: mass_failure.is_some(),
            },
            moved,
            lanes: known.lanes.iter().copied().collect(),
            belief,
            mass_failure: news,
        }
    }

    /// The next push is the probe.
    pub(super) fn close(&self, key: &CircuitKey) -> Vec<LaneId> {
        let mut all = self.known();
        let Some(known) = all.get_mut(key) else { return Vec::new() };
        match known.circuit.changed() {
            Moved::Closed => known.lanes.iter().copied().collect(),
            Moved::No | Moved::Opened(_) | Moved::StaysOpen(_) => Vec::new(),
        }
    }

    /// Takes the turn of a probe that is due.
    pub(super) fn take_probe(&self, key: &CircuitKey, now: Time) -> bool {
        self.known().get_mut(key).is_some_and(|known| known.circuit.take_probe(now))
    }

    /// The credentials of an app changed, and these are gone. Returns the lanes that were closed:
    /// which circuit they go by is open again.
    pub(super) fn forget(&self, app: AppId, gone: &[CredentialId]) -> Vec<LaneId> {
        let mut lanes = Vec::new();
        self.known().retain(|key, known| {
            if known.app == Some(app) && known.circuit.open().is_some() {
                lanes.extend(known.lanes.drain());
            }
            !gone.contains(&key.credential)
        });
        lanes
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CircuitKey, Known>> {
        // Every change under the lock is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observation {
    Probe,
    Push,
}
