//! Commands: what a client asks to be done.
//!
//! Each carries an `id` (a UUID of version 7) that the client chooses. Sending the same command with the same id
//! again is a retry: it is done once. A command is answered with [`Accepted`], or a [`crate::Problem`].

use chasqui_events::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! undisclosed {
    ($($name:ident)+) => { $(
        /// Without what it holds, which is secret.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+ };
}

mod answer;

pub use answer::{
    Accepted, AccountShown, FactorKind, IssuedToken, LoggedIn, NewCodes, OwnFactors, OwnPasskey,
    PasskeyAsked, PasskeyEnrolment, SecondFactorAsked, ServiceSession, ServiceTokenShown, ServiceTokens,
    SuspensionShown, Tokens, TotpEnrolment,
};

/// A second factor, shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorProof {
    /// The code that the authenticator application shows.
    Code(String),
    /// A recovery code that was not used yet.
    RecoveryCode(String),
    /// What `navigator.credentials.get` gave, as JSON.
    Passkey(Value),
}

undisclosed! { FactorProof }

/// A field that is marked `=> secret` is not shown by `Debug`: whatever prints a command, to a log or in a panic, prints
/// neither secrets nor what people say.
macro_rules! commands {
    (@shown $value:expr) => { &$value };
    (@shown $value:expr, secret) => { &format_args!("***") };
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty $(=> $secret:ident)?,)*
    })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

            impl std::fmt::Debug for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.debug_struct(stringify!($name))
                        $(.field(stringify!($field), commands!(@shown self.$field $(, $secret)?)))*
                        .finish()
                }
            }
        )+
    };
}

mod administration;
mod identity;
mod rooms;

pub use administration::{
    ChangeGlobalRole, CreateService, EndSessions, IssueToken, Reinstate, RevokeToken, Suspend,
};
pub use identity::{
    ChangeEmail, ChangeName, ChangePassword, ChangeProfile, ConfirmPasskey, ConfirmTotp, Deactivate,
    EnrolPasskey, EnrolTotp, EraseUser, Login, LoginPasskey, LoginPasskeyBegin, LoginSecondFactor, Logout,
    Refresh, Register, RegisterImported, RemovePasskey, RemoveTotp, RenamePasskey, RenewRecoveryCodes,
    RequestPasswordReset, ResetPassword, RevokeAllSessions, RevokeOtherSessions, RevokeSession, ServiceLogin,
    VerifyEmail,
};
pub use rooms::{
    Ban, ChangeRole, CreateRoom, Delivered, EraseRoom, Invite, Join, Leave, MoveReceipts, Mute, OpenDirect,
    Read, Remove, RenameRoom, Send, SetSlowMode, Unban, Unmute,
};

/// In whose name, and when, an imported command originally happened. Needs the right to import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnBehalf {
    /// The original author.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// The original time: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use chasqui_events::SessionId;

    use super::*;

    #[test]
    fn what_prints_a_command_prints_no_secret() {
        let login = Login {
            name: "ana".into(),
            password: "canary".into(),
            device: "canary".into(),
            reactivate: false,
        };
        let refresh = Refresh { refresh_token: "canary".into() };
        let tokens = Tokens {
            user: UserId::new(Timestamp(0), [0; 10]),
            session: SessionId::new(Timestamp(0), [0; 10]),
            access_token: "canary".into(),
            expires_in: 1,
            refresh_token: "canary".into(),
        };
        let printed = format!("{login:?} {refresh:?} {tokens:#?} {:?}", Logout {});
        assert!(
            !printed.contains("canary") && printed.contains("***") && printed.contains("ana"),
            "{printed}"
        );
    }
}
