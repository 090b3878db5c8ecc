//! What a token allows: of a program, and of the login of somebody who may import.

/// A part of what may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// See rooms and people.
    Read,
    /// Say something.
    Post,
    /// Open, enter and leave rooms, invite.
    Rooms,
    /// Keep order, name rooms and give roles, as far as the role in the room allows.
    Moderate,
    /// Register authors without a password, and record what others said, and when.
    Import,
}

/// Which programs do a thing, if their roles allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// Those whose token has this scope.
    With(Scope),
    /// All.
    All,
    /// None.
    None,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = &[Self::Read, Self::Post, Self::Rooms, Self::Moderate, Self::Import];

    /// Its word, in the claim `scope` (RFC 8693 §4.2) and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Post => "post",
            Self::Rooms => "rooms",
            Self::Moderate => "moderate",
            Self::Import => "import",
        }
    }

    /// The scope of this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Import => 1,
            Self::Read => 2,
            Self::Post => 4,
            Self::Rooms => 8,
            Self::Moderate => 16,
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// No scope: what the logins of most people have, who need none.
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
        claim.split(' ').filter_map(Scope::from_name).fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_unknown_words_give_nothing() {
        let some = Scopes::NONE.with(Scope::Import).with(Scope::Read);
        assert_eq!(some.to_claim(), "read import");
        assert_eq!(Scopes::from_claim("admin import read"), some);
        assert_eq!(Scopes::from_claim(""), Scopes::NONE);
        assert_eq!(Scopes::NONE.to_claim(), "");
        let all = Scope::ALL.iter().copied().fold(Scopes::NONE, Scopes::with);
        assert!(Scope::ALL.iter().all(|scope| Scopes::from_claim(&all.to_claim()).contains(*scope)));
    }
}
