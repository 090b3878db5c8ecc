//! What the roles stand on: a folder, secrets, the three backends, the topology.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use chasqui_backends::{
    Durability, MongoOptions, MongoServer, NatsOptions, NatsServer, Place, RedisOptions, RedisServer, Spawn,
};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::{
    TlsProxy, binary,
    layout::{Secured, variable},
};

/// Backends with an empty log, the topology applied.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) nats: NatsServer,
    pub(super) mongo: MongoServer,
    pub(super) redis: RedisServer,
    passwords: Vec<(String, SecretString)>,
    folder: TempDir,
    tls: Option<Tls>,
}

/// TLS in front of what has none, and whom everybody trusts.
#[derive(Debug)]
struct Tls {
    authority: PathBuf,
    mongo: TlsProxy,
    redis: TlsProxy,
}

/// Marks every process that belongs to a test, in its environment.
const MARK: &str = "CHASQUI_TEST_STACK";

impl Ground {
    /// Blocks until everything answers.
    pub(super) fn lay(durability: Durability, secured: Option<Secured>, runtime: &Handle) -> Self {
        let program = binary::chasqui();
        let folder = tempfile::Builder::new().prefix("chasqui-stack-").tempdir_in(base()).unwrap();
        let at = |name: &str| Place {
            port: None,
            data: Some(folder.path().join(name)),
            log: Some(folder.path().join(format!("{name}.log"))),
        };
        let (nats_place, mongo_place, redis_place) = (at("nats"), at("mongo"), at("redis"));
        let mongo = thread::spawn(|| MongoServer::start_own(&MongoOptions { place: mongo_place }));
        let redis = thread::spawn(|| {
            RedisServer::start_own(&RedisOptions { place: redis_place, append_only: false })
        });
        let passwords = make_secrets(program, folder.path());
        let exposed =
            passwords.iter().map(|(user, password)| (user.clone(), password.expose_secret().into()));
        let tls_arguments = secured.iter().flat_map(|Secured { issued, .. }| {
            let [certificate, key] =
                [&issued.certificate, &issued.key].map(|file| file.display().to_string());
            ["--tls".to_owned(), "--tlscert".to_owned(), certificate, "--tlskey".to_owned(), key]
        });
        let nats = NatsServer::start_own(&NatsOptions {
            place: nats_place,
            config: Some(workspace().join("nats/server.conf")),
            passwords: exposed.collect(),
            durability,
            args: tls_arguments.collect(),
            ..NatsOptions::default()
        });
        let (mongo, redis) = (mongo.join().unwrap().unwrap(), redis.join().unwrap().unwrap());
        let tls = secured.map(|Secured { authority, issued }| {
            let proxy = |port: Option<u16>| runtime.block_on(TlsProxy::start(port.unwrap(), &issued));
            Tls { authority, mongo: proxy(mongo.port()), redis: proxy(redis.port()) }
        });
        let ground = Self { nats: nats.unwrap(), mongo, redis, passwords, folder, tls };
        let mut apply = ground.command(program);
        for (key, value) in ground.configuration(ground.nats.url(), "unused") {
            apply.env(variable(&key), value);
        }
        run(apply.args(["admin", "topology", "apply"]));
        ground
    }

    /// The configuration that every process needs.
    pub(super) fn configuration(&self, nats_url: &str, database: &str) -> Vec<(String, String)> {
        let file = |name: &str| self.secret(name).to_string_lossy().into_owned();
        let mut keys = vec![
            ("nats.url".to_owned(), nats_url.to_owned()),
            ("mongodb.url".to_owned(), self.mongo_url()),
            ("mongodb.database".to_owned(), database.to_owned()),
            ("redis.url".to_owned(), self.redis_url()),
            ("auth.name_key_file".to_owned(), file("name.key")),
            ("crypto.kek_file".to_owned(), file("kek.keys")),
            ("log.filter".to_owned(), "info,chasqui=debug".to_owned()),
        ];
        if let Some(authority) = self.authority() {
            let authority = authority.to_string_lossy().into_owned();
            keys.extend(
                ["nats", "mongodb", "redis"].map(|link| (format!("{link}.ca_file"), authority.clone())),
            );
        }
        for (user, password) in &self.passwords {
            keys.push((format!("nats.password_{user}"), password.expose_secret().to_owned()));
        }
        keys
    }

    /// Where MongoDB is talked to.
    pub(super) fn mongo_url(&self) -> String {
        let direct = self.mongo.url();
        self.tls.as_ref().map_or_else(
            || direct.to_owned(),
            // A member of the replica set would be looked for past the proxy.
            |tls| format!("mongodb://{}/?directConnection=true", tls.mongo.address()),
        )
    }

    /// Where Redis is talked to.
    pub(super) fn redis_url(&self) -> String {
        let direct = self.redis.url();
        self.tls.as_ref().map_or_else(|| direct.to_owned(), |tls| format!("rediss://{}", tls.redis.address()))
    }

    /// Whom everybody trusts.
    pub(super) fn authority(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|tls| tls.authority.clone())
    }

    /// A file of secrets.
    pub(super) fn secret(&self, name: &str) -> PathBuf {
        self.folder.path().join("secrets").join(name)
    }

    /// A child process with nothing of our own configuration, marked as this test's.
    pub(super) fn spawn(&self, name: &str, program: &Path) -> Spawn {
        let log = self.folder.path().join(format!("{name}.log"));
        let mut spawn = Spawn::new(program, log).folder(self.folder.path()).env(MARK, self.folder.path());
        for name in own_configuration() {
            spawn = spawn.env_remove(name);
        }
        spawn
    }

    /// The same as a command, for what runs to its end.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = clean(program);
        command.current_dir(self.folder.path()).env(MARK, self.folder.path());
        command
    }

    pub(super) fn password(&self, user: &str) -> SecretString {
        let user = user.replace('-', "_");
        let found = self.passwords.iter().find(|(name, _)| *name == user);
        found.unwrap_or_else(|| panic!("NATS has no user {user:?}")).1.clone()
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(super) fn end(&self) {
        // Killed by the test already, perhaps.
        self.nats.kill_9().ok();
        self.mongo.kill_9().ok();
        self.redis.kill_9().ok();
    }

    /// Leaves the folder where it is, when `CHASQUI_TEST_KEEP` is set.
    pub(super) fn keep_if_asked(&mut self) {
        if std::env::var_os("CHASQUI_TEST_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            eprintln!("--- everything is kept in {} ---", self.folder.path().display());
        }
    }

    /// Processes that carry our mark and still run.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.folder.path().display());
        let ours = |process: &Path| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        let names = processes.filter(|process| ours(process)).map(|process| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            format!("{}: {}", process.display(), String::from_utf8_lossy(&command).replace('\0', " "))
        });
        names.collect()
    }
}

/// Where the folders of tests lie: in memory where there is plenty of it. A killed process loses nothing there, and
/// an fsync does not wait for what a compiler wrote to the disk a moment ago, which can take a minute.
fn base() -> PathBuf {
    const PLENTY: u64 = 4 << 30;
    let memory = Path::new("/dev/shm");
    let free =
        nix::sys::statvfs::statvfs(memory).map(|of| of.blocks_available().saturating_mul(of.fragment_size()));
    if free.is_ok_and(|free| free >= PLENTY) { memory.to_owned() } else { std::env::temp_dir() }
}

/// `chasqui admin secrets init`, and the passwords that it made for the users of NATS.
fn make_secrets(program: &Path, folder: &Path) -> Vec<(String, SecretString)> {
    let secrets = folder.join("secrets");
    run(clean(program).current_dir(folder).args(["admin", "secrets", "init", "--dir"]).arg(&secrets));
    let file = secrets.join("nats.env");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let passwords = text.lines().filter_map(|line| {
        let (user, password) = line.strip_prefix("CHASQUI_NATS_PASSWORD_")?.split_once('=')?;
        Some((user.to_lowercase(), password.into()))
    });
    passwords.collect()
}

/// A command that sees nothing of our own configuration.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in own_configuration() {
        command.env_remove(name);
    }
    command
}

fn own_configuration() -> impl Iterator<Item = std::ffi::OsString> {
    let of_ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("CHASQUI_");
    std::env::vars_os().map(|(name, _)| name).filter(of_ours)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{} {:?} failed ({}):\n{}{}",
        command.get_program().display(),
        command.get_args().collect::<Vec<_>>(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
