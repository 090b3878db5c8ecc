//! Calling cargo: shown as a bar, or with the terminal to itself.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, bail};
use chasqui_backends::{Environment, Interrupt, Spawn, run_tool};

use crate::board::Job;
use crate::tree::Tree;

/// Why a command that had the terminal to itself did not succeed; it has said so there.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It ended with a failure.
    Status(String),
    /// Ctrl-C, which it got as well.
    Interrupted,
}

impl std::error::Error for Failed {}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(command) => write!(f, "`{command}` failed"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Runs cargo with the terminal to itself.
pub(crate) fn foreground(
    tree: &Tree,
    interrupt: &Interrupt,
    args: &[&str],
    variables: &[(&str, &str)],
) -> anyhow::Result<()> {
    let title = format!("cargo {}", args.join(" "));
    let mut command = Command::new(cargo());
    command.args(args).current_dir(tree.root());
    for name in ours() {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    foreground_command(command, &title, interrupt)
}

/// Runs any program with the terminal to itself.
pub(crate) fn foreground_command(
    mut command: Command,
    title: &str,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting `{title}`"))?;
    if interrupt.is_triggered() {
        bail!(Failed::Interrupted);
    }
    if !status.success() {
        bail!(Failed::Status(title.to_owned()));
    }
    Ok(())
}

/// Whether cargo has this subcommand.
pub(crate) fn has(subcommand: &str) -> bool {
    Command::new(cargo())
        .args([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds packages, shown as a job, and says where their executables are. In one call, because cargo chooses the
/// features of what they share for all of them together, and would compile it once for each call.
pub(crate) fn build(
    tree: &Tree,
    interrupt: &Interrupt,
    job: &Job,
    packages: &[&str],
    release: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let log = tree.log("build");
    fs::remove_file(&log).ok();
    let mut spawn = Spawn::new(cargo(), &log)
        .args(["build", "--color", "never"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(["--message-format", "json-render-diagnostics"])
        .args(release.then_some("--release"))
        .folder(tree.root());
    for name in ours() {
        spawn = spawn.env_remove(name);
    }
    let mut progress = Progress::new(package_count(tree, packages));
    let status = run_tool(&spawn, interrupt, |output| {
        progress.read(output);
        progress.show(job);
    })?;
    if !status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let said: Vec<&str> = said.lines().filter(|line| !line.starts_with('{')).collect();
        bail!("building {} failed:\n{}", packages.join(" and "), said.join("\n"));
    }
    job.done("built");
    Ok(progress.executables)
}

/// What a running `cargo build` has said.
struct Progress {
    total: usize,
    packages: HashSet<String>,
    executables: Vec<PathBuf>,
    /// Its last line for people.
    doing: String,
    partial: String,
}

impl Progress {
    fn new(total: usize) -> Self {
        let (packages, executables) = (HashSet::new(), Vec::new());
        Self { total, packages, executables, doing: "cargo begins".into(), partial: String::new() }
    }

    fn read(&mut self, output: &str) {
        self.partial.push_str(output);
        let complete = self.partial.rfind('\n').map_or(0, |end| end + 1);
        let lines: String = self.partial.drain(..complete).collect();
        for line in lines.lines() {
            if line.starts_with('{') {
                self.read_message(line);
            } else if !line.trim().is_empty() {
                line.trim().clone_into(&mut self.doing);
            }
        }
    }

    fn read_message(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { return };
        let text = |name: &str| message.get(name).and_then(serde_json::Value::as_str);
        if text("reason") == Some("compiler-artifact") {
            self.packages.extend(text("package_id").map(str::to_owned));
            self.executables.extend(text("executable").map(PathBuf::from));
        }
    }

    fn show(&self, job: &Job) {
        match self.total {
            0 => job.say(&self.doing),
            total => job.advance(self.packages.len(), total.max(self.packages.len()), &self.doing),
        }
    }
}

/// How many packages a build of these consists of; 0 when cargo does not tell.
fn package_count(tree: &Tree, packages: &[&str]) -> usize {
    let listing = Command::new(cargo())
        .args(["tree", "--edges", "normal,build", "--prefix", "none"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(["--format", "{p}"])
        .current_dir(tree.root())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(listing) = listing else { return 0 };
    let text = String::from_utf8_lossy(&listing.stdout);
    let unique: HashSet<&str> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    unique.len()
}

fn cargo() -> PathBuf {
    Environment::from_process().cargo
}

/// What `cargo run` sets for us and its build scripts would take for a change of theirs.
fn ours() -> Vec<OsString> {
    let starts = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| starts.iter().any(|start| name.to_string_lossy().starts_with(start)))
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn progress_counts_packages_once_and_finds_executables() {
        let mut progress = Progress::new(10);
        progress.read("   Compiling a v1\n{\"reason\":\"compiler-artifact\",\"package_id\":\"a\",\"exe");
        progress.read("cutable\":null}\n{\"reason\":\"compiler-artifact\",\"package_id\":\"a\",");
        progress.read("\"executable\":\"/t/a\"}\n{\"reason\":\"build-finished\",\"success\":true}\n");
        assert_eq!(progress.packages.len(), 1);
        assert_eq!(progress.executables, [PathBuf::from("/t/a")]);
        assert_eq!(progress.doing, "Compiling a v1");
    }
}
