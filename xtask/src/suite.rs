//! The whole test suite.

use std::env;

use anyhow::Context;
use chasqui_backends::Interrupt;

use crate::backends::Beside;
use crate::cargo::{foreground, has};
use crate::tree::Tree;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Go to the test runner, cargo-nextest where it is installed and `cargo test` otherwise: names to choose tests
    /// by, or options such as `-p chasqui-bus`. Several names go behind `-- --`, which both understand. Without any,
    /// documentation tests run too.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Options {
    /// No choice: everything.
    pub(crate) fn all() -> Self {
        Self { args: Vec::new() }
    }
}

pub(crate) fn run(options: &Options, tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<()> {
    run_beside(options, tree, interrupt, Beside::begin(interrupt))
}

/// The same, with backends that are being made ready already.
pub(crate) fn run_beside(
    options: &Options,
    tree: &Tree,
    interrupt: &Interrupt,
    backends: Beside,
) -> anyhow::Result<()> {
    // One build for all of it, programs included: a test that had to build the program it tests would wait
    // for other crate features than these, for minutes.
    let build = ["build", "--workspace", "--lib", "--bins", "--tests"];
    backends.through(|| foreground(tree, interrupt, &build, &[]))?;
    let program = program_under_test()?;
    let variables = [(PROGRAM, program.as_str())];
    if options.args.is_empty() {
        foreground(tree, interrupt, &["test", "--workspace", "--doc", "--quiet"], &variables)?;
    }
    foreground(tree, interrupt, &Runner::find().run(&options.args), &variables)
}

/// Read by `crates/testkit`: the `chasqui` that tests start.
const PROGRAM: &str = "CHASQUI_TEST_BINARY";

/// The one somebody chose, or the one that was just built: beside this program.
fn program_under_test() -> anyhow::Result<String> {
    if let Some(chosen) = env::var(PROGRAM).ok().filter(|path| !path.is_empty()) {
        return Ok(chosen);
    }
    let this = env::current_exe().context("finding the folder of built programs")?;
    Ok(this.with_file_name("chasqui").to_string_lossy().into_owned())
}

/// What runs the tests.
#[derive(Clone, Copy)]
enum Runner {
    Nextest,
    Cargo,
}

impl Runner {
    fn find() -> Self {
        if has("nextest") { Self::Nextest } else { Self::Cargo }
    }

    fn run(self, chosen: &[String]) -> Vec<&str> {
        let mut args = match self {
            Self::Nextest => vec!["nextest", "run"],
            // Libraries and programs too; named one by one, a package that lacks one of them would be an error.
            Self::Cargo => vec!["test", "--tests", "--no-fail-fast"],
        };
        // Cargo takes the whole workspace although a package is named beside it.
        if !names_a_package(chosen) {
            args.push("--workspace");
        }
        args.extend(chosen.iter().map(String::as_str));
        args
    }
}

fn names_a_package(args: &[String]) -> bool {
    let mut of_cargo = args.iter().take_while(|arg| *arg != "--");
    of_cargo.any(|arg| arg.starts_with("-p") || arg == "--package" || arg.starts_with("--package="))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_chosen_package_is_tested_without_the_others() {
        let run = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            [Runner::Nextest, Runner::Cargo].map(|runner| runner.run(&args).contains(&"--workspace"))
        };
        assert_eq!(run(&["-p", "chasqui-bus"]), [false; 2]);
        assert_eq!(run(&["--package=chasqui-bus", "kv"]), [false; 2]);
        assert_eq!(run(&[]), [true; 2]);
        assert_eq!(run(&["kv", "--", "-p"]), [true; 2]);
    }
}
