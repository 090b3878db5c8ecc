//! Fuzzing: LLVM's coverage-guided fuzzer on the targets in `fuzz/`, with the toolchain that is there.
//!
//! What cargo-fuzz passes to the compiler is passed here, so that no further tool is needed: coverage counters come from a
//! pass of LLVM that the stable compiler can run. Only Chasqui's own crates get them (`fuzz/rustc.sh`); what they depend on
//! is taken as the test suite built it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, bail, ensure};
use chasqui_backends::Interrupt;

use crate::cargo::{Failed, foreground, foreground_command};
use crate::tree::Tree;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The targets; all of them unless named. They are in fuzz/src/lib.rs.
    targets: Vec<String>,
    /// How long each target is tried, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Options {
    /// All targets, each for some seconds: what a change must pass.
    pub(crate) fn shortly() -> Self {
        Self { targets: Vec::new(), seconds: 15 }
    }
}

const PROGRAM: &str = "chasqui-fuzz";

/// The longest input, in bytes: more than any frame, token or cursor that is usual.
const LONGEST: &str = "4096";

pub(crate) fn run(options: &Options, tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<()> {
    let program = build(tree, interrupt)?;
    let known = targets(tree)?;
    for target in &options.targets {
        ensure!(known.contains(target), "there is no target {target:?}; there are: {}", known.join(", "));
    }
    let chosen = if options.targets.is_empty() { &known } else { &options.targets };
    for (number, target) in chosen.iter().enumerate() {
        eprintln!("\n=== {target} ({} of {}), {} s", number + 1, chosen.len(), options.seconds);
        try_one(tree, interrupt, &program, target, options.seconds)?;
    }
    eprintln!("\n{} targets held", chosen.len());
    Ok(())
}

/// Builds with the features that the whole workspace has, as the suite does: then nothing outside is compiled again.
fn build(tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<PathBuf> {
    let wrapper = tree.root().join("fuzz").join("rustc.sh");
    let args = ["build", "--workspace", "--bin", PROGRAM, "--features", "chasqui-fuzz/libfuzzer"];
    foreground(tree, interrupt, &args, &[("RUSTC_WORKSPACE_WRAPPER", &wrapper.to_string_lossy())])?;
    let this = env::current_exe().context("finding the folder of built programs")?;
    Ok(this.with_file_name(PROGRAM))
}

/// The names of the targets, as their table gives them.
fn targets(tree: &Tree) -> anyhow::Result<Vec<String>> {
    let file = tree.root().join("fuzz").join("src").join("lib.rs");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let names = names_in(&text);
    ensure!(!names.is_empty(), "{} names no targets", file.display());
    Ok(names)
}

fn names_in(table: &str) -> Vec<String> {
    let rows = table.lines().filter_map(|line| line.trim().strip_prefix("Target { name: \""));
    rows.filter_map(|row| row.split_once('"').map(|(name, _)| name.to_owned())).collect()
}

fn try_one(
    tree: &Tree,
    interrupt: &Interrupt,
    program: &Path,
    target: &str,
    seconds: u32,
) -> anyhow::Result<()> {
    let folder = |kind: &str| -> anyhow::Result<PathBuf> {
        let folder = tree.root().join("target").join("fuzz").join(kind).join(target);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    };
    let (corpus, broke) = (folder("corpus")?, folder("broke")?);
    let mut command = Command::new(program);
    command
        .env("CHASQUI_FUZZ_TARGET", target)
        .env("CHASQUI_FUZZ_CORPUS", &corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-artifact_prefix={}/", broke.display()))
        .args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0", "-print_funcs=0"])
        .arg(&corpus)
        .current_dir(tree.root());
    match foreground_command(command, &format!("fuzzing {target}"), interrupt) {
        Err(error) if matches!(error.downcast_ref(), Some(Failed::Status(_))) => bail!(
            "{target} broke. The input lies in {broke}; look at it with\n  CHASQUI_FUZZ_TARGET={target} cargo run -p chasqui-fuzz -- {broke}/*\n\
             and keep it as fuzz/broke/{target}/<what it shows> once it holds",
            broke = broke.display()
        ),
        outcome => outcome,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_table_of_targets_is_found() {
        let names = targets(&Tree::find().unwrap()).unwrap();
        assert!(names.iter().any(|name| name == "cursor"), "{names:?}");
        assert_eq!(names_in("    Target { name: \"a\", run: x },\n other"), ["a"]);
    }
}
