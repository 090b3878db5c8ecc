//! From what the layers below refuse to problems: the one place where that is mapped for commands.

use chasqui_bus::{
    kv::KvError,
    log::{AppendError, LogError},
};
use chasqui_crypto::{KeyError, Owner, SealError};
use chasqui_domain::Rejection;
use chasqui_protocol::{Code, Problem};

use crate::SigningError;

const SOON: u64 = 1000;

/// A decision that says no.
#[must_use]
pub fn rejected(rejection: &Rejection) -> Problem {
    Problem::new(Code::from_name(rejection.code()).unwrap_or(Code::Internal), rejection.to_string())
}

/// A fact that is not in the log, as far as is known. A conflict that reaches this was lost once too often.
#[must_use]
pub fn not_appended(error: &AppendError) -> Problem {
    match error {
        AppendError::Conflict => busy(),
        AppendError::Unknown(_) => Problem::new(
            Code::Unknown,
            "the log did not say in time whether it stored this; send the same again with the same id to find out",
        )
        .retry_after_ms(SOON),
        AppendError::Unavailable(_) => unavailable("the log does not answer; nothing was recorded"),
        AppendError::IdUsed => Problem::new(
            Code::IdUsed,
            "this id was used for something else a moment ago; every command needs an id of its own",
        ),
        AppendError::Refused(reason) => {
            tracing::error!(reason, "the log refuses a fact");
            Problem::new(Code::Internal, "the log refused this; nothing was recorded")
        }
    }
}

/// Others were faster, again and again.
#[must_use]
pub fn busy() -> Problem {
    let detail = "others keep changing the same thing; send the same again with the same id";
    Problem::new(Code::Busy, detail).retry_after_ms(SOON)
}

/// The log could not be read.
#[must_use]
pub fn not_read(error: &LogError) -> Problem {
    tracing::warn!(%error, "the log cannot be read");
    match error {
        LogError::Unavailable(_) => unavailable("the log does not answer; nothing was recorded"),
        LogError::Refused { .. } | LogError::Unexpected(_) => {
            Problem::new(Code::Internal, "the log could not be read; nothing was recorded")
        }
    }
}

/// A bucket did not do what it should. A conflict that reaches this was lost once too often.
#[must_use]
pub fn not_kept(error: &KvError) -> Problem {
    match error {
        KvError::Conflict => busy(),
        KvError::Unavailable(_) => unavailable("the store of credentials and sessions does not answer"),
        KvError::InvalidKey(_) | KvError::Refused(_) => {
            tracing::error!(%error, "a bucket refuses an operation");
            Problem::new(Code::Internal, "the store of credentials and sessions refused this")
        }
    }
}

/// A key cannot be had now, so that nothing can be opened or sealed with it.
#[must_use]
pub fn no_key(error: &KeyError) -> Problem {
    tracing::warn!(%error, "a key cannot be had");
    Problem::new(Code::Unavailable, "the keys to what is sealed do not answer; try again")
        .retry_after_ms(SOON)
}

/// The keys that sign access tokens could not be exchanged.
#[must_use]
pub fn no_signing_key(error: &SigningError) -> Problem {
    tracing::warn!(%error, "the keys of access tokens cannot be exchanged");
    let detail = "the keys that sign access tokens cannot be exchanged now; try again";
    Problem::new(Code::Unavailable, detail).retry_after_ms(SOON)
}

/// Something could not be sealed, and was not recorded.
#[must_use]
pub fn not_sealed(error: &SealError) -> Problem {
    match error {
        SealError::Key(error) => no_key(error),
        SealError::Destroyed(Owner::Room(_)) => rejected(&Rejection::RoomNotFound),
        SealError::Destroyed(Owner::User(_)) => {
            Problem::new(Code::Forbidden, "this account was erased, and says nothing any more")
        }
        SealError::TooLong => Problem::new(Code::TooLarge, "this is too long to be sealed"),
    }
}

/// Something in the log or in a bucket is not what this program writes there.
#[must_use]
pub fn unreadable(what: &str, error: &dyn std::error::Error) -> Problem {
    tracing::error!(what, %error, "stored data is not of its shape");
    Problem::new(Code::Internal, format!("{what} cannot be read"))
}

/// Something that cannot be, is.
pub(crate) fn defect(what: &str) -> Problem {
    tracing::error!(what, "a defect");
    Problem::new(Code::Internal, what)
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(Code::Unavailable, format!("{detail}; try again with the same id")).retry_after_ms(SOON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_has_a_documented_code() {
        let size = Rejection::Size { what: "a message", unit: "bytes", least: 1, most: 2, given: 3 };
        for rejection in [
            Rejection::RoomNotFound,
            Rejection::NotAMember,
            Rejection::TargetNotAMember,
            Rejection::InvitationNeeded,
            Rejection::RoleTooLow { needed: chasqui_events::room::Role::Owner },
            Rejection::NotInDirect { what: "name" },
            Rejection::LastOwner,
            Rejection::DirectWithSelf,
            size,
            Rejection::Characters { what: "a user name" },
            Rejection::ControlCharacters { what: "a room name" },
            Rejection::RoomFull { most: 1 },
            Rejection::Banned,
            Rejection::TargetBanned,
            Rejection::Muted { until: Some(chasqui_events::Timestamp(1)) },
            Rejection::OwnMembership,
            Rejection::TooManyBans { most: 1 },
            Rejection::GlobalRoleTooLow { needed: "admin" },
            Rejection::OwnAccount,
            Rejection::AccountOutranks { role: "admin" },
            Rejection::ServiceRole,
            Rejection::NotAService,
            Rejection::TooManyTokens { most: 1 },
            Rejection::AccountCannotAct,
            Rejection::LastAdmin,
            Rejection::TimeHasPassed { what: "the end of a suspension" },
        ] {
            let problem = rejected(&rejection);
            assert_eq!(problem.code.as_str(), rejection.code());
            assert_eq!(problem.detail, rejection.to_string());
        }
    }

    #[test]
    fn only_an_unknown_outcome_is_called_unknown() {
        let code = |error: AppendError| not_appended(&error).code;
        assert_eq!(code(AppendError::Unknown(String::new())), Code::Unknown);
        assert_eq!(code(AppendError::Unavailable(String::new())), Code::Unavailable);
        assert_eq!(code(AppendError::Conflict), Code::Busy);
        assert_eq!(code(AppendError::IdUsed), Code::IdUsed);
        assert_eq!(code(AppendError::Refused(String::new())), Code::Internal);
    }
}
