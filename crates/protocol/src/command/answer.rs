//! What commands are answered with, when they are done.

use chasqui_events::{Position, RoomId, SessionId, Timestamp, UserId, account::GlobalRole};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A command that was accepted: it is recorded at a position. That says nothing yet about who has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// Where its fact stands, written `<partition>:<sequence>` on HTTP's query side. Where nothing had to be
    /// recorded because it was so already, the place up to which that can be seen. Absent for commands on the
    /// identity stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub position: Option<Position>,
    /// The room that was created or opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub room: Option<RoomId>,
    /// The user that was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub user: Option<UserId>,
    /// The time that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub at: Option<Timestamp>,
}

/// What a login or a refresh gives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Who is logged in.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// The session.
    #[schema(value_type = uuid::Uuid)]
    pub session: SessionId,
    /// A JWT (RFC 9068) for `Authorization: Bearer` and the hello frame.
    pub access_token: String,
    /// How long the access token lasts, in seconds.
    pub expires_in: u64,
    /// Good for one refresh; keep it secret and replace it by the one that the refresh gives.
    pub refresh_token: String,
}

/// A new token of a program. It is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// Its id, to revoke it by.
    #[schema(value_type = uuid::Uuid)]
    pub token: SessionId,
    /// The token itself, for `service_login`.
    pub secret: String,
}

/// The tokens of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceTokens {
    /// By age.
    pub tokens: Vec<ServiceTokenShown>,
}

/// A token of a program, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceTokenShown {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub token: SessionId,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it ends, in milliseconds since the Unix epoch; absent for when it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub expires_at: Option<Timestamp>,
    /// When it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub last_used_at: Option<Timestamp>,
}

/// What a program's login gives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceSession {
    /// The program.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// The session.
    #[schema(value_type = uuid::Uuid)]
    pub session: SessionId,
    /// A JWT (RFC 9068) for `Authorization: Bearer` and the hello frame.
    pub access_token: String,
    /// How long the access token lasts, in seconds; log in again before.
    pub expires_in: u64,
}

/// An account, as those who keep order see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountShown {
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// Their global role.
    #[schema(value_type = String)]
    pub role: GlobalRole,
    /// Set while they are suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<SuspensionShown>,
    /// They were erased, or are being erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// A suspension that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SuspensionShown {
    /// Until when, in milliseconds since the Unix epoch; absent for until they are reinstated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// What a login comes to: its tokens, or the question for a second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LoggedIn {
    /// The session is open.
    Tokens(Tokens),
    /// Name and password are right; `login_second_factor` finishes the login.
    SecondFactor {
        /// What is asked for.
        second_factor: SecondFactorAsked,
    },
}

/// The question for a second factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorAsked {
    /// Names this login in `login_second_factor`. It is a secret, and good once.
    pub handle: String,
    /// What it can be finished with.
    pub kinds: Vec<FactorKind>,
    /// How long the handle lasts, in seconds.
    pub expires_in: u64,
    /// What to give to `navigator.credentials.get` where a passkey is among the kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<Value>,
}

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// A code of an authenticator application.
    Totp,
    /// One of the recovery codes.
    RecoveryCode,
    /// A passkey.
    Passkey,
}

/// A passkey that waits for its authenticator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyEnrolment {
    /// Names it in `confirm_passkey`. It is a secret, and good once.
    pub handle: String,
    /// What to give to `navigator.credentials.create`: a `CredentialCreationOptions` as JSON.
    #[schema(value_type = Object)]
    pub options: Value,
    /// How long the handle lasts, in seconds.
    pub expires_in: u64,
}

/// The question for any passkey of this server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyAsked {
    /// Names it in `login_passkey`. It is a secret, and good once.
    pub handle: String,
    /// What to give to `navigator.credentials.get`: a `CredentialRequestOptions` as JSON.
    #[schema(value_type = Object)]
    pub options: Value,
    /// How long the handle lasts, in seconds.
    pub expires_in: u64,
}

/// One of the caller's passkeys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnPasskey {
    /// Its id, as authenticators know it (base64url).
    pub id: String,
    /// What its user calls it.
    pub name: String,
    /// When it was added: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// When it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub used_at: Option<Timestamp>,
}

/// An authenticator application that waits for its first code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotpEnrolment {
    /// The secret, for typing it in (base 32).
    pub secret: String,
    /// The same as `otpauth://` URL, for a QR code.
    pub url: String,
}

/// Recovery codes. They are shown here and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewCodes {
    /// The codes, each good once. Empty where there are some already.
    pub recovery_codes: Vec<String>,
}

/// How the caller logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnFactors {
    /// There is an authenticator application.
    pub totp: bool,
    /// The passkeys, the oldest first.
    #[serde(default)]
    pub passkeys: Vec<OwnPasskey>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: usize,
    /// The verified e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("user", &self.user)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

undisclosed! { SecondFactorAsked TotpEnrolment PasskeyEnrolment PasskeyAsked NewCodes OwnFactors IssuedToken ServiceSession }
