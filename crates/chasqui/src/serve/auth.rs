//! The role `auth`.

use chasqui_auth::{
    Auth,
    serve::{NAMES, QUEUE_GROUP},
};
use chasqui_bus::{
    BusRole, Log,
    command::{self, Serve},
    subject,
};

use super::{
    Process, connect,
    ready::{Need, must_have},
};

/// Most identity commands wait for a password's hash, whose number is bounded elsewhere.
const AT_ONCE: usize = 512;

pub(super) async fn build(process: &mut Process<'_>) -> anyhow::Result<()> {
    let bus = connect(process.config, BusRole::Auth).await?;
    must_have(&Log::new(bus.clone()), [subject::IDENT.to_owned()]).await?;
    let auth = Auth::build(process.config, bus.clone()).await?;
    let server =
        command::serve(&bus, Serve { names: NAMES, group: QUEUE_GROUP, concurrency: AT_ONCE }).await?;
    process.documented = std::mem::take(&mut process.documented).merge(auth.routes());
    process.watch("auth", vec![Need::Bus(bus.clone())]);
    let stop = process.commands_may_stop();
    process.tasks.spawn_critical("auth", async move {
        let handler = move |incoming| {
            let auth = auth.clone();
            async move { auth.answer(incoming).await }
        };
        server.run(handler, stop).await;
        bus.flush().await?;
        Ok(())
    });
    Ok(())
}
