//! Who is who: passwords, tokens, sessions, and the identity commands.
//!
//! - [`Verifier`] checks access tokens in every process that takes them; [`Caller`] is its result as an axum
//!   extractor.
//! - [`Auth`] is the role `auth`: accounts, logins, refreshes, over HTTP and NATS.
//! - [`secrets`] makes the secrets of an installation.
//!
//! A name is held by whoever wrote the first fact on its subject in the log; what must be forgettable (password
//! hashes, refresh families) is in buckets.

mod account;
mod caller;
mod challenge;
mod command;
mod credential;
mod email;
pub mod erasure;
mod errand;
mod family;
mod identity;
pub mod ids;
mod jwks;
mod keys;
pub mod ledger;
mod mail;
mod name_key;
pub mod operator;
mod own_export;
mod own_factors;
mod own_sessions;
mod passkey;
mod password;
pub mod proof;
mod recovery;
pub mod refusal;
mod revocations;
mod routes;
mod second_factor;
pub mod secrets;
pub mod serve;
mod service;
mod service_token;
mod sessions;
mod signing;
#[doc(hidden)]
pub mod strangers;
mod sweep;
mod token;
mod totp;
mod verifier;

pub use caller::Caller;
pub use chasqui_events::account::GlobalRole;
pub use identity::{Identity, KeyId, Scope, Scopes};
pub use keys::{KeysError, keyring};
pub use mail::BadMail;
pub use name_key::{NameKey, NameKeyError};
pub use passkey::BadRelyingParty;
pub use password::{BadBlocklist, BadCost, Unusable};
pub use service::{Auth, StartError, limits};
pub use signing::{Jwk, Jwks, keeper::SigningError};
pub use sweep::SETTLED;
pub use verifier::Verifier;
