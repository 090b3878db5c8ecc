//! Developer tasks: `cargo xtask <task>`.

mod backends;
mod board;
mod cargo;
mod ci;
mod fuzz;
mod measure;
mod signals;
mod suite;
mod tree;
mod up;

use std::process::ExitCode;

use chasqui_backends::Interrupt;
use clap::Parser;

use crate::cargo::Failed;
use crate::tree::Tree;

/// Developer tasks of Chasqui.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Start the backends and Chasqui on this machine, and stay until Ctrl-C.
    Up(up::Options),
    /// Run the whole test suite; it starts real servers itself.
    Test(suite::Options),
    /// What a change must pass: formatting, clippy, documentation, the whole test suite.
    Ci,
    /// Measure, and print tables; arguments go to the measuring program (try --help).
    Bench(measure::Options),
    /// Try what strangers may send, guided by coverage: frames, tokens, cursors, facts.
    Fuzz(fuzz::Options),
    /// Only make sure of the backends: found, or fetched into the cache of this user.
    Backends,
    /// Forget the data of `up`.
    CleanData,
}

fn main() -> ExitCode {
    let task = Task::parse();
    let interrupt = signals::listen();
    match run(task, &interrupt) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if was_interrupted(&error) || interrupt.is_triggered() => {
            eprintln!("\nstopped before it was done; nothing was left running");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, interrupt: &Interrupt) -> anyhow::Result<()> {
    let tree = Tree::find()?;
    match task {
        Task::Up(options) => up::run(&options, &tree, interrupt),
        Task::Test(options) => suite::run(&options, &tree, interrupt),
        Task::Ci => ci::run(&tree, interrupt),
        Task::Bench(options) => measure::run(&options, &tree, interrupt),
        Task::Fuzz(options) => fuzz::run(&options, &tree, interrupt),
        Task::Backends => backends::run(interrupt),
        Task::CleanData => clean_data(&tree),
    }
}

fn clean_data(tree: &Tree) -> anyhow::Result<()> {
    let lock = tree.lock()?;
    tree.forget(&lock)?;
    eprintln!("forgot everything in {}", tree.state().display());
    Ok(())
}

fn was_interrupted(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(chasqui_backends::Error::Interrupted))
            || matches!(cause.downcast_ref(), Some(Failed::Interrupted))
    })
}
