//! The identity commands, one per file: decide, record, answer.

pub(crate) mod account;
pub(crate) mod change_email;
pub(crate) mod change_global_role;
pub(crate) mod change_name;
pub(crate) mod change_password;
pub(crate) mod change_profile;
pub(crate) mod confirm_totp;
pub(crate) mod deactivate;
pub(crate) mod enrol_totp;
pub(crate) mod login;
pub(crate) mod login_second_factor;
pub(crate) mod logout;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod register_imported;
pub(crate) mod reinstate;
pub(crate) mod remove_totp;
pub(crate) mod renew_recovery_codes;
pub(crate) mod request_password_reset;
pub(crate) mod reset_password;
pub(crate) mod revoke_all_sessions;
pub(crate) mod revoke_other_sessions;
pub(crate) mod revoke_session;
pub(crate) mod suspend;
pub(crate) mod verify_email;
