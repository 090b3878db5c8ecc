//! What `up` prints when everything runs.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use chasqui_backends::{Backend, Server};

use super::Options;
use super::addresses::Addresses;
use super::servers::Servers;
use super::settings::Settings;
use crate::tree::Tree;

/// What the table tells of.
pub(super) struct Table<'a> {
    pub(super) options: &'a Options,
    pub(super) tree: &'a Tree,
    pub(super) addresses: &'a Addresses,
    pub(super) servers: &'a Servers,
    pub(super) begun: Instant,
}

pub(super) fn print(table: &Table<'_>) -> io::Result<()> {
    let rows = rows(table);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = io::stdout().lock();
    writeln!(out, "\nChasqui is up, after {:.1} s.\n", table.begun.elapsed().as_secs_f32())?;
    for (name, value) in &rows {
        writeln!(out, "  {name:width$}  {value}")?;
    }
    out.write_all(next_steps(table).as_bytes())?;
    out.flush()
}

fn rows(table: &Table<'_>) -> Vec<(&'static str, String)> {
    let Table { tree, addresses, servers, .. } = table;
    let (http, ops) = (host(addresses.http), host(addresses.ops));
    let monitor = servers.nats.monitor_url().map(|url| format!("  monitor {url}")).unwrap_or_default();
    vec![
        ("HTTP API", format!("http://{http}/v1")),
        ("API docs", format!("http://{http}/docs")),
        ("WebSocket", format!("ws://{http}/v1/ws")),
        ("Health", format!("http://{ops}/health/ready")),
        ("Metrics", format!("http://{ops}/metrics")),
        ("NATS", format!("{}{monitor}", url(&servers.nats))),
        ("MongoDB", url(&servers.mongo)),
        ("Redis", url(&servers.redis)),
        ("Data", format!("{}/", shown(tree, &tree.state()))),
        ("Logs", format!("{}/*.log", shown(tree, &tree.state().join("log")))),
        (
            "Variables",
            format!("{}  (set -a; . it; then `chasqui admin …` works)", shown(tree, &Settings::file(tree))),
        ),
    ]
}

fn next_steps(table: &Table<'_>) -> String {
    let run =
        if table.options.release { "cargo run --release -p chasqui --" } else { "cargo run -p chasqui --" };
    let http = host(table.addresses.http);
    let server =
        if table.addresses.http.port() == 8080 { String::new() } else { format!(" --url http://{http}") };
    format!(
        "
Try next, in two other terminals:
  {run} chat --name ana{server}
  {run} chat --name ben{server}      then type: /dm ana
Or by hand:
  curl -s http://{http}/.well-known/jwks.json
  curl -s http://{ops}/health/ready

Ctrl-C stops everything. The data stays; `cargo xtask up --fresh` forgets it.
",
        ops = host(table.addresses.ops),
    )
}

/// A URL without what somebody else's may hold of a password.
fn url<B: Backend>(server: &Server<B>) -> String {
    if server.is_external() {
        format!("{}  (named by {}, not ours)", server.address(), B::KIND.url_variable())
    } else {
        server.url().to_owned()
    }
}

fn host(address: SocketAddr) -> SocketAddr {
    super::health::reachable(address)
}

fn shown(tree: &Tree, path: &Path) -> String {
    path.strip_prefix(tree.root()).unwrap_or(path).display().to_string()
}
