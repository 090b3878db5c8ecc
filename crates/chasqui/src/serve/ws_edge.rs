//! The role `ws-edge`.

use chasqui_auth::Verifier;
use chasqui_bus::BusRole;
use chasqui_query_api::Secrets;
use chasqui_ws_edge::{Parts, WsEdge};

use super::{Process, connect};

pub(super) async fn build(process: &mut Process<'_>) -> anyhow::Result<()> {
    let bus = connect(process.config, BusRole::WsEdge).await?;
    let parts = Parts {
        read_model: process.model().await?,
        verifier: Verifier::new(&process.config.auth, &bus),
        rates: process.rates.clone(),
        secrets: Secrets::load(process.config, bus.clone())?,
        readiness: process.registry.register("ws-edge"),
        bus,
    };
    let (routes, service) = WsEdge::build(process.config, parts);
    process.undocumented = std::mem::take(&mut process.undocumented).merge(routes);
    let (shutdown, done) = (process.shutdown.clone(), process.edge_is_done.clone());
    process.tasks.spawn_critical("ws-edge", async move {
        // However the edge ends, the command side of this process must not wait for it any more.
        let _done = done.drop_guard();
        service.run(shutdown).await
    });
    Ok(())
}
