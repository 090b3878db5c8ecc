use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;

use super::*;
use crate::config::{Config, SecretUrl};

/// A writer that keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `work` logs under this format and filter.
fn lines(format: LogFormat, filter: &str, work: impl FnOnce()) -> Vec<String> {
    let log = Log { format, filter: filter.to_owned() };
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = subscriber(&log, move || writer.clone(), false).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(kept.0.lock().clone()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn every_line_within_a_step_shows_the_trace_id_in_both_forms_at_any_depth() {
    let trace = TraceContext::generate();
    let next = TraceContext::parse(&trace.header_value()).unwrap().child([7; 8]);
    let work = || {
        let _edge = trace.span("send").entered();
        tracing::info!("received");
        let _inner = tracing::info_span!("inner").entered();
        tracing::info!("deeper");
        drop(next.span("append").entered());
    };
    for line in lines(LogFormat::Text, "info", work) {
        assert!(line.contains(&trace.trace_id()) && line.contains("send"), "{line}");
    }
    let json = lines(LogFormat::Json, "info", work);
    assert_eq!(json.len(), 2);
    for line in json {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["spans"][0]["trace_id"], trace.trace_id());
    }
    let other =
        lines(LogFormat::Text, "info", || next.span("append").in_scope(|| tracing::info!("appended")));
    assert!(other[0].contains(&trace.trace_id()), "the next step shares the id: {other:?}");
}

#[test]
fn the_filter_decides_what_is_written_and_a_bad_one_is_refused() {
    let work = || {
        tracing::debug!("quiet");
        tracing::warn!("loud");
    };
    assert_eq!(lines(LogFormat::Text, "warn", work).len(), 1);
    assert_eq!(lines(LogFormat::Text, "chasqui_runtime=debug", work).len(), 2);
    let log = Log { format: LogFormat::Text, filter: "a=b=c".to_owned() };
    assert!(subscriber(&log, io::sink, false).is_err());
}

#[test]
fn secrets_that_reach_a_log_line_are_masked() {
    let mut config = Config::default();
    config.nats.password_admin = Some(SecretString::from("canary"));
    config.redis.url = SecretUrl::new("redis://:canary@host");
    for format in [LogFormat::Text, LogFormat::Json] {
        let written = lines(format, "info", || tracing::info!(?config, url = %config.redis.url, "starting"));
        assert_eq!(written.len(), 1);
        assert!(!written[0].contains("canary") && written[0].contains("redis://:***@host"), "{written:?}");
    }
}
