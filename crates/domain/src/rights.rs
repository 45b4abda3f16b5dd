//! What a user token lets its user do, and a key of an app its back end.

use std::fmt;

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

/// What a key of an app may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyScope {
    /// To change the app itself: keys, credentials, settings, webhooks, users and their devices.
    Admin,
    /// To read what the app has.
    Read,
    /// To send: messages, pushes, topics.
    Send,
}

impl KeyScope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Read, Self::Send];

    /// The word for it, in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Read => "read",
            Self::Send => "send",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Admin => 1,
            Self::Read => 2,
            Self::Send => 4,
        }
    }
}

/// The scopes of a key; none of them includes another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyScopes(u8);

impl KeyScopes {
    /// All of them.
    pub const ALL: Self = Self(7);

    /// Whether the key is good for that.
    pub const fn has(self, scope: KeyScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Each of them, by name.
    pub fn iter(self) -> impl Iterator<Item = KeyScope> {
        KeyScope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<I: IntoIterator<Item = KeyScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Debug for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_scopes_it_was_given_and_no_other() {
        for given in [&[][..], &[KeyScope::Send], &[KeyScope::Read, KeyScope::Admin]] {
            let scopes: KeyScopes = given.iter().copied().collect();
            for scope in KeyScope::ALL {
                assert_eq!(scopes.has(scope), given.contains(&scope), "{scopes:?}");
            }
            assert_eq!(scopes.iter().collect::<KeyScopes>(), scopes);
        }
        assert_eq!(KeyScope::ALL.into_iter().collect::<KeyScopes>(), KeyScopes::ALL);
        for scope in KeyScope::ALL {
            assert_eq!(KeyScope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(KeyScope::parse("write"), None);
    }

    #[test]
    fn every_word_reads_back() {
        for right in MaySend::ALL {
            assert_eq!(MaySend::parse(right.as_str()), Some(right));
        }
        assert_eq!(MaySend::parse("everybody"), None);
    }
}
