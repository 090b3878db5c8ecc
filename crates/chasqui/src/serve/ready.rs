//! Readiness of a role: its connection to the log stands, and its store answers.

use std::time::Duration;

use chasqui_bus::{Bus, Log};
use chasqui_read_model::ReadModel;
use chasqui_runtime::health::Readiness;

use super::Process;

/// How often a store is asked whether it is there.
const EVERY: Duration = Duration::from_secs(2);

/// Something that a role cannot work without.
pub(super) enum Need {
    /// NATS.
    Bus(Bus),
    /// MongoDB.
    Model(ReadModel),
}

impl Process<'_> {
    /// Keeps a check up to date for as long as the process lives.
    pub(super) fn watch(&self, name: &'static str, needs: Vec<Need>) {
        let ready = self.registry.register(name);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn_service(format!("{name}.ready"), async move {
            tokio::select! {
                () = look(&ready, &needs) => {}
                () = shutdown.forced() => {}
            }
            Ok(())
        });
    }
}

async fn look(ready: &Readiness, needs: &[Need]) {
    loop {
        match first_missing(needs).await {
            None => ready.set_ready(),
            Some(reason) => ready.set_not_ready(reason),
        }
        let changed = needs.iter().find_map(|need| match need {
            Need::Bus(bus) => Some(bus.state()),
            Need::Model(_) => None,
        });
        match changed {
            Some(mut state) => {
                // A lost connection shows at once, everything else a moment later.
                tokio::time::timeout(EVERY, state.changed()).await.ok();
            }
            None => tokio::time::sleep(EVERY).await,
        }
    }
}

async fn first_missing(needs: &[Need]) -> Option<String> {
    for need in needs {
        let missing = match need {
            Need::Bus(bus) if bus.is_connected() => None,
            Need::Bus(_) => Some("NATS does not answer".to_owned()),
            Need::Model(model) => model.ping().await.err().map(|error| error.to_string()),
        };
        if missing.is_some() {
            return missing;
        }
    }
    None
}

/// Refuses to start on a server that does not have what the topology says.
pub(super) async fn must_have(log: &Log, streams: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    for stream in streams {
        if let Err(error) = log.head(&stream).await {
            anyhow::bail!(
                "the stream {stream} cannot be read ({error}); `chasqui admin topology apply` makes what is missing"
            );
        }
    }
    Ok(())
}
