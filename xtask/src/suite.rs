//! The whole test suite.

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
    let runner = Runner::find();
    backends.through(|| foreground(tree, interrupt, &runner.build(), &[]))?;
    if options.args.is_empty() {
        foreground(tree, interrupt, &["test", "--workspace", "--doc", "--quiet"], &[])?;
    }
    let mut args = runner.run();
    args.extend(options.args.iter().map(String::as_str));
    foreground(tree, interrupt, &args, &[])
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

    fn build(self) -> Vec<&'static str> {
        match self {
            Self::Nextest => vec!["nextest", "run", "--workspace", "--no-run"],
            Self::Cargo => vec!["test", "--workspace", "--lib", "--bins", "--tests", "--no-run"],
        }
    }

    fn run(self) -> Vec<&'static str> {
        match self {
            Self::Nextest => vec!["nextest", "run", "--workspace"],
            Self::Cargo => vec!["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"],
        }
    }
}
