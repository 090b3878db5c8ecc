//! `chasqui admin topology`.

use chasqui_bus::{
    BusRole,
    topology::{self, Topology},
};
use chasqui_runtime::config::Config;

use super::operator;
use crate::{output, serve::connect};

pub(super) async fn plan(config: &Config) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let plan = topology::plan(&bus, &wanted(config)?).await?;
    output::say(&plan.to_string())?;
    Ok(())
}

pub(super) async fn apply(
    config: &Config,
    allow_destructive: bool,
    reason: Option<String>,
) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let done = topology::apply(&bus, &wanted(config)?, allow_destructive).await?;
    if !done.is_empty() {
        // Afterwards: before the first time there is no log to record it in.
        let changed = done.changes.iter().map(|change| change.stream().to_owned()).collect();
        operator::record(&bus, "topology apply", changed, reason).await?;
    }
    output::say(&done.to_string())?;
    Ok(())
}

fn wanted(config: &Config) -> anyhow::Result<Topology> {
    let Config { nats, chat, .. } = config;
    Ok(Topology::load(nats.topology_dir.as_deref(), chat.partitions)?.with_replicas(nats.replicas))
}
