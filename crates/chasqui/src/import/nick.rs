//! Nicks: which are the same person, and under which user name they go.

use std::{collections::HashMap, fmt};

use chasqui_domain::{Limits, name};
use sha2::{Digest, Sha256};

/// A nick as it identifies somebody: without case, as RFC 1459 §2.2 has it (`{}|^` are the lower case of `[]\~`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Nick(String);

impl Nick {
    /// The identity of a nick as typed.
    pub(crate) fn new(typed: &str) -> Self {
        let fold = |c: char| match c {
            '[' => '{',
            ']' => '}',
            '\\' => '|',
            '~' => '^',
            other => other,
        };
        Self(name::folded(typed).chars().map(fold).collect())
    }
}

impl fmt::Debug for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Removes the spaces that the log's writer put after each `]`: no nick has any.
pub(crate) fn without_spaces(logged: &str) -> String {
    logged.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The account of a nick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user name.
    pub(crate) name: String,
    /// The nick where it cannot be the user name; empty otherwise.
    pub(crate) display_name: String,
}

/// The account of a nick as typed.
///
/// A nick that is a valid user name is the user name. From any other, such as `|QuaD-`, what a user name may hold
/// is kept, and a dot and a fingerprint of the nick are added: `QuaD-.a1b2c3d4`. No nick has a dot, so that no two
/// nicks share a name; the same nick has the same name in every run.
pub(crate) fn account(typed: &str, limits: &Limits) -> Account {
    if !typed.contains('.') && name::check_user_name(typed, limits).is_ok() {
        return Account { name: typed.to_owned(), display_name: String::new() };
    }
    account_beside(typed, limits)
}

/// The account of a nick under a name that is no nick, for where the nick's own name is somebody else's.
pub(crate) fn account_beside(typed: &str, limits: &Limits) -> Account {
    let kept: String = typed
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        .skip_while(|c| !c.is_alphanumeric())
        .take(limits.name_chars.saturating_sub(FINGERPRINT + 1))
        .collect();
    let stem = if kept.is_empty() { "nick" } else { kept.as_str() };
    let printable: String = typed.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Account {
        name: format!("{stem}.{}", fingerprint(&Nick::new(typed))),
        display_name: printable.chars().take(limits.name_chars).collect(),
    }
}

const FINGERPRINT: usize = 8;

fn fingerprint(nick: &Nick) -> String {
    let digest = Sha256::digest(nick.0.as_bytes());
    let hex = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    hex.take(FINGERPRINT).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Who goes by which nick at a place in a file. Renames are followed: the person stays who they were.
#[derive(Debug, Default)]
pub(crate) struct Nicks {
    /// Only those who go by another nick than their own.
    by_nick: HashMap<Nick, Nick>,
}

impl Nicks {
    /// The person who goes by this nick now, by the nick that they had first.
    pub(crate) fn person(&self, nick: &Nick) -> Nick {
        self.by_nick.get(nick).unwrap_or(nick).clone()
    }

    /// From now on whoever goes by `old` goes by `new`.
    pub(crate) fn rename(&mut self, old: &Nick, new: Nick) {
        let person = self.by_nick.remove(old).unwrap_or_else(|| old.clone());
        self.by_nick.insert(new, person);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_does_not_matter_for_who_one_is() {
        assert_eq!(Nick::new("QuaD"), Nick::new("quad"));
        assert_eq!(Nick::new("sam[away]"), Nick::new("SAM{AWAY}"));
        assert_ne!(Nick::new("quad"), Nick::new("quad_"));
    }

    #[test]
    fn a_nick_that_is_no_user_name_gets_one() {
        let limits = Limits::default();
        assert_eq!(account("Seveas", &limits).name, "Seveas");
        assert_eq!(account("Seveas", &limits).display_name, "");
        for (nick, stem) in
            [("|QuaD-", "QuaD-."), ("`anthony", "anthony."), ("[x]", "x."), ("^y", "y."), ("^^", "nick.")]
        {
            let account = account(nick, &limits);
            assert!(account.name.starts_with(stem), "{nick}: {account:?}");
            assert_eq!(account.display_name, nick);
        }
        assert_ne!(account("`anthony", &limits).name, account("|anthony", &limits).name);
        assert_ne!(account("a.b", &limits).name, "a.b", "the dot is what tells mapped names apart");
    }

    #[test]
    fn renames_are_followed() {
        let nick = Nick::new;
        let mut nicks = Nicks::default();
        nicks.rename(&nick("sid77"), nick("sid77_"));
        nicks.rename(&nick("sid77_"), nick("SID"));
        assert_eq!(nicks.person(&nick("sid")), nick("sid77"));
        assert_eq!(nicks.person(&nick("sid77_")), nick("sid77_"), "free again");
    }

    proptest! {
        #[test]
        fn every_nick_gets_a_valid_account(nick in "\\PC{1,90}|[\\x00-\\x7f]{1,80}") {
            let limits = Limits::default();
            let account = account(&nick, &limits);
            prop_assert_eq!(name::check_user_name(&account.name, &limits), Ok(()));
            prop_assert_eq!(name::check_display_name(&account.display_name, &limits), Ok(()));
        }

        #[test]
        fn the_same_nick_in_another_case_is_the_same_account(nick in "[a-zA-Z0-9|^`_-]{1,20}") {
            let limits = Limits::default();
            let (one, other) = (account(&nick, &limits), account(&nick.to_uppercase(), &limits));
            prop_assert_eq!(name::folded(&one.name), name::folded(&other.name));
        }
    }
}
