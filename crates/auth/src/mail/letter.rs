//! What the mails say. Plain text; nothing in it comes from anybody but the server.

use std::time::Duration;

use chasqui_events::identity::{CredentialChange, CredentialPart};
use lettre::Address;

/// What a notice tells of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Something that a login asks for.
    Credential(CredentialPart, CredentialChange),
    /// The user name.
    Name,
}

/// A mail.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) to: Address,
    pub(crate) subject: &'static str,
    pub(crate) body: String,
}

impl Letter {
    /// With the link that verifies an address.
    pub(crate) fn verify(to: Address, link: &str, life: Duration) -> Self {
        let hours = life.as_secs() / 3600;
        let body = format!(
            "Somebody, probably you, wants to use this address for an account of Chasqui.\n\n\
             Open this within {hours} hours to confirm it:\n\n{link}\n\n\
             If it was not you, do nothing: the address will not be used.\n"
        );
        Self { to, subject: "Confirm your e-mail address", body }
    }

    /// With the link that resets a password.
    pub(crate) fn reset(to: Address, link: &str, life: Duration) -> Self {
        let minutes = life.as_secs() / 60;
        let body = format!(
            "Somebody, probably you, wants to set another password for your account of Chasqui.\n\n\
             Open this within {minutes} minutes to choose one; all sessions end then:\n\n{link}\n\n\
             If it was not you, do nothing: your password stays as it is.\n"
        );
        Self { to, subject: "Choose another password", body }
    }

    /// That something about logging in has changed.
    pub(crate) fn notice(to: Address, change: Change) -> Self {
        let (what, how) = match change {
            Change::Credential(what, how) => (what, how),
            Change::Name => {
                return Self::changed(to, "The user name of your account of Chasqui was changed.");
            }
        };
        let what = match what {
            CredentialPart::Password => "password",
            CredentialPart::Totp => "authenticator application",
            CredentialPart::RecoveryCodes => "set of recovery codes",
            CredentialPart::Email => "e-mail address",
            CredentialPart::Passkey => "passkey",
        };
        let how = match how {
            CredentialChange::Added => "was added to your account of Chasqui",
            CredentialChange::Replaced => "of your account of Chasqui was replaced by another one",
            CredentialChange::Removed => "was removed from your account of Chasqui",
        };
        Self::changed(to, &format!("The {what} {how}."))
    }

    fn changed(to: Address, what: &str) -> Self {
        let body = format!(
            "{what}\n\n\
             If it was not you, reset your password at once, and end all sessions.\n"
        );
        Self { to, subject: "Your account was changed", body }
    }
}
