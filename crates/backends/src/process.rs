//! Child processes that never outlive us.
//!
//! Each child gets its own process group, so that Ctrl-C in a terminal reaches only us and we stop the
//! children in order. Should we be killed ourselves, the kernel kills them: `setpriv --pdeathsig KILL` (of
//! util-linux) asks for that without unsafe code. That signal follows the *thread* that spawned the child,
//! so all children are spawned by one thread that lives as long as the process. Where `setpriv` is missing
//! (macOS), children of a killed process stay behind.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::{Environment, Error, Interrupt};

const POLL: Duration = Duration::from_millis(20);

/// What to start.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// Program, by path or by name on `PATH`.
    pub program: OsString,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Variables set on top of ours.
    pub env: Vec<(OsString, OsString)>,
    /// Variables of ours that it must not see.
    pub env_remove: Vec<OsString>,
    /// Where it runs; here if `None`.
    pub folder: Option<PathBuf>,
    /// The file both of its output streams are appended to.
    pub log: PathBuf,
}

impl Spawn {
    /// A program without arguments that logs there.
    pub fn new(program: impl AsRef<OsStr>, log: impl Into<PathBuf>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            folder: None,
            log: log.into(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Hides a variable of ours.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env_remove.push(name.as_ref().to_owned());
        self
    }

    /// Sets where it runs.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Its file name, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        Path::new(&self.program)
            .file_name()
            .map_or_else(|| "a program".into(), |name| name.to_string_lossy().into_owned())
    }

    fn command(&self) -> io::Result<Command> {
        use std::os::unix::process::CommandExt;
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = if let Some(setpriv) = setpriv() {
            let mut wrapped = Command::new(setpriv);
            wrapped.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
            wrapped
        } else {
            Command::new(&self.program)
        };
        command.args(&self.args).process_group(0);
        for name in &self.env_remove {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

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

/// The children that have not been seen to end. Each leads a process group of the same number.
fn running() -> MutexGuard<'static, BTreeSet<u32>> {
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

/// SIGTERM to the child and all its descendants, a moment to tidy up, then SIGKILL to what is left.
fn end_group(leader: &Managed) -> Result<(), Error> {
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

/// The `setpriv` of util-linux; others of that name lack the flag.
fn setpriv() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let works = |file: &PathBuf| {
        Command::new(file)
            .args(["--pdeathsig", "KILL", "--", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let find = || Environment::from_process().on_path("setpriv").filter(works);
    FOUND.get_or_init(find).as_deref()
}

struct Request {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<SyncSender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = sync_channel::<Request>(16);
        thread::spawn(move || {
            for mut request in inbox {
                // A requester that has gone away drops the child with the answer; nobody waits for it.
                request.answer.send(request.command.spawn()).ok();
            }
        });
        requests
    });
    let gone = || io::Error::other("the thread that starts processes has ended");
    let (answer, result) = sync_channel(1);
    spawner.send(Request { command, answer }).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}
