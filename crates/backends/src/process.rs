//! Child processes that never outlive us.
//!
//! Each child gets its own process group, so that Ctrl-C in a terminal reaches only us and we stop the
//! children in order. Should we be killed ourselves, the kernel kills them: `setpriv --pdeathsig KILL` (of
//! util-linux) asks for that without unsafe code. That signal follows the *thread* that spawned the child,
//! so all children are spawned by one thread that lives as long as the process. Where `setpriv` is missing
//! (macOS), children of a killed process stay behind.

mod group;
mod spawn;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Error, Interrupt};
pub use group::kill_all;
use group::{end_group, running};
pub use spawn::Spawn;
use spawn::spawn_from_lasting_thread;

const POLL: Duration = Duration::from_millis(20);

/// A child process. Killed when dropped.
#[derive(Debug)]
pub struct Managed {
    name: String,
    log: PathBuf,
    pid: u32,
    child: Mutex<Child>,
}

impl Managed {
    /// Starts it.
    pub fn start(spawn: &Spawn) -> Result<Self, Error> {
        if let Some(folder) = spawn.log.parent() {
            fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
        }
        let program = PathBuf::from(&spawn.program);
        let command = spawn.command().map_err(Error::io("opening the log", &spawn.log))?;
        let child = spawn_from_lasting_thread(command).map_err(Error::io("starting", &program))?;
        running().insert(child.id());
        Ok(Self { name: spawn.name(), log: spawn.log.clone(), pid: child.id(), child: Mutex::new(child) })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let status = self.child().try_wait().ok().flatten();
        if status.is_some() {
            running().remove(&self.pid);
        }
        status
    }

    /// SIGKILL, and gone when this returns.
    pub fn kill_9(&self) {
        let mut child = self.child();
        if child.try_wait().is_ok_and(|status| status.is_none()) {
            // An error means that it ended in between.
            child.kill().ok();
            child.wait().ok();
        }
        running().remove(&self.pid);
    }

    /// SIGTERM, then SIGKILL when it has not ended after `grace`. True if it ended by itself.
    pub fn stop(&self, grace: Duration) -> bool {
        if self.exit_status().is_some() {
            return true;
        }
        // SIGCONT: a paused process would sit on its SIGTERM.
        self.signal(Signal::SIGTERM).ok();
        self.signal(Signal::SIGCONT).ok();
        let ended = wait_until(grace, || self.exit_status().is_some());
        if !ended {
            self.kill_9();
        }
        ended
    }

    /// SIGSTOP; all its threads stand still when this returns.
    pub fn pause(&self) -> Result<(), Error> {
        self.signal(Signal::SIGSTOP)?;
        wait_until(Duration::from_secs(5), || self.stands_still());
        Ok(())
    }

    /// The signal is on its way when `kill` returns; that the last thread has stopped is told to `wait`.
    #[cfg(target_os = "linux")]
    fn stands_still(&self) -> bool {
        use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
        let child = self.child();
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        let status = waitid(Id::Pid(Pid::from_raw(child.id().cast_signed())), flags);
        !matches!(status, Ok(WaitStatus::StillAlive))
    }

    #[cfg(not(target_os = "linux"))]
    fn stands_still(&self) -> bool {
        true
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), Error> {
        self.signal(Signal::SIGCONT)
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// As an error, with its status and the end of its log.
    #[must_use]
    pub fn died(&self) -> Error {
        let status = self.exit_status().map_or_else(|| "still running".into(), |status| status.to_string());
        Error::Died { program: self.name.clone(), status, log: self.log.clone(), tail: self.log_tail(20) }
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let child = self.child();
        let pid = Pid::from_raw(child.id().cast_signed());
        // Unreaped while we hold the child, so the id cannot be somebody else's.
        kill(pid, signal).map_err(|errno| Error::Io {
            doing: format!("sending {signal} to {}", self.name),
            source: errno.into(),
        })
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.kill_9();
    }
}

/// Runs a tool to its end; `on_output` gets its output piece by piece. When interrupted, the tool and
/// everything it started are ended first.
pub fn run_tool(
    spawn: &Spawn,
    interrupt: &Interrupt,
    mut on_output: impl FnMut(&str),
) -> Result<ExitStatus, Error> {
    let child = Managed::start(spawn)?;
    let mut output = File::open(&spawn.log).map_err(Error::io("reading", &spawn.log))?;
    let mut fresh = Vec::new();
    loop {
        let status = child.exit_status();
        fresh.clear();
        output.read_to_end(&mut fresh).map_err(Error::io("reading", &spawn.log))?;
        if !fresh.is_empty() {
            on_output(&String::from_utf8_lossy(&fresh));
        }
        if let Some(status) = status {
            return Ok(status);
        }
        if interrupt.is_triggered() {
            end_group(&child)?;
            return Err(Error::Interrupted);
        }
        thread::sleep(POLL);
    }
}

/// Polls until true; false when the time is over.
pub(crate) fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// The last lines of a file; empty when it cannot be read.
#[must_use]
pub fn tail(file: &Path, lines: usize) -> String {
    const AT_MOST: u64 = 64 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(AT_MOST)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
