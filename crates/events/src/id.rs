//! Typed identifiers. All of them are UUIDs of version 7 (RFC 9562 §5.7): they sort by the millisecond in
//! which they were made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::{Partition, Timestamp};

/// The text or the bytes are not an identifier of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} id is a UUID of version 7, for example 01939e0b-2c7a-7cc0-b5f1-a2b6e0c1d2e3")]
pub struct NotAnId {
    kind: &'static str,
}

fn v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn millis_of(id: Uuid) -> Timestamp {
    let millis = id.as_u128() >> 80;
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id of an existing UUID.
            ///
            /// # Errors
            /// When the UUID is not of version 7.
            pub fn from_uuid(uuid: Uuid) -> Result<Self, NotAnId> {
                if uuid.get_version_num() == 7 { Ok(Self(uuid)) } else { Err(NotAnId { kind: $kind }) }
            }

            /// The id as a plain UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// When the id was made, as its maker's clock had it.
            #[must_use]
            pub fn timestamp(&self) -> Timestamp {
                millis_of(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.parse().map_err(|_| NotAnId { kind: $kind }).and_then(Self::from_uuid)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::from_uuid(Uuid::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A person or a program that can log in.
    UserId,
    "user"
);
id!(
    /// A room or a direct conversation. It carries its partition from birth (see [`RoomId::partition`]), so
    /// that the number of partitions can grow without moving a room.
    RoomId,
    "room"
);
id!(
    /// Chosen by the client for each command: what makes a retry the same command. For a message it is also
    /// the message's id, unique together with its room and author.
    CommandId,
    "command"
);
id!(
    /// One login on one device, from its opening to its end.
    SessionId,
    "session"
);

macro_rules! make {
    ($name:ident) => {
        impl $name {
            /// A new id from a moment and ten random bytes.
            #[must_use]
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(v7(at, random))
            }
        }
    };
}

make!(UserId);
make!(CommandId);
make!(SessionId);

impl RoomId {
    /// A new room id in a partition. The partition takes the 12 bits that RFC 9562 calls `rand_a`.
    #[must_use]
    pub fn new(partition: Partition, at: Timestamp, random: [u8; 10]) -> Self {
        let [high, low] = partition.number().to_be_bytes();
        let [_, _, rest @ ..] = random;
        let mut bits = [0; 10];
        for (bit, value) in bits.iter_mut().zip([high, low].into_iter().chain(rest)) {
            *bit = value;
        }
        Self(v7(at, bits))
    }

    /// The partition whose stream holds the room's facts.
    #[must_use]
    pub fn partition(&self) -> Partition {
        let [_, _, _, _, _, _, high, low, ..] = *self.0.as_bytes();
        Partition::from_low_bits(u16::from_be_bytes([high, low]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_room_id_keeps_its_partition_and_its_moment(number in 0..Partition::LIMIT, ms in 0i64..1 << 47, random: [u8; 10]) {
            let partition = Partition::from_low_bits(number);
            let room = RoomId::new(partition, Timestamp(ms), random);
            prop_assert_eq!(room.partition(), partition);
            prop_assert_eq!(room.timestamp(), Timestamp(ms));
            prop_assert_eq!(room.to_string().parse::<RoomId>(), Ok(room));
            let json = serde_json::to_string(&room).unwrap();
            prop_assert_eq!(serde_json::from_str::<RoomId>(&json).unwrap(), room);
        }
    }

    #[test]
    fn other_versions_are_refused() {
        let v4 = "9b2d6f5c-7f43-4d9e-8a3e-0a4c0b8f7a11";
        assert!(v4.parse::<UserId>().is_err());
        assert!(serde_json::from_str::<CommandId>(&format!("\"{v4}\"")).is_err());
    }
}
