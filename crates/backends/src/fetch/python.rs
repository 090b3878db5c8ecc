//! Programs in Python: installed by pip into a folder of the cache, never into the system.

use std::path::PathBuf;

use super::entry::{self, BUILT};
use super::wheel::find_pip;
use crate::pins::Pins;
use crate::preparation::Preparation;
use crate::process::{Spawn, run_tool, tail};
use crate::{Error, Step};

/// The folder to put into `PYTHONPATH` for `python3 -m schemathesis.cli`.
pub(crate) fn schemathesis(preparation: &Preparation) -> Result<PathBuf, Error> {
    let pin = Pins::embedded().schemathesis;
    let entry = format!("schemathesis-{}", pin.version);
    entry::ensure(&entry, preparation, |workshop| {
        preparation.reporter.report(Step::Downloading { what: entry.clone() });
        let python = find_pip(&entry, "schemathesis", workshop, preparation)?;
        let pip = Spawn::new(&python, workshop.join("pip.log"))
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"])
            .args(["--no-deps", "--only-binary=:all:", "--target"])
            .args([workshop.join(BUILT)])
            .args(&pin.packages)
            .env("PATH", &preparation.environment.path)
            .folder(workshop);
        let status = run_tool(&pip, &preparation.interrupt, |_| {})?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Download { what: entry.clone(), detail: tail(&pip.log, 15) })
    })?;
    Ok(preparation.environment.cache()?.join(entry))
}
