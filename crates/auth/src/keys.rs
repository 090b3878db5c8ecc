//! The keys that seal what is said and what is personal, as a role of this installation uses them.

use std::sync::Arc;

use chasqui_bus::{Bus, keys::KeyBuckets};
use chasqui_crypto::{KekFile, KekFileError, KekSource, Keyring, Life};
use chasqui_runtime::config::Config;

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// No key-encryption key is configured.
    #[error(
        "neither crypto.kek_file nor crypto.kek is set; nothing can be sealed or opened without a key-encryption key, \
         and `chasqui admin secrets init` makes one"
    )]
    NotConfigured,
    /// The key-encryption key cannot be used.
    #[error(transparent)]
    Kek(#[from] KekFileError),
}

/// The keys as a role may have them that connects over `bus`.
///
/// # Errors
/// See [`KeysError`].
pub fn keyring(config: &Config, bus: Bus) -> Result<Arc<Keyring>, KeysError> {
    let crypto = &config.crypto;
    let source = match (&crypto.kek_file, &crypto.kek) {
        (Some(file), _) => KekSource::File(file.clone()),
        (None, Some(text)) => KekSource::Text(text.clone()),
        (None, None) => return Err(KeysError::NotConfigured),
    };
    let life = Life { time: crypto.key_cache_s, number: crypto.key_cache_max };
    Ok(Arc::new(Keyring::new(Arc::new(KeyBuckets::open(bus)), Arc::new(KekFile::load(source)?), life)))
}
