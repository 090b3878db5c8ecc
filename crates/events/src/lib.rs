//! The kernel of Chasqui: the facts that the log holds, and the names of things in them.
//!
//! A **fact** is one message on JetStream: an [`Envelope`] around one event of one family. A family is one
//! file: [`room`] (who may be where), [`message`] (what was said), [`receipts`] (who got and who read),
//! [`identity`] (who exists), [`account`] (who may act, and as what). Wire names and versions are stable for ever; what an older version looked like
//! is lifted to today's shape by [`upcast`], one step at a time, and `golden/` keeps an example of every
//! version that ever existed.
//!
//! No I/O, no clock and no randomness in here: they arrive as arguments.

pub mod account;
pub mod envelope;
pub mod fact;
pub mod id;
pub mod identity;
pub mod message;
pub mod place;
pub mod receipts;
pub mod room;
mod sealed;
pub mod time;
pub mod upcast;

pub use envelope::{DecodeError, Envelope, Event, Import};
pub use fact::Fact;
pub use id::{CommandId, RoomId, SessionId, UserId};
pub use place::{Partition, Position, Seq};
pub use sealed::{Sealed, Text};
pub use time::Timestamp;
