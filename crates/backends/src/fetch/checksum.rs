//! SHA-256 of a file, against its pin.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// `Err(Checksum)` unless the file is exactly what is pinned.
pub(super) fn verify(file: &Path, pinned: &str) -> Result<(), Error> {
    let actual = of(file)?;
    if actual == pinned {
        return Ok(());
    }
    let what = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(Error::Checksum { what, expected: pinned.to_owned(), actual })
}

fn of(file: &Path) -> Result<String, Error> {
    let mut content = File::open(file).map_err(Error::io("reading", file))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = content.read(&mut buffer).map_err(Error::io("reading", file))?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        use std::fmt::Write as _;
        write!(hex, "{byte:02x}").unwrap_or_else(|error| unreachable!("a String takes all: {error}"));
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "abc", FIPS 180-4's own example.
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn accepts_the_pinned_content_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.whl");
        std::fs::write(&file, "abc").unwrap();
        verify(&file, OF_ABC).unwrap();

        std::fs::write(&file, "abd").unwrap();
        let error = verify(&file, OF_ABC).unwrap_err();
        assert!(matches!(&error, Error::Checksum { what, .. } if what == "some.whl"));
        assert!(error.to_string().contains(OF_ABC), "{error}");
    }
}
