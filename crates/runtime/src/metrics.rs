//! Metrics in the Prometheus text format.
//!
//! Parts record by the macros of the `metrics` crate under the names of [`names`]; [`Metrics::render`] answers
//! a scrape. There is one recorder per process, because that is how the `metrics` crate works.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub mod names;
mod process;

/// Upper bounds of the histograms of durations, in seconds: from a tenth of a millisecond to ten seconds.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the histograms of counts, such as the facts of a batch.
const COUNT_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];
/// How often samples are folded into their histograms when nobody scrapes; without it they pile up.
const UPKEEP: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Metrics> = OnceLock::new();

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The exporter refused its settings.
    #[error("the metrics exporter cannot be built: {0}")]
    Build(#[from] BuildError),
    /// Another recorder has been installed by somebody else.
    #[error("another metrics recorder is installed already")]
    Occupied,
}

/// A handle on the recorder of this process; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    prometheus: PrometheusHandle,
}

impl Metrics {
    /// Installs the recorder. A second call returns the first one's handle, so that several instances of the
    /// program can live in one test process.
    pub fn install() -> Result<Self, InstallError> {
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &COUNT_BUCKETS)?
            .build_recorder();
        let metrics = Self { prometheus: recorder.handle() };
        if metrics::set_global_recorder(recorder).is_ok() {
            names::describe();
            return Ok(INSTALLED.get_or_init(|| metrics).clone());
        }
        INSTALLED.get().cloned().ok_or(InstallError::Occupied)
    }

    /// All metrics, those of the process (memory, processor time, open files) as of now.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.prometheus.render();
        process::Process::read().render(&mut text);
        text
    }

    /// Folds samples into their histograms from time to time, for ever.
    pub async fn upkeep(&self) -> ! {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.prometheus.run_upkeep();
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_rendered_with_its_help_and_the_process_beside_it() {
        let metrics = Metrics::install().unwrap();
        Metrics::install().expect("a second call is answered with the same recorder");
        metrics::counter!(names::COMMANDS_TOTAL, "command" => "send", "outcome" => "ok").increment(3);
        metrics::histogram!(names::COMMAND_SECONDS, "command" => "send").record(0.002);
        metrics::histogram!(names::PROJECTOR_BATCH_SIZE).record(7.0);
        let text = metrics.render();
        for expected in [
            "# HELP chasqui_commands_total ",
            "chasqui_commands_total{command=\"send\",outcome=\"ok\"} 3",
            "chasqui_command_seconds_bucket{command=\"send\",le=\"0.0025\"} 1",
            "chasqui_command_seconds_bucket{command=\"send\",le=\"0.001\"} 0",
            "chasqui_projector_batch_size_bucket{le=\"10\"} 1",
            "# TYPE process_resident_memory_bytes gauge",
            "# TYPE process_cpu_seconds_total counter",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }
}
