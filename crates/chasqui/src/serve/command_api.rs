//! The role `command-api`.

use std::{sync::Arc, time::Duration};

use chasqui_bus::{
    BusRole, Log,
    command::{self, Serve},
    subject,
};
use chasqui_command_api::{
    CommandApi,
    serve::{NAMES, QUEUE_GROUP},
};
use chasqui_crypto::OwnerKind;
use chasqui_events::Partition;
use chasqui_runtime::metrics::names;

use super::{
    Process, Role, connect,
    ready::{Need, must_have},
    retried,
};

/// Bounded by the appends that await their acknowledgement.
const AT_ONCE: usize = 4096;
const GAUGE_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn build(process: &mut Process<'_>, roles: &[Role]) -> anyhow::Result<()> {
    let bus = connect(process.config, BusRole::CommandApi).await?;
    let partitions = Partition::first(process.config.chat.partitions).map(subject::stream);
    must_have(&Log::new(bus.clone()), partitions.chain([subject::IDENT.to_owned()])).await?;
    let api = CommandApi::build(process.config, bus.clone(), process.rates.clone()).await?;
    let server =
        command::serve(&bus, Serve { names: NAMES, group: QUEUE_GROUP, concurrency: AT_ONCE }).await?;
    let keyring = Arc::clone(api.keyring());
    let find_sent = retried::find_sent(process, roles, Log::new(bus.clone()), keyring).await?;
    process.documented = std::mem::take(&mut process.documented).merge(api.routes(find_sent));
    process.watch("command-api", vec![Need::Bus(bus.clone())]);
    gauge(process, api.clone());
    let resumed = api.clone();
    process.resume_erasures("command-api", move |replay| {
        let api = resumed.clone();
        async move { api.resume_erasures(replay).await }
    });
    process.tend_keys(OwnerKind::Room, Arc::clone(api.keyring()));
    let stop = process.commands_may_stop();
    process.tasks.spawn_critical("command-api", async move {
        let handler = move |incoming| {
            let api = api.clone();
            async move { api.answer(incoming).await }
        };
        server.run(handler, stop).await;
        bus.flush().await?;
        Ok(())
    });
    Ok(())
}

fn gauge(process: &Process<'_>, api: CommandApi) {
    let shutdown = process.shutdown.clone();
    process.tasks.spawn_service("command-api.gauge", async move {
        let mut ticks = tokio::time::interval(GAUGE_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.forced() => return Ok(()),
            }
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; rooms are far below 2^53")]
            metrics::gauge!(names::COMMAND_CACHE_ROOMS).set(api.cached_rooms() as f64);
        }
    });
}
