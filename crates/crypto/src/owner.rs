//! Whose key it is.

use std::fmt;

use chasqui_events::{RoomId, UserId};
use uuid::Uuid;

/// Whoever has a key of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A room: what is said in it.
    Room(RoomId),
    /// A user: what they say, and what is personal of them.
    User(UserId),
}

/// The two kinds of owners; each has a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// Rooms.
    Room,
    /// Users.
    User,
}

impl OwnerKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Room, Self::User];

    /// `room` or `user`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::User => "user",
        }
    }

    /// The owner of this kind with this id.
    #[must_use]
    pub fn owner(self, id: &str) -> Option<Owner> {
        match self {
            Self::Room => id.parse().ok().map(Owner::Room),
            Self::User => id.parse().ok().map(Owner::User),
        }
    }
}

impl Owner {
    /// The owner that this names: `room.<id>` or `user.<id>`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, id) = name.split_once('.')?;
        OwnerKind::ALL.into_iter().find(|one| one.as_str() == kind)?.owner(id)
    }

    /// Room or user.
    #[must_use]
    pub const fn kind(self) -> OwnerKind {
        match self {
            Self::Room(_) => OwnerKind::Room,
            Self::User(_) => OwnerKind::User,
        }
    }

    /// The owner's id.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Room(room) => room.as_uuid(),
            Self::User(user) => user.as_uuid(),
        }
    }
}

/// As operators see it: `room.<id>` or `user.<id>`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind().as_str(), self.id())
    }
}
