//! The sealed bytes: what stands before the ciphertext.
//!
//! `version (1) | room epoch (4) | user epoch (4) | sealer (16) | nonce counter (8) | commitment (32) | ciphertext | tag
//! (16)`, numbers big-endian. Something personal has room epoch 0.

use chasqui_events::Sealed;

pub(crate) const VERSION: u8 = 1;
pub(crate) const SEALER: usize = 16;
pub(crate) const COMMITMENT: usize = 32;
pub(crate) const TAG: usize = 16;

/// A process that seals, from one draw of its id to the next.
pub(crate) type SealerId = [u8; SEALER];

/// What stands before the ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) room_epoch: u32,
    pub(crate) user_epoch: u32,
    pub(crate) sealer: SealerId,
    pub(crate) counter: u64,
    pub(crate) commitment: [u8; COMMITMENT],
}

impl Head {
    pub(crate) const BYTES: usize = 1 + 4 + 4 + SEALER + 8 + COMMITMENT;

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.push(VERSION);
        to.extend_from_slice(&self.room_epoch.to_be_bytes());
        to.extend_from_slice(&self.user_epoch.to_be_bytes());
        to.extend_from_slice(&self.sealer);
        to.extend_from_slice(&self.counter.to_be_bytes());
        to.extend_from_slice(&self.commitment);
    }

    /// The head and the ciphertext with its tag; `None` when these are no sealed bytes of this version.
    pub(crate) fn read(sealed: &Sealed) -> Option<(Self, &[u8])> {
        let rest = sealed.as_bytes().strip_prefix(&[VERSION])?;
        let (room_epoch, rest) = rest.split_first_chunk()?;
        let (user_epoch, rest) = rest.split_first_chunk()?;
        let (process, rest) = rest.split_first_chunk()?;
        let (counter, rest) = rest.split_first_chunk()?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let head = Self {
            room_epoch: u32::from_be_bytes(*room_epoch),
            user_epoch: u32::from_be_bytes(*user_epoch),
            sealer: *process,
            counter: u64::from_be_bytes(*counter),
            commitment: *commitment,
        };
        (rest.len() >= TAG).then_some((head, rest))
    }
}
