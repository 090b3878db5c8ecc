//! The identity routes over HTTP.

use axum::{
    extract::{FromRef, State},
    http::header,
    response::IntoResponse,
};
use chasqui_http::{Json, Refusal};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    command::{
        account, change_email, change_global_role, change_name, change_password, change_profile,
        confirm_passkey, confirm_totp, create_service, deactivate, end_sessions, enrol_passkey, enrol_totp,
        erase_user, issue_token, login, login_passkey, login_passkey_begin, login_second_factor, logout,
        refresh, register, register_imported, reinstate, remove_passkey, remove_totp, rename_passkey,
        renew_recovery_codes, request_password_reset, reset_password, revoke_all_sessions,
        revoke_other_sessions, revoke_session, revoke_token, service_login, suspend, tokens, verify_email,
    },
    jwks, own_export, own_factors, own_sessions, refusal,
    service::Auth,
    signing::Jwks,
    verifier::Verifier,
};

impl FromRef<Auth> for Verifier {
    fn from_ref(auth: &Auth) -> Self {
        auth.verifier().clone()
    }
}

impl Auth {
    /// The routes of this role.
    #[must_use]
    pub fn routes(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(register::endpoint))
            .routes(routes!(register_imported::endpoint))
            .routes(routes!(login::endpoint))
            .routes(routes!(login_second_factor::endpoint))
            .routes(routes!(refresh::endpoint))
            .routes(routes!(logout::endpoint))
            .routes(routes!(revoke_session::endpoint))
            .routes(routes!(revoke_other_sessions::endpoint))
            .routes(routes!(revoke_all_sessions::endpoint))
            .routes(routes!(own_sessions::endpoint))
            .routes(routes!(change_profile::endpoint))
            .routes(routes!(account::endpoint))
            .routes(routes!(create_service::endpoint))
            .routes(routes!(issue_token::endpoint))
            .routes(routes!(revoke_token::endpoint))
            .routes(routes!(tokens::endpoint))
            .routes(routes!(service_login::endpoint))
            .routes(routes!(erase_user::endpoint))
            .routes(routes!(suspend::endpoint))
            .routes(routes!(reinstate::endpoint))
            .routes(routes!(end_sessions::endpoint))
            .routes(routes!(change_global_role::endpoint))
            .routes(routes!(change_password::endpoint))
            .routes(routes!(change_name::endpoint))
            .routes(routes!(deactivate::endpoint))
            .routes(routes!(change_email::endpoint))
            .routes(routes!(verify_email::endpoint))
            .routes(routes!(request_password_reset::endpoint))
            .routes(routes!(reset_password::endpoint))
            .routes(routes!(login_passkey_begin::endpoint))
            .routes(routes!(login_passkey::endpoint))
            .routes(routes!(enrol_passkey::endpoint))
            .routes(routes!(confirm_passkey::endpoint))
            .routes(routes!(rename_passkey::endpoint))
            .routes(routes!(remove_passkey::endpoint))
            .routes(routes!(enrol_totp::endpoint))
            .routes(routes!(confirm_totp::endpoint))
            .routes(routes!(remove_totp::endpoint))
            .routes(routes!(renew_recovery_codes::endpoint))
            .routes(routes!(own_factors::endpoint))
            .routes(routes!(own_export::endpoint))
            .routes(routes!(published_keys))
            .with_state(self.clone())
    }
}

/// The public keys that verify access tokens (RFC 7517)
///
/// They may be kept for as long as `Cache-Control` says: a new key is published for twice as long before it signs. Whoever
/// meets a `kid` that they do not know asks again, at most once a second.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "identity",
    responses((status = 200, description = "The keys", body = Jwks))
)]
async fn published_keys(State(auth): State<Auth>) -> Result<impl IntoResponse, Refusal> {
    let keys = jwks::read(&auth.0.jwks).await.map_err(|error| refusal::not_kept(&error))?;
    let kept_for = format!("public, max-age={}", auth.0.signing_keys.overlap().as_secs() / 2);
    Ok(([(header::CACHE_CONTROL, kept_for)], Json(keys)))
}
