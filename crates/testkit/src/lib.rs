//! A whole Chasqui for a test: real backends, the real program as child processes, people who talk through the
//! real client, proxies that hurt connections, and a checker that compares what was promised with what is there.
//!
//! - [`Stack`]: NATS, MongoDB, Redis and the roles, as a [`Layout`] spreads them over processes; each can be
//!   killed, paused, restarted;
//! - [`Person`]: registered, logged in, connected; everything they see is recorded in [`Seen`];
//! - [`ChaosProxy`] and [`LossyNats`]: between client and edge, between role and log;
//! - [`Load`]: people who talk all the time, with every answer written down;
//! - [`Checker`]: acks, log, views and what clients saw, held against each other.
//!
//! ```no_run
//! # async fn story() {
//! let stack = chasqui_testkit::Stack::start().await;
//! let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
//! let room = ana.client.open_direct(beto.id).await.unwrap();
//! ana.client.send(room, "hola").await.unwrap();
//! beto.sees_message(room, "hola").await;
//! # }
//! ```
//!
//! Whatever is waited for has a deadline, and a wait that is in vain panics with what was there instead: this
//! library is for tests, and a test that cannot go on ends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its harness too")]
#![allow(clippy::missing_panics_doc, reason = "everything here panics when the test cannot go on")]

mod binary;
mod checker;
mod layout;
mod load;
mod patience;
mod person;
mod process;
mod proxy;
mod seen;
mod smtp;
mod stack;
mod tls;

pub use binary::chasqui;
pub use checker::{Checker, Report};
pub use layout::{Layout, Role};
pub use load::{Load, Sent};
pub use patience::{PATIENCE, eventually, within};
pub use person::Person;
pub use process::RoleProcess;
pub use proxy::{
    chaos::{ChaosProxy, Direction},
    lossy_nats::{LossyNats, Rule},
    nats_wire::NatsMessage,
};
pub use seen::{Message, Seen};
pub use smtp::{Mail, SmtpSink};
pub use stack::Stack;
pub use tls::{Authority, Issued, TlsProxy};
