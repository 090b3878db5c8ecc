//! `chasqui admin keys`: what the operator does with keys while everything runs. It connects as the roles that keep those
//! that seal: nobody else may read them.

mod copies;
mod signing;
mod status;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use chasqui_bus::BusRole;
use chasqui_crypto::{Keyring, Owner, OwnerKind};
use chasqui_events::{RoomId, Timestamp, UserId};
use chasqui_runtime::{clock::now_ms, config::Config};
use clap::{Args, Subcommand};

use super::operator::record;
use crate::{output, serve::connect};

/// The keys of rooms and users, which seal what is said and what is personal; and the one that signs access tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Counts the keys by the key-encryption key that wraps them, and tries each; fails when one cannot be unwrapped.
    Status,
    /// Makes new keys, which seal from now on; the old ones open what they sealed.
    Rotate {
        #[command(flatten)]
        whose: Whose,
        /// Why; it is recorded.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Replaces the key that signs access tokens.
    RotateSigning {
        /// After a theft: withdraws the old key at once. What it signed is refused, connections with such tokens end, and
        /// clients refresh.
        #[arg(long)]
        now: bool,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Writes a copy of the wrapped keys with the ledger of erasures. Keep it apart from copies of the data.
    Backup {
        /// The file; it must not exist.
        #[arg(long)]
        out: PathBuf,
        /// Why; it is recorded.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Puts back keys that are missing. Who was erased stays erased.
    Restore {
        /// The copy; it is refused when it is older than `crypto.backup_days`.
        #[arg(long)]
        from: PathBuf,
        /// Why; it is recorded.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Whose keys.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// Those of a room.
    #[arg(long)]
    room: Option<RoomId>,
    /// Those of a user.
    #[arg(long)]
    user: Option<UserId>,
    /// Everybody's.
    #[arg(long)]
    all: bool,
}

impl Whose {
    fn one(&self) -> Option<Owner> {
        self.room.map(Owner::Room).or(self.user.map(Owner::User))
    }
}

pub(super) async fn run(config: &Config, keys: Keys) -> anyhow::Result<ExitCode> {
    let (said, good) = match keys {
        Keys::Status => status::status(config).await?,
        Keys::Rotate { whose, reason } => (rotate(config, whose.one(), reason).await?, true),
        Keys::RotateSigning { now, reason } => (signing::rotate(config, now, reason).await?, true),
        Keys::Backup { out, reason } => (copies::backup(config, &out, reason).await?, true),
        Keys::Restore { from, reason } => copies::restore(config, &from, reason).await?,
    };
    output::say(&said)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The role that keeps the keys of a kind.
const fn keeper(kind: OwnerKind) -> BusRole {
    match kind {
        OwnerKind::Room => BusRole::CommandApi,
        OwnerKind::User => BusRole::Auth,
    }
}

async fn keyring(config: &Config, kind: OwnerKind) -> anyhow::Result<Arc<Keyring>> {
    Ok(chasqui_auth::keyring(config, connect(config, keeper(kind)).await?)?)
}

/// Records what is about to be done.
async fn act(config: &Config, act: &str, about: String, reason: Option<String>) -> anyhow::Result<()> {
    record(&connect(config, BusRole::Admin).await?, act, vec![about], reason).await
}

async fn rotate(config: &Config, one: Option<Owner>, reason: Option<String>) -> anyhow::Result<String> {
    let about = one.map_or_else(|| "everybody's".to_owned(), |owner| owner.to_string());
    act(config, "keys rotate", about, reason).await?;
    let now = Timestamp(now_ms());
    let mut rotated = 0_u64;
    for kind in OwnerKind::ALL.into_iter().filter(|kind| one.is_none_or(|owner| owner.kind() == *kind)) {
        let keyring = keyring(config, kind).await?;
        let owners = match one {
            Some(owner) => vec![owner],
            None => keyring.store().owners(kind).await?,
        };
        for owner in owners {
            // Every key that there is was made before now.
            rotated += u64::from(keyring.rotate(owner, now, now).await?);
        }
    }
    let life = config.crypto.key_cache_s.as_secs();
    Ok(format!("{rotated} new keys; running processes seal with them within {life} s (crypto.key_cache_s)"))
}
