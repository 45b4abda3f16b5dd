//! What becomes of a push token that a provider had a word about.
//!
//! ```text
//!                     400-class word                      a second one, a day later, and the
//!             ┌──────────────────────────▶ suspect ────── credential was believed in between ──▶ dropped
//!   good ─────┤                               │                                                    ▲
//!     ▲       ├── stray, environment unknown ─┼─▶ trying the other environment ── stray again ─▶ suspect
//!     │       │                               │                   └── accepted ─▶ good, learned    │
//!     │       └── terminal word, newer than the registration ──────────────────────────────────────┘
//!     └──────────── accepted ─────────────────┘
//! ```
//!
//! Nothing is dropped while the credential has not been believed once since it was uploaded, nor
//! in a mass failure: then it is the credential that is wrong, and the tokens are good. A terminal
//! word against a token in such a time makes it suspect, and so does one that is older than the
//! registration though it was asked for after it.

use std::time::Duration;

use crate::outcome::TokenVerdict;
use crate::target::Environment;
use crate::time::Time;

/// A suspect token is dropped by a second word at least this long after the first.
pub const SUSPICION: Duration = Duration::from_secs(24 * 3_600);

/// What is known of a token when a push to it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// When the device registered it last.
    pub registered_at: Time,
    /// Since when it is suspect.
    pub suspect_since: Option<Time>,
    /// What is known of its environment; `None` where the provider has only one.
    pub environment: Option<Known>,
}

/// What is known of a token's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Both were tried, and it is in neither.
    Neither,
    /// The setting or the device says, or it was learned.
    Sure,
    /// Nothing: this one was taken for granted.
    Unknown {
        /// Where the push went.
        tried: Environment,
    },
    /// The other one is being tried.
    Trying {
        /// Where the push went.
        there: Environment,
    },
}

/// What is known of the credential that the push went out with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialFacts {
    /// When it was last believed; `None`: not since it was uploaded.
    pub believed_at: Option<Time>,
    /// Whether most of what it sent lately was refused for tokens: see [`crate::MassFailure`].
    pub in_mass_failure: bool,
}

/// What becomes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is dropped.
    Drop,
    /// It stays as it is.
    Keep,
    /// It is good, in this environment.
    Learn(Environment),
    /// It is good: a suspicion is over.
    Rehabilitate,
    /// It is suspect from now on; where its environment was tried, in neither.
    Suspect,
    /// The other environment is tried next, once.
    TryThere(Environment),
}

/// Judges a token by an accepted push.
pub fn judge_accepted(token: &TokenFacts) -> Judgement {
    match token.environment {
        Some(Known::Trying { there }) => Judgement::Learn(there),
        _ if token.suspect_since.is_some() => Judgement::Rehabilitate,
        _ => Judgement::Keep,
    }
}

/// Judges a token by a refusal. `asked_at` is when the push went out: a word without a time of its
/// own may be as old as that.
pub fn judge_refused(
    verdict: TokenVerdict,
    token: &TokenFacts,
    credential: &CredentialFacts,
    asked_at: Time,
    now: Time,
) -> Judgement {
    let may_drop = credential.believed_at.is_some() && !credential.in_mass_failure;
    match (verdict, token.environment) {
        (TokenVerdict::Keep, _) => Judgement::Keep,
        (TokenVerdict::Drop { invalid_since }, _)
            if token.registered_at <= invalid_since.unwrap_or(asked_at) =>
        {
            if may_drop {
                Judgement::Drop
            } else {
                suspect(token)
            }
        }
        // It was registered again while the push was on its way.
        (TokenVerdict::Drop { .. }, _) if token.registered_at >= asked_at => Judgement::Keep,
        (TokenVerdict::Elsewhere, Some(Known::Unknown { tried })) => {
            Judgement::TryThere(tried.other())
        }
        (TokenVerdict::Elsewhere, Some(Known::Trying { .. })) => Judgement::Suspect,
        // Asked after the registration, a provider that says something older has nothing new to
        // say: that is no more than a 400-class word, and no less.
        (TokenVerdict::Drop { .. } | TokenVerdict::Elsewhere | TokenVerdict::Suspect, _) => {
            let long = token.suspect_since.filter(|since| now.since(*since) >= SUSPICION);
            let believed_since = |since: Time| credential.believed_at.is_some_and(|at| at > since);
            match long {
                Some(since) if may_drop && believed_since(since) && asked_at > since => {
                    Judgement::Drop
                }
                _ => suspect(token),
            }
        }
    }
}

/// Suspect, if it is not already: the first word's time counts.
fn suspect(token: &TokenFacts) -> Judgement {
    if token.suspect_since.is_some() { Judgement::Keep } else { Judgement::Suspect }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = SUSPICION;
    const NOW: Time = Time::from_millis(1_800_000_000_000);

    const FRESH: TokenFacts =
        TokenFacts { registered_at: Time::EPOCH, suspect_since: None, environment: None };
    const BELIEVED: CredentialFacts =
        CredentialFacts { believed_at: Some(NOW), in_mass_failure: false };
    const NEW: CredentialFacts = CredentialFacts { believed_at: None, in_mass_failure: false };
    const FAILING: CredentialFacts =
        CredentialFacts { believed_at: Some(NOW), in_mass_failure: true };

    fn check(
        verdict: TokenVerdict,
        token: TokenFacts,
        credential: CredentialFacts,
        expected: Judgement,
    ) {
        let judged = judge_refused(verdict, &token, &credential, NOW, NOW);
        assert_eq!(judged, expected, "{verdict:?} {token:?} {credential:?}");
    }

    #[test]
    fn the_drawing() {
        use TokenVerdict::{Drop, Elsewhere, Keep, Suspect};
        let gone = Drop { invalid_since: None };
        let suspect_for =
            |age: Duration| TokenFacts { suspect_since: Some(NOW.minus(age)), ..FRESH };
        let in_environment = |known| TokenFacts { environment: Some(known), ..FRESH };
        let unknown = in_environment(Known::Unknown { tried: Environment::Production });
        let trying = in_environment(Known::Trying { there: Environment::Sandbox });

        check(Keep, FRESH, BELIEVED, Judgement::Keep);
        check(gone, FRESH, BELIEVED, Judgement::Drop);
        check(Suspect, FRESH, BELIEVED, Judgement::Suspect);
        check(Suspect, suspect_for(Duration::from_secs(3600)), BELIEVED, Judgement::Keep);
        check(Suspect, suspect_for(DAY), BELIEVED, Judgement::Drop);
        check(Elsewhere, FRESH, BELIEVED, Judgement::Suspect);
        check(Elsewhere, unknown, BELIEVED, Judgement::TryThere(Environment::Sandbox));
        check(Elsewhere, trying, BELIEVED, Judgement::Suspect);
        check(Elsewhere, in_environment(Known::Sure), BELIEVED, Judgement::Suspect);
        check(Elsewhere, in_environment(Known::Neither), BELIEVED, Judgement::Suspect);
        assert_eq!(judge_accepted(&trying), Judgement::Learn(Environment::Sandbox));
        assert_eq!(judge_accepted(&suspect_for(DAY)), Judgement::Rehabilitate);
        assert_eq!(judge_accepted(&unknown), Judgement::Keep);
    }

    #[test]
    fn a_registration_newer_than_the_word_keeps_the_token() {
        let registered = TokenFacts { registered_at: NOW, ..FRESH };
        let before = TokenVerdict::Drop { invalid_since: Some(NOW.minus(Duration::from_secs(1))) };
        check(before, registered, BELIEVED, Judgement::Keep);
        let then = TokenVerdict::Drop { invalid_since: Some(NOW) };
        check(then, registered, BELIEVED, Judgement::Drop);
        // Asked a second after the registration, the provider says the same old word.
        let earlier = TokenFacts { registered_at: NOW.minus(Duration::from_secs(1)), ..FRESH };
        let old = TokenVerdict::Drop { invalid_since: Some(NOW.minus(Duration::from_secs(2))) };
        check(old, earlier, BELIEVED, Judgement::Suspect);
        let suspect = TokenFacts { suspect_since: Some(NOW), ..earlier };
        check(old, suspect, BELIEVED, Judgement::Keep);
    }

    #[test]
    fn nothing_is_dropped_by_a_credential_that_was_never_believed_or_in_a_mass_failure() {
        let gone = TokenVerdict::Drop { invalid_since: None };
        let old = TokenFacts { suspect_since: Some(NOW.minus(DAY)), ..FRESH };
        for credential in [NEW, FAILING] {
            check(gone, FRESH, credential, Judgement::Suspect);
            check(gone, old, credential, Judgement::Keep);
            check(TokenVerdict::Suspect, old, credential, Judgement::Keep);
        }
    }

    #[test]
    fn a_second_word_counts_only_if_the_credential_was_believed_in_between() {
        let old = TokenFacts { suspect_since: Some(NOW.minus(DAY)), ..FRESH };
        let before = CredentialFacts { believed_at: Some(NOW.minus(DAY * 2)), ..BELIEVED };
        check(TokenVerdict::Suspect, old, before, Judgement::Keep);
    }
}
