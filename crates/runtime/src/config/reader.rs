//! Gathers what the sources say, hands out typed values, and keeps account of what is wrong.

use std::collections::BTreeMap;

use super::Origins;
use super::format::Format;
use super::key::{Key, Origin, by_name};
use super::problem::{ConfigError, Fault, Problem};

/// Longest given value that an error repeats, in characters.
const GIVEN_CHARS: usize = 80;

/// A value as a source gave it.
#[derive(Debug)]
struct Given {
    raw: String,
    origin: Origin,
}

/// The state of one reading.
#[derive(Debug, Default)]
pub(super) struct Reader {
    given: BTreeMap<&'static str, Given>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Notes a value; a later source replaces an earlier one.
    pub(super) fn give(&mut self, key: &'static Key, raw: String, origin: Origin) {
        self.given.insert(key.name, Given { raw, origin });
    }

    /// Notes a problem.
    pub(super) fn fault(&mut self, origin: Origin, key: impl Into<String>, fault: Fault) {
        self.problems.push(Problem { origin, key: key.into(), fault });
    }

    /// Notes a value that does not fit its key.
    pub(super) fn malformed(&mut self, origin: Origin, key: &Key, given: &str) {
        let shortened = || given.chars().take(GIVEN_CHARS).collect();
        let fault = Fault::Malformed { given: (!key.secret).then(shortened), expected: key.expected() };
        self.fault(origin, key.name, fault);
    }

    /// Where the value of a key came from.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.given.get(name).map_or(Origin::Default, |given| given.origin.clone())
    }

    /// The typed value of a key: what was given, or the default. A value that does not fit is noted, and the
    /// default stands in so that reading goes on to the next problem.
    pub(super) fn read<F: Format<T>, T>(&mut self, name: &'static str) -> T {
        let key = by_name(name).expect("the table defines every key that it reads");
        if let Some(Given { raw, origin }) = self.given.get(name) {
            if let Some(value) = F::parse(raw, key.bounds) {
                return value;
            }
            let (raw, origin) = (raw.clone(), origin.clone());
            self.malformed(origin, key, &raw);
        }
        F::parse(key.default, key.bounds).expect("every default fits its key, as a test proves")
    }

    /// The origins of what was given, or all problems.
    pub(super) fn finish(self) -> Result<Origins, ConfigError> {
        if self.problems.is_empty() {
            Ok(self.given.into_iter().map(|(name, given)| (name, given.origin)).collect())
        } else {
            let mut problems = self.problems;
            problems.sort_by_cached_key(|problem| place(&problem.origin));
            Err(ConfigError { problems })
        }
    }
}

/// Orders problems as a person goes through them: line by line, then the variables.
fn place(origin: &Origin) -> (u8, usize, String) {
    match origin {
        Origin::File { line, .. } => (0, *line, String::new()),
        Origin::Environment { variable } => (1, 0, variable.clone()),
        Origin::Default => (2, 0, String::new()),
    }
}
