//! Logs by `tracing`, as text or JSON, and the trace context that ties the lines of all processes about one
//! message together.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Log, LogFormat};

mod trace_context;

pub use trace_context::{TRACEPARENT, TraceContext};

/// Why logging could not be set up; the caller reports it on standard error and exits.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `log.filter` is not made of filter directives.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// A subscriber is installed already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Sends what `log.filter` lets through to standard error, and panics with it.
///
/// Call it once, at the start of `main`. Secrets are kept out by their types: a `SecretString` or
/// [`SecretUrl`](crate::config::SecretUrl) prints masked, and message bodies are never given to a log line.
pub fn init(log: &Log) -> Result<(), InitError> {
    let colours = std::io::stderr().is_terminal();
    subscriber(log, std::io::stderr, colours)?.try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// What turns spans and events into lines of the configured form.
fn subscriber<W>(
    log: &Log,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        // The whole chain of spans, because the one with the trace id may be an outer one.
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    Ok(tracing_subscriber::registry().with(lines).with(EnvFilter::try_new(&log.filter)?))
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

#[cfg(test)]
mod tests;
