//! How often: rate limits within a process and across processes.
//!
//! A [`Limit`] is a name and a [`Rate`](chasqui_runtime::config::Rate); it is counted per key (an account, an address,
//! a room). The algorithm is the generic cell rate algorithm (ITU-T I.371, GCRA): so many at once, then one each
//! interval, with one number of state per key.
//!
//! [`Rates`] are the limits of the configuration, one method for each thing that is limited; a [`Limiter`] holds them:
//!
//! - [`Limiter::check`] decides in Redis, in one round trip, for all processes together;
//! - [`Limiter::admit`] decides here and settles with the other processes a moment later, for what must not wait;
//! - [`Limiter::begin_attempt`] counts failures in a row, for what is guessed at;
//! - [`Meter`] is the same algorithm as a value, for what belongs to one connection.
//!
//! Redis may be lost at any time: then each process holds the same limits alone. What that means for the totals is in
//! ADR 15.

mod attempts;
mod barred;
mod key;
mod limit;
mod limiter;
mod local;
mod meter;
mod rates;
mod shared;
mod tally;

pub use attempts::AttemptRule;
pub use limit::{Limit, Limited};
pub use limiter::{Limiter, SETTLE_EVERY};
pub use meter::Meter;
pub use rates::{Account, Rates};
pub use shared::{BadAddress, RedisSettings};
