//! What is known of credentials in their places.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::circuit::{self, Moved, Open, Pauses};
use domain::token::CredentialFacts;
use domain::{AppId, Circuit, CredentialId, Failing, LaneId, MassFailure, Outcome, Time};

use super::{CircuitKey, Place};
use crate::config;

/// A credential's word with its service is stored at most this often.
const BELIEF_KEPT_EVERY: Duration = Duration::from_secs(60);

/// So many Web Push services are remembered for one credential. A browser's endpoint is whatever
/// its device says, so without a bound whoever may register devices could fill the memory.
const WEBPUSH_AT_MOST: usize = 1024;

/// Every circuit that a push had something to say about.
#[derive(Debug, Default)]
pub struct Circuits {
    pauses: Pauses,
    known: Mutex<HashMap<CredentialId, Places>>,
}

/// Where one credential is used.
#[derive(Debug, Default)]
struct Places {
    app: Option<AppId>,
    known: HashMap<Place, Known>,
}

/// What is known about a credential in a place.
#[derive(Debug, Default)]
struct Known {
    circuit: Circuit,
    failures: MassFailure,
    /// Whether the mass failure was told.
    told: bool,
    /// When the service last believed the credential.
    believed_at: Option<Time>,
    /// The same, as far as it is stored.
    kept_at: Option<Time>,
    /// When something was last observed.
    seen_at: Option<Time>,
    /// The lanes that go by it.
    lanes: HashSet<LaneId>,
}

impl Places {
    /// What is known about one; if it is new, another one may be forgotten for it.
    fn enter(&mut self, place: &Place) -> &mut Known {
        if !self.known.contains_key(place) {
            self.make_room(place);
        }
        self.known.entry(place.clone()).or_default()
    }

    /// Forgets the Web Push service that was not heard of for longest, if there are too many: one
    /// whose circuit is closed, if there is any. As after a start, the next push tells anew, and
    /// nothing is dropped before the credential is believed there again.
    fn make_room(&mut self, place: &Place) {
        // All but Web Push have a handful of places.
        let Place::Webpush(_) = place else { return };
        if self.known.len() < WEBPUSH_AT_MOST {
            return;
        }
        let services = self.known.iter().filter(|(place, _)| matches!(place, Place::Webpush(_)));
        let longest = services
            .min_by_key(|(_, known)| (known.circuit.open().is_some(), known.seen_at))
            .map(|(place, _)| place.clone());
        if let Some(place) = longest {
            self.known.remove(&place);
        }
    }
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
    pub mass_failure: Option<Failing>,
}

impl Observed {
    /// Nothing is known, and nothing follows.
    const fn nothing() -> Self {
        Self {
            facts: CredentialFacts { believed_at: None, in_mass_failure: false },
            moved: Moved::No,
            lanes: Vec::new(),
            belief: None,
            mass_failure: None,
        }
    }
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
        let all = self.known();
        let known = all.get(&key.credential)?.known.get(&key.place)?;
        known.circuit.open()
    }

    /// Every place that a credential was used in, and whether its circuit is open.
    pub fn places(&self) -> Vec<(AppId, CircuitKey, bool)> {
        let all = self.known();
        let mut places = Vec::new();
        for (credential, used) in all.iter() {
            let Some(app) = used.app else { continue };
            for (place, known) in &used.known {
                let key = CircuitKey { credential: *credential, place: place.clone() };
                places.push((app, key, known.circuit.open().is_some()));
            }
        }
        places
    }

    /// Where a credential was used, and why nothing may go there now: such places first, `most` at
    /// most.
    pub fn used(&self, credential: CredentialId, most: usize) -> Vec<(Place, Option<Open>)> {
        let all = self.known();
        let known = all.get(&credential).into_iter().flat_map(|places| &places.known);
        let mut used: Vec<_> =
            known.map(|(place, known)| (place.clone(), known.circuit.open())).collect();
        used.sort_by_key(|(place, open)| (open.is_none(), place.name()));
        used.truncate(most);
        used
    }

    /// What is known of a credential in a place, for the judgement of its tokens.
    pub fn facts(&self, key: &CircuitKey, now: Time) -> CredentialFacts {
        let all = self.known();
        let known = all.get(&key.credential).and_then(|places| places.known.get(&key.place));
        known.map_or_else(CredentialFacts::default, |known| CredentialFacts {
            believed_at: known.believed_at,
            in_mass_failure: known.failures.holds(now).is_some(),
        })
    }

    /// What is remembered of credentials from the last life.
    pub fn remember(&self, app: AppId, key: &CircuitKey, believed_at: Option<Time>) {
        let mut all = self.known();
        let places = all.entry(key.credential).or_default();
        places.app = Some(app);
        let known = places.enter(&key.place);
        known.believed_at = known.believed_at.max(believed_at);
        known.kept_at = known.believed_at;
    }

    /// A lane goes by this circuit from now on; says whether it is open.
    pub(super) fn carries(&self, app: AppId, key: &CircuitKey, lane: LaneId) -> bool {
        let mut all = self.known();
        for known in all.values_mut().flat_map(|places| places.known.values_mut()) {
            known.lanes.remove(&lane);
        }
        let places = all.entry(key.credential).or_default();
        places.app = Some(app);
        let known = places.enter(&key.place);
        known.lanes.insert(lane);
        known.circuit.open().is_some()
    }

    /// Whether the lane is known to go by this circuit.
    pub(super) fn knows(&self, key: &CircuitKey, lane: LaneId) -> bool {
        let all = self.known();
        let known = all.get(&key.credential).and_then(|places| places.known.get(&key.place));
        known.is_some_and(|known| known.lanes.contains(&lane))
    }

    pub(super) fn observe(
        &self,
        app: AppId,
        key: &CircuitKey,
        outcome: &Outcome,
        kind: Observation,
        now: Time,
    ) -> Observed {
        let mut all = self.known();
        let is_known = |places: &Places| places.known.contains_key(&key.place);
        if !all.get(&key.credential).is_some_and(is_known) && !is_worth_an_entry(kind, outcome) {
            return Observed::nothing();
        }
        let places = all.entry(key.credential).or_default();
        places.app = Some(app);
        let known = places.enter(&key.place);
        known.seen_at = Some(now);
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
        let places = all.get_mut(&key.credential);
        let Some(known) = places.and_then(|places| places.known.get_mut(&key.place)) else {
            return Vec::new();
        };
        match known.circuit.changed() {
            Moved::Closed => known.lanes.iter().copied().collect(),
            Moved::No | Moved::Opened(_) | Moved::StaysOpen(_) => Vec::new(),
        }
    }

    /// Takes the turn of a probe that is due.
    pub(super) fn take_probe(&self, key: &CircuitKey, now: Time) -> bool {
        let mut all = self.known();
        let places = all.get_mut(&key.credential);
        let known = places.and_then(|places| places.known.get_mut(&key.place));
        known.is_some_and(|known| known.circuit.take_probe(now))
    }

    /// The credentials of an app changed, and these are gone. Returns the lanes that were closed:
    /// which circuit they go by is open again.
    pub(super) fn forget(&self, app: AppId, gone: &[CredentialId]) -> Vec<LaneId> {
        let mut lanes = Vec::new();
        self.known().retain(|credential, places| {
            if places.app == Some(app) {
                let open = places.known.values_mut().filter(|known| known.circuit.open().is_some());
                lanes.extend(open.flat_map(|known| known.lanes.drain()));
            }
            !gone.contains(credential)
        });
        lanes
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CredentialId, Places>> {
        // Every change under the lock is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something nobody knows of yet is worth remembering: what never reached a push service
/// says nothing about it, and a probe belongs to a circuit that is open.
fn is_worth_an_entry(kind: Observation, outcome: &Outcome) -> bool {
    match kind {
        Observation::Probe => false,
        Observation::Push => circuit::says_something(outcome),
    }
}

/// What was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observation {
    Probe,
    Push,
}

#[cfg(test)]
mod tests {
    use domain::{Diagnosis, Refusal, RetryRule};

    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    const PUSH: Observation = Observation::Push;

    fn app() -> AppId {
        AppId::from_number(1)
    }

    fn service(number: usize) -> CircuitKey {
        let origin = format!("https://{number}.example");
        CircuitKey {
            credential: CredentialId::from_number(1),
            place: Place::Webpush(origin.into()),
        }
    }

    fn unsent(diagnosis: Diagnosis) -> Outcome {
        Outcome::Refused(Refusal::unsent(diagnosis, RetryRule::WhenChanged, "test", ""))
    }

    fn places(circuits: &Circuits) -> usize {
        circuits.known().values().map(|places| places.known.len()).sum()
    }

    #[test]
    fn the_services_of_one_credential_are_bounded_and_the_open_ones_stay() {
        let circuits = Circuits::default();
        let taken = Outcome::Accepted { provider_id: None };
        let refused = unsent(Diagnosis::CertificateError);
        circuits.observe(app(), &service(0), &refused, PUSH, NOW);
        for number in 1..WEBPUSH_AT_MOST + 100 {
            let now = NOW.plus(Duration::from_secs(u64::try_from(number).expect("a number")));
            circuits.observe(app(), &service(number), &taken, PUSH, now);
            // Heard of again and again, it is not the one that is forgotten.
            circuits.observe(app(), &service(1), &taken, PUSH, now);
        }
        assert_eq!(places(&circuits), WEBPUSH_AT_MOST);
        assert!(circuits.open(&service(0)).is_some(), "an open circuit stays before closed ones");
        let silent = Outcome::Withdrawn;
        let believed = |number| {
            let observed = circuits.observe(app(), &service(number), &silent, PUSH, NOW);
            observed.facts.believed_at.is_some()
        };
        assert_eq!([believed(1), believed(2), believed(WEBPUSH_AT_MOST + 99)], [true, false, true]);
    }

    #[test]
    fn when_all_are_open_the_one_not_heard_of_for_longest_goes() {
        let circuits = Circuits::default();
        let refused = unsent(Diagnosis::CertificateError);
        for number in 0..=WEBPUSH_AT_MOST {
            let now = NOW.plus(Duration::from_secs(u64::try_from(number).expect("a number")));
            circuits.observe(app(), &service(number), &refused, PUSH, now);
        }
        assert_eq!(places(&circuits), WEBPUSH_AT_MOST);
        assert!(circuits.open(&service(0)).is_none() && circuits.open(&service(1)).is_some());
        // Its probe comes back to nothing.
        circuits.observe(app(), &service(0), &refused, Observation::Probe, NOW);
        assert!(circuits.open(&service(0)).is_none());
        assert_eq!(places(&circuits), WEBPUSH_AT_MOST);
    }

    #[test]
    fn what_reached_nobody_is_not_remembered() {
        let circuits = Circuits::default();
        for outcome in [
            unsent(Diagnosis::BadPushToken),
            unsent(Diagnosis::AppMismatch),
            unsent(Diagnosis::BadPayload),
            Outcome::Withdrawn,
        ] {
            let observed = circuits.observe(app(), &service(1), &outcome, PUSH, NOW);
            assert_eq!(observed.moved, Moved::No, "{outcome:?}");
            assert_eq!(places(&circuits), 0, "{outcome:?}");
        }
        circuits.observe(app(), &service(1), &unsent(Diagnosis::TemporarilyDisabled), PUSH, NOW);
        assert_eq!(places(&circuits), 1, "a service that is away is counted");
    }
}
