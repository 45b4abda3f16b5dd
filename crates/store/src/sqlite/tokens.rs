//! What becomes of a device's token that a provider had a word about.

use domain::token::{Judgement, Known, TokenFacts, judge_accepted, judge_refused};
use domain::{Environment, EventType, Outcome, Time, TokenVerdict};
use rusqlite::params;

use super::rows::{At, word_or_null};
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, Judged};

/// `targets.learning`: the environment in `learned` is being tried.
const TRYING: i64 = 1;
/// `targets.learning`: the token is in neither environment.
const NEITHER: i64 = 2;

impl Tx<'_> {
    /// Judges a token by what a push to it came to, and carries the judgement out.
    pub(super) fn judge_token(
        &mut self,
        judged: &Judged,
        outcome: &Outcome,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Judgement, Error> {
        let Some(facts) = self.token_facts(judged)? else {
            // Another token has taken its place: what waits for the device goes on with that one.
            if matches!(outcome, Outcome::Refused(_)) {
                self.retarget(judged.device, now, fx)?;
            }
            return Ok(Judgement::Keep);
        };
        let judgement = match outcome {
            Outcome::Accepted { .. } => judge_accepted(&facts),
            Outcome::Refused(refusal) => {
                judge_refused(refusal.token, &facts, &judged.credential, judged.asked_at, now)
            }
            Outcome::Unknown { .. } | Outcome::Withdrawn => Judgement::Keep,
        };
        self.carry_out(judgement, judged, outcome, now, fx)?;
        // Registered after what was said of it: that may be over. A token that was suspect already
        // was given this chance, or its provider would be asked in a circle.
        let is_newer = match judgement {
            Judgement::Keep => facts.registered_at > judged.asked_at,
            Judgement::Suspect => said_since(outcome).is_some_and(|at| facts.registered_at > at),
            Judgement::Drop
            | Judgement::Learn(_)
            | Judgement::Rehabilitate
            | Judgement::TryThere(_) => false,
        };
        if is_newer && !outcome.is_accepted() {
            self.retarget(judged.device, now, fx)?;
        }
        Ok(judgement)
    }

    fn carry_out(
        &mut self,
        judgement: Judgement,
        judged: &Judged,
        outcome: &Outcome,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let (kind, token) = &judged.target;
        let place = (judged.device.number(), kind.as_str(), token.as_str());
        match judgement {
            Judgement::Keep => {}
            Judgement::Suspect => {
                self.run(
                    "UPDATE targets SET suspect_since = ?4,
                            learning = CASE learning WHEN ?5 THEN ?6 ELSE learning END,
                            learned = CASE learning WHEN ?5 THEN NULL ELSE learned END
                     WHERE device = ?1 AND kind = ?2 AND token = ?3",
                    params![place.0, place.1, place.2, At(now), TRYING, NEITHER],
                )?;
                // What is parked stays so: nothing has changed for the better.
                self.set_lanes(judged.device)?;
            }
            Judgement::Rehabilitate => {
                self.run(
                    "UPDATE targets SET suspect_since = NULL
                     WHERE device = ?1 AND kind = ?2 AND token = ?3",
                    place,
                )?;
            }
            Judgement::TryThere(environment) => {
                self.try_there(place, environment, now)?;
                self.reroute(judged.device, now, fx)?;
            }
            Judgement::Learn(environment) => self.learn(place, environment)?,
            Judgement::Drop => {
                self.run(
                    "DELETE FROM targets WHERE device = ?1 AND kind = ?2 AND token = ?3",
                    place,
                )?;
                self.token_dropped(judged, outcome, now)?;
                self.reroute(judged.device, now, fx)?;
            }
        }
        Ok(())
    }

    /// Pushes go to this environment from now on. A late word from the other one begins nothing
    /// anew: the trial is under way, or over.
    fn try_there(
        &self,
        (device, kind, token): (i64, &str, &str),
        environment: Environment,
        now: Time,
    ) -> Result<(), Error> {
        self.run(
            "UPDATE targets SET learned = ?4, learning = ?5, tried_at = ?6, suspect_since = NULL
             WHERE device = ?1 AND kind = ?2 AND token = ?3 AND learned IS NOT ?4",
            params![device, kind, token, environment.as_str(), TRYING, At(now)],
        )?;
        Ok(())
    }

    fn learn(
        &self,
        (device, kind, token): (i64, &str, &str),
        environment: Environment,
    ) -> Result<(), Error> {
        self.run(
            "UPDATE targets SET learned = ?4, learning = 0, suspect_since = NULL
             WHERE device = ?1 AND kind = ?2 AND token = ?3",
            params![device, kind, token, environment.as_str()],
        )?;
        Ok(())
    }

    fn token_dropped(&self, judged: &Judged, outcome: &Outcome, now: Time) -> Result<(), Error> {
        let Some(device) = self.device(judged.device)? else { return Ok(()) };
        let (code, reason) = match outcome {
            Outcome::Refused(refusal) => {
                (Some(refusal.diagnosis.code()), Some(refusal.reason.as_str()))
            }
            Outcome::Accepted { .. } | Outcome::Unknown { .. } | Outcome::Withdrawn => (None, None),
        };
        let body = serde_json::json!({
            "user": self.user_of(device.inbox)?,
            "device": device.name,
            "target": judged.target.0.as_str(),
            "code": code,
            "reason": reason,
        });
        self.add_event(device.app, Some(device.number), EventType::TokenDropped, &body, now)
    }

    /// What is known of a token; `None`: the device has it no more.
    fn token_facts(&mut self, judged: &Judged) -> Result<Option<TokenFacts>, Error> {
        let (kind, token) = &judged.target;
        let row = self.one(
            "SELECT app, registered_at, suspect_since, environment, learned, learning,
                    tried_at > ?4
             FROM targets WHERE device = ?1 AND kind = ?2 AND token = ?3",
            params![judged.device.number(), kind.as_str(), token, At(judged.asked_at)],
            |row| {
                Ok((
                    row.get(0).map(domain::AppId::from_number)?,
                    row.get::<_, At>(1)?.0,
                    row.get::<_, Option<At>>(2)?.map(|at| at.0),
                    word_or_null(row, 3, Environment::parse)?,
                    word_or_null(row, 4, Environment::parse)?,
                    row.get::<_, i64>(5)?,
                    row.get::<_, Option<bool>>(6)? == Some(true),
                ))
            },
        )?;
        let Some((app, registered_at, suspect_since, declared, learned, learning, before)) = row
        else {
            return Ok(None);
        };
        let environment = if kind.is_apns() {
            let decided = self.settings(app)?.policy.sandbox_to_production || declared.is_some();
            Some(match (decided, learned, learning) {
                // It went out before the trial: its end is a word from the first environment.
                (false, Some(there), _) if before => Known::Unknown { tried: there.other() },
                (false, Some(there), TRYING) => Known::Trying { there },
                (false, _, NEITHER) => Known::Neither,
                (false, None, _) => Known::Unknown { tried: Environment::Production },
                (true, _, _) | (false, Some(_), _) => Known::Sure,
            })
        } else {
            None
        };
        Ok(Some(TokenFacts { registered_at, suspect_since, environment }))
    }
}

/// Since when a provider says that a token is dead, if it says.
const fn said_since(outcome: &Outcome) -> Option<Time> {
    match outcome {
        Outcome::Refused(refusal) => match refusal.token {
            TokenVerdict::Drop { invalid_since } => invalid_since,
            TokenVerdict::Elsewhere | TokenVerdict::Keep | TokenVerdict::Suspect => None,
        },
        Outcome::Accepted { .. } | Outcome::Unknown { .. } | Outcome::Withdrawn => None,
    }
}
