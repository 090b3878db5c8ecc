//! Three real servers, a projector on them, and ways to write facts.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chasqui_backends::{
    MongoOptions, MongoServer, NatsCluster, NatsOptions, NatsServer, RedisOptions, RedisServer,
};
use chasqui_bus::{
    Bus, BusRole, Log, NatsSettings,
    log::Append,
    subject::{self, Lane},
    topology::{self, Topology},
};
use chasqui_events::{
    CommandId, Envelope, Event, Partition, RoomId, Seq, Text, Timestamp, UserId,
    message::{MessageEvent, Posted},
    receipts::{Mark, Moved, ReceiptEvent},
    room::{Created, FoundingMember, Kind, MemberJoined, Role, RoomEvent},
};
use chasqui_projector::{Projector, Settings};
use chasqui_read_model::{ReadModel, Stream};
use chasqui_runtime::{health::Registry, lifecycle::Shutdown};
use tokio::task::JoinHandle;

pub(crate) const PARTITIONS: u16 = 2;
pub(crate) const P: Partition = Partition::from_low_bits(1);
pub(crate) const STREAM: Stream = Stream::Chat(P);
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// The servers, empty.
pub(crate) struct Servers {
    pub(crate) nats: NatsServer,
    pub(crate) mongo: MongoServer,
    pub(crate) redis: RedisServer,
    /// The other servers of the log, if it has any.
    _peers: Option<NatsCluster>,
}

/// What the log is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogPlan {
    /// Servers, and copies of each fact.
    pub(crate) servers: usize,
    /// How long the broker knows an id; what the files say if `None`.
    pub(crate) dedupe_window: Option<Duration>,
}

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats")
}

fn password(role: BusRole) -> String {
    format!("12345-{role}")
}

impl Servers {
    pub(crate) async fn start() -> Self {
        Self::start_with(LogPlan { servers: 1, dedupe_window: None }).await
    }

    pub(crate) async fn start_with(plan: LogPlan) -> Self {
        // Shown by the runner when the test fails.
        let log = chasqui_runtime::config::Config::default().log;
        let _ = chasqui_runtime::telemetry::init(&log);
        let servers = tokio::task::spawn_blocking(move || {
            let options = NatsOptions {
                config: Some(files().join("server.conf")),
                passwords: BusRole::ALL.iter().map(|role| (role.to_string(), password(*role))).collect(),
                ..NatsOptions::default()
            };
            let (nats, peers) = if plan.servers == 1 {
                (NatsServer::start_own(&options).unwrap(), None)
            } else {
                let mut cluster = NatsCluster::start_own(&options, plan.servers).unwrap();
                (cluster.servers.remove(0), Some(cluster))
            };
            Self {
                nats,
                mongo: MongoServer::start_own(&MongoOptions::default()).unwrap(),
                redis: RedisServer::start_own(&RedisOptions::default()).unwrap(),
                _peers: peers,
            }
        });
        let servers = servers.await.unwrap();
        let mut topology = Topology::from_dir(&files(), PARTITIONS).unwrap();
        for stream in &mut topology.streams {
            stream.config.insert("num_replicas".to_owned(), plan.servers.into());
            if let Some(window) = plan.dedupe_window {
                let nanos = u64::try_from(window.as_nanos()).unwrap();
                stream.config.insert("duplicate_window".to_owned(), nanos.into());
            }
        }
        let admin = servers.bus(BusRole::Admin).await;
        until("the streams are made", async || topology::apply(&admin, &topology, false).await.is_ok()).await;
        servers
    }

    pub(crate) async fn make_streams(&self) {
        let topology = Topology::from_dir(&files(), PARTITIONS).unwrap();
        topology::apply(&self.bus(BusRole::Admin).await, &topology, true).await.unwrap();
    }

    pub(crate) async fn bus(&self, role: BusRole) -> Bus {
        Bus::connect(NatsSettings::new(self.nats.url(), role, password(role).into())).await.unwrap()
    }

    /// A way to the log as the command side has it, over this address; it gives up soon.
    pub(crate) async fn impatient_log(&self, url: String) -> Log {
        let role = BusRole::CommandApi;
        let mut settings = NatsSettings::new(url, role, password(role).into());
        settings.retry_for = Duration::from_millis(400);
        Log::new(Bus::connect(settings).await.unwrap())
    }

    /// The log, as the command side writes it.
    pub(crate) async fn log(&self) -> Log {
        Log::new(self.bus(BusRole::CommandApi).await)
    }

    pub(crate) fn store_settings(&self) -> chasqui_read_model::Settings {
        let mut settings =
            chasqui_read_model::Settings::new(self.mongo.url(), "chasqui_test", self.redis.url());
        settings.mongodb_timeout = Duration::from_secs(2);
        settings.redis_timeout = Duration::from_millis(300);
        settings
    }

    pub(crate) async fn model(&self) -> ReadModel {
        ReadModel::connect(&self.store_settings()).await.unwrap()
    }

    pub(crate) async fn redis(&self) -> Redis {
        Redis::connect(self.redis.address()).await
    }

    pub(crate) async fn projector(&self) -> Running {
        self.projector_with(settings()).await
    }

    pub(crate) async fn projector_with(&self, settings: Settings) -> Running {
        self.projector_at(&self.store_settings(), settings).await
    }

    /// A projector with another way to the stores.
    pub(crate) async fn projector_at(
        &self,
        stores: &chasqui_read_model::Settings,
        settings: Settings,
    ) -> Running {
        let registry = Registry::new();
        let shutdown = Shutdown::new();
        let projector = Projector::new(
            self.bus(BusRole::Projector).await,
            ReadModel::connect(stores).await.unwrap(),
            settings,
            registry.register("projector"),
        );
        let task = tokio::spawn(projector.run(shutdown.clone()));
        Running { registry, shutdown, task }
    }
}

/// A projector in a runtime of its own, which can end in the middle of anything.
pub(crate) struct Dying(tokio::runtime::Runtime);

impl Dying {
    pub(crate) fn cut_off(self) {
        self.0.shutdown_background();
    }
}

impl Servers {
    pub(crate) fn runtime_of_its_own(&self, settings: Settings) -> Dying {
        Self::runtime_with(self.nats.url().to_owned(), self.store_settings(), settings)
    }

    /// The same with other ways to the servers.
    pub(crate) fn runtime_with(
        nats: String,
        stores: chasqui_read_model::Settings,
        settings: Settings,
    ) -> Dying {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.spawn(async move {
            let role = BusRole::Projector;
            let bus = Bus::connect(NatsSettings::new(nats, role, password(role).into())).await.unwrap();
            let model = ReadModel::connect(&stores).await.unwrap();
            let ready = Registry::new().register("projector");
            Projector::new(bus, model, settings, ready).run(Shutdown::new()).await
        });
        Dying(runtime)
    }
}

/// As in production, but quicker to notice things.
pub(crate) fn settings() -> Settings {
    Settings {
        versions_poll: Duration::from_millis(100),
        batch_wait: Duration::from_millis(5),
        beat: Duration::from_millis(200),
        patience: Duration::from_secs(2),
        ..Settings::new(PARTITIONS)
    }
}

/// A projector at work.
pub(crate) struct Running {
    pub(crate) registry: Registry,
    pub(crate) shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn ready(&self) {
        tokio::time::timeout(LONG, self.registry.wait_until_ready()).await.unwrap();
    }

    pub(crate) fn reason(&self) -> String {
        self.registry.report().checks[0].reason.clone().unwrap_or_default()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.request();
        tokio::time::timeout(LONG, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// A plain connection to Redis, to do what Chasqui never does.
pub(crate) struct Redis(tokio::net::TcpStream);

impl Redis {
    async fn connect(address: &str) -> Self {
        Self(tokio::net::TcpStream::connect(address).await.unwrap())
    }

    /// Sends an inline command, and gives what comes back first.
    pub(crate) async fn say(&mut self, command: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        self.0.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 1 << 16];
        let length = self.0.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
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

pub(crate) fn fact<E: Event>(by: UserId, basis: Seq, event: E) -> Envelope<E> {
    Envelope { id: command(), at: now(), by, basis, import: None, event }
}

/// A room and how to write its facts.
pub(crate) struct Room {
    pub(crate) log: Log,
    pub(crate) id: RoomId,
    pub(crate) owner: UserId,
    /// The last state fact.
    pub(crate) basis: Seq,
}

impl Room {
    /// A public room, created in the log.
    pub(crate) async fn create(log: &Log) -> Self {
        Self::create_in(log, P).await
    }

    pub(crate) async fn create_in(log: &Log, partition: Partition) -> Self {
        let owner = user();
        let id = RoomId::new(partition, now(), bytes());
        let mut room = Self { log: log.clone(), id, owner, basis: 0 };
        let members = vec![FoundingMember { user: owner, role: Role::Owner }];
        let created = Created { kind: Kind::Public, name: format!("Plaza {id}"), members };
        room.state(owner, RoomEvent::Created(created)).await;
        room
    }

    /// The conversation of two.
    pub(crate) async fn direct(log: &Log, one: UserId, other: UserId) -> Self {
        let id = RoomId::new(P, now(), bytes());
        let mut room = Self { log: log.clone(), id, owner: one, basis: 0 };
        let members = [one, other].map(|user| FoundingMember { user, role: Role::Member }).to_vec();
        let created = Created { kind: Kind::Direct, name: String::new(), members };
        room.state(one, RoomEvent::Created(created)).await;
        room
    }

    pub(crate) async fn state(&mut self, by: UserId, event: RoomEvent) -> Seq {
        let append = Append::fact(subject::room(self.id, Lane::State), &fact(by, 0, event));
        self.basis = self.log.append(append).await.unwrap().seq;
        self.basis
    }

    pub(crate) async fn join(&mut self) -> UserId {
        let user = user();
        self.state(user, RoomEvent::MemberJoined(MemberJoined { user })).await;
        user
    }

    pub(crate) async fn post(&self, by: UserId, body: &str) -> Seq {
        self.post_as(fact(by, self.basis, posted(body))).await
    }

    pub(crate) async fn post_as(&self, fact: Envelope<MessageEvent>) -> Seq {
        self.log.append(Append::fact(subject::room(self.id, Lane::Msg), &fact)).await.unwrap().seq
    }

    pub(crate) async fn receipt(&self, user: UserId, delivered: Seq, read: Seq) -> Seq {
        let moved = Moved { marks: vec![Mark { user, delivered, read }] };
        let fact = fact(user, 0, ReceiptEvent::Moved(moved));
        self.log.append(Append::fact(subject::room(self.id, Lane::Rcpt), &fact)).await.unwrap().seq
    }

    /// Something that this program cannot read, on the message lane.
    pub(crate) async fn poison(&self) -> Seq {
        let mut append = Append::fact(subject::room(self.id, Lane::Msg), &fact(self.owner, 0, posted("")));
        let text = String::from_utf8(append.payload.to_vec()).unwrap();
        append.payload = text.replace("message.posted", "message.sung").into_bytes().into();
        self.log.append(append).await.unwrap().seq
    }
}

pub(crate) fn posted(body: &str) -> MessageEvent {
    MessageEvent::Posted(Posted {
        body: Text::Plain(body.to_owned()),
        size: body.len() as u64,
        replies_to: vec![],
    })
}

/// Waits until the active version has projected everything that is in the log now.
pub(crate) async fn settled(model: &ReadModel, log: &Log) {
    for stream in Stream::all(PARTITIONS) {
        let head = log.head(&stream.to_string()).await.unwrap().last_seq;
        if head > 0 {
            model.wait_for(stream, head, LONG).await.unwrap_or_else(|error| panic!("{stream}: {error}"));
        }
    }
}

/// Waits until something is so that nobody announces.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !check().await {
        assert!(tokio::time::Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
