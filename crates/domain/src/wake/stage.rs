//! How far a wake has come on its way, for whoever counts.

use super::Phase;
use crate::outcome::Outcome;
use crate::time::Time;

/// A stage of a wake for messages. It only goes on, and comes to each stage once at most: of those
/// that came to one, some come to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The device has something to get, and no session.
    Owed,
    /// A push for it was written to a push service.
    Pushed,
    /// A push for it was taken.
    Accepted,
    /// The device came after that.
    Connected,
    /// It has acknowledged all that it was woken for.
    Drained,
}

impl Stage {
    /// Every stage, in its order.
    pub const ALL: [Self; 5] =
        [Self::Owed, Self::Pushed, Self::Accepted, Self::Connected, Self::Drained];

    /// The word used in the API and the push log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Pushed => "pushed",
            Self::Accepted => "accepted",
            Self::Connected => "connected",
            Self::Drained => "drained",
        }
    }

    /// The stage of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }

    /// After an attempt that wrote its push then, or not at all.
    #[must_use]
    pub fn settled(self, outcome: &Outcome, wrote_at: Option<Time>) -> Self {
        match (outcome, wrote_at) {
            (Outcome::Accepted { .. }, _) => self.max(Self::Accepted),
            (_, Some(_)) => self.max(Self::Pushed),
            (_, None) => self,
        }
    }

    /// After the device came. Who was not pushed came by itself; but an answer that is still on its
    /// way would have come too late to say so, so an attempt under way counts as taken.
    #[must_use]
    pub fn came(self, phase: Phase) -> Self {
        let is_pushed = self >= Self::Accepted || matches!(phase, Phase::Claimed(_));
        if is_pushed { self.max(Self::Connected) } else { self }
    }

    /// After the device acknowledged everything. That it came may have gone unseen: it did so on
    /// a connection that was taken for dead.
    #[must_use]
    pub fn acknowledged(self, phase: Phase) -> Self {
        match self.came(phase) {
            Self::Connected | Self::Drained => Self::Drained,
            came @ (Self::Owed | Self::Pushed | Self::Accepted) => came,
        }
    }

    /// The stages between this one and a later one, that one included.
    pub fn up_to(self, to: Self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |stage| self < *stage && *stage <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AttemptId;
    use crate::inbox::{Offset, Urgency};
    use crate::wake::Attempt;

    const NOON: Time = Time::from_millis(1_795_435_200_000);

    fn under_way() -> Phase {
        Phase::Claimed(Attempt {
            id: AttemptId::from_bits(1),
            lapses_at: NOON,
            covers: Offset::ZERO,
            urgency: Urgency::Normal,
        })
    }

    #[test]
    fn a_stage_follows_from_what_happened() {
        use Stage::{Accepted, Connected, Drained, Owed, Pushed};
        let taken = Outcome::Accepted { provider_id: None };
        let lost = Outcome::Unknown { detail: String::new() };
        let table = [
            ("taken", Owed.settled(&taken, Some(NOON)), Accepted),
            ("lost", Owed.settled(&lost, Some(NOON)), Pushed),
            ("never written", Owed.settled(&lost, None), Owed),
            ("refused after one was taken", Accepted.settled(&lost, Some(NOON)), Accepted),
            ("taken after it came", Connected.settled(&taken, Some(NOON)), Connected),
            ("came by itself", Owed.came(Phase::Due(NOON)), Owed),
            ("came by itself after a refusal", Pushed.came(Phase::Due(NOON)), Pushed),
            ("came before the answer", Owed.came(under_way()), Connected),
            ("woken", Accepted.came(Phase::Parked), Connected),
            ("came again", Connected.came(under_way()), Connected),
            ("acknowledged", Connected.acknowledged(Phase::Due(NOON)), Drained),
            ("acknowledged unseen", Accepted.acknowledged(Phase::Due(NOON)), Drained),
            ("acknowledged before the answer", Owed.acknowledged(under_way()), Drained),
            ("acknowledged by itself", Pushed.acknowledged(Phase::Due(NOON)), Pushed),
        ];
        for (name, stage, expected) in table {
            assert_eq!(stage, expected, "{name}");
        }
    }

    #[test]
    fn every_stage_on_the_way_is_come_to_once() {
        let passed: Vec<_> = Stage::Owed.up_to(Stage::Connected).collect();
        assert_eq!(passed, [Stage::Pushed, Stage::Accepted, Stage::Connected]);
        assert_eq!(Stage::Drained.up_to(Stage::Drained).count(), 0);
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.as_str()), Some(stage));
        }
    }
}
