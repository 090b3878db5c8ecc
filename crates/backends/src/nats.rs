//! `nats-server` with `JetStream`.

mod cluster;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::process::Spawn;
use crate::server::sealed::{Launch, Site};
use crate::{Backend, Error, Kind, Place, Server};

pub use cluster::NatsCluster;

/// The log's server. See [`crate::NatsServer`].
#[derive(Debug)]
pub enum Nats {}

/// When the server calls a message stored (`nats/server.conf` reads it as `CHASQUI_NATS_SYNC_INTERVAL`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After fsync: an acked fact survives a power cut.
    Always,
    /// After the write, fsync every two minutes: an acked fact survives a killed process.
    #[default]
    Interval,
}

impl Durability {
    /// The value of the server's `sync_interval`.
    #[must_use]
    pub const fn sync_interval(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Interval => "2m",
        }
    }
}

/// How to start a NATS server.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// Port, data, log.
    pub place: Place,
    /// The port of its monitoring HTTP endpoint; a free one if `None`.
    pub monitor_port: Option<u16>,
    /// The configuration file, `nats/server.conf`; a minimal one without users if `None`.
    pub config: Option<PathBuf>,
    /// Role and password, such as `("ws-edge", "…")`: handed to the configuration file as
    /// `CHASQUI_NATS_PASSWORD_WS_EDGE`.
    pub passwords: Vec<(String, String)>,
    /// When a message counts as stored.
    pub durability: Durability,
    /// Further arguments, for clusters.
    pub args: Vec<String>,
}

impl Backend for Nats {
    const KIND: Kind = Kind::Nats;
}

impl Launch for Nats {
    type Options = NatsOptions;

    fn place(options: &NatsOptions) -> &Place {
        &options.place
    }

    fn second_port(options: &NatsOptions) -> Option<u16> {
        options.monitor_port
    }

    fn spawn(options: &NatsOptions, site: &Site<'_>) -> Result<Spawn, Error> {
        let config = match &options.config {
            Some(file) => file.clone(),
            None => minimal_config(site)?,
        };
        let mut spawn = Spawn::new(&site.program.path, site.log)
            .args(["-c".into(), config])
            .args(&options.args)
            .env("CHASQUI_NATS_PORT", site.port.to_string())
            .env("CHASQUI_NATS_MONITOR_PORT", site.second_port.to_string())
            .env("CHASQUI_NATS_STORE_DIR", quoted(&site.data.to_string_lossy()))
            .env("CHASQUI_NATS_SYNC_INTERVAL", quoted(options.durability.sync_interval()));
        for (role, password) in &options.passwords {
            let role = role.to_uppercase().replace(['-', '.'], "_");
            spawn = spawn.env(format!("CHASQUI_NATS_PASSWORD_{role}"), quoted(password));
        }
        Ok(spawn)
    }

    fn url(port: u16) -> String {
        format!("nats://127.0.0.1:{port}")
    }

    fn probe(stream: &mut TcpStream, _port: u16) -> Result<(), String> {
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).map_err(|error| error.to_string())?;
        if greeting.starts_with("INFO ") {
            Ok(())
        } else {
            Err(format!("its greeting is not NATS's but {:?}", greeting.get(..40).unwrap_or(&greeting)))
        }
    }
}

impl Server<Nats> {
    /// The base URL of the monitoring endpoint (`/healthz`, `/varz`, `/jsz` …), of a server of ours.
    #[must_use]
    pub fn monitor_url(&self) -> Option<String> {
        Some(format!("http://127.0.0.1:{}", self.monitor_port()?))
    }

    /// The port of the monitoring endpoint, of a server of ours.
    #[must_use]
    pub fn monitor_port(&self) -> Option<u16> {
        self.second_port()
    }
}

/// nats-server reads a variable's value as it reads its configuration: unquoted, `2m` is two million and a
/// password of digits is a number.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Open to everybody on this machine: for tests that need a log and no permissions.
fn minimal_config(site: &Site<'_>) -> Result<PathBuf, Error> {
    const CONFIG: &str = "\
host: 127.0.0.1
port: $CHASQUI_NATS_PORT
http_port: $CHASQUI_NATS_MONITOR_PORT
jetstream { store_dir: $CHASQUI_NATS_STORE_DIR, sync_interval: $CHASQUI_NATS_SYNC_INTERVAL }
";
    let file = site.data.join("minimal.conf");
    fs::write(&file, CONFIG).map_err(Error::io("writing", &file))?;
    Ok(file)
}
