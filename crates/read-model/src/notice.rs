//! What the projector tells the edges of a user, on `notify.user.<user>`, after its commit.
//!
//! A notice is a hint: it may be lost, and is never needed for what is right. Whoever gets one asks the read
//! model.

use chasqui_events::{RoomId, Seq, SessionId};
use serde::{Deserialize, Serialize};

/// What happened to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// They are a member of the room now.
    Joined,
    /// They left the room, or declined an invitation.
    Left,
    /// They were put out of the room, or their invitation was taken back.
    Removed,
    /// They may join the room now.
    Invited,
    /// Their role in the room is another.
    RoleChanged,
    /// One of their sessions has ended.
    SessionRevoked,
    /// They, or the room where one is named, are no more: whoever keeps the keys drops them. A room's is told to whoever
    /// erased it, for all who follow notices.
    Erased,
}

/// One notice. On the wire: `{"kind":"joined","room":"…","seq":17}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// The room, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// The fact's place in the room's partition; otherwise in the stream `IDENT`.
    pub seq: Seq,
    /// The session that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

impl Notice {
    /// A notice about a room.
    #[must_use]
    pub const fn of_room(kind: NoticeKind, room: RoomId, seq: Seq) -> Self {
        Self { kind, room: Some(room), seq, session: None }
    }

    /// A notice about an ended session.
    #[must_use]
    pub const fn of_session(session: SessionId, seq: Seq) -> Self {
        Self { kind: NoticeKind::SessionRevoked, room: None, seq, session: Some(session) }
    }

    /// A notice that the user was erased.
    #[must_use]
    pub const fn of_erasure(seq: Seq) -> Self {
        Self { kind: NoticeKind::Erased, room: None, seq, session: None }
    }

    /// The notice as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Ids, numbers and names cannot fail to serialize; an empty payload decodes to nothing.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a notice; `None` for what is none, which is dropped as any lost hint.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{Partition, Timestamp};

    use super::*;

    #[test]
    fn reads_as_documented() {
        let room = RoomId::new(Partition::from_low_bits(1), Timestamp(1), [1; 10]);
        let notice = Notice::of_room(NoticeKind::RoleChanged, room, 17);
        let text = String::from_utf8(notice.encode()).unwrap();
        assert_eq!(text, format!(r#"{{"kind":"role_changed","room":"{room}","seq":17}}"#));
        assert_eq!(Notice::decode(text.as_bytes()), Some(notice));
        assert_eq!(Notice::decode(b"{}"), None);
    }
}
