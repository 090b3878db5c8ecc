//! `chasqui admin services`: accounts of programs, and their tokens.

use std::time::Duration;

use chasqui_auth::operator::Whom;
use chasqui_bus::{Bus, BusRole};
use chasqui_events::{SessionId, Timestamp, UserId};
use chasqui_protocol::{
    Accepted,
    command::{CreateService, IssueToken, IssuedToken, RevokeToken, ServiceTokens},
};
use chasqui_runtime::{clock::now_ms, config::Config};
use clap::Subcommand;
use comfy_table::{Table, presets::NOTHING};

use super::{
    moment,
    operator::{ask, new_id},
    users::account,
};
use crate::{output, serve::connect};

/// Accounts of programs, and the tokens with which they log in.
#[derive(Debug, Subcommand)]
pub(crate) enum Services {
    /// Makes an account for a program.
    Create {
        /// Its user name.
        name: String,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Issues a token and prints it, this once.
    Token {
        /// The program's user name or id.
        service: String,
        /// What the token is for.
        #[arg(long)]
        name: String,
        /// What it allows, separated by commas: read, post, rooms, moderate, import.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// For how long (12h, 90d); until it is revoked without it.
        #[arg(long = "for", value_name = "TIME", value_parser = moment::duration)]
        time: Option<Duration>,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Revokes a token: what it opened ends.
    Revoke {
        /// The program's user name or id.
        service: String,
        /// The token's id, as `tokens` lists it.
        #[arg(long)]
        token: SessionId,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Lists the tokens of a program, without their secrets.
    Tokens {
        /// The program's user name or id.
        service: String,
    },
}

pub(super) async fn run(config: &Config, services: Services) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let said = match services {
        Services::Create { name, reason } => {
            let command =
                CreateService { id: new_id(), name: name.clone(), display_name: String::new(), reason };
            ask::<Accepted>(&bus, "create_service", command).await?;
            format!("{name} is a service account; `services token {name}` gives it a token")
        }
        Services::Token { service, name, scopes, time, reason } => {
            let expires_at = time.map(|time| {
                Timestamp(now_ms()).plus_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
            });
            let user = user(&bus, &service).await?;
            let command = IssueToken { id: new_id(), user, name, scopes, expires_at, reason };
            ask::<IssuedToken>(&bus, "issue_token", command).await?.secret
        }
        Services::Revoke { service, token, reason } => {
            let user = user(&bus, &service).await?;
            ask::<Accepted>(&bus, "revoke_token", RevokeToken { id: new_id(), user, token, reason }).await?;
            "the token is good for nothing any more".to_owned()
        }
        Services::Tokens { service } => table(&ask(&bus, "tokens", Whom { user: service }).await?),
    };
    output::say(&said)?;
    Ok(())
}

async fn user(bus: &Bus, service: &str) -> anyhow::Result<UserId> {
    Ok(account(bus, service).await?.user)
}

fn table(tokens: &ServiceTokens) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["token", "name", "scopes", "ends", "last used"]);
    let when = |at: Option<Timestamp>, never: &str| at.map_or_else(|| never.to_owned(), moment::shown);
    for token in &tokens.tokens {
        table.add_row([
            token.token.to_string(),
            token.name.clone(),
            token.scopes.join(" "),
            when(token.expires_at, "never"),
            when(token.last_used_at, "never"),
        ]);
    }
    table.trim_fmt()
}
