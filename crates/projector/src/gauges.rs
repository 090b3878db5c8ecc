//! The metrics of a worker.

use std::time::Instant;

use chasqui_events::Seq;
use chasqui_read_model::{Stream, Version, plan::Tally};
use chasqui_runtime::metrics::names;
use metrics::{counter, gauge, histogram};

/// Counts what one worker does.
#[derive(Clone, Debug)]
pub(crate) struct Gauges {
    partition: String,
    version: String,
}

impl Gauges {
    pub(crate) fn new(version: Version, stream: Stream) -> Self {
        let partition = match stream {
            Stream::Chat(partition) => partition.to_string(),
            Stream::Ident => "ident".to_owned(),
        };
        Self { partition, version: version.to_string() }
    }

    pub(crate) fn committed(&self, tally: &Tally, pos: Seq) {
        let outcomes =
            [("applied", tally.applied), ("void", tally.void), ("parked", tally.poison + tally.held)];
        for (outcome, count) in outcomes {
            let labels = [
                ("partition", self.partition.clone()),
                ("version", self.version.clone()),
                ("outcome", outcome.to_owned()),
            ];
            counter!(names::PROJECTOR_FACTS_TOTAL, &labels).increment(count as u64);
        }
        gauge!(names::PROJECTOR_POSITION, &self.labels()).set(lossy(pos));
    }

    pub(crate) fn batch(&self, facts: usize) {
        histogram!(names::PROJECTOR_BATCH_SIZE, &self.labels()).record(lossy(facts as u64));
    }

    pub(crate) fn step(&self, step: &'static str, since: Instant) {
        let labels = [("partition", self.partition.clone()), ("step", step.to_owned())];
        histogram!(names::PROJECTOR_BATCH_SECONDS, &labels).record(since.elapsed());
    }

    pub(crate) fn lag(&self, lag: u64) {
        gauge!(names::PROJECTOR_LAG, &self.labels()).set(lossy(lag));
    }

    pub(crate) fn parked(&self, parked: usize) {
        gauge!(names::PROJECTOR_PARKED, &self.labels()).set(lossy(parked as u64));
    }

    pub(crate) fn hot_skipped(&self) {
        counter!(names::PROJECTOR_HOT_SKIPPED_TOTAL, &self.labels()).increment(1);
    }

    fn labels(&self) -> [(&'static str, String); 2] {
        [("partition", self.partition.clone()), ("version", self.version.clone())]
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point; sequences stay far below 2^53")]
const fn lossy(number: u64) -> f64 {
    number as f64
}
