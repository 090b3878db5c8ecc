//! The stream `IDENT`: who exists, which names are taken, which sessions are open, which pair has which room.
//!
//! A name is claimed by the one message that `ident.name.<hmac>` may hold first; the hmac keeps names out of
//! subjects. What is personal is sealed under its user's key (the events of version 2; version 1 held it as it was typed).
//! `ident.direct.<lower>.<higher>` names the room of a pair in the same way.

use serde::{Deserialize, Serialize};

use crate::{RoomId, SessionId, Text, UserId, envelope::family};

/// `user.registered`, on the subject of the claimed name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// The new user.
    pub user: UserId,
    /// The name as typed; two names that differ only in case or in Unicode form are one.
    pub name: Text,
    /// What to show instead of the name, as typed; empty for the name itself.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub display_name: Text,
}

/// `user.profile_changed`, on the user's subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileChanged {
    /// The new display name; empty for the name itself.
    pub display_name: Text,
}

/// `user.renamed`, on the subject of the claimed name. The names that its user had before stay theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renamed {
    /// Whose name this is from now on.
    pub user: UserId,
    /// The name as typed.
    pub name: Text,
}

/// What somebody proves by who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialPart {
    /// The password.
    Password,
    /// An authenticator application.
    Totp,
    /// The recovery codes.
    RecoveryCodes,
    /// The verified e-mail address.
    Email,
    /// A passkey.
    Passkey,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialChange {
    /// There is one where there was none.
    Added,
    /// Another one has taken its place.
    Replaced,
    /// There is none any more.
    Removed,
}

/// `user.credential_changed`, on the user's subject. What it was and is, is never in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialChanged {
    /// Which one.
    pub what: CredentialPart,
    /// What became of it.
    pub how: CredentialChange,
}

/// `session.opened`, on the user's subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpened {
    /// The session.
    pub session: SessionId,
    /// What the client calls itself, for example `chasqui chat on laptop`.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub device: Text,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// The user logged out.
    LoggedOut,
    /// A refresh token was used twice: somebody else may have it.
    TokenReused,
    /// The user ended it from another session, or from this one together with all others.
    RevokedByUser,
    /// The user has too many sessions, and this one was not used for the longest time.
    Displaced,
    /// The password was changed or reset.
    PasswordChanged,
    /// Another way to log in was added, changed or removed.
    CredentialChanged,
    /// The account was suspended.
    Suspended,
    /// Whoever keeps order ended it.
    EndedByAdmin,
    /// The user deactivated the account.
    Deactivated,
    /// The account was erased.
    Erased,
    /// The program's token that opened it was revoked.
    TokenRevoked,
}

impl RevocationReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::LoggedOut,
        Self::TokenReused,
        Self::RevokedByUser,
        Self::Displaced,
        Self::PasswordChanged,
        Self::CredentialChanged,
        Self::Suspended,
        Self::EndedByAdmin,
        Self::Deactivated,
        Self::Erased,
        Self::TokenRevoked,
    ];

    /// Its word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::TokenReused => "token_reused",
            Self::RevokedByUser => "revoked_by_user",
            Self::Displaced => "displaced",
            Self::PasswordChanged => "password_changed",
            Self::CredentialChanged => "credential_changed",
            Self::Suspended => "suspended",
            Self::EndedByAdmin => "ended_by_admin",
            Self::Deactivated => "deactivated",
            Self::Erased => "erased",
            Self::TokenRevoked => "token_revoked",
        }
    }
}

/// `session.revoked`, on the user's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRevoked {
    /// The session.
    pub session: SessionId,
    /// Why.
    pub reason: RevocationReason,
}

/// `direct.claimed`, on the pair's subject: this pair's conversation is that room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectClaimed {
    /// The room; its `room.created` follows, by whoever reads this claim and finds it missing.
    pub room: RoomId,
    /// The two, in the order of their ids.
    pub pair: [UserId; 2],
}

family! {
    /// What can happen on the stream `IDENT`.
    IdentityEvent {
        /// Somebody registered under a name.
        Registered(Registered) = "user.registered" v 2,
        /// Somebody changed their profile.
        ProfileChanged(ProfileChanged) = "user.profile_changed" v 2,
        /// Somebody goes by another name.
        Renamed(Renamed) = "user.renamed" v 2,
        /// Somebody changed how they log in.
        CredentialChanged(CredentialChanged) = "user.credential_changed" v 1,
        /// Somebody logged in.
        SessionOpened(SessionOpened) = "session.opened" v 2,
        /// A session ended before its time.
        SessionRevoked(SessionRevoked) = "session.revoked" v 1,
        /// A pair got its room.
        DirectClaimed(DirectClaimed) = "direct.claimed" v 1,
    }
}
