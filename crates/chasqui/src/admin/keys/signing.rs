//! `chasqui admin keys rotate-signing`.

use chasqui_auth::operator::{RotateSigningKey, SigningKeyRotated};
use chasqui_bus::BusRole;
use chasqui_runtime::config::Config;

use super::super::{
    moment,
    operator::{ask, record},
};
use crate::serve::connect;

pub(super) async fn rotate(config: &Config, now: bool, reason: String) -> anyhow::Result<String> {
    let bus = connect(config, BusRole::Admin).await?;
    let arguments = if now { vec!["--now".to_owned()] } else { Vec::new() };
    record(&bus, "keys rotate-signing", arguments, Some(reason)).await?;
    let rotated: SigningKeyRotated = ask(&bus, "rotate_signing_key", RotateSigningKey { now }).await?;
    let SigningKeyRotated { kid, signs_from } = rotated;
    Ok(format!("the key {kid} signs access tokens from {} on", moment::shown(signs_from)))
}
