//! `chasqui admin`.

mod audit;
mod keys;
mod moment;
mod operator;
mod projections;
mod secrets;
mod services;
mod topology;
mod users;

use std::{path::PathBuf, process::ExitCode};

use chasqui_runtime::config::{Config, ConfigError};
use clap::Subcommand;

use self::{audit::Audit, keys::Keys, projections::Projections, services::Services, users::Users};

/// What an administrator does.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Streams and buckets, as the files in `nats/` describe them.
    #[command(subcommand)]
    Topology(Topology),
    /// Versions of the views: list, rebuild, switch, drop.
    #[command(subcommand)]
    Projections(Projections),
    /// Accounts: who is admin, who may log in.
    #[command(subcommand)]
    Users(Users),
    /// Accounts of programs, and their tokens.
    #[command(subcommand)]
    Services(Services),
    /// What was decided about accounts, and what operators did.
    Audit(Audit),
    /// Keys that are in use: those that seal, and the one that signs.
    #[command(subcommand)]
    Keys(Keys),
    /// Secrets of the installation: passwords and key files.
    #[command(subcommand)]
    Secrets(Secrets),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Topology {
    /// Shows what differs between the files and the server; changes nothing.
    Plan,
    /// Makes the server as the files say.
    Apply {
        /// Also make changes that lose facts, or what protects them.
        #[arg(long)]
        allow_destructive: bool,
        /// Why; it is recorded with what was done.
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Makes the secrets that a directory does not hold yet; keeps those that it holds.
    Init {
        /// The directory; it is made if there is none.
        #[arg(long)]
        dir: PathBuf,
    },
}

pub(crate) async fn run(
    load: impl Fn() -> Result<Config, ConfigError>,
    admin: Admin,
) -> anyhow::Result<ExitCode> {
    match admin {
        Admin::Topology(Topology::Plan) => topology::plan(&load()?).await?,
        Admin::Topology(Topology::Apply { allow_destructive, reason }) => {
            topology::apply(&load()?, allow_destructive, reason).await?;
        }
        Admin::Users(users) => users::run(&load()?, users).await?,
        Admin::Services(services) => services::run(&load()?, services).await?,
        Admin::Audit(audit) => audit::run(&load()?, audit).await?,
        Admin::Keys(keys) => return keys::run(&load()?, keys).await,
        Admin::Projections(projections) => projections::run(&load()?, projections).await?,
        // Needs no configuration: it comes before there is one.
        Admin::Secrets(Secrets::Init { dir }) => secrets::init(&dir)?,
    }
    Ok(ExitCode::SUCCESS)
}
