//! The hot set: what Redis holds beside MongoDB, and when a reader may trust it.
//!
//! Per stream there is `meta` (how far the hot set reaches), per partition `heads` and `lanes` (which rooms have
//! moved), per room a list of its newest timeline entries. A worker writes a batch after its commit, with one
//! script, all or nothing. Everything carries the worker's **generation**, which is greater than that of every
//! worker before it, and of its own writing before it last was interrupted: whatever may have been missed lies in
//! another generation, and is not trusted. An entry of a list names the entry before it, so that a list proves
//! itself to be without a hole.
//!
//! A reader takes an answer only when the hot set reaches at least as far as everything that this process has
//! promised before ([`crate::ReadModel::checkpoint`], [`crate::ReadModel::wait_for`]). So `FLUSHALL`, an old copy
//! restored, an eviction, or a worker that died between the two stores make answers slower, never wrong.

mod read;
mod write;

use std::time::Duration;

use chasqui_events::RoomId;
use chasqui_runtime::gate::Gate;
use redis::{
    Client, Script, ScriptInvocation, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::ExposeSecret;

pub(crate) use read::{Part, Tail};
pub use write::{HotError, HotWriter};

use crate::{ReadError, Settings, Stream, Version};

/// The connection to Redis. Cheap to clone.
#[derive(Clone)]
pub struct Hot {
    manager: ConnectionManager,
    timeout: Duration,
    items: usize,
    gate: Gate,
    scripts: std::sync::Arc<Scripts>,
}

struct Scripts {
    commit: Script,
    read: Script,
    heads: Script,
}

impl std::fmt::Debug for Hot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hot").field("up", &self.gate.is_open()).finish_non_exhaustive()
    }
}

impl Hot {
    /// Prepares the connection; it is made at its first use, and again whenever it is lost.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new(settings: &Settings) -> Result<Self, ReadError> {
        let refused = |error: redis::RedisError| ReadError::Unavailable(error.to_string());
        let client = match &settings.redis_ca {
            None => Client::open(settings.redis_url.expose_secret()),
            Some(file) => {
                let authorities = std::fs::read(file).map_err(|error| {
                    ReadError::Unavailable(format!("{} cannot be read: {error}", file.display()))
                })?;
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(authorities) };
                Client::build_with_tls(settings.redis_url.expose_secret(), certificates)
            }
        };
        let client = client.map_err(refused)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(settings.redis_timeout))
            .set_response_timeout(Some(settings.redis_timeout));
        let manager = ConnectionManager::new_lazy_with_config(client, config).map_err(refused)?;
        let scripts = Scripts {
            commit: Script::new(include_str!("hot/commit.lua")),
            read: Script::new(include_str!("hot/read.lua")),
            heads: Script::new(include_str!("hot/heads.lua")),
        };
        Ok(Self {
            manager,
            timeout: settings.redis_timeout,
            items: settings.hot_items,
            gate: Gate::default(),
            scripts: scripts.into(),
        })
    }

    /// Whether Redis answered when it was last asked.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.gate.is_open()
    }

    /// Runs a script, unless Redis has failed a moment ago.
    async fn invoke<T: redis::FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, HotError> {
        self.guarded(script.invoke_async(&mut self.manager.clone())).await
    }

    async fn guarded<T>(&self, request: impl Future<Output = redis::RedisResult<T>>) -> Result<T, HotError> {
        if !self.gate.may_pass() {
            return Err(HotError::Resting);
        }
        match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(answer)) => {
                self.gate.succeeded();
                Ok(answer)
            }
            Ok(Err(error)) => {
                self.gate.failed();
                Err(HotError::Failed(error.to_string()))
            }
            Err(_) => {
                self.gate.failed();
                Err(HotError::Failed(format!("no answer in {:?}", self.timeout)))
            }
        }
    }
}

/// The names of the keys of a stream. The braces keep them together in a cluster.
#[derive(Clone, Debug)]
struct Keys {
    prefix: String,
}

impl Keys {
    fn of(version: Version, stream: Stream) -> Self {
        let tag = match stream {
            Stream::Chat(partition) => partition.to_string(),
            Stream::Ident => "ident".to_owned(),
        };
        Self { prefix: format!("{version}:{{{tag}}}") }
    }

    fn meta(&self) -> String {
        format!("{}:meta", self.prefix)
    }

    fn heads(&self) -> String {
        format!("{}:heads", self.prefix)
    }

    fn lanes(&self) -> String {
        format!("{}:lanes", self.prefix)
    }

    fn room(&self, room: RoomId) -> String {
        format!("{}:room:{}", self.prefix, room.as_uuid().simple())
    }
}
