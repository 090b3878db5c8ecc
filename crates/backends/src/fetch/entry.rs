//! One entry of the cache: locked, built beside, renamed into place.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::preparation::Preparation;
use crate::{Error, Step};

/// Makes sure that the entry exists: `build` fills the folder it is given, which then becomes the entry.
/// An error or an interrupt leaves nothing behind but an empty lock file.
pub(super) fn ensure(
    entry: &str,
    preparation: &Preparation,
    build: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let cache = preparation.environment.cache()?;
    let place = cache.join(entry);
    if place.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(cache).map_err(Error::io("creating", cache))?;
    let _lock = lock(entry, cache, preparation)?;
    if place.is_dir() {
        return Ok(()); // made while we waited for the lock
    }
    let prefix = format!("tmp-{entry}-");
    remove_leftovers(cache, &prefix);
    let workshop = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .map_err(Error::io("creating a folder in", cache))?;
    let outcome = build_in(&workshop, &place, build);
    close(workshop);
    outcome?;
    preparation.reporter.report(Step::Fetched { what: entry.to_owned() });
    Ok(())
}

fn build_in(
    workshop: &TempDir,
    place: &Path,
    build: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    build(workshop.path())?;
    let result = workshop.path().join(BUILT);
    fs::rename(&result, place).map_err(Error::io("moving into place", place))
}

/// Inside the folder given to `build`: what becomes the entry. The rest is thrown away.
pub(super) const BUILT: &str = "built";

fn lock(entry: &str, cache: &Path, preparation: &Preparation) -> Result<File, Error> {
    let path = cache.join(format!("{entry}.lock"));
    let file = File::create(&path).map_err(Error::io("creating", &path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(Error::io("locking", &path)(source)),
        }
        if !told {
            preparation.reporter.report(Step::Waiting { what: entry.to_owned() });
            told = true;
        }
        preparation.interrupt.check()?;
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a killed process left; the lock says that nobody works in it now.
fn remove_leftovers(cache: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(cache) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Removes the folder, again and again for a moment: a killed compiler may still be writing into it.
fn close(workshop: TempDir) {
    let path = workshop.keep();
    for _ in 0..20 {
        if fs::remove_dir_all(&path).is_ok() || !path.exists() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
