//! A server that speaks the MongoDB protocol: `mongod`, or secantus-mdb where there is none. Either runs as
//! a replica set of one, because transactions need one.

mod wire;

use std::net::TcpStream;

use crate::process::Spawn;
use crate::server::sealed::{Launch, Site};
use crate::{Backend, Error, Kind, Place, Product};

/// The read model's server. See [`crate::MongoServer`].
#[derive(Debug)]
pub enum Mongo {}

/// How to start a MongoDB-protocol server.
#[derive(Clone, Debug, Default)]
pub struct MongoOptions {
    /// Port, data, log.
    pub place: Place,
}

impl Backend for Mongo {
    const KIND: Kind = Kind::Mongo;
}

const REPLICA_SET: &str = "rs0";

impl Launch for Mongo {
    type Options = MongoOptions;

    fn place(options: &MongoOptions) -> &Place {
        &options.place
    }

    fn second_port(_options: &MongoOptions) -> Option<u16> {
        None
    }

    fn spawn(_options: &MongoOptions, site: &Site<'_>) -> Result<Spawn, Error> {
        let spawn = Spawn::new(&site.program.path, site.log);
        let port = site.port.to_string();
        Ok(match site.program.product {
            Product::Mongod => spawn
                .args(["--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--port", &port, "--dbpath"])
                .args([site.data]),
            Product::Secantus | Product::NatsServer | Product::Redis => spawn
                .args(["--host", "127.0.0.1", "--port", &port, "--storage-path"])
                .args([site.data])
                // Without the first, kill -9 loses acked writes; with a small cache, building an index on a
                // million documents never ends.
                .args(["--sync-on-commit", "--cache-size", "4G"])
                // Log files are allocated in full: a test's empty store need not be 128 MB.
                .args(["--log-file-max", if site.temporary { "16MB" } else { "128MB" }]),
        })
    }

    fn url(port: u16) -> String {
        // Direct: the only member of the set, whatever name it calls itself by.
        format!("mongodb://127.0.0.1:{port}/?directConnection=true")
    }

    fn probe(stream: &mut TcpStream, port: u16) -> Result<(), String> {
        let hello = wire::hello(stream).map_err(|error| error.to_string())?;
        match hello {
            wire::Hello::Primary | wire::Hello::Mongos => Ok(()),
            wire::Hello::Uninitiated => {
                let member = format!("127.0.0.1:{port}");
                wire::initiate(stream, REPLICA_SET, &member).map_err(|error| error.to_string())?;
                Err("its replica set was only now initiated".into())
            }
            wire::Hello::Other => Err("it is not the primary of a replica set".into()),
        }
    }
}
