//! A whole installation for one test.

mod ground;
mod turn;

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

use chasqui_backends::{MongoServer, NatsServer, RedisServer};
use chasqui_bus::{Bus, BusRole, Log, NatsSettings, keys::KeyBuckets};
use chasqui_client::{Api, Endpoint, Options};
use chasqui_crypto::{KekFile, KekSource, Keyring, Life};
use chasqui_read_model::{ReadModel, Settings};
use futures::future::join_all;
use secrecy::SecretString;

use crate::{
    Layout, LossyNats, Person, Role, RoleProcess, binary,
    layout::{Planned, variable},
    process,
};
use ground::Ground;
use turn::Turn;

/// Real backends and the program's roles, ready, in a folder of their own. All of it goes when this is dropped.
#[derive(Debug)]
pub struct Stack {
    processes: Vec<RoleProcess>,
    lossy: Vec<(String, LossyNats)>,
    ground: Ground,
    http: reqwest::Client,
    partitions: u16,
    /// Given back last.
    _turn: Turn,
}

/// Partitions of a test's log.
const PARTITIONS: u16 = 4;
const DATABASE: &str = "chasqui_test";

impl Stack {
    /// All roles in one process.
    pub async fn start() -> Self {
        Self::with(Layout::one_process()).await
    }

    /// Roles in processes as the layout says. Returns when all of them are ready.
    pub async fn with(layout: Layout) -> Self {
        let turn = Turn::take(layout.alone).await;
        let (durability, secured) = (layout.durability, layout.secured.clone());
        let runtime = tokio::runtime::Handle::current();
        let laid = tokio::task::spawn_blocking(move || Ground::lay(durability, secured, &runtime)).await;
        let ground = laid.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (processes, lossy) = (Vec::new(), Vec::new());
        let mut stack = Self { processes, lossy, ground, http, partitions: PARTITIONS, _turn: turn };
        for planned in &layout.processes {
            stack.plan(&layout, planned).await;
        }
        for process in &stack.processes {
            process.launch();
        }
        join_all(stack.processes.iter().map(RoleProcess::ready)).await;
        stack
    }

    async fn plan(&mut self, layout: &Layout, planned: &Planned) {
        let mut nats_url = self.ground.nats.url().to_owned();
        if planned.lossy_nats {
            let lossy = LossyNats::start(self.ground.nats.address()).await;
            nats_url = lossy.url();
            self.lossy.push((planned.name.clone(), lossy));
        }
        let mut spawn = self.ground.spawn(&planned.name, binary::chasqui());
        spawn = spawn.args(["serve"]);
        for role in &planned.roles {
            spawn = spawn.args(["--role", role.name()]);
        }
        for (key, value) in self.ground.configuration(&nats_url, DATABASE) {
            spawn = spawn.env(variable(&key), value);
        }
        spawn = spawn.env(variable("chat.partitions"), self.partitions.to_string());
        for (key, value) in layout.configuration.iter().chain(&planned.configuration) {
            spawn = spawn.env(variable(key), value);
        }
        self.processes.push(RoleProcess::new(&planned.name, &planned.roles, spawn, self.http.clone()));
    }

    /// NATS.
    #[must_use]
    pub fn nats(&self) -> &NatsServer {
        &self.ground.nats
    }

    /// The MongoDB-protocol server.
    #[must_use]
    pub fn mongo(&self) -> &MongoServer {
        &self.ground.mongo
    }

    /// The Redis-protocol server.
    #[must_use]
    pub fn redis(&self) -> &RedisServer {
        &self.ground.redis
    }

    /// A process by its name in the layout.
    #[must_use]
    pub fn process(&self, name: &str) -> &RoleProcess {
        let found = self.processes.iter().find(|process| process.name() == name);
        found.unwrap_or_else(|| panic!("no process is called {name:?}"))
    }

    /// The first process with this role.
    #[must_use]
    pub fn role(&self, role: Role) -> &RoleProcess {
        let found = self.processes.iter().find(|process| process.roles().contains(&role));
        found.unwrap_or_else(|| panic!("no process has the role {}", role.name()))
    }

    /// The faulty proxy between this process and NATS; see [`Layout::lossy_nats`].
    #[must_use]
    pub fn lossy(&self, process: &str) -> &LossyNats {
        let found = self.lossy.iter().find(|(name, _)| name == process);
        found.map_or_else(|| panic!("{process} is not connected through a faulty proxy"), |(_, lossy)| lossy)
    }

    /// Where the first edge is.
    #[must_use]
    pub fn edge(&self) -> Endpoint {
        self.role(Role::WsEdge).endpoint()
    }

    /// The port of the first edge, for a proxy in front of it.
    #[must_use]
    pub fn edge_port(&self) -> u16 {
        self.role(Role::WsEdge).port()
    }

    /// The address of an HTTP path served by a role, such as `/v1/login`.
    #[must_use]
    pub fn url(&self, role: Role, path: &str) -> String {
        format!("{}{path}", self.role(role).endpoint().http_url())
    }

    /// A client for plain HTTP.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The account routes.
    #[must_use]
    pub fn accounts(&self) -> Api {
        Api::new(&self.role(Role::Auth).endpoint()).unwrap()
    }

    /// Somebody new: registered, logged in, connected to the first edge, caught up.
    pub async fn user(&self, name: &str) -> Person {
        Person::arrive(self, name, self.edge(), Person::options()).await
    }

    /// Somebody new, connected there and so.
    pub async fn user_at(&self, name: &str, endpoint: Endpoint, options: Options) -> Person {
        Person::arrive(self, name, endpoint, options).await
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// The log, read with the projector's credentials, past any proxy.
    pub async fn log(&self) -> Log {
        Log::new(self.bus(BusRole::Projector).await)
    }

    /// A connection to NATS in a role, past any proxy.
    pub async fn bus(&self, role: BusRole) -> Bus {
        let password = self.ground.password(role.user());
        let settings = NatsSettings::new(self.ground.nats.url(), role, password);
        Bus::connect(NatsSettings { ca_file: self.ground.authority(), ..settings }).await.unwrap()
    }

    /// A file of the installation's secrets.
    #[must_use]
    pub fn secret(&self, name: &str) -> PathBuf {
        self.ground.secret(name)
    }

    /// The keys to what is sealed, as query-api may read them. Nothing is kept for longer than a moment, so that what is
    /// erased does not open.
    pub async fn keyring(&self) -> Keyring {
        let store = KeyBuckets::open(self.bus(BusRole::QueryApi).await);
        let kek = KekFile::load(KekSource::File(self.ground.secret("kek.keys"))).unwrap();
        let life = Life { time: Duration::from_millis(100), number: 10_000 };
        Keyring::new(Arc::new(store), Arc::new(kek), life)
    }

    /// The projections, as query-api and edges read them.
    pub async fn read_model(&self) -> ReadModel {
        ReadModel::connect(&self.read_settings()).await.unwrap()
    }

    /// Where the projections are.
    #[must_use]
    pub fn read_settings(&self) -> Settings {
        let (mongo, redis) = (self.ground.mongo_url(), self.ground.redis_url());
        let settings = Settings::new(&mongo, DATABASE, &redis);
        Settings { mongodb_ca: self.ground.authority(), redis_ca: self.ground.authority(), ..settings }
    }

    /// The password of a NATS user, such as `ws-edge`.
    #[must_use]
    pub fn nats_password(&self, user: &str) -> SecretString {
        self.ground.password(user)
    }

    /// The program with other arguments than `serve`, configured for this installation: not yet started.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.ground.command(binary::chasqui());
        for (key, value) in self.ground.configuration(self.ground.nats.url(), DATABASE) {
            command.env(variable(&key), value);
        }
        command.env(variable("chat.partitions"), self.partitions.to_string());
        command.args(args);
        command
    }

    /// A folder that goes with the installation, for files of the test.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.ground.folder()
    }

    /// Fails when a process has ended by itself, or one of them has panicked.
    pub fn assert_healthy(&self) {
        for process in &self.processes {
            if let Some(died) = process.died() {
                panic!("{died}");
            }
            let log = process.log_text();
            let panicked = log.lines().find(|line| line.contains("panicked at"));
            assert!(panicked.is_none(), "{}: {}", process.name(), panicked.unwrap_or_default());
        }
    }

    fn tell_what_happened(&self) {
        const LINES: usize = 80;
        for process in &self.processes {
            let died = process.died().map_or("", |_| " (it ended by itself)");
            let tail = chasqui_backends::tail(process.log(), LINES);
            eprintln!("--- the end of the log of {}{died} ---\n{tail}", process.name());
        }
        eprintln!("--- the end of the log of nats-server ---\n{}", self.ground.nats.log_tail(10));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        if failing {
            self.tell_what_happened();
            self.ground.keep_if_asked();
        } else {
            self.assert_healthy();
        }
        self.processes.iter().for_each(process::RoleProcess::end);
        self.ground.end();
        let leftovers = self.ground.leftovers();
        assert!(failing || leftovers.is_empty(), "processes of this test are still there: {leftovers:?}");
    }
}
