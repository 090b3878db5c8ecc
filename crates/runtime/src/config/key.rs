//! A key: its names, its meaning and what it accepts.

use std::fmt;
use std::path::PathBuf;

use super::environment::PREFIX;
use super::table::KEYS;

/// The inclusive bounds of a number; kinds without a number ignore them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Bounds {
    /// For kinds of values that have no bounds.
    pub(super) const NONE: Self = Self { min: 0, max: u64::MAX };

    pub(super) const fn contains(self, number: u64) -> bool {
        self.min <= number && number <= self.max
    }
}

/// The TOML type a value must have in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Text,
    Integer,
    /// An array of strings; comma-separated in the environment.
    List,
}

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Dotted name, as in the file: `edge.tick_ms`.
    pub name: &'static str,
    /// What it means, one or more sentences.
    pub meaning: &'static str,
    /// The value in force when nothing else is given; empty for none.
    pub default: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
    pub(super) bounds: Bounds,
    pub(super) file_type: FileType,
    pub(super) expected: fn(Bounds) -> String,
}

impl Key {
    /// Name of the environment variable: `CHASQUI_EDGE_TICK_MS`.
    #[must_use]
    pub fn env(&self) -> String {
        format!("{PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// What a value must look like, as a phrase: "a whole number from 1 to 4096".
    #[must_use]
    pub fn expected(&self) -> String {
        (self.expected)(self.bounds)
    }

    /// The section's name, empty for the keys at the top.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line, from 1; 0 when the file as a whole is meant.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "file {}", path.display()),
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
        }
    }
}

/// Every key, in the order of the documentation.
#[must_use]
pub fn known_keys() -> &'static [Key] {
    KEYS
}

/// The environment variable of every key, in the order of the documentation.
#[must_use]
pub fn known_env_keys() -> Vec<String> {
    KEYS.iter().map(Key::env).collect()
}

/// The key of this dotted name.
pub(super) fn by_name(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
