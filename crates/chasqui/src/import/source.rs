//! The files on disk: logs and the annotations beside them.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};

use super::log_file::LogFile;

const LOG: &str = ".raw.txt";
const ANNOTATION: &str = ".annotation.txt";

/// Reads all files before anything is sent, so that a wrong name is told at once. Annotation files among them are
/// read with their logs.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<LogFile>> {
    let (mut files, mut names) = (Vec::new(), HashSet::new());
    for path in paths {
        let name = path.file_name().with_context(|| format!("{} is not a file", path.display()))?;
        let name = name.to_string_lossy().into_owned();
        if name.ends_with(ANNOTATION) {
            continue;
        }
        if !names.insert(name.clone()) {
            bail!("two files are named {name}: a line's identity is its file's name and its number");
        }
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let annotations = annotations_of(path, &name)?;
        let file = LogFile::parse(&name, &bytes, annotations.as_deref());
        files.push(file.with_context(|| format!("reading {}", path.display()))?);
    }
    ensure!(!files.is_empty(), "there is no log among the files, only annotations");
    Ok(files)
}

fn annotations_of(path: &Path, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(stem) = name.strip_suffix(LOG) else { return Ok(None) };
    let path = path.with_file_name(format!("{stem}{ANNOTATION}"));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

#[cfg(test)]
mod tests;
