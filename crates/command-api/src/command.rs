//! The commands, one per file: the route, then what it does.

pub(crate) mod ban;
pub(crate) mod change_role;
pub(crate) mod create_room;
pub(crate) mod delivered;
pub(crate) mod erase_room;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod mute;
pub(crate) mod open_direct;
pub(crate) mod read;
pub(crate) mod receipts;
pub(crate) mod remove;
pub(crate) mod rename_room;
pub(crate) mod send;
pub(crate) mod set_slow_mode;
pub(crate) mod unban;
pub(crate) mod unmute;
