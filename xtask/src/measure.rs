//! The measurements: release builds, then the measuring program with the terminal to itself.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use chasqui_backends::Interrupt;

use crate::backends::Beside;
use crate::board::Board;
use crate::cargo::{self, foreground_command};
use crate::tree::Tree;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Go to the measuring program.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(options: &Options, tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<()> {
    let backends = Beside::begin(interrupt);
    let (chasqui, bench) = backends.through(|| build_both(tree, interrupt))?;
    let mut command = Command::new(&bench);
    command.args(&options.args).current_dir(tree.root()).env("CHASQUI_BENCH_SERVER_BIN", chasqui);
    foreground_command(command, "chasqui-bench", interrupt)
}

fn build_both(tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<(PathBuf, PathBuf)> {
    let board = Board::new();
    let job = board.job("chasqui and chasqui-bench (release)");
    let executables = cargo::build(tree, interrupt, &job, &["chasqui", "chasqui-bench"], true)?;
    Ok((named(&executables, "chasqui")?, named(&executables, "chasqui-bench")?))
}

/// The executable of this name among those that were built.
pub(crate) fn named(executables: &[PathBuf], name: &str) -> anyhow::Result<PathBuf> {
    let found = executables.iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
    found.cloned().with_context(|| format!("the package {name} built no program of that name"))
}
