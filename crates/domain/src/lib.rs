//! What Chasqui decides: pure, synchronous, without I/O, clock or randomness.
//!
//! [`account`] says who may act, and as what; [`room`] folds the state lane of a room and decides commands on it; [`judgement`] says whether a message that
//! was decided on an older state still stands; [`permission`] is the one table of who may do what; [`name`] says
//! which names are the same; [`cqrs`] gives all that the shape that `cqrs-es` wants.

pub mod account;
pub mod audit;
pub mod cqrs;
pub mod judgement;
pub mod limits;
pub mod name;
pub mod permission;
pub mod rejection;
pub mod room;

pub use account::{Account, Actor, Roles};
pub use judgement::{StateTrail, Verdict, VoidReason};
pub use limits::Limits;
pub use permission::Permission;
pub use rejection::Rejection;
pub use room::{Asker, Decision, Member, Room, RoomCommand};
