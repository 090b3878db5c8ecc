//! The receipt lane of a room: `chat.<p>.room.<room>.rcpt`. Who got and who read, up to where.
//!
//! An edge sends one fact per room and window, with all watermarks that moved in it. Marks are sequences of the
//! room's partition; they only rise, so that facts may repeat or overtake each other without harm.

use serde::{Deserialize, Serialize};

use crate::{Seq, UserId, envelope::family};

/// How far one member has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Who.
    #[serde(rename = "u")]
    pub user: UserId,
    /// A device of theirs has acknowledged everything up to here; 0 when this did not move.
    #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
    pub delivered: Seq,
    /// They have read everything up to here; 0 when this did not move. Reading implies delivery.
    #[serde(rename = "r", default, skip_serializing_if = "is_zero")]
    pub read: Seq,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(seq: &Seq) -> bool {
    *seq == 0
}

/// `receipts.moved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// At most one entry per member.
    pub marks: Vec<Mark>,
}

family! {
    /// What can happen on a room's receipt lane.
    ReceiptEvent {
        /// Watermarks rose.
        Moved(Moved) = "receipts.moved" v 1,
    }
}
