//! Who a verified token says is asking.

use chasqui_events::{SessionId, Timestamp, UserId, account::GlobalRole};

/// A right beyond those that everyone has, given to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Register authors without a password, and record what others said, and when.
    Import,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = &[Self::Import];

    /// Its word in the claim `scope` (RFC 8693 §4.2).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Import => 1,
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// No scope: what most logins have.
    pub const NONE: Self = Self(0);

    /// The set with this scope, too.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The claim's text: the words, separated by spaces.
    #[must_use]
    pub fn to_claim(self) -> String {
        let words: Vec<_> =
            Scope::ALL.iter().filter(|scope| self.contains(**scope)).map(|scope| scope.as_str()).collect();
        words.join(" ")
    }

    /// The set that a claim names; words that are not known give nothing.
    #[must_use]
    pub fn from_claim(claim: &str) -> Self {
        let known = |word: &str| Scope::ALL.iter().copied().find(|scope| scope.as_str() == word);
        claim.split(' ').filter_map(known).fold(Self::NONE, Self::with)
    }
}

/// A verified caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// The login that the token came from.
    pub session: SessionId,
    /// What they may do in the whole installation, as it was when the token was made.
    pub role: GlobalRole,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The rights of the login.
    pub scopes: Scopes,
}

impl Identity {
    /// Whether the login has this right.
    #[must_use]
    pub const fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_unknown_words_give_nothing() {
        let import = Scopes::NONE.with(Scope::Import);
        assert_eq!(import.to_claim(), "import");
        assert_eq!(Scopes::from_claim("admin import"), import);
        assert_eq!(Scopes::from_claim(""), Scopes::NONE);
        assert_eq!(Scopes::NONE.to_claim(), "");
    }
}
