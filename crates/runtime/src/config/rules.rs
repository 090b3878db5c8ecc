//! What must hold between keys.

use super::choice::{CookieMode, Durability};
use super::environment::SYNC_VARIABLE;
use super::problem::Fault;
use super::reader::Reader;
use super::table::Config;

/// Notes every contradiction between values that are right alone.
pub(super) fn check(config: &Config, reader: &mut Reader) {
    for (holds, key, reason) in rules(config) {
        if !holds {
            reader.fault(reader.origin(key), key, Fault::Contradiction { reason: reason.to_owned() });
        }
    }
}

/// Each rule: whether it holds, the key to look at, and what to do.
fn rules(config: &Config) -> [(bool, &'static str, &'static str); 14] {
    let Config { http, ops, auth, edge, limits, rate, nats, redis, commands, shutdown, .. } = config;
    [
        (
            http.listen.port() == 0 || http.listen != ops.listen,
            "ops.listen",
            "must differ from http.listen, which is for the public",
        ),
        (
            auth.cookies != CookieMode::Insecure || http.listen.ip().is_loopback(),
            "auth.cookies",
            "may be `insecure` only while http.listen is a loopback address",
        ),
        (
            auth.refresh_idle_s <= auth.refresh_absolute_s,
            "auth.refresh_idle_s",
            "must not exceed auth.refresh_absolute_s",
        ),
        (
            2 * auth.jwks_reload_ms <= auth.signing_overlap_s,
            "auth.signing_overlap_s",
            "must be at least twice auth.jwks_reload_ms, or a key signs before everybody knows it",
        ),
        (
            auth.password_min_chars <= auth.password_max_bytes,
            "auth.password_min_chars",
            "must not exceed auth.password_max_bytes",
        ),
        (
            auth.password_min_chars_with_factor <= auth.password_min_chars,
            "auth.password_min_chars_with_factor",
            "must not exceed auth.password_min_chars, which is for a password alone",
        ),
        (
            limits.body_bytes <= edge.max_frame_bytes / 2,
            "limits.body_bytes",
            "must be at most half of edge.max_frame_bytes, which carries it",
        ),
        (
            limits.body_bytes <= limits.http_body_bytes / 2,
            "limits.body_bytes",
            "must be at most half of limits.http_body_bytes, which carries it",
        ),
        (
            edge.max_frame_bytes <= edge.outbox_bytes,
            "edge.outbox_bytes",
            "must be at least edge.max_frame_bytes, or no large frame can be sent",
        ),
        (
            nats.ack_timeout_ms < commands.timeout_ms,
            "nats.ack_timeout_ms",
            "must be less than commands.timeout_ms",
        ),
        (
            rate.login_failures_free <= rate.login_failures_most / 5 * 4,
            "rate.login_failures_free",
            "must be at most four fifths of rate.login_failures_most",
        ),
        (
            http.tls_cert_file.is_some() == http.tls_key_file.is_some(),
            "http.tls_cert_file",
            "goes with http.tls_key_file: give both or neither",
        ),
        (
            redis.ca_file.is_none() || redis.url.expose().starts_with("rediss://"),
            "redis.ca_file",
            "needs rediss:// in redis.url",
        ),
        (edge.drain_ms < shutdown.grace_ms, "edge.drain_ms", "must be less than shutdown.grace_ms"),
    ]
}

/// Notes a promise that the NATS server, if it was started with the same environment, does not keep.
pub(super) fn check_durability(config: &Config, sync_interval: Option<&String>, reader: &mut Reader) {
    let broken =
        sync_interval.filter(|interval| config.durability == Durability::Always && *interval != "always");
    if let Some(interval) = broken {
        let reason =
            format!("`always` is not true while {SYNC_VARIABLE} is `{interval}`; set that to `always`");
        reader.fault(reader.origin("durability"), "durability", Fault::Contradiction { reason });
    }
}
