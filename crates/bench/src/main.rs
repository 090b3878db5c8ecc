//! `chasqui-bench`: measures Chasqui, and checks it under load. See `docs/benchmarks.md`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chasqui-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
