//! The projector: folds every stream of the log into the views, one ordered worker per stream and version.
//!
//! A worker claims its stream with a fencing epoch, makes sure that the log is the one that it knows, folds again
//! what was parked if it can be read by now, and then goes on from the checkpoint: pull, fold, one transaction,
//! the hot set, the acknowledgement, the notices. While one batch is written the next one is folded. Whatever goes
//! wrong, it throws away what it has in memory and begins again from the checkpoint, which is the only truth.

pub mod admin;
mod decode;
mod gauges;
mod settings;
mod status;
mod supervisor;
mod worker;

pub use settings::Settings;
pub use supervisor::Projector;
