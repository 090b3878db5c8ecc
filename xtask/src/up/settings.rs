//! The environment that Chasqui is started with: kept in a file too, so that other commands can use it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{env, io::Write};

use anyhow::{Context, bail};
use chasqui_backends::{Durability, Spawn};

use super::addresses::Addresses;
use super::servers::Servers;
use crate::tree::Tree;

/// Before the name of a role.
const PASSWORD: &str = "CHASQUI_NATS_PASSWORD_";

/// Variables by name. Not `Debug`: passwords are among them.
pub(super) struct Settings {
    pub(super) durability: Durability,
    variables: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn of_this_process(durability: Durability, addresses: &Addresses) -> Self {
        let name = match durability {
            Durability::Always => "always",
            Durability::Interval => "interval",
        };
        let variables = [
            ("CHASQUI_DURABILITY", name.to_owned()),
            ("CHASQUI_HTTP_LISTEN", addresses.http.to_string()),
            ("CHASQUI_OPS_LISTEN", addresses.ops.to_string()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { durability, variables }
    }

    /// Takes over what `chasqui admin secrets init` made. What the environment says already goes first.
    pub(super) fn read_secrets(&mut self, folder: &Path) -> anyhow::Result<()> {
        let file = folder.join("nats.env");
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once('=') {
                Some((name, password)) if name.starts_with(PASSWORD) => {
                    let password = variable(name).unwrap_or_else(|| password.to_owned());
                    self.variables.insert(name.to_owned(), password);
                }
                // The line is not shown: it may hold a password.
                _ => bail!("{} has a line that is not {PASSWORD}<ROLE>=<password>", file.display()),
            }
        }
        self.default_path("CHASQUI_AUTH_NAME_KEY_FILE", &folder.join("name.key"));
        self.default_path("CHASQUI_CRYPTO_KEK_FILE", &folder.join("kek.keys"));
        Ok(())
    }

    /// Adds where the backends are.
    pub(super) fn name_servers(&mut self, servers: &Servers) {
        for (name, url) in servers.urls() {
            self.variables.insert(name.to_owned(), url);
        }
    }

    /// Role and password, as `nats/accounts.conf` needs them.
    pub(super) fn passwords(&self) -> Vec<(String, String)> {
        let roles = self.variables.iter().filter_map(|(name, password)| {
            let role = name.strip_prefix(PASSWORD)?;
            Some((role.to_lowercase(), password.clone()))
        });
        roles.collect()
    }

    /// Gives a program this environment.
    pub(super) fn give(&self, spawn: Spawn) -> Spawn {
        // Meant for the server, which gets its own; Chasqui would hold it against its durability.
        let spawn = spawn.env_remove("CHASQUI_NATS_SYNC_INTERVAL");
        self.variables.iter().fold(spawn, |spawn, (name, value)| spawn.env(name, value))
    }

    /// Where [`Self::write`] writes.
    pub(super) fn file(tree: &Tree) -> PathBuf {
        tree.state().join("chasqui.env")
    }

    /// For a shell: `set -a; . .chasqui/chasqui.env`. Readable by its owner only.
    pub(super) fn write(&self, tree: &Tree) -> anyhow::Result<()> {
        let path = Self::file(tree);
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("writing {}", path.display()))?;
        for (name, value) in &self.variables {
            writeln!(file, "{name}='{}'", value.replace('\'', "'\\''"))?;
        }
        Ok(())
    }

    fn default_path(&mut self, name: &str, path: &Path) {
        let value = variable(name).unwrap_or_else(|| path.to_string_lossy().into_owned());
        self.variables.insert(name.to_owned(), value);
    }
}

/// A variable of this process; an empty one counts as not set, as in Chasqui itself.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { durability: Durability::Interval, variables: BTreeMap::new() }
    }

    #[test]
    fn takes_passwords_over_by_role() {
        let folder = tempfile::tempdir().unwrap();
        let text = "# made once\nCHASQUI_NATS_PASSWORD_WS_EDGE=abc\n\nCHASQUI_NATS_PASSWORD_ADMIN=d=e\n";
        fs::write(folder.path().join("nats.env"), text).unwrap();
        let mut settings = settings();
        settings.read_secrets(folder.path()).unwrap();
        let expected = [("admin", "d=e"), ("ws_edge", "abc")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(settings.passwords(), expected);
    }

    #[test]
    fn a_broken_line_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nats.env"), "hunter2\n").unwrap();
        let error = settings().read_secrets(folder.path()).unwrap_err().to_string();
        assert!(error.contains("nats.env") && !error.contains("hunter2"), "{error}");
    }
}
