//! Erasures that a dead process has begun are carried out, at the start and now and then; and so are those again that a
//! restored copy of keys or data has undone.

use std::time::Duration;

use chasqui_protocol::Problem;

use super::Process;

/// How often erasures that are not done are looked for.
const RESUME_EVERY: Duration = Duration::from_mins(1);
/// Before so many looks, and before the first, also those that are done are compared with what is there.
const REPLAY_EVERY: u32 = 60;

impl Process<'_> {
    /// Has a role carry out, for as long as the process lives, what was asked of it. `resume` is told whether to compare what
    /// is done with what is there, too.
    pub(super) fn resume_erasures<F>(&self, role: &str, resume: impl Fn(bool) -> F + Send + 'static)
    where
        F: Future<Output = Result<usize, Problem>> + Send,
    {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn_service(format!("{role}.erasures"), async move {
            let mut ticks = tokio::time::interval(RESUME_EVERY);
            let mut until_replay = 0;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = shutdown.requested() => return Ok(()),
                }
                match resume(until_replay == 0).await {
                    Ok(_) if until_replay == 0 => until_replay = REPLAY_EVERY,
                    Ok(_) => until_replay -= 1,
                    Err(problem) => tracing::warn!(%problem, "an erasure is put off"),
                }
            }
        });
    }
}
