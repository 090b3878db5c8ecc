//! The edge: it holds client connections and nothing else.
//!
//! Pure machines do the thinking, in the way of a message: [`feed`] lets a room's facts through once and in order,
//! [`session`] decides what one client is sent, [`outbox`] bounds what waits for it, [`cursor`] and [`verified`] say
//! where it resumes, [`receipts`] gathers what it acknowledges.
//!
//! Around them moves the I/O: [`accept`] and [`socket`] speak WebSocket, [`listening`], [`unsealing`] opens
//! what is sealed, [`opening`] and [`fill`] bring what a feed needs, [`resume`] brings a client up to date, [`tick`] finds what was lost unseen, [`notices`], [`typing`] and
//! [`presence`] follow hints, [`receipt_sender`] records receipts, [`drain`] ends it all. [`room`] and [`hub`] hold
//! the two sides together.
//!
//! What a client sees is described in `docs/protocol.md`.

#![expect(rustdoc::private_intra_doc_links, reason = "the modules are the map of this crate")]

mod accept;
mod barrier;
mod clock;
mod connection;
pub mod cursor;
mod drain;
mod edge;
mod feed;
mod fill;
mod frame;
mod hub;
mod jobs;
mod listening;
mod memberships;
mod meters;
mod notices;
mod opening;
mod outbox;
mod presence;
mod receipt_sender;
mod receipts;
mod resume;
mod revoked;
mod room;
mod service;
mod session;
mod settings;
mod slices;
mod socket;
mod tick;
mod typing;
mod unsealing;
mod verified;

pub use service::{Parts, Service, WsEdge};
