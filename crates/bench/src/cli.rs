//! The command line.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use chasqui_bench::{
    check,
    progress::Progress,
    raw::relay,
    report::{Machine, Report},
    scenario::{Run, Scenario},
    stack::Layout,
    table,
};
use chasqui_protocol::Codec;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::runtime;

/// Measures Chasqui beside the raw cost of the same work, and checks every message for loss, doubling and order.
#[derive(Debug, Parser)]
#[command(name = "chasqui-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
    #[command(flatten)]
    measure: Measure,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Load and check a server that runs already; the finding goes to standard output as JSON.
    Check(Check),
    /// Be the bare relay that fan-out is held against.
    #[command(name = relay::COMMAND, hide = true)]
    RawRelay {
        /// Where to listen on 127.0.0.1.
        port: u16,
    },
}

#[derive(Debug, clap::Args)]
struct Measure {
    /// What to measure; everything when nothing is named.
    scenarios: Vec<Scenario>,
    /// Shorter and smaller: for finding mistakes, not for comparing.
    #[arg(long)]
    quick: bool,
    /// Rates of `direct`, in messages per second.
    #[arg(long = "rate", value_name = "PER_SECOND", default_values_t = [200.0, 1000.0, 2000.0])]
    rates: Vec<f64>,
    /// API, edge and projector in a process each, instead of all roles in one: tells their costs apart.
    #[arg(long)]
    split: bool,
    /// What clients speak.
    #[arg(long, value_enum, default_value_t = Wire::Msgpack)]
    codec: Wire,
    /// Write the report there too, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Host and port of the server, such as 127.0.0.1:8080. Only this machine: the load is no courtesy elsewhere.
    #[arg(long)]
    address: std::net::SocketAddr,
    /// Pairs of people, newly registered.
    #[arg(long, default_value_t = 20)]
    pairs: usize,
    /// Messages per second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// For how long messages are sent, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long to wait afterwards for what is still to come, in seconds.
    #[arg(long, default_value_t = 30.0)]
    patience: f64,
    /// What clients speak.
    #[arg(long, value_enum, default_value_t = Wire::Msgpack)]
    codec: Wire,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wire {
    Json,
    Msgpack,
}

impl Wire {
    fn codec(self) -> Codec {
        match self {
            Self::Json => Codec::Json,
            Self::Msgpack => Codec::MessagePack,
        }
    }
}

/// Does what the command line says. Ctrl-C stops everything that was started.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Some(Task::RawRelay { port }) = cli.command {
        runtime::Runtime::new()?.block_on(relay::serve(port))?;
        return Ok(ExitCode::SUCCESS);
    }
    // One thread: the driver shares the machine with what it measures, and must be cheap before it is quick.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = async {
                match cli.command {
                    Some(Task::Check(options)) => check_server(options).await,
                    _ => measure(cli.measure).await,
                }
            } => done,
            stopped = tokio::signal::ctrl_c() => {
                stopped?;
                anyhow::bail!("stopped")
            }
        }
    })
}

async fn measure(options: Measure) -> anyhow::Result<ExitCode> {
    let bad = options.rates.iter().find(|rate| !(1.0..=100_000.0).contains(*rate));
    anyhow::ensure!(bad.is_none(), "--rate takes messages per second, from 1 to 100000");
    let progress = Progress::to_stderr();
    let mut report = Report { machine: machine(), quick: options.quick, sections: Vec::new() };
    let chosen = if options.scenarios.is_empty() { Scenario::ALL.to_vec() } else { options.scenarios };
    let layout = if options.split { Layout::Split } else { Layout::Together };
    print(&progress, &table::head(&report))?;
    let mut run = Run::new(options.quick, options.codec.codec(), layout, options.rates, progress.clone());
    let mut failed = false;
    for scenario in chosen {
        match run.scenario(scenario).await {
            Ok(sections) => {
                // At once, so that a run that is stopped has told what it has.
                for section in &sections {
                    print(&progress, &table::section(section))?;
                }
                report.sections.extend(sections);
            }
            Err(error) => {
                failed = true;
                progress.hide(|| eprintln!("{scenario:?} failed: {error:#}\n"));
            }
        }
    }
    print(&progress, &table::foot(&report))?;
    progress.finish();
    if let Some(file) = options.json {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(&file, json).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(progress: &Progress, text: &str) -> io::Result<()> {
    progress.hide(|| {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush())
    })
}

async fn check_server(options: Check) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(options.address.ip().is_loopback(), "--address must be on this machine (127.0.0.1)");
    let duration = |seconds: f64, name: &str| {
        Duration::try_from_secs_f64(seconds).with_context(|| format!("{name} takes seconds, such as 10"))
    };
    let options = check::Options {
        address: options.address.to_string(),
        codec: options.codec.codec(),
        pairs: options.pairs.clamp(1, 10_000),
        rate: options.rate,
        lasts: duration(options.seconds, "--seconds")?,
        patience: duration(options.patience, "--patience")?,
    };
    let progress = Progress::to_stderr();
    let finding = check::run(&options, &progress, || {}).await;
    progress.finish();
    let finding = finding?;
    writeln!(io::stdout().lock(), "{}", serde_json::to_string_pretty(&finding)?)?;
    Ok(if finding.clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn machine() -> Machine {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let processor = read("/proc/cpuinfo").lines().find_map(|line| {
        line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    Machine {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        processor: processor.unwrap_or_else(|| "unknown processor".to_owned()),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_before: read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned(),
    }
}
