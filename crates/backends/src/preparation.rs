//! What a backend is made ready with.

use std::path::PathBuf;
use std::sync::Arc;

use crate::progress::{Interrupt, PrintToStderr, Reporter};
use crate::{Environment, Error, Found, Kind, Program, fetch};

/// Where things come from, who is told about it, and who may stop it.
#[derive(Clone)]
pub struct Preparation {
    /// URLs, `PATH`, the cache.
    pub environment: Environment,
    /// Gets every step of a download or compile.
    pub reporter: Arc<dyn Reporter>,
    /// Stops a download or compile.
    pub interrupt: Interrupt,
}

impl Default for Preparation {
    /// This process's environment, lines on standard error.
    fn default() -> Self {
        Self {
            environment: Environment::from_process(),
            reporter: Arc::new(PrintToStderr::default()),
            interrupt: Interrupt::default(),
        }
    }
}

impl Preparation {
    /// A program of this kind: on `PATH`, in the cache, or fetched now.
    pub fn program(&self, kind: Kind) -> Result<Program, Error> {
        match self.environment.find_program(kind)? {
            Some(program) => Ok(program),
            None => fetch::fetch(kind, self),
        }
    }

    /// The same, unless a URL in the environment makes a program unnecessary.
    pub fn ensure(&self, kind: Kind) -> Result<Found, Error> {
        match self.environment.url(kind) {
            Some(url) => Ok(Found::Url(url.to_owned())),
            None => self.program(kind).map(Found::Program),
        }
    }

    /// Schemathesis, which tries an HTTP API by its description: the folder to put into `PYTHONPATH` for
    /// `python3 -m schemathesis.cli`, from the cache or fetched now.
    pub fn schemathesis(&self) -> Result<PathBuf, Error> {
        fetch::schemathesis(self)
    }
}
