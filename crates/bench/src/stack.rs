//! The whole of Chasqui, as separate processes on free ports of this machine, in a temporary folder.

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
use chasqui_protocol::Codec;
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

/// See the module. Everything is stopped, and the folder removed, when it is dropped.
#[derive(Debug)]
pub struct Stack {
    // Before the folder: fields are dropped in this order.
    server: Option<Managed>,
    nats: NatsServer,
    mongo: MongoServer,
    redis: RedisServer,
    program: PathBuf,
    environment: Vec<(String, String)>,
    http: PortLease,
    ops: PortLease,
    folder: TempDir,
    client: reqwest::Client,
    durability: Durability,
}

impl Stack {
    /// Backends, topology, secrets and one process with all roles; returns when it is ready.
    pub async fn start(durability: Durability, progress: &Progress) -> anyhow::Result<Self> {
        let mut stack = Self::lay_out(durability, progress)?;
        stack.admin(&["topology", "apply"])?;
        stack.serve(&[]).await?;
        Ok(stack)
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
        let (http, ops) = (PortLease::any()?, PortLease::any()?);
        let mut stack = Self {
            server: None,
            environment: Vec::new(),
            nats,
            mongo,
            redis,
            program,
            http,
            ops,
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
            ("HTTP_LISTEN", socket_address(&self.http).to_string()),
            ("OPS_LISTEN", socket_address(&self.ops).to_string()),
            ("LOG_FILTER", "warn".to_owned()),
            ("AUTH_SIGNING_KEY_FILE", file("signing_key.pem")),
            ("AUTH_NAME_KEY_FILE", file("name.key")),
            // Thousands of people are registered; passwords are not what is measured.
            ("AUTH_ARGON2_MEMORY_KIB", "8".to_owned()),
            ("AUTH_ARGON2_ITERATIONS", "1".to_owned()),
            ("AUTH_ACCESS_TTL_S", "86400".to_owned()),
        ];
        let passwords = passwords.iter().map(|(role, password)| {
            (format!("CHASQUI_NATS_PASSWORD_{}", role.to_uppercase().replace('-', "_")), password.clone())
        });
        keys.into_iter().map(|(key, value)| (format!("CHASQUI_{key}"), value)).chain(passwords).collect()
    }

    /// Starts the server with these roles, all when none is named; returns when it is ready.
    pub async fn serve(&mut self, roles: &[&str]) -> anyhow::Result<()> {
        self.stop_server();
        let mut arguments = vec!["serve".to_owned()];
        for role in roles {
            arguments.extend(["--role".to_owned(), (*role).to_owned()]);
        }
        let log =
            variable(LOGS_VARIABLE).unwrap_or_else(|| self.folder.path().to_owned()).join("chasqui.log");
        let spawn = Spawn::new(&self.program, log).args(arguments);
        let spawn = self.environment.iter().fold(spawn, |spawn, (name, value)| spawn.env(name, value));
        let server = self.server.insert(Managed::start(&spawn)?);
        let ready = format!("http://{}/health/ready", socket_address(&self.ops));
        let deadline = Instant::now() + READY;
        loop {
            if self.client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if server.exit_status().is_some() {
                return Err(server.died().into());
            }
            if Instant::now() >= deadline {
                bail!(
                    "the server is not ready after {READY:?}. The end of its log:\n{}",
                    server.log_tail(30)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the server, gently.
    pub fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Duration::from_secs(30));
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

    /// Where clients connect.
    #[must_use]
    pub fn endpoint(&self, codec: Codec) -> Endpoint {
        Endpoint::chasqui(socket_address(&self.http).to_string(), codec)
    }

    /// Base address of the HTTP API.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", socket_address(&self.http))
    }

    /// The page of metrics.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        let url = format!("http://{}/metrics", socket_address(&self.ops));
        Ok(self.client.get(url).send().await?.error_for_status()?.text().await?)
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
        let server = self.server.as_ref().map(Managed::pid);
        [
            ("chasqui", server),
            ("nats-server", self.nats.pid()),
            ("MongoDB server", self.mongo.pid()),
            ("Redis server", self.redis.pid()),
        ]
        .into_iter()
        .filter_map(|(name, pid)| Some(Process { name: name.to_owned(), pid: pid? }))
        .collect()
    }

    /// Resident memory of each process, in KiB.
    pub fn memory(&self) -> anyhow::Result<Vec<(String, u64)>> {
        self.processes().into_iter().map(|process| Ok((process.name, resident_kib(process.pid)?))).collect()
    }

    /// The end of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.server.as_ref().map(|server| server.log_tail(40)).unwrap_or_default()
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
