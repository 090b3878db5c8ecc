//! `cargo xtask up`: everything on this machine, until Ctrl-C.
//!
//! In this order: the lock and the ports, so that a mistake costs nothing; the backends and Chasqui's own
//! compile beside each other; secrets; the backends with their data; the topology; Chasqui; a table of where
//! everything is. Then it watches. However it ends, it stops what it started: Chasqui first.

mod addresses;
mod chasqui;
mod health;
mod servers;
mod settings;
mod table;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use chasqui_backends::{Durability, Interrupt, Kind, Preparation};

use crate::board::Board;
use crate::tree::Tree;
use crate::{cargo, measure};
use addresses::Addresses;
use chasqui::Chasqui;
use servers::Servers;
use settings::Settings;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Forget the data of earlier runs, secrets included, and begin with none.
    #[arg(long)]
    fresh: bool,
    /// Build with optimisation: slower to build, faster to run.
    #[arg(long)]
    release: bool,
    /// Port of the HTTP API and the WebSocket on 127.0.0.1 [default: `CHASQUI_HTTP_LISTEN`, or 8080].
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Port of health and metrics on 127.0.0.1 [default: `CHASQUI_OPS_LISTEN`, or 9090].
    #[arg(long, value_name = "PORT")]
    ops_port: Option<u16>,
    /// Port of NATS [default: the one of last time, or a free one].
    #[arg(long, value_name = "PORT")]
    nats_port: Option<u16>,
    /// Port of MongoDB [default: the one of last time, or a free one].
    #[arg(long, value_name = "PORT")]
    mongodb_port: Option<u16>,
    /// Port of Redis [default: the one of last time, or a free one].
    #[arg(long, value_name = "PORT")]
    redis_port: Option<u16>,
    /// When a message counts as stored: after fsync, or before [default: `CHASQUI_DURABILITY`, or interval].
    #[arg(long, value_enum)]
    durability: Option<DurabilityName>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum DurabilityName {
    Always,
    Interval,
}

pub(crate) fn run(options: &Options, tree: &Tree, interrupt: &Interrupt) -> anyhow::Result<()> {
    let begun = Instant::now();
    let lock = tree.lock()?;
    let addresses = Addresses::choose(options)?;
    let durability = durability(options)?;
    if options.fresh {
        tree.forget(&lock)?;
    }

    let board = Board::new();
    let preparation = board.preparation(interrupt);
    Servers::check_named(&preparation)?;
    let program = prepare(options, tree, interrupt, &board, &preparation)?;
    let mut settings = Settings::of_this_process(durability, &addresses);
    chasqui::make_secrets(&program, tree, interrupt, &mut settings)?;
    let servers = Servers::start(options, tree, &preparation, &settings)?;
    settings.name_servers(&servers);
    settings.write(tree)?;
    chasqui::apply_topology(&program, tree, interrupt, &settings)?;
    let chasqui = Chasqui::start(&program, tree, &settings)?;
    let outcome = chasqui.wait_ready(&addresses, interrupt, &board).and_then(|()| {
        table::print(&table::Table { options, tree, addresses: &addresses, servers: &servers, begun })?;
        watch(&chasqui, &servers, interrupt)
    });
    if interrupt.is_triggered() {
        eprintln!("\nstopping …");
    }
    chasqui.stop();
    servers.stop();
    outcome.or_else(|error| if interrupt.is_triggered() { Ok(()) } else { Err(error) })
}

/// The backends' programs and Chasqui's, made beside each other; the slowest is the MongoDB-protocol server.
fn prepare(
    options: &Options,
    tree: &Tree,
    interrupt: &Interrupt,
    board: &Board,
    preparation: &Preparation,
) -> anyhow::Result<PathBuf> {
    let stop = interrupt.child();
    let preparation = Preparation { interrupt: stop.clone(), ..preparation.clone() };
    thread::scope(|scope| {
        let slow = scope.spawn(|| or_stop(&stop, || Ok(preparation.ensure(Kind::Mongo)?)));
        let quick = scope.spawn(|| {
            or_stop(&stop, || {
                preparation.ensure(Kind::Nats)?;
                preparation.ensure(Kind::Redis)?;
                Ok(())
            })
        });
        let built = or_stop(&stop, || {
            let job = board.job(if options.release { "chasqui (release)" } else { "chasqui" });
            let executables = cargo::build(tree, &stop, &job, &["chasqui"], options.release)?;
            measure::named(&executables, "chasqui")
        });
        let panicked = |_| anyhow!("making a backend ready panicked");
        let quick = quick.join().map_err(panicked)?;
        let slow = slow.join().map_err(panicked)?;
        first_cause(built, [quick, slow.map(drop)])
    })
}

/// A failure of one ends the others: they would take minutes for nothing.
fn or_stop<T>(stop: &Interrupt, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let outcome = act();
    if outcome.is_err() {
        stop.trigger();
    }
    outcome
}

/// Of several failures, the one that is not an echo of another.
fn first_cause<T>(built: anyhow::Result<T>, others: [anyhow::Result<()>; 2]) -> anyhow::Result<T> {
    let mut failures: Vec<anyhow::Error> = others.into_iter().filter_map(Result::err).collect();
    let built = match built {
        Ok(built) if failures.is_empty() => return Ok(built),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    failures.extend(built);
    let cause = failures.iter().position(|failure| !crate::was_interrupted(failure)).unwrap_or(0);
    Err(failures.swap_remove(cause))
}

/// Until Ctrl-C (`Ok`), or until something that should run does not.
fn watch(chasqui: &Chasqui, servers: &Servers, interrupt: &Interrupt) -> anyhow::Result<()> {
    while !interrupt.is_triggered() {
        if let Some(died) = servers.died() {
            return Err(died).context("a backend ended, so everything was stopped");
        }
        chasqui.check()?;
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn durability(options: &Options) -> anyhow::Result<Durability> {
    match (options.durability, settings::variable("CHASQUI_DURABILITY").as_deref()) {
        (Some(DurabilityName::Always), _) | (None, Some("always")) => Ok(Durability::Always),
        (Some(DurabilityName::Interval), _) | (None, Some("interval") | None) => Ok(Durability::Interval),
        (None, Some(other)) => {
            Err(anyhow!("CHASQUI_DURABILITY is `{other}`; it must be `always` or `interval`"))
        }
    }
}
