//! A running backend, whichever it is: started, asked whether it answers, hurt, restarted, stopped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::address;
use crate::port::PortLease;
use crate::preparation::Preparation;
use crate::process::{Managed, Spawn};
use crate::progress::Interrupt;
use crate::{Error, Kind, Program};

/// Where a server lives. Left empty: a free port and a temporary folder that goes when the server does.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The port on 127.0.0.1.
    pub port: Option<u16>,
    /// The folder of its data, made when missing.
    pub data: Option<PathBuf>,
    /// The file of its output, appended to; `<name>.log` beside the data if `None`.
    pub log: Option<PathBuf>,
}

/// What distinguishes the three. Only this crate implements it.
pub trait Backend: sealed::Launch {
    /// Which one it is.
    const KIND: Kind;
}

pub(crate) mod sealed {
    use super::{Error, Place, Program, Spawn};
    use std::net::TcpStream;
    use std::path::Path;

    /// A server's place, with everything decided.
    #[derive(Debug)]
    pub struct Site<'a> {
        pub program: &'a Program,
        pub port: u16,
        /// A second port for whoever needs one: the monitor of NATS.
        pub second_port: u16,
        pub data: &'a Path,
        pub log: &'a Path,
        /// Whether the data goes when the server does.
        pub temporary: bool,
    }

    pub trait Launch: Sized {
        /// How it can be started.
        type Options: Clone + Default + Send + Sync + 'static;
        fn place(options: &Self::Options) -> &Place;
        /// The second port that was asked for.
        fn second_port(options: &Self::Options) -> Option<u16>;
        fn spawn(options: &Self::Options, site: &Site<'_>) -> Result<Spawn, Error>;
        fn url(port: u16) -> String;
        /// `Ok` when it answers as a server that is ready; `Err` says what it answered instead.
        fn probe(stream: &mut TcpStream, port: u16) -> Result<(), String>;
    }
}

use sealed::Site;

/// A backend that answers. Its process, if it is ours, is killed when this is dropped.
#[derive(Debug)]
pub struct Server<B: Backend> {
    url: String,
    address: String,
    owned: Option<Owned>,
    backend: std::marker::PhantomData<fn() -> B>,
}

/// What we have of a server that we started.
#[derive(Debug)]
struct Owned {
    // Before the folder: fields are dropped in this order, and the process writes into it.
    process: Mutex<Option<Managed>>,
    spawn: Spawn,
    program: Program,
    data: PathBuf,
    port: PortLease,
    second_port: PortLease,
    _temporary: Option<TempDir>,
}

/// A first start on a slow, busy machine; a restart that reads a large log back in.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_PROBES: Duration = Duration::from_millis(20);
const PROBE: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(20);

impl<B: Backend> Server<B> {
    /// The server that the environment names, or one of our own. Returns when it answers.
    pub fn start(options: &B::Options) -> Result<Self, Error> {
        Self::start_with(options, &Preparation::default())
    }

    /// One of our own whatever the environment names: for tests that kill it. Returns when it answers.
    pub fn start_own(options: &B::Options) -> Result<Self, Error> {
        Self::start_own_with(options, &Preparation::default())
    }

    /// [`Self::start`] with another environment, reporter or interrupt.
    pub fn start_with(options: &B::Options, preparation: &Preparation) -> Result<Self, Error> {
        match preparation.environment.url(B::KIND) {
            Some(url) => Self::external(url),
            None => Self::start_own_with(options, preparation),
        }
    }

    /// [`Self::start_own`] with another environment, reporter or interrupt.
    pub fn start_own_with(options: &B::Options, preparation: &Preparation) -> Result<Self, Error> {
        let program = preparation.program(B::KIND)?;
        let server = Self::lay_out(options, program)?;
        server.launch()?;
        server.wait_ready_unless(PATIENCE, &preparation.interrupt)?;
        Ok(server)
    }

    fn external(url: &str) -> Result<Self, Error> {
        let address = address::of(url, B::KIND)?;
        let server = Self { url: url.to_owned(), address, owned: None, backend: std::marker::PhantomData };
        server.wait_ready(Duration::from_secs(10))?;
        Ok(server)
    }

    fn lay_out(options: &B::Options, program: Program) -> Result<Self, Error> {
        let place = B::place(options);
        let lease = |wanted: Option<u16>| wanted.map_or_else(PortLease::any, PortLease::exactly);
        let (port, second_port) = (lease(place.port)?, lease(B::second_port(options))?);
        let temporary = place.data.is_none().then(temporary_folder).transpose()?;
        let data = match (&place.data, &temporary) {
            (Some(folder), _) => folder.clone(),
            (None, Some(folder)) => folder.path().join("data"),
            (None, None) => unreachable!("a folder is made when none is given"),
        };
        fs::create_dir_all(&data).map_err(Error::io("creating", &data))?;
        let log = place.log.clone().unwrap_or_else(|| data.with_extension("log"));
        let site = Site {
            program: &program,
            port: port.port(),
            second_port: second_port.port(),
            data: &data,
            log: &log,
            temporary: temporary.is_some(),
        };
        let spawn = B::spawn(options, &site)?;
        let process = Mutex::new(None);
        let url = B::url(port.port());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port())).to_string();
        let owned = Owned { process, spawn, program, data, port, second_port, _temporary: temporary };
        Ok(Self { url, address, owned: Some(owned), backend: std::marker::PhantomData })
    }

    /// Where clients connect: without a user or a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Host and port, such as `127.0.0.1:4222`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether somebody else runs it, so that it cannot be signalled.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.owned.is_none()
    }

    /// The port on 127.0.0.1, of a server of ours.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        Some(self.owned.as_ref()?.port.port())
    }

    /// The folder of its data, of a server of ours.
    #[must_use]
    pub fn data(&self) -> Option<&Path> {
        Some(&self.owned.as_ref()?.data)
    }

    /// The program that runs, of a server of ours.
    #[must_use]
    pub fn program(&self) -> Option<&Program> {
        Some(&self.owned.as_ref()?.program)
    }

    /// Its log file, of a server of ours.
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        Some(&self.owned.as_ref()?.spawn.log)
    }

    /// The last lines of its log; empty for somebody else's server.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.log().map(|log| crate::process::tail(log, lines)).unwrap_or_default()
    }

    /// The process id while it runs, of a server of ours.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let owned = self.owned.as_ref()?;
        let process = owned.lock();
        let process = process.as_ref()?;
        process.exit_status().is_none().then(|| process.pid())
    }

    /// SIGKILL; it is gone when this returns. Data, port and log stay for [`Self::restart`].
    pub fn kill_9(&self) -> Result<(), Error> {
        let owned = self.own("killed")?;
        let process = owned.lock().take().ok_or(Error::NotRunning { what: B::KIND.name() })?;
        process.kill_9();
        Ok(())
    }

    /// SIGTERM, then SIGKILL after twenty seconds. Stopping a stopped server does nothing.
    pub fn stop(&self) -> Result<(), Error> {
        let owned = self.own("stopped")?;
        if let Some(process) = owned.lock().take() {
            process.stop(GRACE);
        }
        Ok(())
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) -> Result<(), Error> {
        self.with_process("paused", Managed::pause)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), Error> {
        self.with_process("resumed", Managed::resume)
    }

    /// Stops it if it runs, starts it on the same port and data, returns when it answers.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop()?;
        self.launch()?;
        self.wait_ready(PATIENCE)
    }

    /// Starts it on the same port and data without waiting until it answers.
    pub fn launch(&self) -> Result<(), Error> {
        let owned = self.own("started")?;
        *owned.lock() = Some(Managed::start(&owned.spawn)?);
        Ok(())
    }

    /// Waits until it answers as a server does that can be used.
    pub fn wait_ready(&self, patience: Duration) -> Result<(), Error> {
        self.wait_ready_unless(patience, &Interrupt::default())
    }

    fn wait_ready_unless(&self, patience: Duration, interrupt: &Interrupt) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            let Err(detail) = self.probe() else { return Ok(()) };
            interrupt.check()?;
            if let Some(died) = self.died() {
                return Err(died);
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready(patience, detail));
            }
            thread::sleep(BETWEEN_PROBES);
        }
    }

    /// Asks it once whether it is ready; `Err` says what it did instead.
    pub fn probe(&self) -> Result<(), String> {
        let addresses = self.address.to_socket_addrs().map_err(|error| error.to_string())?;
        let mut last = "its name has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, PROBE) {
                Err(error) => last = error.to_string(),
                Ok(mut stream) => {
                    let timed = stream
                        .set_read_timeout(Some(PROBE))
                        .and_then(|()| stream.set_write_timeout(Some(PROBE)));
                    timed.map_err(|error| error.to_string())?;
                    return B::probe(&mut stream, address.port());
                }
            }
        }
        Err(last)
    }

    /// The error to report when its process has ended by itself; `None` while it runs or after a kill of ours.
    #[must_use]
    pub fn died(&self) -> Option<Error> {
        let process = self.owned.as_ref()?.lock();
        let process = process.as_ref()?;
        process.exit_status().map(|_| process.died())
    }

    fn not_ready(&self, waited: Duration, detail: String) -> Error {
        let tail = match self.log() {
            Some(log) => format!(". The end of {}:\n{}", log.display(), self.log_tail(20)),
            None => format!(". {} names it: is it running?", B::KIND.url_variable()),
        };
        Error::NotReady { what: B::KIND.name(), address: self.address.clone(), waited, detail, tail }
    }

    fn own(&self, action: &'static str) -> Result<&Owned, Error> {
        self.owned.as_ref().ok_or(Error::External { variable: B::KIND.url_variable(), action })
    }

    fn with_process(
        &self,
        action: &'static str,
        act: impl FnOnce(&Managed) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let process = self.own(action)?.lock();
        act(process.as_ref().ok_or(Error::NotRunning { what: B::KIND.name() })?)
    }

    pub(crate) fn second_port(&self) -> Option<u16> {
        Some(self.owned.as_ref()?.second_port.port())
    }
}

impl Owned {
    fn lock(&self) -> MutexGuard<'_, Option<Managed>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn temporary_folder() -> Result<TempDir, Error> {
    let base = std::env::temp_dir();
    tempfile::Builder::new()
        .prefix("chasqui-backend-")
        .tempdir()
        .map_err(Error::io("creating a temporary folder in", &base))
}
