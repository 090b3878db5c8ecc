//! The role `projector`.

use chasqui_bus::{BusRole, Log};
use chasqui_projector::{Projector, Settings};
use chasqui_read_model::Stream;

use super::{Process, connect, ready::must_have};

pub(super) async fn build(process: &mut Process<'_>) -> anyhow::Result<()> {
    let bus = connect(process.config, BusRole::Projector).await?;
    let streams = Stream::all(process.config.chat.partitions).map(|stream| stream.to_string());
    must_have(&Log::new(bus.clone()), streams).await?;
    let readiness = process.registry.register("projector");
    let projector = Projector::new(bus, process.model().await?, Settings::from(process.config), readiness);
    process.tasks.spawn_critical("projector", projector.run(process.shutdown.clone()));
    Ok(())
}
