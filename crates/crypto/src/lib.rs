//! What is said and what is personal is sealed before it is recorded, so that destroying a key erases it from the
//! log, the views and every copy of either.
//!
//! - [`Sealer`] seals, [`Keyring`] opens; both look keys up through the port [`KeyStore`] and keep them for a short
//!   time. Keys are wrapped by a key-encryption key behind the port [`KeyEncryption`]; [`KekFile`] is its adapter for
//!   keys in a file, and its shape is that of a key management service.
//! - A message opens with the key of its room *and* the key of its author, something personal with its owner's.
//! - Keys have [epochs](KeyRecord): a new one seals from now on, the old ones open what they sealed.
//!
//! The only crate that names an AEAD. No I/O but through the two ports and the key file. Why it is made so is told in
//! `docs/adr/0011-sealed-at-rest.md`.

mod backup;
mod derived;
mod kek;
mod key;
mod keyring;
mod nonces;
mod opening;
mod owner;
mod record;
mod sealed;
mod sealer;
mod store;
mod tending;

pub use backup::{Backup, Restored, Unfit};
pub use derived::{Place, Spot};
pub use kek::{
    Context, KekError, KeyEncryption, Wrapped,
    file::{KekFile, KekFileError, KekSource},
};
pub use key::Key;
pub use keyring::{KeyError, Keyring, Life, Ring};
pub use opening::Opened;
pub use owner::{Owner, OwnerKind};
pub use record::{Epoch, KeyRecord, NotARecord};
pub use sealer::{SealError, Sealer};
pub use store::{KeyStore, StoreError, StoredRecord};
pub use tending::{Census, Share, Tended};

#[cfg(test)]
mod tests;
