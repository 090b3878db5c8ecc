//! A server of one's own with the topology of `nats/`, and connections to it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chasqui_backends::{NatsOptions, NatsServer};
use chasqui_bus::{
    Bus, BusRole, Log, NatsSettings,
    log::{Append, Stored},
    subject::{self, Lane},
    topology::{self, Topology},
};
use chasqui_events::{
    CommandId, Envelope, Partition, RoomId, Text, Timestamp, UserId,
    message::{MessageEvent, Posted},
};

pub(crate) struct Nats {
    pub(crate) server: NatsServer,
}

pub(crate) fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats")
}

pub(crate) fn password(role: BusRole) -> String {
    format!("12345-{role}")
}

impl Nats {
    /// With two partitions.
    pub(crate) async fn start() -> Self {
        let nats = Self::bare().await;
        let topology = Topology::from_dir(&files(), 2).unwrap();
        topology::apply(&nats.bus(BusRole::Admin).await, &topology, false).await.unwrap();
        nats
    }

    /// Without any stream.
    pub(crate) async fn bare() -> Self {
        let options = NatsOptions {
            config: Some(files().join("server.conf")),
            passwords: BusRole::ALL.iter().map(|role| (role.to_string(), password(*role))).collect(),
            ..NatsOptions::default()
        };
        let server =
            tokio::task::spawn_blocking(move || NatsServer::start_own(&options)).await.unwrap().unwrap();
        Self { server }
    }

    pub(crate) fn settings(&self, role: BusRole) -> NatsSettings {
        NatsSettings::new(self.server.url(), role, password(role).into())
    }

    pub(crate) async fn bus(&self, role: BusRole) -> Bus {
        Bus::connect(self.settings(role)).await.unwrap()
    }

    pub(crate) async fn log(&self) -> Log {
        Log::new(self.bus(BusRole::CommandApi).await)
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

/// Ten bytes that no other call of this process got.
pub(crate) fn bytes() -> [u8; 10] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

pub(crate) fn user() -> UserId {
    UserId::new(now(), bytes())
}

pub(crate) fn command() -> CommandId {
    CommandId::new(now(), bytes())
}

pub(crate) fn room() -> RoomId {
    RoomId::new(Partition::new(1).unwrap(), now(), bytes())
}

pub(crate) fn said(body: &str) -> Envelope<MessageEvent> {
    let event = MessageEvent::Posted(Posted {
        body: Text::Plain(body.to_owned()),
        size: body.len() as u64,
        replies_to: vec![],
    });
    Envelope { id: command(), at: now(), by: user(), basis: 0, import: None, event }
}

/// A message to a room.
pub(crate) fn post(room: RoomId, body: &str) -> Append<'static> {
    Append::fact(subject::room(room, Lane::Msg), &said(body))
}

/// Every fact of a stream that matches, in order.
pub(crate) async fn everything(log: &Log, stream: &str, filter: &str) -> Vec<Stored> {
    let mut all = Vec::new();
    let mut from = 1;
    while let Some(stored) = log.next(stream, from, filter).await.unwrap() {
        from = stored.seq + 1;
        all.push(stored);
    }
    all
}

/// Waits until something is so that nobody announces.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    while !check().await {
        assert!(tokio::time::Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fails instead of hanging.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(15), future).await;
    waited.unwrap_or_else(|_| panic!("waited too long for {what}"))
}
