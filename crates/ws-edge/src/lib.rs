//! The edge: it holds client connections and nothing else.
//!
//! Pure machines do the thinking, in the way of a message: [`feed`] lets a room's facts through once and in order,
//! [`session`] decides what one client is sent, [`outbox`] bounds what waits for it, [`cursor`] and [`verified`] say
//! where it resumes, [`receipts`] gathers what it acknowledges.

mod cursor;
mod feed;
mod frame;
mod outbox;
mod receipts;
mod session;
mod verified;
