//! Process groups: a child with everything that it has started.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Managed, wait_until};
use crate::Error;

/// The children that have not been seen to end. Each leads a process group of the same number.
pub(super) fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SIGKILL to every child and what it started: for somebody who ends at once, without a chance to tidy up.
/// The kernel kills the children of a dead process (see above), but not what those have started.
pub fn kill_all() {
    for &group in running().iter() {
        // One that cannot be signalled has ended.
        signal_group(group.cast_signed(), Signal::SIGKILL).ok();
    }
}

/// SIGTERM to the child and all its descendants, a moment to tidy up, then SIGKILL to what is left.
pub(super) fn end_group(leader: &Managed) -> Result<(), Error> {
    let group = leader.pid.cast_signed();
    signal_group(group, Signal::SIGTERM)?;
    wait_until(Duration::from_secs(3), || leader.exit_status().is_some());
    signal_group(group, Signal::SIGKILL)?;
    leader.kill_9();
    Ok(())
}

/// Sends a signal to a whole process group; a group that is gone is not an error.
fn signal_group(group: i32, signal: Signal) -> Result<(), Error> {
    match killpg(Pid::from_raw(group), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => {
            Err(Error::Io { doing: format!("sending {signal} to group {group}"), source: errno.into() })
        }
    }
}
