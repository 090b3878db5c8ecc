//! The Rust client of Chasqui.
//!
//! Two levels:
//!
//! - [`Client`]: stays connected. It says hello, resumes from its cursor, drops what it has already, acknowledges,
//!   renews its token, and keeps every command until it is answered, over as many connections as that takes: a
//!   lost answer is not a failure, the command is repeated with its id. What happens arrives in [`Events`].
//! - [`Connection`]: one WebSocket, frames out and frames in, no task and no memory. For load generators and tests.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use chasqui_client::{Api, Client, Endpoint, Event, Options};
//!
//! let endpoint: Endpoint = "ws://127.0.0.1:8080".parse()?;
//! let tokens = Api::new(&endpoint)?.login("quilla", &"a long password".into(), "example").await?;
//! let (client, mut events) = Client::connect(endpoint, tokens, Options::default());
//! for conversation in client.conversations().await?.conversations {
//!     client.send(conversation.room, "hola").await?;
//! }
//! while let Some(event) = events.next().await {
//!     if let Event::Item(item) = event {
//!         println!("{item:?}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The rules of resuming, dropping and retrying are [`reducer`], a machine without I/O.

mod client;
mod connection;
mod driver;
mod endpoint;
mod error;
mod event;
#[cfg(feature = "http")]
mod export;
#[cfg(feature = "http")]
mod http;
mod ids;
mod options;
mod queries;
pub mod reducer;
mod tokens;

pub use client::{Answer, Client};
pub use connection::{Connection, ConnectionError, FrameSink, FrameStream, SocketLimits};
pub use endpoint::{Endpoint, NotAnEndpoint};
pub use error::ClientError;
pub use event::{Event, Events};
#[cfg(feature = "http")]
pub use export::ExportError;
#[cfg(feature = "http")]
pub use http::{Api, ApiError, LoginStep};
pub use ids::Ids;
pub use options::Options;
#[cfg(feature = "http")]
pub use tokens::Session;
pub use tokens::{AccessToken, TokenError, TokenSource};
