//! The key that one process seals with, for one author in one room, or for one user; and what it is used on.

use std::fmt;

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag, aead::AeadInOut as _};
use chasqui_events::{CommandId, RoomId, Sealed, SessionId, UserId};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Key,
    sealed::{COMMITMENT, Head, SealerId, TAG},
};

/// Where a sealed text belongs: bound to it, so that it does not open anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The body of a message.
    Body {
        /// The room that it was said in.
        room: RoomId,
        /// The message's id.
        id: CommandId,
        /// Who said it.
        author: UserId,
    },
    /// Something personal.
    Personal(Spot),
}

/// Where something personal belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spot {
    /// Whose it is.
    pub user: UserId,
    /// What it is, for example `name`.
    pub what: &'static str,
    /// Of which thing of theirs, for example of which session.
    pub of: Option<Uuid>,
}

impl Spot {
    /// A user's name.
    #[must_use]
    pub const fn name(user: UserId) -> Self {
        Self { user, what: "name", of: None }
    }

    /// What a user wants to be called.
    #[must_use]
    pub const fn display_name(user: UserId) -> Self {
        Self { user, what: "display_name", of: None }
    }

    /// A user's verified e-mail address.
    #[must_use]
    pub const fn email(user: UserId) -> Self {
        Self { user, what: "email", of: None }
    }

    /// An e-mail address that a user wants, and whose mailbox has not answered yet.
    #[must_use]
    pub const fn wanted_email(user: UserId) -> Self {
        Self { user, what: "wanted_email", of: None }
    }

    /// The secret of a user's authenticator application.
    #[must_use]
    pub const fn totp(user: UserId) -> Self {
        Self { user, what: "totp", of: None }
    }

    /// What a user calls one of their passkeys.
    #[must_use]
    pub const fn passkey(user: UserId) -> Self {
        Self { user, what: "passkey", of: None }
    }

    /// What the client of one of a user's sessions calls itself.
    #[must_use]
    pub const fn device(user: UserId, session: SessionId) -> Self {
        Self { user, what: "device", of: Some(session.as_uuid()) }
    }

    /// The address that one of a user's sessions was used from last.
    #[must_use]
    pub const fn address(user: UserId, session: SessionId) -> Self {
        Self { user, what: "address", of: Some(session.as_uuid()) }
    }
}

/// Event type and version that a body belongs to.
const BODY_IN: &str = "message.posted/3";

impl Place {
    pub(crate) const fn room(&self) -> Option<RoomId> {
        match self {
            Self::Body { room, .. } => Some(*room),
            Self::Personal(_) => None,
        }
    }

    pub(crate) const fn user(&self) -> UserId {
        match self {
            Self::Body { author, .. } => *author,
            Self::Personal(spot) => spot.user,
        }
    }

    fn aad(&self, room_epoch: u32, user_epoch: u32) -> Vec<u8> {
        let mut aad = Vec::with_capacity(128);
        match self {
            Self::Body { room, id, author } => {
                text(&mut aad, "chasqui/body/1");
                text(&mut aad, BODY_IN);
                for id in [room.as_uuid(), id.as_uuid(), author.as_uuid()] {
                    aad.extend_from_slice(id.as_bytes());
                }
            }
            Self::Personal(Spot { user, what, of }) => {
                text(&mut aad, "chasqui/personal/1");
                text(&mut aad, what);
                aad.extend_from_slice(user.as_uuid().as_bytes());
                aad.extend_from_slice(of.unwrap_or_default().as_bytes());
            }
        }
        aad.extend_from_slice(&room_epoch.to_be_bytes());
        aad.extend_from_slice(&user_epoch.to_be_bytes());
        aad
    }
}

/// With its length before it, so that no two lists of texts look alike.
fn text(to: &mut Vec<u8>, text: &str) {
    to.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    to.extend_from_slice(text.as_bytes());
}

/// Which derived key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DerivedId {
    pub(crate) room: Option<RoomId>,
    pub(crate) user: UserId,
    pub(crate) room_epoch: u32,
    pub(crate) user_epoch: u32,
    pub(crate) sealer: SealerId,
}

impl DerivedId {
    pub(crate) fn of(place: &Place, head: &Head) -> Self {
        let Head { room_epoch, user_epoch, sealer, .. } = *head;
        Self { room: place.room(), user: place.user(), room_epoch, user_epoch, sealer }
    }

    fn info(&self) -> Vec<u8> {
        let mut info = Vec::with_capacity(96);
        text(&mut info, if self.room.is_some() { "chasqui/body/1" } else { "chasqui/personal/1" });
        info.extend_from_slice(self.room.map(|room| room.as_uuid()).unwrap_or_default().as_bytes());
        info.extend_from_slice(self.user.as_uuid().as_bytes());
        info.extend_from_slice(&self.room_epoch.to_be_bytes());
        info.extend_from_slice(&self.user_epoch.to_be_bytes());
        info.extend_from_slice(&self.sealer);
        info
    }
}

/// A derived key, with the commitment that tells it from every other: AES-GCM alone does not commit to its key.
pub(crate) struct Derived {
    cipher: Aes256Gcm,
    pub(crate) commitment: [u8; COMMITMENT],
}

impl Derived {
    /// HKDF-SHA256 (RFC 5869) over the room's key, if there is one, and the user's.
    pub(crate) fn new(id: &DerivedId, room: Option<&Key>, user: &Key) -> Self {
        let mut ikm = Zeroizing::new([0; 2 * Key::BYTES]);
        let (first, second) = ikm.split_at_mut(Key::BYTES);
        if let Some(room) = room {
            first.copy_from_slice(room.expose());
        }
        second.copy_from_slice(user.expose());
        let mut output = Zeroizing::new([0; Key::BYTES + COMMITMENT]);
        #[expect(clippy::expect_used, reason = "two blocks of SHA-256 are less than its 255")]
        Hkdf::<Sha256>::new(None, &*ikm).expand(&id.info(), &mut *output).expect("64 bytes can be had");
        let (first, second) = output.split_at(Key::BYTES);
        let mut key = Zeroizing::new([0; Key::BYTES]);
        let mut commitment = [0; COMMITMENT];
        key.copy_from_slice(first);
        commitment.copy_from_slice(second);
        Self { cipher: Aes256Gcm::new((&*key).into()), commitment }
    }

    pub(crate) fn seal(&self, place: &Place, head: &Head, text: &str) -> Option<Sealed> {
        let mut bytes = Vec::with_capacity(Head::BYTES + text.len() + TAG);
        head.write(&mut bytes);
        bytes.extend_from_slice(text.as_bytes());
        let aad = place.aad(head.room_epoch, head.user_epoch);
        let body = bytes.get_mut(Head::BYTES..)?;
        let tag = self.cipher.encrypt_inout_detached(&nonce(head), &aad, body.into()).ok()?;
        bytes.extend_from_slice(&tag);
        Some(Sealed::new(bytes))
    }

    /// The text; `None` when this is not what was sealed for this place with this key.
    pub(crate) fn open(&self, place: &Place, head: &Head, sealed: &[u8]) -> Option<String> {
        if !bool::from(self.commitment.ct_eq(&head.commitment)) {
            return None;
        }
        let (body, tag) = sealed.split_last_chunk::<TAG>()?;
        let aad = place.aad(head.room_epoch, head.user_epoch);
        let mut text = body.to_vec();
        let tag = Tag::from(*tag);
        self.cipher.decrypt_inout_detached(&nonce(head), &aad, text.as_mut_slice().into(), &tag).ok()?;
        String::from_utf8(text).ok()
    }
}

fn nonce(head: &Head) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().skip(4).zip(head.counter.to_be_bytes()) {
        *to = from;
    }
    nonce.into()
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived(***)")
    }
}
