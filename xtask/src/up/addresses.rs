//! Where Chasqui will listen, checked before anything else is done.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, bail};

use super::{Options, settings};

/// The two addresses people use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) http: SocketAddr,
    pub(super) ops: SocketAddr,
}

impl Addresses {
    pub(super) fn choose(options: &Options) -> anyhow::Result<Self> {
        let http = choose("http.listen", "CHASQUI_HTTP_LISTEN", options.http_port, 8080)?;
        let ops = choose("ops.listen", "CHASQUI_OPS_LISTEN", options.ops_port, 9090)?;
        check_distinct(options, http, ops)?;
        check_free(http, "--http-port", "http.listen", "CHASQUI_HTTP_LISTEN")?;
        check_free(ops, "--ops-port", "ops.listen", "CHASQUI_OPS_LISTEN")?;
        Ok(Self { http, ops })
    }
}

fn check_distinct(options: &Options, http: SocketAddr, ops: SocketAddr) -> anyhow::Result<()> {
    let ports = [
        ("--http-port", Some(http.port())),
        ("--ops-port", Some(ops.port())),
        ("--nats-port", options.nats_port),
        ("--mongodb-port", options.mongodb_port),
        ("--redis-port", options.redis_port),
    ];
    for (index, (option, port)) in ports.iter().enumerate() {
        let earlier = ports.iter().take(index).find(|(_, other)| port.is_some() && other == port);
        if let (Some(port), Some((other, _))) = (port, earlier) {
            bail!("{other} and {option} cannot both be {port}: choose another for one of them");
        }
    }
    Ok(())
}

fn choose(key: &str, variable: &str, option: Option<u16>, default: u16) -> anyhow::Result<SocketAddr> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let address = match (option, settings::variable(variable)) {
        (Some(port), _) => local(port),
        (None, Some(text)) => text.parse().with_context(|| {
            format!("{variable} (the key {key}) is `{text}`, not an address such as 127.0.0.1:{default}")
        })?,
        (None, None) => local(default),
    };
    if address.port() == 0 {
        bail!("`up` needs to know the port of {key} beforehand: name one instead of 0");
    }
    Ok(address)
}

fn check_free(address: SocketAddr, option: &str, key: &str, variable: &str) -> anyhow::Result<()> {
    let Err(error) = TcpListener::bind(address) else { return Ok(()) };
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => bail!(
            "port {port} is in use by another program. Stop it, or choose another: `cargo xtask up {option} \
             {}` (the key {key}, the variable {variable})",
            if port == u16::MAX { port - 1 } else { port + 1 }
        ),
        _ => Err(error).with_context(|| format!("cannot listen on {address} (the key {key})")),
    }
}
