//! `chasqui admin users`: what the operator does with accounts. Asked of the role `auth` over NATS with the operator's
//! credential, so that it needs no account and no token, decided there like every other decision, and recorded.

use std::time::Duration;

use chasqui_auth::operator::{EndAllSessions, SessionsEnded, Whom};
use chasqui_bus::{Bus, BusRole};
use chasqui_events::{Timestamp, account::GlobalRole};
use chasqui_protocol::{
    Accepted,
    command::{AccountShown, ChangeGlobalRole, EndSessions, EraseUser, Reinstate, Suspend},
};
use chasqui_runtime::{clock::now_ms, config::Config};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    moment,
    operator::{ask, new_id, record},
};
use crate::{output, serve::connect};

/// Accounts: their role, and whether they may act.
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Shows an account.
    Show {
        /// The user's name or id.
        user: String,
    },
    /// Keeps somebody from logging in, and ends their sessions.
    Suspend {
        #[command(flatten)]
        act: Act,
        /// For how long (30m, 12h, 7d); until they are reinstated without it.
        #[arg(long = "for", value_name = "TIME", value_parser = moment::duration)]
        time: Option<Duration>,
    },
    /// Ends a suspension.
    Reinstate(Act),
    /// Logs somebody out everywhere; they may log in again.
    EndSessions(Act),
    /// Logs everybody out everywhere, people and programs: for after a restore, which opens again what had ended.
    EndAllSessions {
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Gives somebody a global role.
    Role {
        #[command(flatten)]
        act: Act,
        /// The role.
        #[arg(long)]
        role: Role,
    },
    /// Erases somebody for good: everything that they said, and everything personal. Nobody can undo it.
    Erase(Act),
    /// Makes somebody an admin: this is how the first one comes to be.
    GrantAdmin(Act),
}

/// Whom it is about, and why.
#[derive(Debug, Args)]
pub(crate) struct Act {
    /// The user's name or id.
    user: String,
    /// Why; it is recorded.
    #[arg(long)]
    reason: String,
}

/// The roles that are given.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Everybody.
    User,
    /// Keeps order.
    Moderator,
    /// Gives roles.
    Admin,
}

impl From<Role> for GlobalRole {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Moderator => Self::Moderator,
            Role::Admin => Self::Admin,
        }
    }
}

pub(super) async fn run(config: &Config, users: Users) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let user = match users {
        Users::Show { user } => user,
        Users::Suspend { act: Act { user, reason }, time } => {
            let id = account(&bus, &user).await?.user;
            let until = time.map(|time| {
                Timestamp(now_ms()).plus_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
            });
            let command = Suspend { id: new_id(), user: id, until, reason };
            ask::<Accepted>(&bus, "suspend", command).await?;
            user
        }
        Users::Reinstate(Act { user, reason }) => {
            let id = account(&bus, &user).await?.user;
            ask::<Accepted>(&bus, "reinstate", Reinstate { id: new_id(), user: id, reason }).await?;
            user
        }
        Users::Erase(Act { user, reason }) => {
            let id = account(&bus, &user).await?.user;
            let command = EraseUser { id: new_id(), user: Some(id), password: None, reason: Some(reason) };
            ask::<Accepted>(&bus, "erase_user", command).await?;
            user
        }
        Users::EndSessions(Act { user, reason }) => {
            let id = account(&bus, &user).await?.user;
            ask::<Accepted>(&bus, "end_sessions", EndSessions { id: new_id(), user: id, reason }).await?;
            user
        }
        Users::EndAllSessions { reason } => return end_all_sessions(&bus, reason).await,
        Users::Role { act, role } => give(&bus, act, role.into()).await?,
        Users::GrantAdmin(act) => give(&bus, act, GlobalRole::Admin).await?,
    };
    output::say(&shown(&user, &account(&bus, &user).await?))?;
    Ok(())
}

async fn end_all_sessions(bus: &Bus, reason: String) -> anyhow::Result<()> {
    record(bus, "users end-all-sessions", vec![], Some(reason)).await?;
    let before = Timestamp(now_ms());
    let mut all = 0;
    loop {
        let SessionsEnded { ended, more } = ask(bus, "end_all_sessions", EndAllSessions { before }).await?;
        all += ended;
        output::say(&format!("{all} sessions ended{}", if more { " \u{2026}" } else { "" }))?;
        if !more {
            return Ok(());
        }
    }
}

async fn give(bus: &Bus, act: Act, role: GlobalRole) -> anyhow::Result<String> {
    let Act { user, reason } = act;
    let id = account(bus, &user).await?.user;
    ask::<Accepted>(bus, "change_global_role", ChangeGlobalRole { id: new_id(), user: id, role, reason })
        .await?;
    Ok(user)
}

pub(super) async fn account(bus: &Bus, user: &str) -> anyhow::Result<AccountShown> {
    ask(bus, "account", Whom { user: user.to_owned() }).await
}

fn shown(asked: &str, account: &AccountShown) -> String {
    let standing = match &account.suspended {
        _ if account.erased => "erased".to_owned(),
        None => "may log in".to_owned(),
        Some(suspended) => {
            let until = suspended.until.map_or_else(
                || "until they are reinstated".to_owned(),
                |until| format!("until {}", moment::shown(until)),
            );
            format!("suspended {until}: {}", suspended.reason)
        }
    };
    format!("{asked}\n  id    {}\n  role  {}\n  {standing}", account.user, account.role.as_str())
}
