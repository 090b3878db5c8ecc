//! The environment as a source: `CHASQUI_<SECTION>_<NAME>`.

use std::collections::BTreeMap;

use super::key::{Origin, known_keys};
use super::nearest::nearest;
use super::problem::Fault;
use super::reader::Reader;

/// What the variables of Chasqui start with.
pub const PREFIX: &str = "CHASQUI_";

/// Names the configuration file.
pub(super) const FILE_VARIABLE: &str = "CHASQUI_CONFIG";

/// Tells the NATS server, where it is started with the same environment, when to fsync.
pub(super) const SYNC_VARIABLE: &str = "CHASQUI_NATS_SYNC_INTERVAL";

/// Variables with the prefix that are not keys, with what reads them. A final `*` stands for any ending.
pub const TOLERATED: &[(&str, &str)] = &[
    (FILE_VARIABLE, "names the configuration file, when `--config` does not"),
    (SYNC_VARIABLE, "read by `nats/server.conf`: `always`, or the interval between fsyncs"),
    ("CHASQUI_NATS_STORE_DIR", "read by `nats/server.conf`: where the log is stored"),
    ("CHASQUI_NATS_PORT", "read by `nats/server.conf`: the port for clients"),
    ("CHASQUI_NATS_MONITOR_PORT", "read by `nats/server.conf`: the port for monitoring"),
    ("CHASQUI_BENCH_*", "read by the measurements"),
    ("CHASQUI_TEST_*", "read by the tests"),
];

/// The variables of this process that start with [`PREFIX`]; the one place that reads the real environment.
/// Bytes that are not UTF-8 become replacement characters, which no key accepts silently.
#[must_use]
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Those that concern Chasqui, without the empty ones, in a stable order.
pub(super) fn variables(environment: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    environment.into_iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()).collect()
}

/// Gives the reader every variable that is a key, and notes those that are nothing.
pub(super) fn read_into(variables: &BTreeMap<String, String>, reader: &mut Reader) {
    for (variable, value) in variables {
        let origin = Origin::Environment { variable: variable.clone() };
        if let Some(key) = known_keys().iter().find(|key| key.env() == *variable) {
            reader.give(key, value.clone(), origin);
        } else if !is_tolerated(variable) {
            let near = nearest(variable.strip_prefix(PREFIX).unwrap_or(variable));
            reader.fault(origin, variable, Fault::Unknown { nearest: near.env() });
        }
    }
}

fn is_tolerated(variable: &str) -> bool {
    TOLERATED.iter().any(|(name, _)| match name.strip_suffix('*') {
        Some(start) => variable.starts_with(start),
        None => variable == *name,
    })
}
