//! Problems: RFC 9457 documents over HTTP, the same in error frames. Each code has a page in `docs/errors/`.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal;)+) => {
        /// What went wrong, as a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code on the wire, also the name of its page.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// One short sentence, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

/// By hand: the derived schema does not see names that a macro gives.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|code| code.as_str());
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        schema.description(Some("What went wrong, as a stable code.")).build().into()
    }
}

impl ToSchema for Code {}

codes! {
    /// The request is not of the shape that it must have.
    Malformed = "malformed", 400, "The request is not of the right shape";
    /// A frame name that does not exist.
    UnknownFrame = "unknown-frame", 400, "There is no such frame";
    /// A command id that lies too far in the future.
    IdInFuture = "id-in-future", 400, "The command id lies in the future";
    /// A field is too small or too large.
    Size = "size", 400, "Something is too small or too large";
    /// A name or a text holds characters that it may not.
    Characters = "characters", 400, "A character is not allowed here";
    /// A new password is too short, on a list of common ones, or easy to guess.
    WeakPassword = "weak-password", 400, "The password is too weak";
    /// A time that must lie ahead lies in the past.
    TimeHasPassed = "time-has-passed", 400, "The time has passed";
    /// No, or no valid, access token.
    Unauthorized = "unauthorized", 401, "A valid access token is needed";
    /// Name or password is wrong.
    WrongCredentials = "wrong-credentials", 401, "The name or the password is wrong";
    /// A second factor is wrong.
    WrongCode = "wrong-code", 401, "The code is wrong";
    /// What was begun is too old, was tried too often, or is done.
    ChallengeExpired = "challenge-expired", 401, "This has to begin anew";
    /// The refresh token is not valid (any more).
    RefreshRejected = "refresh-rejected", 401, "The refresh token is not valid";
    /// The token does not give this right.
    Forbidden = "forbidden", 403, "This is not allowed";
    /// A cookie without proof that a page of ours asks.
    Csrf = "csrf", 403, "It is not certain that a page of this server asks";
    /// The password or a recent login is needed beside the token.
    ProofNeeded = "proof-needed", 403, "The password is needed for this";
    /// The role in the room is too low.
    RoleTooLow = "role-too-low", 403, "The role in the room is too low";
    /// The caller is not a member.
    NotAMember = "not-a-member", 403, "Not a member of the room";
    /// The caller is banned from the room.
    Banned = "banned", 403, "Banned from the room";
    /// The caller is muted in the room.
    Muted = "muted", 403, "Muted in the room";
    /// A private room needs an invitation.
    InvitationNeeded = "invitation-needed", 403, "The room is entered by invitation";
    /// No such room, or not for the caller to know.
    RoomNotFound = "room-not-found", 404, "There is no such room";
    /// No such user.
    UserNotFound = "user-not-found", 404, "There is no such user";
    /// No such message in the room.
    MessageNotFound = "message-not-found", 404, "There is no such message";
    /// The caller has no such session.
    SessionNotFound = "session-not-found", 404, "There is no such session";
    /// The caller has no such passkey.
    PasskeyNotFound = "passkey-not-found", 404, "There is no such passkey";
    /// No such address or command.
    NotFound = "not-found", 404, "There is nothing here";
    /// The method does not exist at this address.
    MethodNotAllowed = "method-not-allowed", 405, "The address does not take this method";
    /// The room was erased.
    RoomErased = "room-erased", 410, "The room was erased";
    /// What was to be repeated is something else.
    AnotherName = "another-name", 409, "The room has another name";
    /// The person that the command is about is not a member.
    TargetNotAMember = "target-not-a-member", 409, "That user is not a member";
    /// The name is taken.
    NameTaken = "name-taken", 409, "The name is taken";
    /// Another account has the address.
    EmailTaken = "email-taken", 409, "The e-mail address is taken";
    /// The only owner cannot go.
    LastOwner = "last-owner", 409, "The room needs an owner";
    /// Not possible in a direct conversation.
    NotInDirect = "not-in-direct", 409, "Not in a direct conversation";
    /// Talking to oneself.
    DirectWithSelf = "direct-with-self", 409, "A direct conversation needs somebody else";
    /// The room is full.
    RoomFull = "room-full", 409, "The room is full";
    /// What one does not decide about oneself.
    OwnAccount = "own-account", 409, "Not about one's own account";
    /// The account's role protects it.
    AccountOutranks = "account-outranks", 409, "That account's role is too high";
    /// The role service is fixed.
    ServiceRole = "service-role", 409, "The role service comes with a service account";
    /// Only programs have tokens.
    NotAService = "not-a-service", 409, "That account is no service account";
    /// The program has too many tokens.
    TooManyTokens = "too-many-tokens", 409, "That service account has too many tokens";
    /// The account is suspended or closed.
    AccountCannotAct = "account-cannot-act", 409, "That account is suspended or closed";
    /// The only admin cannot step down.
    LastAdmin = "last-admin", 409, "The installation needs an admin";
    /// The person that the command is about is banned.
    TargetBanned = "target-banned", 409, "That user is banned from the room";
    /// What one does not do to oneself in a room.
    OwnMembership = "own-membership", 409, "Not about oneself";
    /// The room keeps too many bans.
    TooManyBans = "too-many-bans", 409, "The room has too many bans";
    /// The account has as many passkeys as it may.
    TooManyPasskeys = "too-many-passkeys", 409, "The account has too many passkeys";
    /// The command id was used for something else.
    IdUsed = "id-used", 409, "The command id was used for something else";
    /// Others kept changing the same thing.
    Busy = "busy", 409, "Others are changing the same thing";
    /// The body or the frame is too large to be read.
    TooLarge = "too-large", 413, "The request is too large";
    /// The content type is not JSON.
    UnsupportedMediaType = "unsupported-media-type", 415, "The content type must be application/json";
    /// Too many at once; try again.
    TooMany = "too-many", 429, "Too many at once";
    /// A defect of the server.
    Internal = "internal", 500, "Something went wrong inside";
    /// The operator has not set up what this needs.
    NotConfigured = "not-configured", 501, "This server is not set up for this";
    /// A store or the log does not answer.
    Unavailable = "unavailable", 503, "Temporarily unavailable";
    /// The projection has not reached the position that was demanded.
    NotYetProjected = "not-yet-projected", 503, "Not yet projected";
    /// It is not known whether the command was recorded.
    Unknown = "unknown", 504, "It is not known whether this was recorded";
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Whether sending the same again, with the same id, can succeed without any change.
    #[must_use]
    pub const fn worth_a_retry(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::TooMany
                | Self::Unavailable
                | Self::NotYetProjected
                | Self::Unknown
                | Self::Internal
        )
    }
}

/// A problem document (RFC 9457), media type `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// The page about it: `/errors/<code>`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// One short sentence, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do about it.
    pub detail: String,
    /// Try again after so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem with what happened here, and what to do about it.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            type_uri: format!("/errors/{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            retry_after_ms: None,
        }
    }

    /// The same, with the time after which to try again.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_described_codes_are_those_on_the_wire() {
        let described = serde_json::to_value(Code::schema()).unwrap();
        let written: Vec<_> = Code::ALL.iter().map(|code| serde_json::to_value(code).unwrap()).collect();
        assert_eq!(described["enum"], serde_json::Value::Array(written));
    }
}
