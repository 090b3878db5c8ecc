//! The `chasqui` binary: its one-shot commands, and the process that serves.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use chasqui_backends::{Interrupt, Managed, Spawn, run_tool, tail};

use super::addresses::Addresses;
use super::health::{self, Health};
use super::settings::Settings;
use crate::board::Board;
use crate::tree::Tree;

/// `chasqui admin secrets init`: makes what is missing, and shows nothing.
pub(super) fn make_secrets(
    program: &Path,
    tree: &Tree,
    interrupt: &Interrupt,
    settings: &mut Settings,
) -> anyhow::Result<()> {
    let folder = tree.state().join("secrets");
    let spawn = Spawn::new(program, tree.log("secrets"))
        .args(["admin", "secrets", "init", "--dir"])
        .args([&folder])
        .folder(tree.root());
    one_shot(&settings.give(spawn), "making the secrets", interrupt)?;
    settings.read_secrets(&folder)
}

/// `chasqui admin topology apply`: streams and buckets as `nats/` has them.
pub(super) fn apply_topology(
    program: &Path,
    tree: &Tree,
    interrupt: &Interrupt,
    settings: &Settings,
) -> anyhow::Result<()> {
    let spawn =
        Spawn::new(program, tree.log("topology")).args(["admin", "topology", "apply"]).folder(tree.root());
    one_shot(&settings.give(spawn), "applying the topology to NATS", interrupt)
}

fn one_shot(spawn: &Spawn, doing: &str, interrupt: &Interrupt) -> anyhow::Result<()> {
    let status = run_tool(spawn, interrupt, |_| {})?;
    ensure!(
        status.success(),
        "{doing} failed ({status}). The end of {}:\n{}",
        spawn.log.display(),
        tail(&spawn.log, 20)
    );
    Ok(())
}

/// `chasqui serve` with every role.
pub(super) struct Chasqui {
    process: Managed,
}

/// A start in a debug build on a busy machine, migrations and first elections included.
const PATIENCE: Duration = Duration::from_mins(2);
/// Longer than its own grace.
const GRACE: Duration = Duration::from_secs(30);

impl Chasqui {
    pub(super) fn start(program: &Path, tree: &Tree, settings: &Settings) -> anyhow::Result<Self> {
        let spawn = Spawn::new(program, tree.log("chasqui")).args(["serve"]).folder(tree.root());
        Ok(Self { process: Managed::start(&settings.give(spawn))? })
    }

    pub(super) fn wait_ready(
        &self,
        addresses: &Addresses,
        interrupt: &Interrupt,
        board: &Board,
    ) -> anyhow::Result<()> {
        let job = board.job("chasqui serve");
        let deadline = Instant::now() + PATIENCE;
        loop {
            interrupt.check()?;
            self.check()?;
            match health::ask(addresses.ops) {
                Health::Ready => break,
                Health::NotReady(reason) if Instant::now() >= deadline => bail!(
                    "chasqui was not ready after {PATIENCE:?}: {reason}. The end of {}:\n{}",
                    self.process.log().display(),
                    self.process.log_tail(20)
                ),
                Health::NotReady(reason) => job.say(&reason),
            }
            thread::sleep(Duration::from_millis(50));
        }
        job.done("ready");
        Ok(())
    }

    /// Fails once it has ended, with the end of its log.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self.process.exit_status() {
            Some(_) => Err(self.process.died().into()),
            None => Ok(()),
        }
    }

    pub(super) fn stop(&self) {
        if !self.process.stop(GRACE) {
            eprintln!(
                "chasqui did not stop within {GRACE:?} and was killed; see {}",
                self.process.log().display()
            );
        }
    }
}
