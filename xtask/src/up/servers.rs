//! The three backends with data that stays.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use chasqui_backends::{
    Error, Found, Kind, MongoOptions, MongoServer, NatsOptions, NatsServer, Place, Preparation, Product,
    RedisOptions, RedisServer, port_is_free,
};

use super::Options;
use super::settings::Settings;
use crate::tree::Tree;

/// All three, running.
pub(super) struct Servers {
    pub(super) nats: NatsServer,
    pub(super) mongo: MongoServer,
    pub(super) redis: RedisServer,
}

impl Servers {
    pub(super) fn start(
        options: &Options,
        tree: &Tree,
        preparation: &Preparation,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let ports = Ports::of_last_time(tree);
        check_mongod(options, &ports, tree, preparation)?;
        let place = |name: &str, wanted: Option<u16>| Place {
            port: wanted.or_else(|| ports.free(name)),
            data: Some(tree.state().join(name)),
            log: Some(tree.log(name)),
        };
        let redis = RedisOptions { place: place("redis", options.redis_port), append_only: true };
        let redis = RedisServer::start_with(&redis, preparation).context("Redis did not start")?;
        let mongo = MongoOptions { place: place("mongodb", options.mongodb_port) };
        let mongo = MongoServer::start_with(&mongo, preparation).context("MongoDB did not start")?;
        let nats = NatsOptions {
            place: place("nats", options.nats_port),
            monitor_port: ports.free("nats-monitor"),
            config: Some(tree.nats_config()),
            passwords: settings.passwords(),
            durability: settings.durability,
            args: Vec::new(),
        };
        let nats = NatsServer::start_with(&nats, preparation).context("NATS did not start")?;
        let servers = Self { nats, mongo, redis };
        servers.remember_ports(tree)?;
        Ok(servers)
    }

    /// Asks those that the environment names, so that a wrong address does not first cost a compile.
    pub(super) fn check_named(preparation: &Preparation) -> anyhow::Result<()> {
        let named = |kind| preparation.environment.url(kind).is_some();
        if named(Kind::Nats) {
            NatsServer::start_with(&NatsOptions::default(), preparation)?;
        }
        if named(Kind::Mongo) {
            MongoServer::start_with(&MongoOptions::default(), preparation)?;
        }
        if named(Kind::Redis) {
            RedisServer::start_with(&RedisOptions::default(), preparation)?;
        }
        Ok(())
    }

    /// The variables that name them.
    pub(super) fn urls(&self) -> [(&'static str, String); 3] {
        [
            (Kind::Nats.url_variable(), self.nats.url().to_owned()),
            (Kind::Mongo.url_variable(), self.mongo.url().to_owned()),
            (Kind::Redis.url_variable(), self.redis.url().to_owned()),
        ]
    }

    /// The first of ours that has ended.
    pub(super) fn died(&self) -> Option<Error> {
        self.nats.died().or_else(|| self.mongo.died()).or_else(|| self.redis.died())
    }

    /// Those of ours, the log last.
    pub(super) fn stop(&self) {
        // One that somebody else runs refuses, and goes on.
        self.redis.stop().ok();
        self.mongo.stop().ok();
        self.nats.stop().ok();
    }

    fn remember_ports(&self, tree: &Tree) -> anyhow::Result<()> {
        let monitor = self.nats.monitor_port();
        let ports = [
            ("nats", self.nats.port()),
            ("nats-monitor", monitor),
            ("mongodb", self.mongo.port()),
            ("redis", self.redis.port()),
        ];
        let lines = ports.into_iter().filter_map(|(name, port)| Some(format!("{name} {}\n", port?)));
        let file = Ports::file(tree);
        fs::write(&file, lines.collect::<String>()).with_context(|| format!("writing {}", file.display()))
    }
}

/// The ports of last time: URLs that stay the same are kinder, and a mongod insists on them.
struct Ports(Vec<(String, u16)>);

impl Ports {
    fn file(tree: &Tree) -> PathBuf {
        tree.state().join("ports")
    }

    fn of_last_time(tree: &Tree) -> Self {
        let text = fs::read_to_string(Self::file(tree)).unwrap_or_default();
        let ports = text.lines().filter_map(|line| {
            let (name, port) = line.split_once(' ')?;
            Some((name.to_owned(), port.parse().ok()?))
        });
        Self(ports.collect())
    }

    fn get(&self, name: &str) -> Option<u16> {
        self.0.iter().find(|(known, _)| known == name).map(|&(_, port)| port)
    }

    fn free(&self, name: &str) -> Option<u16> {
        self.get(name).filter(|&port| port_is_free(port))
    }
}

/// The original mongod writes its port into its replica set's configuration; at another one it refuses to
/// be the set's member.
fn check_mongod(
    options: &Options,
    ports: &Ports,
    tree: &Tree,
    preparation: &Preparation,
) -> anyhow::Result<()> {
    let Found::Program(program) = preparation.environment.find(Kind::Mongo)? else { return Ok(()) };
    let (Product::Mongod, Some(port)) = (program.product, ports.get("mongodb")) else { return Ok(()) };
    if !tree.state().join("mongodb").exists() {
        return Ok(());
    }
    let moved = options.mongodb_port.is_some_and(|wanted| wanted != port);
    if moved || !port_is_free(port) {
        bail!(
            "the data of mongod in {} is bound to port {port}, {}. Free that port, or forget the data with \
             `cargo xtask up --fresh`",
            tree.state().join("mongodb").display(),
            if moved { "and another was asked for" } else { "which is in use" }
        );
    }
    Ok(())
}
