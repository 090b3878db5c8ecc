//! `chasqui`: serves, administers, imports, chats. One program, so that an installation is one file.

mod admin;
mod chat;
mod cli;
mod health;
mod import;
mod output;
mod serve;

use std::process::ExitCode;

use chasqui_runtime::config::{Config, process_environment};
use clap::Parser as _;

use crate::cli::{Cli, Command};

// Connections come and go by the thousand; the system's allocator keeps what they leave.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Several libraries speak TLS; whatever they bring along, they use this one. Nothing is installed before it.
    rustls::crypto::ring::default_provider().install_default().ok();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let load = || Config::load(cli.config.as_deref(), process_environment());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match cli.command {
        Command::Serve(serve) => {
            runtime.block_on(serve::run(load()?, &serve))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Config => {
            output::say(&load()?.render_redacted())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Health => runtime.block_on(health::ask(load()?.ops.listen)),
        Command::Chat(chat) => runtime.block_on(chat::run(chat)),
        Command::Import(import) => runtime.block_on(import::run(import)),
        Command::Admin(admin) => runtime.block_on(admin::run(load, admin)),
    }
}
