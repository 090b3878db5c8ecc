//! What clients see: commands and queries, the frames that carry them over a WebSocket, the codes of problems
//! and of closed connections.
//!
//! The same bodies travel over HTTP, over the WebSocket and, from edge to command side, over NATS. Everything
//! here is described for strangers in `docs/protocol.md`.

pub mod close;
pub mod codec;
pub mod command;
pub mod export;
pub mod frame;
pub mod problem;
pub mod query;
pub mod timeline;
mod unreadable;

pub use close::CloseCode;
pub use codec::{Codec, FrameError};
pub use command::Accepted;
pub use frame::{ClientFrame, ServerFrame};
pub use problem::{Code, Problem};
pub use timeline::{Happening, Item};
pub use unreadable::without_values;
