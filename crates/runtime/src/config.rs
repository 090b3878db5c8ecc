//! Configuration: one table of keys, from which the typed sections, the defaults, the environment names, the
//! error messages and `docs/configuration.md` all come.
//!
//! A value is taken from, in rising order: the built-in default, the TOML file (`--config` or
//! `CHASQUI_CONFIG`), the environment (`CHASQUI_<SECTION>_<NAME>`). Reading reports *every* problem it finds.
//! To add a key, add it to `table.rs`; the compiler and the tests ask for the rest.
//!
//! Code reads a key under its dotted name (`nats.url`), so that one search finds the key, its page and its readers;
//! a test holds that every key has one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

mod choice;
mod define;
mod environment;
mod file;
mod format;
mod key;
mod nearest;
mod problem;
mod rate;
mod reader;
mod reference;
mod rules;
mod secret_url;
mod table;

pub use choice::{CookieMode, Durability, Enforcement, ForwardedHeader, LogFormat};
pub use environment::{PREFIX, TOLERATED, process_environment};
pub use key::{Key, Origin, known_env_keys, known_keys};
pub use problem::{ConfigError, Fault, Problem};
pub use rate::{NotARate, Rate};
pub use reference::{limits_markdown, reference_markdown};
pub use secret_url::SecretUrl;
pub use table::{
    Auth, Chat, Commands, Config, Edge, Hot, Http, Limits, Log, Mongodb, Nats, Ops, Projector, Query,
    RateLimits, Redis, Shutdown, Snapshots,
};

use reader::Reader;

/// Where each key that is not at its default came from.
type Origins = BTreeMap<&'static str, Origin>;

impl Config {
    /// Reads the configuration from the defaults, a file and an environment.
    ///
    /// `path` is the file named on the command line; without one, `CHASQUI_CONFIG` in `environment` may name
    /// it, and without that there is no file. `environment` may be the whole of a process's: variables that do
    /// not start with `CHASQUI_` are ignored, an empty variable counts as not set.
    ///
    /// # Errors
    /// [`ConfigError`] lists every unknown key, malformed value and contradiction, each with its origin and
    /// what would be right. It never contains a secret. The caller prints it and exits.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::default();
        let variables = environment::variables(environment);
        if let Some(path) = path.or_else(|| variables.get(environment::FILE_VARIABLE).map(Path::new)) {
            file::read_into(path, &mut reader);
        }
        environment::read_into(&variables, &mut reader);
        let mut config = Self::read(&mut reader);
        rules::check(&config, &mut reader);
        rules::check_durability(&config, variables.get(environment::SYNC_VARIABLE), &mut reader);
        config.origins = reader.finish()?;
        Ok(config)
    }

    /// What is in force, one key a line: name, value, origin, in columns. Secrets are masked, so this may be
    /// printed and logged.
    #[must_use]
    pub fn render_redacted(&self) -> String {
        let rows: Vec<_> = self.in_force().collect();
        let name_width = rows.iter().map(|row| row.key.name.len()).max().unwrap_or(0);
        let value_width = rows.iter().map(|row| row.value.chars().count()).max().unwrap_or(0).min(48);
        let mut text = String::new();
        for InForce { key, value, origin } in rows {
            let _ = writeln!(text, "{:name_width$}  {value:value_width$}  {origin}", key.name);
        }
        text
    }

    /// Whether a file or the environment gave this key, be it with its default.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.origins.contains_key(name)
    }

    /// Every key with its redacted value and its origin, in the order of the documentation.
    pub fn in_force(&self) -> impl Iterator<Item = InForce> + '_ {
        known_keys().iter().zip(self.shown()).map(|(key, value)| InForce {
            key,
            value,
            origin: self.origins.get(key.name).cloned().unwrap_or(Origin::Default),
        })
    }
}

impl Default for Config {
    /// The built-in defaults alone.
    fn default() -> Self {
        Self::read(&mut Reader::default())
    }
}

/// One key as it is in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The key.
    pub key: &'static Key,
    /// Its value, with secrets masked.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

#[cfg(test)]
mod reads;
#[cfg(test)]
mod tests;
