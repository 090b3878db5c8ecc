//! Which server to use: the order of preference, without fetching anything.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::is_executable;
use crate::pins::Pins;
use crate::{Environment, Error};

/// The three backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The log.
    Nats,
    /// The read model's documents.
    Mongo,
    /// The read model's hot data.
    Redis,
}

impl Kind {
    /// All of them, the quick ones first.
    pub const ALL: [Self; 3] = [Self::Nats, Self::Redis, Self::Mongo];

    /// The environment variable that names a running server.
    #[must_use]
    pub const fn url_variable(self) -> &'static str {
        match self {
            Self::Nats => "CHASQUI_NATS_URL",
            Self::Mongo => "CHASQUI_MONGODB_URL",
            Self::Redis => "CHASQUI_REDIS_URL",
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::Mongo => "MongoDB",
            Self::Redis => "Redis",
        }
    }

    /// A URL of the right shape.
    pub(crate) const fn example_url(self) -> &'static str {
        match self {
            Self::Nats => "nats://127.0.0.1:4222",
            Self::Mongo => "mongodb://127.0.0.1:27017",
            Self::Redis => "redis://127.0.0.1:6379",
        }
    }

    /// The port a URL without one means.
    pub(crate) const fn default_port(self) -> u16 {
        match self {
            Self::Nats => 4222,
            Self::Mongo => 27017,
            Self::Redis => 6379,
        }
    }

    /// What is accepted on `PATH`, best first.
    const fn programs(self) -> &'static [(&'static str, Product)] {
        match self {
            Self::Nats => &[("nats-server", Product::NatsServer)],
            Self::Mongo => &[("mongod", Product::Mongod)],
            Self::Redis => &[("redis-server", Product::Redis), ("valkey-server", Product::Redis)],
        }
    }

    /// The program a person is told to install.
    pub(crate) const fn program_to_install(self) -> &'static str {
        match self {
            Self::Nats => "nats-server",
            Self::Mongo => "mongod",
            Self::Redis => "redis-server",
        }
    }

    /// What is fetched when nothing else is there.
    pub(crate) const fn fetched(self) -> Product {
        match self {
            Self::Nats => Product::NatsServer,
            Self::Mongo => Product::Secantus,
            Self::Redis => Product::Redis,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a program is, as far as its flags go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// `nats-server`.
    NatsServer,
    /// The original `mongod`.
    Mongod,
    /// `secantusd-rs` of the package `secantus-mdb`, GPL-2.0: run as a process, never linked.
    Secantus,
    /// `redis-server` or `valkey-server`: the same flags.
    Redis,
}

/// Where a program was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On `PATH`.
    Path,
    /// In the per-user cache.
    Cache,
}

/// A server program that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The executable file.
    pub path: PathBuf,
    /// Which flags it takes.
    pub product: Product,
    /// Where it was found.
    pub origin: Origin,
}

impl Program {
    /// Its path, and where it was found, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let origin = match self.origin {
            Origin::Path => "on PATH",
            Origin::Cache => "cached",
        };
        format!("{} ({origin})", self.path.display())
    }
}

/// The outcome of looking, before anything is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A server somebody else runs.
    Url(String),
    /// A program to start.
    Program(Program),
    /// Nothing: it would have to be fetched.
    Nothing,
}

impl Environment {
    /// Looks in the documented order: URL, `PATH`, cache.
    pub fn find(&self, kind: Kind) -> Result<Found, Error> {
        match self.url(kind) {
            Some(url) => Ok(Found::Url(url.to_owned())),
            None => Ok(self.find_program(kind)?.map_or(Found::Nothing, Found::Program)),
        }
    }

    /// Looks for a program only: `PATH`, then the cache.
    pub fn find_program(&self, kind: Kind) -> Result<Option<Program>, Error> {
        let on_path = kind.programs().iter().find_map(|&(name, product)| {
            Some(Program { path: self.on_path(name)?, product, origin: Origin::Path })
        });
        if on_path.is_some() {
            return Ok(on_path);
        }
        let path = cached_program(self.cache()?, &Pins::embedded(), kind);
        let usable = is_executable(&path);
        Ok(usable.then_some(Program { path, product: kind.fetched(), origin: Origin::Cache }))
    }
}

/// Where the cache holds the program of this kind, whether or not it is there.
pub(crate) fn cached_program(cache: &Path, pins: &Pins, kind: Kind) -> PathBuf {
    match kind {
        Kind::Nats => cache.join(pins.nats_server.entry("nats-server")).join("nats-server"),
        Kind::Redis => cache.join(pins.valkey_server.entry("valkey-server")).join("valkey-server"),
        Kind::Mongo => cache.join(pins.secantusd_rs.entry()).join("secantusd-rs"),
    }
}
