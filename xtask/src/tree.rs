//! The source tree, and the folder in it where `up` keeps its data.

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The project's root.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

/// Held while `up` runs in a tree: a second one would write into the same data.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

const LOCK: &str = "up.lock";

impl Tree {
    /// The tree this program was built from, wherever it is run.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("this program's package is not inside a workspace")?;
        Ok(Self::at(root))
    }

    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `.chasqui`: data, secrets, logs. Ignored by git.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(".chasqui")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.state().join("log").join(format!("{name}.log"))
    }

    pub(crate) fn nats_config(&self) -> PathBuf {
        self.root.join("nats").join("server.conf")
    }

    /// Fails when another `up` runs here, with its process id.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        let state = self.state();
        // Messages and keys will lie there: for its owner only.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state)
            .with_context(|| format!("creating {}", state.display()))?;
        let path = state.join(LOCK);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).ok();
                bail!(
                    "`cargo xtask up` already runs in this tree (process {}). Stop it with Ctrl-C in its \
                     terminal, or with `kill {}`",
                    pid.trim(),
                    pid.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Lock { _file: file })
    }

    /// Removes everything in the state folder but the lock.
    pub(crate) fn forget(&self, _held: &Lock) -> anyhow::Result<()> {
        for entry in fs::read_dir(self.state())? {
            let entry = entry?;
            if entry.file_name() == LOCK {
                continue;
            }
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("removing {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_second_lock_names_the_process_that_holds_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::at(folder.path());
        let first = tree.lock().unwrap();
        let error = tree.lock().unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        tree.lock().unwrap();
    }

    #[test]
    fn forgetting_keeps_the_lock_only() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::at(folder.path());
        let lock = tree.lock().unwrap();
        fs::create_dir_all(tree.state().join("nats").join("jetstream")).unwrap();
        fs::write(tree.state().join("ports"), "nats 1").unwrap();
        tree.forget(&lock).unwrap();
        let left: Vec<_> =
            fs::read_dir(tree.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
        assert!(tree.lock().is_err(), "forgetting let the lock go");
    }
}
