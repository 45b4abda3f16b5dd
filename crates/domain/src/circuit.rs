//! The circuit of a client: keeps pushes from a credential or a service that will refuse them.
//!
//! ```text
//!              a word against the credential,
//!              or SERVICE_TROUBLES in a row
//!   closed ──────────────────────────────────▶ open ── time for a probe ──▶ probing
//!     ▲                                          ▲                            │  │
//!     │                                          └───────── refused ──────────┘  │
//!     └──────────── believed, or the credential changed ─────────────────────────┘
//! ```
//!
//! Law: any accepted push closes it, whatever came before; a word against a token or a payload
//! says nothing about it. A refusal that was on its way when the circuit opened changes nothing.
//!
//! Simplifying assumption: one circuit for a credential in one environment (for Web Push, at one
//! push service); what stops there stops for all of the app's devices there and for nobody else.

use std::time::Duration;

use crate::outcome::{Diagnosis, Outcome, RetryRule, Scope};
use crate::time::Time;

/// This many failures of the service in a row open a circuit: one or two are a connection that
/// died, and each is tried again elsewhere before it counts.
pub const SERVICE_TROUBLES: u32 = 5;

/// How often an open circuit is probed: the pauses double from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// The first pause after a word against the credential: it is for its owner to mend, and Apple
    /// counts connections that come and go as an attack.
    pub credential_first: Duration,
    /// The longest of those.
    pub credential_longest: Duration,
    /// The first pause after a service went away.
    pub service_first: Duration,
    /// The longest of those.
    pub service_longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            credential_first: Duration::from_secs(60),
            credential_longest: Duration::from_secs(5 * 60),
            service_first: Duration::from_secs(5),
            service_longest: Duration::from_secs(60),
        }
    }
}

impl Pauses {
    fn after(&self, diagnosis: Diagnosis, probes: u32) -> Duration {
        let (first, longest) = if diagnosis.is_credential_fault() {
            (self.credential_first, self.credential_longest)
        } else {
            (self.service_first, self.service_longest)
        };
        first.saturating_mul(1_u32 << probes.min(16)).min(longest)
    }
}

/// Whether pushes may go out with a credential in one environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    state: State,
}

/// Where a circuit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        /// Failures of the service since the last push that got through.
        troubles: u32,
    },
    Open(Open),
    Probing(Open),
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { troubles: 0 }
    }
}

/// A circuit that lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What it was opened with: 902 for a service that is away, else the credential's fault.
    pub diagnosis: Diagnosis,
    /// Since when.
    pub since: Time,
    /// When the next probe is due.
    pub probe_at: Time,
    /// Probes that were refused.
    probes: u32,
}

/// What an observation did to a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It closed: pushes go again.
    Closed,
    /// Nothing that others must know.
    No,
    /// It opened.
    Opened(Open),
    /// It stays open; the next probe is later.
    StaysOpen(Open),
}

impl Circuit {
    /// Why nothing may go now; `None`: it may.
    pub const fn open(&self) -> Option<Open> {
        match self.state {
            State::Closed { .. } => None,
            State::Open(open) | State::Probing(open) => Some(open),
        }
    }

    /// Takes the turn of the probe that is due: at most one is under way.
    pub fn take_probe(&mut self, now: Time) -> bool {
        match self.state {
            State::Open(open) if open.probe_at <= now => {
                self.state = State::Probing(open);
                true
            }
            State::Open(_) | State::Probing(_) | State::Closed { .. } => false,
        }
    }

    /// A push that went out before the circuit opened, or while it was closed, has ended.
    pub fn observe(&mut self, outcome: &Outcome, pauses: &Pauses, now: Time) -> Moved {
        match (self.state, word(outcome)) {
            (_, Word::Nothing) => Moved::No,
            (State::Closed { .. }, Word::Through) => {
                self.state = State::default();
                Moved::No
            }
            (State::Open(_) | State::Probing(_), Word::Through) => self.close(),
            (State::Open(_) | State::Probing(_), _) => Moved::No,
            (State::Closed { .. }, Word::Credential(diagnosis)) => {
                self.opened(diagnosis, pauses.after(diagnosis, 0), now)
            }
            (State::Closed { troubles }, Word::Service { pause }) => {
                let troubles = troubles + 1;
                if troubles < SERVICE_TROUBLES {
                    self.state = State::Closed { troubles };
                    return Moved::No;
                }
                // What the service asks for is for pushes; a probe may look sooner.
                let diagnosis = Diagnosis::TemporarilyDisabled;
                let pause = pause.max(pauses.after(diagnosis, 0)).min(pauses.service_longest);
                self.opened(diagnosis, pause, now)
            }
        }
    }

    /// The probe has ended. What says nothing about the credential (a stray token, a payload)
    /// was said by a service that believed it.
    pub fn probed(&mut self, outcome: &Outcome, pauses: &Pauses, now: Time) -> Moved {
        let State::Probing(open) = self.state else { return Moved::No };
        let diagnosis = match word(outcome) {
            Word::Through => return self.close(),
            Word::Credential(diagnosis) => diagnosis,
            Word::Service { .. } => Diagnosis::TemporarilyDisabled,
            // Withdrawn, or lost on its way: no answer is no belief.
            Word::Nothing => open.diagnosis,
        };
        let probes = open.probes.saturating_add(1);
        let probe_at = now.plus(pauses.after(diagnosis, probes));
        let open = Open { diagnosis, probe_at, probes, ..open };
        self.state = State::Open(open);
        Moved::StaysOpen(open)
    }

    /// The credential, or a setting it depends on, changed: the next push will tell.
    pub fn changed(&mut self) -> Moved {
        match self.state {
            State::Closed { .. } => Moved::No,
            State::Open(_) | State::Probing(_) => self.close(),
        }
    }

    fn close(&mut self) -> Moved {
        self.state = State::default();
        Moved::Closed
    }

    fn opened(&mut self, diagnosis: Diagnosis, pause: Duration, now: Time) -> Moved {
        let open = Open { diagnosis, since: now, probe_at: now.plus(pause), probes: 0 };
        self.state = State::Open(open);
        Moved::Opened(open)
    }
}

/// What an outcome says about credential and service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// The credential is not believed.
    Credential(Diagnosis),
    /// Nothing.
    Nothing,
    /// The service is away; it, or its guide, asks for this pause.
    Service { pause: Duration },
    /// The service answered, and believed the credential.
    Through,
}

/// Whether an outcome says anything about credential and service.
pub fn says_something(outcome: &Outcome) -> bool {
    word(outcome) != Word::Nothing
}

fn word(outcome: &Outcome) -> Word {
    match outcome {
        Outcome::Accepted { .. } => Word::Through,
        Outcome::Unknown { .. } => Word::Service { pause: Duration::ZERO },
        Outcome::Withdrawn => Word::Nothing,
        Outcome::Refused(refusal) => match refusal.scope {
            Scope::Credential => Word::Credential(refusal.diagnosis),
            Scope::Service => Word::Service {
                pause: match refusal.retry {
                    RetryRule::After(pause) | RetryRule::BackOff { first: pause } => pause,
                    RetryRule::Bare | RetryRule::WhenChanged => Duration::ZERO,
                },
            },
            // Refused before it was sent says nothing about whoever would have got it.
            Scope::Device | Scope::Push if refusal.status.is_none() => Word::Nothing,
            Scope::Device | Scope::Push => Word::Through,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{Refusal, TokenVerdict};

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    fn refused(diagnosis: Diagnosis, status: Option<u16>) -> Outcome {
        Outcome::Refused(Refusal {
            diagnosis,
            scope: diagnosis.scope(),
            retry: RetryRule::WhenChanged,
            token: TokenVerdict::Keep,
            status,
            reason: String::new(),
            remedy: String::new(),
        })
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { provider_id: None }
    }

    fn after(seconds: u64) -> Time {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn the_drawing() {
        let mut circuit = Circuit::default();
        assert_eq!(circuit.open(), None);
        let bad = refused(Diagnosis::CertificateError, Some(403));
        let Moved::Opened(open) = circuit.observe(&bad, &Pauses::default(), NOW) else {
            panic!("it opens at once")
        };
        assert_eq!((open.diagnosis, open.probe_at), (Diagnosis::CertificateError, after(60)));
        // Those on their way at that time change nothing.
        assert_eq!(circuit.observe(&bad, &Pauses::default(), after(1)), Moved::No);
        assert!(!circuit.take_probe(after(59)));
        assert!(circuit.take_probe(after(60)));
        assert!(!circuit.take_probe(after(60)), "one probe at a time");
        let Moved::StaysOpen(open) = circuit.probed(&bad, &Pauses::default(), after(61)) else {
            panic!("refused")
        };
        assert_eq!(open.probe_at, after(61 + 120));
        assert!(circuit.take_probe(after(181)));
        // A stray token is what a probe is answered with when the credential is believed.
        let stray = refused(Diagnosis::BadPushToken, Some(400));
        assert_eq!(circuit.probed(&stray, &Pauses::default(), after(182)), Moved::Closed);
        assert_eq!(circuit.open(), None);
    }

    #[test]
    fn a_service_that_is_away_opens_it_after_some_failures_in_a_row() {
        let mut circuit = Circuit::default();
        let away = refused(Diagnosis::TemporarilyDisabled, Some(503));
        for _ in 1..SERVICE_TROUBLES {
            assert_eq!(circuit.observe(&away, &Pauses::default(), NOW), Moved::No);
        }
        assert_eq!(
            circuit.observe(&accepted(), &Pauses::default(), NOW),
            Moved::No,
            "the count starts anew"
        );
        for _ in 1..SERVICE_TROUBLES {
            assert_eq!(circuit.observe(&away, &Pauses::default(), NOW), Moved::No);
        }
        let Moved::Opened(open) = circuit.observe(&away, &Pauses::default(), NOW) else {
            panic!("it opens")
        };
        assert_eq!((open.diagnosis, open.probe_at), (Diagnosis::TemporarilyDisabled, after(5)));
        assert_eq!(circuit.changed(), Moved::Closed);
    }

    #[test]
    fn what_is_about_a_device_or_a_push_never_opens_it() {
        for diagnosis in [Diagnosis::BadPushToken, Diagnosis::AppMismatch, Diagnosis::BadPayload] {
            for status in [None, Some(400)] {
                let mut circuit = Circuit::default();
                for _ in 0..100 {
                    assert_eq!(
                        circuit.observe(&refused(diagnosis, status), &Pauses::default(), NOW),
                        Moved::No
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn an_accepted_push_closes_it_and_an_open_one_has_a_probe_due(
            steps in proptest::collection::vec((0_u8..7, 0_u64..400), 0..200),
        ) {
            let mut circuit = Circuit::default();
            let mut now = NOW;
            for (step, seconds) in steps {
                now = now.plus(Duration::from_secs(seconds));
                match step {
                    0 => { circuit.observe(&refused(Diagnosis::CertificateExpired, None), &Pauses::default(), now); }
                    1 | 2 => {
                        circuit.observe(&refused(Diagnosis::TemporarilyDisabled, Some(503)), &Pauses::default(), now);
                    }
                    3 => {
                        if circuit.take_probe(now) {
                            circuit.probed(&refused(Diagnosis::CertificateError, Some(403)), &Pauses::default(), now);
                        }
                    }
                    4 => {
                        if circuit.take_probe(now) {
                            circuit.probed(&Outcome::Withdrawn, &Pauses::default(), now);
                        }
                    }
                    5 => {
                        circuit.observe(&accepted(), &Pauses::default(), now);
                        prop_assert_eq!(circuit.open(), None);
                    }
                    _ => { circuit.changed(); prop_assert_eq!(circuit.open(), None); }
                }
                if let Some(open) = circuit.open() {
                    prop_assert!(now.until(open.probe_at) <= Pauses::default().credential_longest);
                }
            }
        }
    }
}
