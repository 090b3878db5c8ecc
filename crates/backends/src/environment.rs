//! What this crate reads from the process's surroundings, in one value, so that tests can give another.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{Error, Kind};

/// Everything outside that decides where a backend comes from.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `CHASQUI_NATS_URL`.
    pub nats_url: Option<String>,
    /// `CHASQUI_MONGODB_URL`.
    pub mongodb_url: Option<String>,
    /// `CHASQUI_REDIS_URL`.
    pub redis_url: Option<String>,
    /// `PATH`, searched for servers and tools and handed to the tools.
    pub path: OsString,
    /// `$XDG_CACHE_HOME/chasqui`, or `~/.cache/chasqui`.
    pub cache: Option<PathBuf>,
    /// The `cargo` that compiles; the one that runs us, where one does.
    pub cargo: PathBuf,
    /// `$CARGO_HOME`, or `~/.cargo`: where the downloaded package is found for its checksum.
    pub cargo_home: Option<PathBuf>,
    /// Architecture and operating system, such as `x86_64-linux`.
    pub machine: String,
}

impl Environment {
    /// As this process sees it.
    #[must_use]
    pub fn from_process() -> Self {
        let home = non_empty("HOME").map(PathBuf::from);
        let cache_home =
            non_empty("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".cache")));
        Self {
            nats_url: text(Kind::Nats.url_variable()),
            mongodb_url: text(Kind::Mongo.url_variable()),
            redis_url: text(Kind::Redis.url_variable()),
            path: env::var_os("PATH").unwrap_or_default(),
            cache: cache_home.map(|folder| folder.join("chasqui")),
            cargo: non_empty("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
            cargo_home: non_empty("CARGO_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(home.as_ref()?.join(".cargo"))),
            machine: format!("{}-{}", env::consts::ARCH, env::consts::OS),
        }
    }

    /// The URL that names a running server of this kind, if one is set.
    #[must_use]
    pub fn url(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Nats => self.nats_url.as_deref(),
            Kind::Mongo => self.mongodb_url.as_deref(),
            Kind::Redis => self.redis_url.as_deref(),
        }
    }

    /// The first executable file of that name on `PATH`.
    #[must_use]
    pub fn on_path(&self, program: &str) -> Option<PathBuf> {
        env::split_paths(&self.path).map(|folder| folder.join(program)).find(|file| is_executable(file))
    }

    pub(crate) fn cache(&self) -> Result<&Path, Error> {
        self.cache.as_deref().ok_or(Error::NoCacheFolder)
    }
}

pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn non_empty(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn text(name: &str) -> Option<String> {
    non_empty(name)?.into_string().ok()
}
