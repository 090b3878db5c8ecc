//! The MongoDB-protocol server: compiled once per user by `cargo install`, which takes minutes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::entry::{self, BUILT};
use super::{Target, checksum, wheel};
use crate::pins::{CratePin, Pins};
use crate::preparation::Preparation;
use crate::process::{Spawn, run_tool, tail};
use crate::{Environment, Error, Step};

/// Makes sure that the entry of the server is in the cache.
pub(super) fn fetch(pins: &Pins, target: Target, preparation: &Preparation) -> Result<(), Error> {
    let pin = &pins.secantusd_rs;
    entry::ensure(&pin.entry(), preparation, |workshop| {
        let path = path_with_cmake(pins, target, preparation)?;
        compile(pin, path, workshop, preparation)?;
        verify_package(pin, &preparation.environment)?;
        fs::rename(workshop.join("root").join("bin"), workshop.join(BUILT))
            .map_err(Error::io("moving the compiled program in", workshop))
    })
}

/// `PATH`, with a cmake of our own at its end when it has none.
fn path_with_cmake(pins: &Pins, target: Target, preparation: &Preparation) -> Result<OsString, Error> {
    let environment = &preparation.environment;
    if environment.on_path("cmake").is_some() {
        return Ok(environment.path.clone());
    }
    wheel::fetch("cmake", &pins.cmake, target, preparation)?;
    let folder = environment.cache()?.join(pins.cmake.entry("cmake")).join("bin");
    let folders = env::split_paths(&environment.path).chain([folder]);
    env::join_paths(folders)
        .map_err(|error| Error::Compile { what: pins.secantusd_rs.title(), detail: error.to_string() })
}

fn compile(pin: &CratePin, path: OsString, workshop: &Path, preparation: &Preparation) -> Result<(), Error> {
    let cargo = Spawn::new(&preparation.environment.cargo, workshop.join("cargo.log"))
        .args(["install", &pin.package, "--version", &pin.version])
        .args(["--locked", "--ignore-rust-version", "--color", "never", "--root"])
        .args([workshop.join("root")])
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", workshop.join("target"))
        // Ours are meant for our own crates; with `-D warnings` theirs would not build.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .folder(workshop);
    let mut progress = CompileProgress { pin, begun: 0, partial: String::new() };
    let status = run_tool(&cargo, &preparation.interrupt, |output| {
        if let Some(step) = progress.read(output) {
            preparation.reporter.report(step);
        }
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Compile { what: pin.title(), detail: tail(&cargo.log, 30) })
}

/// Counts cargo's `Compiling` lines.
struct CompileProgress<'a> {
    pin: &'a CratePin,
    begun: usize,
    /// The line that is not complete yet.
    partial: String,
}

impl CompileProgress<'_> {
    /// The newest step within this output, if one began.
    fn read(&mut self, output: &str) -> Option<Step> {
        self.partial.push_str(output);
        let complete = self.partial.rfind('\n').map_or(0, |end| end + 1);
        let lines: String = self.partial.drain(..complete).collect();
        let units: Vec<&str> =
            lines.lines().filter_map(|line| line.trim_start().strip_prefix("Compiling ")).collect();
        self.begun += units.len();
        let unit = (*units.last()?).to_owned();
        let (begun, total) = (self.begun, self.pin.units.max(self.begun));
        Some(Step::Compiling { what: self.pin.title(), unit, begun, total })
    }
}

/// Holds the package that cargo downloaded against our own pin, wherever its registry folder is. Cargo has
/// held it against the registry's index already; with vendored sources there is no such file.
fn verify_package(pin: &CratePin, environment: &Environment) -> Result<(), Error> {
    let name = format!("{}-{}.crate", pin.package, pin.version);
    for file in downloaded_packages(environment, &name) {
        checksum::verify(&file, &pin.sha256)?;
    }
    Ok(())
}

fn downloaded_packages(environment: &Environment, name: &str) -> Vec<PathBuf> {
    let Some(home) = &environment.cargo_home else { return Vec::new() };
    let Ok(registries) = fs::read_dir(home.join("registry").join("cache")) else { return Vec::new() };
    registries.flatten().map(|registry| registry.path().join(name)).filter(|file| file.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_compiling_lines_however_they_are_cut() {
        let pin = Pins::embedded().secantusd_rs;
        let mut progress = CompileProgress { pin: &pin, begun: 0, partial: String::new() };
        assert_eq!(progress.read("    Updating index\n   Compiling cfg-if v1.0.0\n   Compi"), {
            let unit = "cfg-if v1.0.0".into();
            Some(Step::Compiling { what: pin.title(), unit, begun: 1, total: pin.units })
        });
        assert_eq!(progress.read("ling libc"), None);
        let step = progress.read(" v0.2.1\n");
        assert!(matches!(step, Some(Step::Compiling { unit, begun: 2, .. }) if unit == "libc v0.2.1"));
    }
}
