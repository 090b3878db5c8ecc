//! The secrets of an installation, made once: `chasqui admin secrets init`.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use chasqui_crypto::KekFile;
use chasqui_runtime::clock::random_bytes;
use zeroize::Zeroizing;

use crate::name_key::NameKey;

/// The key under which names become subjects.
pub const NAME_KEY: &str = "name.key";
/// The key-encryption keys, which wrap the keys of rooms and users, and those that sign access tokens.
pub const KEK: &str = "kek.keys";
/// The passwords of the NATS users, as environment variables that the server's configuration and the programs
/// both read.
pub const NATS_ENVIRONMENT: &str = "nats.env";

/// The NATS users, as their environment variables name them.
const NATS_USERS: [&str; 7] =
    ["ADMIN", "AUTH", "COMMAND_API", "QUERY_API", "PROJECTOR", "WS_EDGE", "ANALYTICS"];

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Created(PathBuf),
    /// It was there, and was not touched.
    Kept(PathBuf),
}

/// A secret could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be written: {source}")]
pub struct InitError {
    file: String,
    source: io::Error,
}

/// Makes every secret that the directory does not hold yet; creates the directory. Files are readable by their
/// owner only. Existing files are kept, because what they signed or named would be lost with them.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn init(directory: &Path) -> Result<Vec<Outcome>, InitError> {
    let fail = |file: &Path| {
        let file = file.display().to_string();
        move |source| InitError { file, source }
    };
    fs::create_dir_all(directory).map_err(fail(directory))?;
    let files = [(NAME_KEY, name_key()), (KEK, key_encryption_key()), (NATS_ENVIRONMENT, nats_environment())];
    files
        .into_iter()
        .map(|(name, text)| {
            let file = directory.join(name);
            let created = write_new(&file, &text).map_err(fail(&file))?;
            Ok(if created { Outcome::Created(file) } else { Outcome::Kept(file) })
        })
        .collect()
}

fn name_key() -> Zeroizing<String> {
    let key = Zeroizing::new(random_bytes::<{ NameKey::BYTES }>());
    Zeroizing::new(format!("{}\n", hex::encode(*key)))
}

fn key_encryption_key() -> Zeroizing<String> {
    let head =
        "# <id> <key>: the last line wraps, all of them unwrap. Without these nothing sealed can be read.\n";
    Zeroizing::new([head, &KekFile::new_line(&format!("kek-{}", hex::encode(random_bytes::<4>())))].concat())
}

fn nats_environment() -> Zeroizing<String> {
    // A letter first: nats-server reads an unquoted value of digits as a number.
    let line = |user| format!("CHASQUI_NATS_PASSWORD_{user}=p{}\n", hex::encode(random_bytes::<24>()));
    Zeroizing::new(NATS_USERS.map(line).concat())
}

/// Writes a file that does not exist yet; false when it does.
fn write_new(file: &Path, text: &str) -> io::Result<bool> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        opened => opened?,
    };
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use chasqui_crypto::KekSource;
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn secrets_are_made_once_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("secrets");
        let made = init(&directory).unwrap();
        assert!(made.iter().all(|outcome| matches!(outcome, Outcome::Created(_))), "{made:?}");
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        let before = [NAME_KEY, KEK, NATS_ENVIRONMENT].map(read);
        for name in [NAME_KEY, KEK, NATS_ENVIRONMENT] {
            let permissions = fs::metadata(directory.join(name)).unwrap().permissions().mode();
            assert_eq!(permissions & 0o777, 0o600, "{name}");
        }
        NameKey::load(&directory.join(NAME_KEY)).unwrap();
        KekFile::load(KekSource::File(directory.join(KEK))).unwrap();
        for user in NATS_USERS {
            assert!(before[2].contains(&format!("CHASQUI_NATS_PASSWORD_{user}=p")), "{user}");
        }

        let again = init(&directory).unwrap();
        assert!(again.iter().all(|outcome| matches!(outcome, Outcome::Kept(_))), "{again:?}");
        assert_eq!([NAME_KEY, KEK, NATS_ENVIRONMENT].map(read), before);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = init(&file.path().join("x")).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
