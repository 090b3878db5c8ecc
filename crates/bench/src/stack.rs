//! The whole of Chasqui, on free ports of this machine, in a temporary folder. The backends are processes of their
//! own, and so is Chasqui: one with all roles, or several.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chasqui_backends::{
    Durability, Managed, MongoOptions, MongoServer, NatsOptions, NatsServer, PortLease, RedisOptions,
    RedisServer, Spawn,
};
use chasqui_bus::{Bus, BusRole, NatsSettings};
use chasqui_protocol::Codec;
use chasqui_runtime::config::Config;
use rand::{RngExt, distr::Alphanumeric};
use tempfile::TempDir;

use crate::{
    procfs::{Process, resident_kib},
    progress::Progress,
    socket::Endpoint,
};

/// The roles that connect to NATS, each with a password of its own.
const ROLES: [&str; 7] = ["admin", "auth", "command-api", "query-api", "projector", "ws-edge", "analytics"];
const READY: Duration = Duration::from_mins(1);
/// Names the program to measure.
pub const SERVER_VARIABLE: &str = "CHASQUI_BENCH_SERVER_BIN";
/// Names a folder in which the servers' logs are kept.
pub const LOGS_VARIABLE: &str = "CHASQUI_BENCH_LOGS";
/// What the views are called in MongoDB.
pub const DATABASE: &str = "chasqui";

/// How Chasqui's roles are spread over processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All roles in one.
    Together,
    /// The roles that answer HTTP, the edge and the projector in one each: tells their costs apart.
    Split,
    /// Only the projector.
    OnlyProjector,
}

impl Layout {
    /// What a process is called, and its roles, all of them where none is named.
    const fn processes(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Together => &[("chasqui", &[])],
            Self::Split => &[
                ("chasqui: api", &["auth", "command-api", "query-api"]),
                ("chasqui: edge", &["ws-edge"]),
                ("chasqui: projector", &["projector"]),
            ],
            Self::OnlyProjector => &[("chasqui", &["projector"])],
        }
    }
}

/// A process of Chasqui.
#[derive(Debug)]
struct Server {
    name: &'static str,
    process: Managed,
    http: PortLease,
    ops: PortLease,
}

/// See the module. Everything is stopped, and the folder removed, when it is dropped.
#[derive(Debug)]
pub struct Stack {
    // Before the folder: fields are dropped in this order.
    servers: Vec<Server>,
    nats: NatsServer,
    mongo: MongoServer,
    redis: RedisServer,
    program: PathBuf,
    environment: Vec<(String, String)>,
    folder: TempDir,
    client: reqwest::Client,
    durability: Durability,
}

impl Stack {
    /// Backends, topology, secrets and Chasqui; returns when it is ready.
    pub async fn start(durability: Durability, layout: Layout, progress: &Progress) -> anyhow::Result<Self> {
        let mut stack = Self::lay_out(durability, progress)?;
        stack.admin(&["topology", "apply"])?;
        stack.serve(layout).await?;
        Ok(stack)
    }

    /// The same with passwords that cost what they cost where nothing is configured.
    pub async fn start_with_real_passwords(progress: &Progress) -> anyhow::Result<Self> {
        let mut stack = Self::lay_out(Durability::Interval, progress)?;
        stack.environment.retain(|(name, _)| !name.starts_with("CHASQUI_AUTH_ARGON2_"));
        stack.admin(&["topology", "apply"])?;
        stack.serve(Layout::Together).await?;
        Ok(stack)
    }

    /// The configuration that Chasqui runs with.
    pub fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(None, self.environment.iter().cloned())?)
    }

    /// A connection to NATS, with the credential of a role.
    pub async fn bus(&self, role: BusRole) -> anyhow::Result<Bus> {
        let variable = format!("CHASQUI_NATS_PASSWORD_{}", role.user().to_uppercase().replace('-', "_"));
        let password = self.environment.iter().find(|(name, _)| *name == variable);
        let (_, password) = password.with_context(|| format!("{variable} is not set"))?;
        Ok(Bus::connect(NatsSettings::new(self.nats.url(), role, password.clone().into())).await?)
    }

    fn lay_out(durability: Durability, progress: &Progress) -> anyhow::Result<Self> {
        let program = program()?;
        let folder = tempfile::Builder::new().prefix("chasqui-bench-").tempdir()?;
        let passwords: Vec<(String, String)> =
            ROLES.iter().map(|role| ((*role).to_owned(), password())).collect();
        progress.step(format!("starting the backends, durability {}", name_of(durability)));
        let nats = NatsServer::start_own(&NatsOptions {
            config: Some(workspace().join("nats/server.conf")),
            passwords: passwords.clone(),
            durability,
            ..NatsOptions::default()
        })?;
        let mongo = MongoServer::start_own(&MongoOptions::default())?;
        let redis = RedisServer::start_own(&RedisOptions::default())?;
        let mut stack = Self {
            servers: Vec::new(),
            environment: Vec::new(),
            nats,
            mongo,
            redis,
            program,
            folder,
            client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?,
            durability,
        };
        stack.environment = stack.configuration(&passwords);
        let secrets = stack.secrets().to_string_lossy().into_owned();
        stack.admin(&["secrets", "init", "--dir", &secrets])?;
        Ok(stack)
    }

    fn configuration(&self, passwords: &[(String, String)]) -> Vec<(String, String)> {
        let file = |name: &str| self.secrets().join(name).to_string_lossy().into_owned();
        let keys = [
            ("DURABILITY", name_of(self.durability).to_owned()),
            ("NATS_URL", self.nats.url().to_owned()),
            ("MONGODB_URL", self.mongo.url().to_owned()),
            ("MONGODB_DATABASE", DATABASE.to_owned()),
            ("REDIS_URL", self.redis.url().to_owned()),
            ("LOG_FILTER", "warn".to_owned()),
            ("AUTH_NAME_KEY_FILE", file("name.key")),
            ("CRYPTO_KEK_FILE", file("kek.keys")),
            // Thousands of people are registered; passwords are not what is measured.
            ("AUTH_ARGON2_MEMORY_KIB", "8".to_owned()),
            ("AUTH_ARGON2_ITERATIONS", "1".to_owned()),
            // Few people do what many would.
            ("RATE_ENFORCEMENT", "off".to_owned()),
            ("AUTH_ACCESS_TTL_S", "86400".to_owned()),
        ];
        let passwords = passwords.iter().map(|(role, password)| {
            (format!("CHASQUI_NATS_PASSWORD_{}", role.to_uppercase().replace('-', "_")), password.clone())
        });
        keys.into_iter().map(|(key, value)| (format!("CHASQUI_{key}"), value)).chain(passwords).collect()
    }

    /// Starts Chasqui anew, laid out like this; returns when all of it is ready.
    pub async fn serve(&mut self, layout: Layout) -> anyhow::Result<()> {
        self.stop_servers();
        for (name, roles) in layout.processes() {
            let server = self.start_server(name, roles)?;
            self.servers.push(server);
        }
        let deadline = Instant::now() + READY;
        for server in &self.servers {
            self.until_ready(server, deadline).await?;
        }
        Ok(())
    }

    fn start_server(&self, name: &'static str, roles: &[&str]) -> anyhow::Result<Server> {
        let (http, ops) = (PortLease::any()?, PortLease::any()?);
        let arguments = roles.iter().flat_map(|role| ["--role", role]);
        let log = variable(LOGS_VARIABLE).unwrap_or_else(|| self.folder.path().to_owned());
        let spawn = Spawn::new(&self.program, log.join(format!("{}.log", name.replace(": ", "-"))))
            .args(["serve"].into_iter().chain(arguments))
            .env("CHASQUI_HTTP_LISTEN", socket_address(&http).to_string())
            .env("CHASQUI_OPS_LISTEN", socket_address(&ops).to_string());
        let spawn = self.environment.iter().fold(spawn, |spawn, (name, value)| spawn.env(name, value));
        Ok(Server { name, process: Managed::start(&spawn)?, http, ops })
    }

    async fn until_ready(&self, server: &Server, deadline: Instant) -> anyhow::Result<()> {
        let ready = format!("http://{}/health/ready", socket_address(&server.ops));
        loop {
            if self.client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if server.process.exit_status().is_some() {
                return Err(server.process.died().into());
            }
            if Instant::now() >= deadline {
                let log = server.process.log_tail(30);
                bail!("{} is not ready after {READY:?}. The end of its log:\n{log}", server.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops Chasqui, gently.
    pub fn stop_servers(&mut self) {
        for server in self.servers.drain(..) {
            server.process.stop(Duration::from_secs(30));
        }
    }

    /// Runs `chasqui admin …` to its end.
    pub fn admin(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            .arg("admin")
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .with_context(|| format!("starting {}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("chasqui admin {} ended with {}:\n{said}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where clients connect, and where the API is.
    #[must_use]
    pub fn endpoint(&self, codec: Codec) -> Endpoint {
        let at = |server: Option<&Server>| {
            server.map_or_else(String::new, |server| socket_address(&server.http).to_string())
        };
        let edge = self.servers.iter().find(|server| server.name.ends_with(": edge"));
        let first = self.servers.first();
        Endpoint { api: at(first), ..Endpoint::chasqui(at(edge.or(first)), codec) }
    }

    /// The MongoDB-protocol server's URL.
    #[must_use]
    pub fn mongo_url(&self) -> &str {
        self.mongo.url()
    }

    /// The Redis server.
    #[must_use]
    pub fn redis(&self) -> &RedisServer {
        &self.redis
    }

    /// When a fact counts as stored.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// All server processes.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let servers = self.servers.iter().map(|server| (server.name, Some(server.process.pid())));
        let backends = [
            ("nats-server", self.nats.pid()),
            ("MongoDB server", self.mongo.pid()),
            ("Redis server", self.redis.pid()),
        ];
        servers
            .chain(backends)
            .filter_map(|(name, pid)| Some(Process { name: name.to_owned(), pid: pid? }))
            .collect()
    }

    /// Resident memory of each process, in KiB.
    pub fn memory(&self) -> anyhow::Result<Vec<(String, u64)>> {
        self.processes().into_iter().map(|process| Ok((process.name, resident_kib(process.pid)?))).collect()
    }

    /// The ends of the servers' logs.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let tail = |server: &Server| format!("{}:\n{}", server.name, server.process.log_tail(20));
        self.servers.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }
}

/// As the configuration and people call it.
#[must_use]
pub const fn name_of(durability: Durability) -> &'static str {
    match durability {
        Durability::Always => "always",
        Durability::Interval => "interval",
    }
}

fn socket_address(lease: &PortLease) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, lease.port()))
}

fn password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect()
}

/// The folder of the whole project: `nats/` is the one source of the topology.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The program that the environment names, else the release build of this workspace.
fn program() -> anyhow::Result<PathBuf> {
    let program = variable(SERVER_VARIABLE).unwrap_or_else(|| workspace().join("target/release/chasqui"));
    if !program.is_file() {
        bail!(
            "{} is not there. `cargo build --release -p chasqui` makes it; {SERVER_VARIABLE} names another.",
            program.display()
        );
    }
    Ok(program)
}
