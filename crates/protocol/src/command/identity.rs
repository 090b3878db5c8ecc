//! Commands about oneself: the account, how one logs in, sessions.

use chasqui_events::{CommandId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::FactorProof;

commands! {
    /// Create an account.
    Register {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The user name: letters, digits and `. _ -`. Case does not matter for who one is.
        name: String,
        /// What to show instead of the name; may be empty.
        #[serde(default)]
        display_name: String => secret,
        /// The password.
        password: String => secret,
        /// An e-mail address. A mail with a token goes there; it counts once `verify_email` has taken that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String> => secret,
    }
    /// Create an account for the author of imported messages. It has no password, so nobody can log in to it.
    /// Needs the right to import.
    RegisterImported {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The user name.
        name: String,
        /// What to show instead of the name; may be empty.
        #[serde(default)]
        display_name: String => secret,
    }
    /// Open a session.
    Login {
        /// The user name.
        name: String,
        /// The password.
        password: String => secret,
        /// What the client calls itself.
        #[serde(default)]
        device: String => secret,
        /// Come back to an account that one has deactivated.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        reactivate: bool,
    }
    /// Finish a login that asks for a second factor.
    LoginSecondFactor {
        /// The handle that the login gave.
        handle: String => secret,
        /// The second factor: `{"code": "123456"}`, `{"recovery_code": "…"}` or `{"passkey": {…}}`.
        proof: FactorProof => secret,
    }
    /// Begin a login with a passkey alone.
    LoginPasskeyBegin {}
    /// Open a session with a passkey alone.
    LoginPasskey {
        /// The handle that `login_passkey_begin` gave.
        handle: String => secret,
        /// What `navigator.credentials.get` gave, as JSON.
        #[schema(value_type = Object)]
        credential: Value => secret,
        /// What the client calls itself.
        #[serde(default)]
        device: String => secret,
        /// Come back to an account that one has deactivated.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        reactivate: bool,
    }
    /// Begin to add a passkey.
    EnrolPasskey {
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Finish adding a passkey.
    ConfirmPasskey {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The handle that `enrol_passkey` gave.
        handle: String => secret,
        /// What `navigator.credentials.create` gave, as JSON.
        #[schema(value_type = Object)]
        credential: Value => secret,
        /// What to call it, for oneself.
        name: String => secret,
    }
    /// Call a passkey something else.
    RenamePasskey {
        /// The passkey's id.
        passkey: String,
        /// What to call it.
        name: String => secret,
    }
    /// Remove a passkey.
    RemovePasskey {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The passkey's id.
        passkey: String,
        /// The password.
        password: String => secret,
    }
    /// Give oneself another password; all other sessions end.
    ChangePassword {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password until now.
        old_password: String => secret,
        /// The password from now on.
        new_password: String => secret,
    }
    /// Go by another name. The old one stays reserved.
    ChangeName {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The new user name.
        name: String,
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Leave for now: nobody logs in to the account until its owner comes back by a login with `reactivate`.
    Deactivate {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password.
        password: String => secret,
    }
    /// Give oneself an e-mail address, another one, or none. It counts once it is verified.
    ChangeEmail {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The address; absent for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String> => secret,
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Show that one reads the mails to an address.
    VerifyEmail {
        /// The token from the mail.
        token: String => secret,
    }
    /// Ask for a mail with which the password can be reset.
    RequestPasswordReset {
        /// The address.
        email: String => secret,
    }
    /// Set another password by the token from a mail.
    ResetPassword {
        /// The token from the mail.
        token: String => secret,
        /// The password from now on.
        new_password: String => secret,
    }
    /// Begin to set up an authenticator application.
    EnrolTotp {
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Finish setting up an authenticator application, by its first code.
    ConfirmTotp {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The code that it shows.
        code: String => secret,
    }
    /// Remove the authenticator application.
    RemoveTotp {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password.
        password: String => secret,
    }
    /// Make new recovery codes; the old ones are good no more.
    RenewRecoveryCodes {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Exchange a refresh token for new tokens.
    Refresh {
        /// The refresh token of the last login or refresh.
        refresh_token: String => secret,
    }
    /// End the caller's session.
    Logout {}
    /// End one of the caller's sessions.
    RevokeSession {
        /// Which.
        #[schema(value_type = uuid::Uuid)]
        session: SessionId,
    }
    /// End all of the caller's sessions but the one that asks.
    RevokeOtherSessions {}
    /// End all of the caller's sessions, the one that asks among them.
    RevokeAllSessions {}
    /// Change one's own profile.
    ChangeProfile {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The new display name; empty for the name itself.
        display_name: String => secret,
    }
    /// Exchange a program's token for an access token.
    ServiceLogin {
        /// The token, `chq_…`.
        token: String => secret,
    }
    /// Erase a user for good: oneself, or as an admin somebody else.
    EraseUser {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// Who; oneself without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<uuid::Uuid>)]
        user: Option<UserId>,
        /// One's own password, to erase oneself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
        /// Why, to erase somebody else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}
