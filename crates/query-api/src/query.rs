//! The queries, one per file: the route, then where the answer comes from.

pub(crate) mod audit;
pub(crate) mod bans;
pub(crate) mod conversation;
pub(crate) mod conversations;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod message;
pub(crate) mod profile;
pub(crate) mod public_rooms;
pub(crate) mod receipts;
pub(crate) mod user_by_name;
