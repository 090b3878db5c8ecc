//! Logs by `tracing`, as text or JSON, and the trace context that ties the lines of all processes about one
//! message together.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

mod trace_context;

pub use trace_context::{TRACEPARENT, TraceContext};

/// Why logging could not be set up; the caller reports it on standard error and exits.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `log.filter` is not made of filter directives.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A subscriber is installed already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends what `log.filter` lets through to standard error, and panics with it.
///
/// Call it once, at the start of `main`. Secrets are kept out by their types: a `SecretString` or
/// [`SecretUrl`](crate::config::SecretUrl) prints masked, and message bodies are never given to a log line.
pub fn init(log: &Log) -> Result<(), InitError> {
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(&log.filter)?);
    match log.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            registry
                .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours))
                .try_init()?;
        }
        LogFormat::Json => {
            registry
                .with(
                    tracing_subscriber::fmt::layer()
                        .json()
                        .flatten_event(true)
                        .with_current_span(false)
                        .with_writer(std::io::stderr),
                )
                .try_init()?;
        }
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    tracing::error!(
        panic.message = panic.payload_as_str().unwrap_or("(not a text)"),
        panic.location = panic.location().map(ToString::to_string),
        panic.thread = thread.name(),
        panic.backtrace = %std::backtrace::Backtrace::capture(),
        "a task panicked"
    );
}
