//! What a user token lets its user do.

/// To whom a user may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MaySend {
    /// To nobody: a user who only listens.
    None,
    /// To users that the app has.
    #[default]
    Known,
    /// To whoever is named: a user the app does not have yet is made.
    Any,
}

impl MaySend {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::None, Self::Known, Self::Any];

    /// The word for it, in tokens, the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Known => "known",
            Self::Any => "any",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for right in MaySend::ALL {
            assert_eq!(MaySend::parse(right.as_str()), Some(right));
        }
        assert_eq!(MaySend::parse("everybody"), None);
    }
}
