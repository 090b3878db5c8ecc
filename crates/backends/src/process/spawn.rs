//! What to start, and how: so that it ends with us.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::Environment;

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

    pub(super) fn command(&self) -> io::Result<Command> {
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

pub(super) fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
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
