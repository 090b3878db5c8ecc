//! Raw costs, taken once in a run.

use chasqui_backends::Durability;

use super::Run;
use crate::{
    raw::{
        jetstream::{self, Bare},
        relay::{self, FanOut},
    },
    schedule::Schedule,
};

#[derive(Debug, Default)]
pub(super) struct Baselines {
    interval: Option<Bare>,
    always: Option<Bare>,
    fan_out: Option<FanOut>,
    idle_kib: Option<f64>,
}

/// Messages a second into the room of many, in the raw relay and in Chasqui.
pub(super) const FAN_OUT_RATE: f64 = 40.0;

impl Run {
    /// Plain publishing and republishing.
    pub(super) async fn bare_log(&mut self, durability: Durability) -> anyhow::Result<Bare> {
        let known = match durability {
            Durability::Interval => self.baselines.interval,
            Durability::Always => self.baselines.always,
        };
        if let Some(bare) = known {
            return Ok(bare);
        }
        let bare = jetstream::measure(durability, self.quick, &self.progress).await?;
        match durability {
            Durability::Interval => self.baselines.interval = Some(bare),
            Durability::Always => self.baselines.always = Some(bare),
        }
        Ok(bare)
    }

    /// Bare fan-out to as many sockets, with the same schedule, as the room of many has.
    pub(super) async fn bare_fan_out(&mut self) -> anyhow::Result<FanOut> {
        if let Some(fan_out) = self.baselines.fan_out {
            return Ok(fan_out);
        }
        let fan_out = relay::fan_out(self.crowd(), self.crowd_schedule(), &self.progress).await?;
        self.baselines.fan_out = Some(fan_out);
        Ok(fan_out)
    }

    /// Memory of a bare idle socket.
    pub(super) async fn bare_idle_kib(&mut self) -> anyhow::Result<f64> {
        if let Some(kib) = self.baselines.idle_kib {
            return Ok(kib);
        }
        let kib = relay::idle_kib(self.pick(1000, 5000), &self.progress).await?;
        self.baselines.idle_kib = Some(kib);
        Ok(kib)
    }

    /// Members of the room of many.
    pub(super) fn crowd(&self) -> usize {
        self.pick(200, 1000)
    }

    /// What is said in the room of many.
    pub(super) fn crowd_schedule(&self) -> Schedule {
        Schedule::of_count(FAN_OUT_RATE, self.pick(100, 1000))
    }
}
