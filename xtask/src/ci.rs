//! What a change must pass.

use chasqui_backends::Interrupt;

use crate::backends::Beside;
use crate::cargo::foreground;
use crate::tree::Tree;
use crate::{fuzz, suite};

/// Arguments of cargo, and variables for it.
struct Check {
    args: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

/// Cheapest first, so that a trifle does not cost a quarter of an hour.
const CHECKS: [Check; 3] = [
    Check { args: &["fmt", "--all", "--check"], variables: &[] },
    Check { args: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], variables: &[] },
    Check { args: &["doc", "--workspace", "--no-deps"], variables: &[("RUSTDOCFLAGS", "-D warnings")] },
];

pub(crate) fn run(tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<()> {
    // Begins now what takes minutes on a new machine; the suite waits for it.
    let backends = Beside::begin(interrupt);
    for Check { args, variables } in CHECKS {
        eprintln!("\n=== cargo {}", args.join(" "));
        foreground(tree, interrupt, args, variables)?;
    }
    eprintln!("\n=== cargo xtask test");
    suite::run_beside(&suite::Options::all(), tree, interrupt, backends)?;
    eprintln!("\n=== cargo xtask fuzz");
    fuzz::run(&fuzz::Options::shortly(), tree, interrupt)
}
