//! Making, examining and deleting the consumer.

use std::time::Duration;

use chasqui_events::Seq;
use serde::{Deserialize, Serialize};

use crate::{ApiError, Bus, jetstream};

/// How long the server waits for an acknowledgement before it sends again what `delivery` then throws away: longer
/// than any transaction that is still worth waiting for.
const ACK_WAIT: Duration = Duration::from_mins(1);

/// More than any two batches.
const MAX_ACK_PENDING: u32 = 100_000;

#[derive(Serialize)]
struct Create<'a> {
    stream_name: &'a str,
    config: Config<'a>,
    action: &'static str,
}

#[derive(Serialize)]
struct Config<'a> {
    durable_name: &'a str,
    name: &'a str,
    deliver_policy: &'static str,
    opt_start_seq: Seq,
    ack_policy: &'static str,
    ack_wait: u64,
    max_deliver: i64,
    max_ack_pending: u32,
    max_waiting: u32,
    replay_policy: &'static str,
}

#[derive(Deserialize)]
struct Info {
    config: KnownConfig,
    delivered: Pair,
    ack_floor: Pair,
    #[serde(default)]
    num_ack_pending: u64,
}

#[derive(Deserialize)]
struct KnownConfig {
    #[serde(default)]
    opt_start_seq: Seq,
}

#[derive(Deserialize)]
struct Pair {
    consumer_seq: u64,
    stream_seq: Seq,
}

#[derive(Deserialize)]
struct Deleted {
    #[serde(rename = "success")]
    _success: bool,
}

impl Info {
    /// Whether the next thing that it delivers is what comes after `start_after`.
    fn stands_after(&self, start_after: Seq) -> bool {
        let untouched = self.delivered.consumer_seq == 0 && self.config.opt_start_seq == start_after + 1;
        let settled = self.num_ack_pending == 0
            && self.delivered.consumer_seq > 0
            && self.delivered.stream_seq == start_after
            && self.ack_floor.stream_seq == start_after;
        untouched || settled
    }
}

/// Makes the consumer stand after a position. How many deliveries it has made so far.
pub(super) async fn ensure(bus: &Bus, stream: &str, name: &str, start_after: Seq) -> Result<u64, ApiError> {
    let info = format!("CONSUMER.INFO.{stream}.{name}");
    match jetstream::request::<Info>(bus, &info, &()).await {
        Ok(info) if info.stands_after(start_after) => return Ok(info.delivered.consumer_seq),
        Ok(_) => delete(bus, stream, name).await?,
        Err(ApiError::Refused { code: jetstream::NO_CONSUMER, .. }) => {}
        Err(error) => return Err(error),
    }
    create(bus, stream, name, start_after).await?;
    Ok(0)
}

/// Whether the consumer exists.
pub(super) async fn is_there(bus: &Bus, stream: &str, name: &str) -> Result<bool, ApiError> {
    match jetstream::request::<Info>(bus, &format!("CONSUMER.INFO.{stream}.{name}"), &()).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn delete(bus: &Bus, stream: &str, name: &str) -> Result<(), ApiError> {
    match jetstream::request::<Deleted>(bus, &format!("CONSUMER.DELETE.{stream}.{name}"), &()).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn create(bus: &Bus, stream: &str, name: &str, start_after: Seq) -> Result<(), ApiError> {
    let config = Config {
        durable_name: name,
        name,
        deliver_policy: "by_start_sequence",
        opt_start_seq: start_after + 1,
        ack_policy: "all",
        ack_wait: u64::try_from(ACK_WAIT.as_nanos()).unwrap_or(u64::MAX),
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        max_waiting: 16,
        replay_policy: "instant",
    };
    // Without an action, so that a repetition after a lost answer is no error.
    let body = Create { stream_name: stream, config, action: "" };
    jetstream::request::<Info>(bus, &format!("CONSUMER.CREATE.{stream}.{name}"), &body).await.map(drop)
}
