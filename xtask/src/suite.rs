//! The whole test suite.

use std::env;

use anyhow::Context;
use chasqui_backends::Interrupt;

use crate::backends::Beside;
use crate::cargo::{foreground, has};
use crate::tree::Tree;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Go to the test runner: names to choose tests by, or options. Without any, documentation tests run too.
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
    let mut args = Runner::find().run();
    args.extend(options.args.iter().map(String::as_str));
    foreground(tree, interrupt, &args, &variables)
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

    fn run(self) -> Vec<&'static str> {
        match self {
            Self::Nextest => vec!["nextest", "run", "--workspace"],
            Self::Cargo => vec!["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"],
        }
    }
}
