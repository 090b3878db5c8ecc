//! Why a command was refused.

use chasqui_events::{Timestamp, room::Role};

/// A command that cannot be: nothing was recorded. Each variant maps to one documented problem code
/// (`docs/errors/`), see [`Rejection::code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The room has no `room.created`.
    #[error("there is no such room, or you may not know of it")]
    RoomNotFound,
    /// The room was erased.
    #[error("this room was erased; nothing is said in it any more")]
    RoomErased,
    /// The name that was to be repeated is not the room's.
    #[error("repeat the room's name as it is now, to show that you mean this room")]
    AnotherName,
    /// The caller is not a member.
    #[error("you are not a member of this room; join it first")]
    NotAMember,
    /// The person that the command is about is not a member.
    #[error("that user is not a member of this room")]
    TargetNotAMember,
    /// A private room is entered by invitation.
    #[error("this room is private; ask a member to invite you")]
    InvitationNeeded,
    /// The caller's role does not allow it.
    #[error("this needs the role {} in the room or above", needed.as_str())]
    RoleTooLow {
        /// The lowest role that may.
        needed: Role,
    },
    /// Not in a direct conversation.
    #[error("a direct conversation has no {what}")]
    NotInDirect {
        /// What was asked for.
        what: &'static str,
    },
    /// The only owner cannot go or step down while others remain.
    #[error("you are the only owner of this room; make somebody else an owner first")]
    LastOwner,
    /// Talking to oneself.
    #[error("a direct conversation needs somebody else")]
    DirectWithSelf,
    /// A body, a name or a list is empty or too large.
    #[error("{what} must have {least} to {most} {unit}, this one has {given}")]
    Size {
        /// What was measured.
        what: &'static str,
        /// What it is measured in.
        unit: &'static str,
        /// The smallest that is allowed.
        least: usize,
        /// The largest that is allowed.
        most: usize,
        /// The size given.
        given: usize,
    },
    /// A name holds something that names do not.
    #[error("{what} may hold letters, digits and the signs . _ - only, and starts with a letter or a digit")]
    Characters {
        /// Which name.
        what: &'static str,
    },
    /// Control characters in a name, or a NUL in a body.
    #[error("{what} may not hold control characters")]
    ControlCharacters {
        /// Which text.
        what: &'static str,
    },
    /// The room is full.
    #[error("this room has reached its limit of {most} members")]
    RoomFull {
        /// The limit.
        most: usize,
    },
    /// The caller is banned from the room.
    #[error("you are banned from this room")]
    Banned,
    /// The person that the command is about is banned from the room.
    #[error("that user is banned from this room; lift the ban first")]
    TargetBanned,
    /// The caller may not post in the room.
    #[error("you are muted in this room{}", until_when(*until))]
    Muted {
        /// Until when, if that is known.
        until: Option<Timestamp>,
    },
    /// What one does not do to oneself.
    #[error("this is about yourself; leave the room instead")]
    OwnMembership,
    /// The room keeps too many bans.
    #[error("this room has reached its limit of {most} bans; lift some that are over")]
    TooManyBans {
        /// The limit.
        most: usize,
    },
    /// The caller's global role does not allow it.
    #[error("this needs the global role {needed} or above")]
    GlobalRoleTooLow {
        /// The lowest role that may.
        needed: &'static str,
    },
    /// What one does not decide about oneself.
    #[error("this is about your own account; somebody else has to do it")]
    OwnAccount,
    /// The account's user has a role that protects it from this.
    #[error("that user is {role}; an admin has to give them a lower role first")]
    AccountOutranks {
        /// Their role.
        role: &'static str,
    },
    /// Programs have their role from birth, and nobody else has it.
    #[error("the role service comes with a service account, and stays")]
    ServiceRole,
    /// Only programs have tokens of this kind.
    #[error("that account is no service account; make one first")]
    NotAService,
    /// The program has too many tokens.
    #[error("that service account has {most} tokens, the most there may be; revoke one first")]
    TooManyTokens {
        /// The limit.
        most: usize,
    },
    /// A role is given to somebody who cannot use it.
    #[error("that account is suspended or closed; reinstate it first")]
    AccountCannotAct,
    /// The only admin cannot step down.
    #[error("there is no other admin who could act; make somebody else an admin first")]
    LastAdmin,
    /// A time that must lie ahead does not.
    #[error("{what} lies in the past; give a time ahead of now, in milliseconds since the Unix epoch")]
    TimeHasPassed {
        /// Which time.
        what: &'static str,
    },
}

fn until_when(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| {
        format!(" until {} (milliseconds since the Unix epoch)", until.millis())
    })
}

impl Rejection {
    /// The stable problem code, the name of a page in `docs/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RoomNotFound => "room-not-found",
            Self::RoomErased => "room-erased",
            Self::AnotherName => "another-name",
            Self::NotAMember => "not-a-member",
            Self::TargetNotAMember => "target-not-a-member",
            Self::InvitationNeeded => "invitation-needed",
            Self::RoleTooLow { .. } => "role-too-low",
            Self::NotInDirect { .. } => "not-in-direct",
            Self::LastOwner => "last-owner",
            Self::DirectWithSelf => "direct-with-self",
            Self::Size { .. } => "size",
            Self::Characters { .. } | Self::ControlCharacters { .. } => "characters",
            Self::RoomFull { .. } => "room-full",
            Self::Banned => "banned",
            Self::TargetBanned => "target-banned",
            Self::Muted { .. } => "muted",
            Self::OwnMembership => "own-membership",
            Self::TooManyBans { .. } => "too-many-bans",
            Self::GlobalRoleTooLow { .. } => "forbidden",
            Self::OwnAccount => "own-account",
            Self::AccountOutranks { .. } => "account-outranks",
            Self::ServiceRole => "service-role",
            Self::NotAService => "not-a-service",
            Self::TooManyTokens { .. } => "too-many-tokens",
            Self::AccountCannotAct => "account-cannot-act",
            Self::LastAdmin => "last-admin",
            Self::TimeHasPassed { .. } => "time-has-passed",
        }
    }
}
