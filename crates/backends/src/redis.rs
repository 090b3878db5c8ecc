//! `redis-server` or `valkey-server`: the same protocol and the same flags.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::process::Spawn;
use crate::server::sealed::{Launch, Site};
use crate::{Backend, Error, Kind, Place};

/// The hot data's server. See [`crate::RedisServer`].
#[derive(Debug)]
pub enum Redis {}

/// How to start a Redis server.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Port, data, log.
    pub place: Place,
    /// Keep the data over a restart (`--appendonly yes`). Off in tests: what Redis holds may be lost.
    pub append_only: bool,
}

impl Backend for Redis {
    const KIND: Kind = Kind::Redis;
}

impl Launch for Redis {
    type Options = RedisOptions;

    fn place(options: &RedisOptions) -> &Place {
        &options.place
    }

    fn second_port(_options: &RedisOptions) -> Option<u16> {
        None
    }

    fn spawn(options: &RedisOptions, site: &Site<'_>) -> Result<Spawn, Error> {
        let append_only = if options.append_only { "yes" } else { "no" };
        Ok(Spawn::new(&site.program.path, site.log)
            .args(["--bind", "127.0.0.1", "--port", &site.port.to_string()])
            .args(["--save", "", "--appendonly", append_only, "--daemonize", "no", "--dir"])
            .args([site.data]))
    }

    fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    fn probe(stream: &mut TcpStream, _port: u16) -> Result<(), String> {
        let mut answer = String::new();
        stream.write_all(b"PING\r\n").map_err(|error| error.to_string())?;
        BufReader::new(stream).read_line(&mut answer).map_err(|error| error.to_string())?;
        let answer = answer.trim_end();
        // Somebody else's server may want a password; that it asks for one shows that it is up.
        if answer == "+PONG" || answer.starts_with("-NOAUTH") {
            Ok(())
        } else {
            Err(format!("it answered {answer:?} to PING"))
        }
    }
}
