//! The same driver as a checker: against a server that runs already and may be hurt meanwhile. Connections may be
//! lost and come back; what was accepted must be at every receiver, once and in order.

use std::{sync::Arc, time::Duration};

use chasqui_protocol::Codec;
use serde::Serialize;

use crate::{
    driver::{Driver, Load, Outcome},
    people::World,
    progress::Progress,
    schedule::Schedule,
    socket::Endpoint,
};

/// What to check, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host and port of the server's HTTP address.
    pub address: String,
    /// What to speak.
    pub codec: Codec,
    /// Pairs of people, newly registered.
    pub pairs: usize,
    /// Messages a second.
    pub rate: f64,
    /// For how long messages are sent.
    pub lasts: Duration,
    /// How long to wait afterwards for what is still to come.
    pub patience: Duration,
}

/// What the check found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Nothing lost, doubled or out of order, every receipt came back, and everything was answered.
    pub clean: bool,
    /// Everything that was counted.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Registers people, lets them talk, says what arrived. `started` is called when the first message is due.
pub async fn run(options: &Options, progress: &Progress, started: impl FnOnce()) -> anyhow::Result<Finding> {
    let endpoint = Endpoint::chasqui(options.address.clone(), options.codec);
    let world = Arc::new(World::of_pairs(&endpoint, options.pairs, progress).await?);
    let schedule = Schedule::new(options.rate, options.lasts);
    let load = Load {
        patience: options.patience,
        warm_up: Duration::ZERO,
        ..Load::direct(endpoint, world, schedule)
    };
    let driver = Driver::connect(load, progress).await?;
    let running = driver.start(progress)?;
    started();
    let outcome = driver.finish(running, progress).await?;
    driver.close().await;
    Ok(Finding { clean: outcome.is_clean() && outcome.verdict.unknown == 0, outcome })
}
