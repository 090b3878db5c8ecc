//! What can be wrong with a configuration, in words that say what to do.

use std::fmt;

use super::key::Origin;

/// Everything that is wrong with a configuration. The caller prints it and exits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The problems in the order of their places: the file's lines, then the environment. Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "the configuration has {count} {}:", if count == 1 { "problem" } else { "problems" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// The key or variable as it was written; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no such key.
    Unknown {
        /// The right key or variable that is most like it.
        nearest: String,
    },
    /// The value does not fit.
    Malformed {
        /// What was given, shortened; `None` for secrets, which are never repeated.
        given: Option<String>,
        /// What is expected, as a phrase.
        expected: String,
    },
    /// A section was given a value of its own.
    NotASection,
    /// The file cannot be read or is not TOML.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Two values, each right alone, do not go together.
    Contradiction {
        /// Which, and what would do.
        reason: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, fault } = self;
        match fault {
            Fault::Unknown { nearest } => {
                write!(f, "{origin}: there is no key `{key}`; the nearest is `{nearest}`")
            }
            Fault::Malformed { given: Some(given), expected } => {
                write!(f, "{origin}: `{key}` cannot be `{given}`; expected {expected}")
            }
            Fault::Malformed { given: None, expected } => {
                write!(
                    f,
                    "{origin}: the value of `{key}` (not shown, it is secret) does not fit; expected {expected}"
                )
            }
            Fault::NotASection => {
                write!(
                    f,
                    "{origin}: `{key}` is a section; write [{key}] on a line of its own and its keys below"
                )
            }
            Fault::Unreadable { reason } => write!(f, "{origin}: {reason}"),
            Fault::Contradiction { reason } => write!(f, "{origin}: `{key}`: {reason}"),
        }
    }
}
