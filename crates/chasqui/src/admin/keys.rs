//! `chasqui admin keys`: what the operator does with keys while everything runs.

use chasqui_auth::operator::{RotateSigningKey, SigningKeyRotated};
use chasqui_bus::BusRole;
use chasqui_runtime::config::Config;
use clap::Subcommand;

use super::{
    moment,
    operator::{ask, record},
};
use crate::{output, serve::connect};

/// Keys that are in use.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
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
}

pub(super) async fn run(config: &Config, keys: Keys) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let Keys::RotateSigning { now, reason } = keys;
    let arguments = if now { vec!["--now".to_owned()] } else { Vec::new() };
    record(&bus, "keys rotate-signing", arguments, Some(reason)).await?;
    let rotated: SigningKeyRotated = ask(&bus, "rotate_signing_key", RotateSigningKey { now }).await?;
    let SigningKeyRotated { kid, signs_from } = rotated;
    let from = moment::shown(signs_from);
    output::say(&format!("the key {kid} signs access tokens from {from} on"))?;
    Ok(())
}
