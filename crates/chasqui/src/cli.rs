//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{admin::Admin, chat::Chat, import::Import, serve::Role};

/// A durable, event-sourced chat server on NATS JetStream.
#[derive(Debug, Parser)]
#[command(name = "chasqui", version, about)]
pub(crate) struct Cli {
    /// The configuration file (TOML); without it the one that `CHASQUI_CONFIG` names, if any.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves, in all roles or some.
    Serve(Serve),
    /// Prints the configuration that is in force, without secrets.
    Config,
    /// Asks the process that listens on `ops.listen` whether it is ready; fails when it is not.
    Health,
    /// Chats from the terminal: a small client to try things with.
    Chat(Chat),
    /// Brings conversations in from elsewhere.
    #[command(subcommand)]
    Import(Import),
    /// Topology, projections, secrets.
    #[command(subcommand)]
    Admin(Admin),
}

/// `chasqui serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The roles of this process, separated by commas or repeated; all without it.
    #[arg(long = "role", value_enum, value_delimiter = ',', value_name = "ROLE")]
    pub(crate) roles: Vec<Role>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn roles_come_in_a_list_or_one_by_one() {
        for line in [
            &["chasqui", "serve", "--role", "auth,ws-edge"][..],
            &["chasqui", "serve", "--role", "auth", "--role", "ws-edge"],
        ] {
            let Command::Serve(serve) = Cli::parse_from(line).command else { panic!("serves") };
            assert_eq!(serve.roles, [Role::Auth, Role::WsEdge]);
        }
        assert!(Cli::try_parse_from(["chasqui", "serve", "--role", "king"]).is_err());
    }
}
