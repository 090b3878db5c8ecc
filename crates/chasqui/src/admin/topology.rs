//! `chasqui admin topology`.

use chasqui_bus::{
    BusRole,
    topology::{self, Topology},
};
use chasqui_runtime::config::Config;

use crate::{output, serve::connect};

pub(super) async fn plan(config: &Config) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let plan = topology::plan(&bus, &wanted(config)?).await?;
    output::say(&plan.to_string())?;
    Ok(())
}

pub(super) async fn apply(config: &Config, allow_destructive: bool) -> anyhow::Result<()> {
    let bus = connect(config, BusRole::Admin).await?;
    let done = topology::apply(&bus, &wanted(config)?, allow_destructive).await?;
    output::say(&done.to_string())?;
    Ok(())
}

fn wanted(config: &Config) -> anyhow::Result<Topology> {
    let Config { nats, chat, .. } = config;
    Ok(Topology::load(nats.topology_dir.as_deref(), chat.partitions)?.with_replicas(nats.replicas))
}
