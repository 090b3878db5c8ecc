//! The page about each problem code, as `docs/errors/` has it, built into the program.

use chasqui_protocol::Code;

macro_rules! pages {
    ($($variant:ident = $file:literal,)+) => {
        /// The page about a code: its cause and what to do, as Markdown.
        #[must_use]
        pub const fn page(code: Code) -> &'static str {
            // Every code is named, so that a new one without a page does not compile.
            match code {
                $(Code::$variant => include_str!(concat!("../../../docs/errors/", $file, ".md")),)+
            }
        }
    };
}

pages! {
    Malformed = "malformed",
    UnknownFrame = "unknown-frame",
    IdInFuture = "id-in-future",
    Size = "size",
    Characters = "characters",
    WeakPassword = "weak-password",
    Unauthorized = "unauthorized",
    WrongCredentials = "wrong-credentials",
    WrongCode = "wrong-code",
    ChallengeExpired = "challenge-expired",
    RefreshRejected = "refresh-rejected",
    Forbidden = "forbidden",
    Csrf = "csrf",
    ProofNeeded = "proof-needed",
    RoleTooLow = "role-too-low",
    NotAMember = "not-a-member",
    InvitationNeeded = "invitation-needed",
    RoomNotFound = "room-not-found",
    SessionNotFound = "session-not-found",
    UserNotFound = "user-not-found",
    MessageNotFound = "message-not-found",
    NotFound = "not-found",
    MethodNotAllowed = "method-not-allowed",
    RoomErased = "room-erased",
    AnotherName = "another-name",
    TargetNotAMember = "target-not-a-member",
    NameTaken = "name-taken",
    EmailTaken = "email-taken",
    LastOwner = "last-owner",
    NotInDirect = "not-in-direct",
    DirectWithSelf = "direct-with-self",
    RoomFull = "room-full",
    Busy = "busy",
    TooLarge = "too-large",
    UnsupportedMediaType = "unsupported-media-type",
    TooMany = "too-many",
    Internal = "internal",
    NotConfigured = "not-configured",
    Unavailable = "unavailable",
    NotYetProjected = "not-yet-projected",
    Unknown = "unknown",
    TimeHasPassed = "time-has-passed",
    OwnAccount = "own-account",
    AccountOutranks = "account-outranks",
    ServiceRole = "service-role",
    AccountCannotAct = "account-cannot-act",
    LastAdmin = "last-admin",
    NotAService = "not-a-service",
    TooManyTokens = "too-many-tokens",
    Banned = "banned",
    Muted = "muted",
    TargetBanned = "target-banned",
    OwnMembership = "own-membership",
    TooManyBans = "too-many-bans",
    PasskeyNotFound = "passkey-not-found",
    TooManyPasskeys = "too-many-passkeys",
    IdUsed = "id-used",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        for code in Code::ALL {
            let page = page(*code);
            let heading = format!("# {}\n", code.as_str());
            assert!(page.starts_with(&heading), "{code:?} begins with {:?}", page.lines().next());
            assert!(page.contains(&format!("HTTP status {}", code.status())), "{code:?} names its status");
            for section in ["\n## Cause\n", "\n## What to do\n"] {
                assert!(page.contains(section), "{code:?} has the section {section:?}");
            }
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let code = name.strip_suffix(".md").and_then(Code::from_name);
            assert!(code.is_some() || name == "README.md", "{name} is the page of no code");
        }
    }
}
