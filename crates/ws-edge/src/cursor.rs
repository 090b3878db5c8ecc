//! The cursor: what a client keeps in order to resume, opaque to it.
//!
//! Per partition it holds a **verified floor**: everything at or below it in the session's rooms was pushed and
//! acknowledged, and the edge had compared its rooms with the log up to there. The floor names its log by
//! incarnation and by the fingerprint of the fact that stands there, so that a cursor of another log is noticed.
//!
//! It is not signed: forging one harms only its owner, because what is sent is decided by membership.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_events::{Partition, Seq};

/// A verified place in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The partition.
    pub partition: Partition,
    /// When the stream was created, in nanoseconds: which log this is.
    pub incarnation: i64,
    /// Everything up to here was pushed and acknowledged.
    pub seq: Seq,
    /// Of the fact at `seq`; 0 for the beginning of the log.
    pub fingerprint: u64,
    /// The caller's memberships were known up to here: a room joined later may not have been announced yet.
    pub known: Seq,
}

/// The floors of a session, by partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    floors: Vec<Floor>,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this server")]
pub struct NotACursor;

const VERSION: u8 = 1;

impl Cursor {
    /// A cursor of these floors; of several of one partition, the first counts.
    #[must_use]
    pub fn new(mut floors: Vec<Floor>) -> Self {
        floors.sort_by_key(|floor| floor.partition);
        floors.dedup_by_key(|floor| floor.partition);
        Self { floors }
    }

    /// The floors, by partition.
    #[must_use]
    pub fn floors(&self) -> &[Floor] {
        &self.floors
    }

    /// The floor of one partition.
    #[must_use]
    pub fn floor(&self, partition: Partition) -> Option<&Floor> {
        let at = self.floors.binary_search_by_key(&partition, |floor| floor.partition).ok()?;
        self.floors.get(at)
    }

    /// As text for the client: base64url of a version byte, the floors and a check.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(2 + self.floors.len() * 32);
        bytes.push(VERSION);
        write_varint(&mut bytes, self.floors.len() as u64);
        for floor in &self.floors {
            write_varint(&mut bytes, u64::from(floor.partition.number()));
            bytes.extend_from_slice(&floor.incarnation.to_be_bytes());
            write_varint(&mut bytes, floor.seq);
            write_varint(&mut bytes, floor.known);
            bytes.extend_from_slice(&floor.fingerprint.to_be_bytes());
        }
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`NotACursor`] for every other text.
    pub fn decode(text: &str) -> Result<Self, NotACursor> {
        if text.len() > MAX_TEXT {
            return Err(NotACursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let (mut rest, written) = bytes.split_last_chunk().ok_or(NotACursor)?;
        if check(rest) != *written {
            return Err(NotACursor);
        }
        if take::<1>(&mut rest)? != [VERSION] {
            return Err(NotACursor);
        }
        let count = read_varint(&mut rest)?;
        let mut floors: Vec<Floor> = Vec::new();
        for _ in 0..count {
            let floor = read_floor(&mut rest)?;
            if floors.last().is_some_and(|last| last.partition >= floor.partition) {
                return Err(NotACursor);
            }
            floors.push(floor);
        }
        if rest.is_empty() { Ok(Self { floors }) } else { Err(NotACursor) }
    }
}

/// Four bytes that show a cursor that was damaged on its way: FNV-1a of the others.
fn check(bytes: &[u8]) -> [u8; 4] {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, mix).to_be_bytes()
}

/// No cursor is longer: every partition there can be, each at its longest, in base64.
const MAX_TEXT: usize = Partition::LIMIT as usize * 40 * 4 / 3 + 16;

fn read_floor(rest: &mut &[u8]) -> Result<Floor, NotACursor> {
    let number = u16::try_from(read_varint(rest)?).map_err(|_| NotACursor)?;
    Ok(Floor {
        partition: Partition::new(number).ok_or(NotACursor)?,
        incarnation: i64::from_be_bytes(take(rest)?),
        seq: read_varint(rest)?,
        known: read_varint(rest)?,
        fingerprint: u64::from_be_bytes(take(rest)?),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotACursor> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(NotACursor)?;
    *rest = tail;
    Ok(*head)
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}

fn read_varint(rest: &mut &[u8]) -> Result<u64, NotACursor> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take::<1>(rest)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(NotACursor);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(NotACursor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_floor() -> impl Strategy<Value = Floor> {
        (0..Partition::LIMIT, any::<i64>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
            |(number, incarnation, seq, fingerprint, known)| Floor {
                partition: Partition::from_low_bits(number),
                incarnation,
                seq,
                fingerprint,
                known,
            },
        )
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(floors in proptest::collection::vec(any_floor(), 0..20)) {
            let cursor = Cursor::new(floors);
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(text in ".{0,200}") {
            let _ = Cursor::decode(&text);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            let _ = Cursor::decode(&URL_SAFE_NO_PAD.encode(&bytes));
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let check = check(&bytes);
            bytes.extend_from_slice(&check);
            if let Ok(cursor) = Cursor::decode(&URL_SAFE_NO_PAD.encode(&bytes)) {
                prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
            }
        }

        #[test]
        fn a_shortened_cursor_is_refused(floors in proptest::collection::vec(any_floor(), 1..5), cut in 1usize..10) {
            let text = Cursor::new(floors).encode();
            let cut = cut.min(text.len());
            prop_assert_eq!(Cursor::decode(&text[..text.len() - cut]), Err(NotACursor));
        }

        #[test]
        fn a_damaged_cursor_is_refused(floor in any_floor(), at: proptest::sample::Index, by in 1u8..255) {
            let mut bytes = URL_SAFE_NO_PAD.decode(Cursor::new(vec![floor]).encode()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            prop_assert_eq!(Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes)), Err(NotACursor));
        }
    }

    #[test]
    fn a_lying_count_allocates_nothing() {
        let mut bytes = vec![VERSION];
        write_varint(&mut bytes, u64::MAX);
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        assert_eq!(Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes)), Err(NotACursor));
    }
}
