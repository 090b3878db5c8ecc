//! Key-encryption keys in a file or in the configuration.

use std::{fmt, fs, io, path::PathBuf, time::SystemTime};

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, aead::Aead as _, aead::Payload};
use async_trait::async_trait;
use chasqui_events::Sealed;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{Context, KekError, KeyEncryption, Wrapped};
use crate::Key;

/// Where the key-encryption keys are.
#[derive(Clone, Debug)]
pub enum KekSource {
    /// In a file, which is read again when it changes.
    File(PathBuf),
    /// In the configuration itself.
    Text(SecretString),
}

/// Key-encryption keys as lines `<id> <64 hexadecimal digits>`. The last one wraps, all of them unwrap.
pub struct KekFile {
    source: KekSource,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    stamp: Option<Stamp>,
    keks: Vec<Kek>,
}

/// Enough to tell that a file was changed.
type Stamp = (SystemTime, u64);

struct Kek {
    id: String,
    key: Key,
}

/// The key-encryption keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KekFileError {
    /// The file cannot be read.
    #[error("crypto.kek_file: {0} cannot be read: {1}")]
    Unreadable(String, io::Error),
    /// A line is not a key-encryption key. The line itself is not shown.
    #[error(
        "{place}: line {line} must be `<id> <64 hexadecimal digits>`; `chasqui admin secrets init` makes such a file"
    )]
    NotAKey {
        /// The file, or the key of the configuration.
        place: String,
        /// Which line, from 1.
        line: usize,
    },
    /// Two lines have one id.
    #[error("{place}: the id {id:?} stands twice; each key-encryption key needs an id of its own")]
    Twice {
        /// The file, or the key of the configuration.
        place: String,
        /// Which id.
        id: String,
    },
    /// There is no line.
    #[error("{0} holds no key-encryption key; `chasqui admin secrets init` makes one")]
    Empty(String),
}

const NONCE: usize = 12;

impl KekFile {
    /// Reads the key-encryption keys.
    ///
    /// # Errors
    /// See [`KekFileError`].
    pub fn load(source: KekSource) -> Result<Self, KekFileError> {
        let loaded = Mutex::new(read(&source)?);
        Ok(Self { source, loaded })
    }

    /// A line for a file of key-encryption keys: a new key under this id.
    #[must_use]
    pub fn new_line(id: &str) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(Key::random().expose()));
        Zeroizing::new(format!("{id} {}\n", *digits))
    }

    /// Does something with the keys as they are now. A file that was changed to something that cannot be read leaves
    /// those that were read before.
    fn with<R>(&self, act: impl FnOnce(&[Kek]) -> R) -> R {
        let mut loaded = self.loaded.lock();
        // A file of a few lines, looked at when a key is not cached: not worth another thread.
        if let KekSource::File(path) = &self.source
            && stamp(path).is_some_and(|stamp| loaded.stamp != Some(stamp))
            && let Ok(newer) = read(&self.source)
        {
            *loaded = newer;
        }
        act(&loaded.keks)
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(source: &KekSource) -> Result<Loaded, KekFileError> {
    match source {
        KekSource::File(path) => {
            let place = path.display().to_string();
            // Before the reading: what is changed between the two is read again.
            let stamp = stamp(path);
            let text = fs::read_to_string(path).map(Zeroizing::new);
            let text = text.map_err(|error| KekFileError::Unreadable(place.clone(), error))?;
            Ok(Loaded { stamp, keks: parse(&text, &place)? })
        }
        KekSource::Text(text) => {
            let text = Zeroizing::new(text.expose_secret().replace(',', "\n"));
            Ok(Loaded { stamp: None, keks: parse(&text, "crypto.kek")? })
        }
    }
}

fn parse(text: &str, place: &str) -> Result<Vec<Kek>, KekFileError> {
    let mut keks: Vec<Kek> = Vec::new();
    for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text.trim())) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let kek = parse_line(text);
        let kek = kek.ok_or_else(|| KekFileError::NotAKey { place: place.to_owned(), line })?;
        if keks.iter().any(|other| other.id == kek.id) {
            return Err(KekFileError::Twice { place: place.to_owned(), id: kek.id });
        }
        keks.push(kek);
    }
    if keks.is_empty() { Err(KekFileError::Empty(place.to_owned())) } else { Ok(keks) }
}

fn parse_line(text: &str) -> Option<Kek> {
    let (id, digits) = text.split_once(char::is_whitespace)?;
    let mut key = Zeroizing::new([0; Key::BYTES]);
    hex::decode_to_slice(digits.trim(), &mut *key).ok()?;
    Some(Kek { id: id.to_owned(), key: Key::new(*key) })
}

#[async_trait]
impl KeyEncryption for KekFile {
    async fn current(&self) -> Result<String, KekError> {
        self.with(|keks| keks.last().map(|kek| kek.id.clone())).ok_or_else(none)
    }

    async fn wrap(&self, context: &Context, key: &Key) -> Result<Wrapped, KekError> {
        let nonce: [u8; NONCE] = rand::random();
        self.with(|keks| {
            let kek = keks.last().ok_or_else(none)?;
            let aad = aad(&kek.id, context);
            let payload = Payload { msg: key.expose(), aad: &aad };
            let sealed = Aes256Gcm::new(kek.key.expose().into()).encrypt(&Nonce::from(nonce), payload);
            let sealed = sealed.map_err(|_| KekError::Refused(kek.id.clone()))?;
            Ok(Wrapped { kek: kek.id.clone(), bytes: Sealed::new([&nonce[..], &sealed].concat()) })
        })
    }

    async fn unwrap(&self, context: &Context, wrapped: &Wrapped) -> Result<Key, KekError> {
        let refused = || KekError::Refused(wrapped.kek.clone());
        self.with(|keks| {
            let kek = keks.iter().find(|kek| kek.id == wrapped.kek);
            let kek = kek.ok_or_else(|| KekError::Unknown(wrapped.kek.clone()))?;
            let (nonce, sealed) =
                wrapped.bytes.as_bytes().split_first_chunk::<NONCE>().ok_or_else(refused)?;
            let aad = aad(&kek.id, context);
            let payload = Payload { msg: sealed, aad: &aad };
            let opened = Aes256Gcm::new(kek.key.expose().into()).decrypt(&Nonce::from(*nonce), payload);
            let opened = Zeroizing::new(opened.map_err(|_| refused())?);
            <[u8; Key::BYTES]>::try_from(opened.as_slice()).map(Key::new).map_err(|_| refused())
        })
    }
}

fn none() -> KekError {
    KekError::Unavailable("there is no key-encryption key".to_owned())
}

fn aad(kek: &str, context: &Context) -> Vec<u8> {
    [b"chasqui/wrap/1/", kek.as_bytes(), b"/", &context.bytes()[..]].concat()
}

impl fmt::Debug for KekFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KekFile").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{Timestamp, UserId};

    use super::*;
    use crate::Owner;

    const CONTEXT: fn(u8, u32) -> Context =
        |n, epoch| Context::Sealing { owner: Owner::User(UserId::new(Timestamp(1), [n; 10])), epoch };

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    fn keks(file: &tempfile::NamedTempFile) -> Result<KekFile, KekFileError> {
        KekFile::load(KekSource::File(file.path().to_owned()))
    }

    #[tokio::test]
    async fn a_key_unwraps_in_its_own_context_only() {
        let keks = keks(&file(&KekFile::new_line("a"))).unwrap();
        let key = Key::random();
        let wrapped = keks.wrap(&CONTEXT(1, 1), &key).await.unwrap();
        assert_eq!(keks.unwrap(&CONTEXT(1, 1), &wrapped).await, Ok(key));
        for context in [CONTEXT(2, 1), CONTEXT(1, 2), Context::Signing { thumbprint: [1; 32] }] {
            assert_eq!(keks.unwrap(&context, &wrapped).await, Err(KekError::Refused("a".to_owned())));
        }
    }

    #[tokio::test]
    async fn a_file_that_changes_is_read_again_and_the_last_line_wraps() {
        let file = file(&KekFile::new_line("a"));
        let keks = keks(&file).unwrap();
        let key = Key::random();
        let by_a = keks.wrap(&CONTEXT(1, 1), &key).await.unwrap();
        let old = fs::read_to_string(file.path()).unwrap();
        let new = KekFile::new_line("b");
        fs::write(file.path(), format!("{old}# the next\n{}", *new)).unwrap();
        let by_b = keks.wrap(&CONTEXT(1, 1), &key).await.unwrap();
        assert_eq!((by_a.kek.as_str(), by_b.kek.as_str()), ("a", "b"));
        assert_eq!(keks.unwrap(&CONTEXT(1, 1), &by_a).await, Ok(key.clone()));
        fs::write(file.path(), "nothing that is a key").unwrap();
        assert_eq!(keks.unwrap(&CONTEXT(1, 1), &by_b).await, Ok(key.clone()), "keeps what it had");
        fs::write(file.path(), &*new).unwrap();
        assert_eq!(keks.unwrap(&CONTEXT(1, 1), &by_b).await, Ok(key));
        assert_eq!(keks.unwrap(&CONTEXT(1, 1), &by_a).await, Err(KekError::Unknown("a".to_owned())));
    }

    #[tokio::test]
    async fn the_configuration_may_hold_them_itself() {
        let lines = [KekFile::new_line("a"), KekFile::new_line("b")];
        let text = format!("{},{}", lines[0].trim(), lines[1].trim());
        let keks = KekFile::load(KekSource::Text(text.into())).unwrap();
        assert_eq!(keks.current().await, Ok("b".to_owned()));
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line_and_never_shown() {
        for (text, expected) in [
            (String::new(), "no key-encryption key"),
            (format!("{}hunter2 abc\n", *KekFile::new_line("a")), "line 2"),
            (format!("{}{}", *KekFile::new_line("a"), *KekFile::new_line("a")), "twice"),
        ] {
            let error = keks(&file(&text)).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
