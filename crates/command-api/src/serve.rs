//! The commands over NATS.

use bytes::Bytes;
use chasqui_auth::{
    Caller,
    serve::{reply, unknown},
};
use chasqui_bus::command::Incoming;
use chasqui_events::{CommandId, Timestamp};
use chasqui_protocol::{Accepted, Problem};
use chasqui_runtime::{
    clock::{id_parts, now_ms},
    telemetry::TraceContext,
};
use serde::de::DeserializeOwned;

pub(crate) use chasqui_auth::serve::measured;

use crate::{
    command::{
        change_role, create_room, delivered, invite, join, leave, open_direct, read, receipts, remove,
        rename_room, send,
    },
    service::{CommandApi, Inner},
};

/// The queue group of the role: each command goes to one of its processes.
pub const QUEUE_GROUP: &str = "command-api";
/// The commands that it takes.
pub const NAMES: &[&str] = &[
    "send",
    "receipts",
    "create_room",
    "open_direct",
    "rename_room",
    "join",
    "leave",
    "invite",
    "remove",
    "change_role",
    "read",
    "delivered",
];

impl CommandApi {
    /// Answers one command; for [`chasqui_bus::command::Server::run`].
    pub async fn answer(&self, incoming: Incoming) -> Bytes {
        let api = &*self.0;
        match incoming.name.as_str() {
            "send" => api.run("send", &incoming, send::handle).await,
            "receipts" => api.run_for_edge(&incoming).await,
            "create_room" => api.run("create_room", &incoming, create_room::handle).await,
            "open_direct" => api.run("open_direct", &incoming, open_direct::handle).await,
            "rename_room" => api.run("rename_room", &incoming, rename_room::handle).await,
            "join" => api.run("join", &incoming, join::handle).await,
            "leave" => api.run("leave", &incoming, leave::handle).await,
            "invite" => api.run("invite", &incoming, invite::handle).await,
            "remove" => api.run("remove", &incoming, remove::handle).await,
            "change_role" => api.run("change_role", &incoming, change_role::handle).await,
            "read" => api.run("read", &incoming, read::handle).await,
            "delivered" => api.run("delivered", &incoming, delivered::handle).await,
            other => unknown(other),
        }
    }
}

impl Inner {
    async fn run<C: DeserializeOwned>(
        &self,
        name: &'static str,
        incoming: &Incoming,
        handle: impl AsyncFnOnce(&Self, &Caller, C) -> Result<Accepted, Problem>,
    ) -> Bytes {
        let run = async |command| {
            let caller =
                Caller::verify(&self.verifier, incoming.token.as_deref(), incoming.trace.as_deref()).await?;
            handle(self, &caller, command).await
        };
        reply(name, &incoming.body, async |command| self.in_time(run(command)).await).await
    }

    async fn run_for_edge(&self, incoming: &Incoming) -> Bytes {
        let trace = TraceContext::continue_from(incoming.trace.as_deref());
        let run = async |command| self.in_time(receipts::handle(self, &trace, command)).await;
        reply("receipts", &incoming.body, run).await
    }
}

/// Now, by this process's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(now_ms())
}

/// An id for a command whose caller gives none.
pub(crate) fn new_id() -> CommandId {
    let (at, random) = id_parts();
    CommandId::new(Timestamp(at), random)
}
