//! A role's connection to NATS.

use std::time::Duration;

use anyhow::Context as _;
use chasqui_bus::{Bus, BusError, BusRole, NatsSettings};
use chasqui_runtime::config::{Config, Nats};
use secrecy::SecretString;
use tokio::time::{Instant, sleep};

/// A server that is being started beside us has so long to answer.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(250);
/// A command answers within its time also when its append did not: what the append may not take of it.
const REST: Duration = Duration::from_secs(1);

/// Connects as a role.
///
/// # Errors
/// When the role's password is not set, or NATS does not let it in for a while.
pub(crate) async fn connect(config: &Config, role: BusRole) -> anyhow::Result<Bus> {
    let settings = settings(config, role)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Bus::connect(settings.clone()).await {
            Ok(bus) => return Ok(bus),
            Err(error @ BusError::Closed) => return Err(error.into()),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(error) => tracing::warn!(%error, "trying again"),
        }
        sleep(PAUSE).await;
    }
}

fn settings(config: &Config, role: BusRole) -> anyhow::Result<NatsSettings> {
    let nats = &config.nats;
    let retry_for = config.commands.timeout_ms.saturating_sub(REST).max(REST / 2);
    Ok(NatsSettings {
        ca_file: nats.ca_file.clone(),
        connect_timeout: nats.connect_timeout_ms,
        ping_interval: nats.ping_interval_ms,
        ack_timeout: nats.ack_timeout_ms,
        retry_for,
        read_for: nats.request_timeout_ms,
        ..NatsSettings::new(nats.url.expose(), role, password(nats, role)?)
    })
}

fn password(nats: &Nats, role: BusRole) -> anyhow::Result<SecretString> {
    let (password, key) = match role {
        BusRole::Admin => (&nats.password_admin, "password_admin"),
        BusRole::Auth => (&nats.password_auth, "password_auth"),
        BusRole::CommandApi => (&nats.password_command_api, "password_command_api"),
        BusRole::QueryApi => (&nats.password_query_api, "password_query_api"),
        BusRole::Projector => (&nats.password_projector, "password_projector"),
        BusRole::WsEdge => (&nats.password_ws_edge, "password_ws_edge"),
        BusRole::Analytics => (&nats.password_analytics, "password_analytics"),
    };
    password.clone().with_context(|| {
        let variable = format!("CHASQUI_NATS_{}", key.to_uppercase());
        format!(
            "nats.{key} is not set (environment: {variable}); `chasqui admin secrets init` makes passwords"
        )
    })
}
