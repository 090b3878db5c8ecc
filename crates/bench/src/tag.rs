//! How a message of a run is known again wherever it turns up: its number is part of its command id.

use chasqui_events::{CommandId, Timestamp};

/// Makes and reads the command ids of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    salt: [u8; 6],
}

impl Tag {
    /// A run's own ids, from six random bytes.
    #[must_use]
    pub const fn new(salt: [u8; 6]) -> Self {
        Self { salt }
    }

    /// The id of message `n`, made at this moment.
    #[must_use]
    pub fn id(&self, n: u32, at: Timestamp) -> CommandId {
        let mut random = [0; 10];
        for (byte, value) in random.iter_mut().zip(self.salt.into_iter().chain(n.to_be_bytes())) {
            *byte = value;
        }
        CommandId::new(at, random)
    }

    /// The number of the message, `None` when the id is not of this run.
    #[must_use]
    pub fn number(&self, id: CommandId) -> Option<u32> {
        let uuid = id.as_uuid();
        // Bytes 0 to 5 are the time. RFC 9562 puts its version and variant over parts of bytes 6 and 8; the rest is
        // as it was given.
        let (salt, number) = uuid.as_bytes().split_last_chunk::<4>()?;
        let kept = |(index, _): &(usize, &u8)| !matches!(index, 6 | 8);
        let given = salt.iter().enumerate().skip(6).filter(kept).map(|(_, byte)| byte);
        let ours = self.salt.iter().enumerate().map(|(index, byte)| (index + 6, byte)).filter(kept);
        given.eq(ours.map(|(_, byte)| byte)).then(|| u32::from_be_bytes(*number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_comes_back(salt: [u8; 6], n: u32, ms in 0i64..1 << 47) {
            let tag = Tag::new(salt);
            prop_assert_eq!(tag.number(tag.id(n, Timestamp(ms))), Some(n));
        }
    }

    #[test]
    fn another_runs_ids_are_not_taken() {
        let (ours, theirs) = (Tag::new([1, 2, 3, 4, 5, 6]), Tag::new([1, 2, 3, 4, 5, 7]));
        assert_eq!(ours.number(theirs.id(9, Timestamp(5))), None);
    }
}
