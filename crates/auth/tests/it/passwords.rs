//! Changing one's password.

use chasqui_events::identity::{
    CredentialChange, CredentialChanged, CredentialPart, IdentityEvent, RevocationReason, SessionRevoked,
};
use chasqui_protocol::{Code, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    installation::{self, Installation, PASSWORD, login, new_id, register},
    over_http::{app, ask, served},
};

const NEW: &str = "seven llamas cross a ridge";

async fn change(app: &axum::Router, token: &str, body: Value) -> (u16, Value) {
    ask(app, "POST", "/v1/commands/change_password", Some(token), Some(body)).await
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_and_the_old_one_is_good_no_more() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, app(&installation).await);
    let user = register(&auth, "Ana").await.unwrap();
    let (here, there) = (login(&auth, "Ana").await, login(&auth, "Ana").await);
    let token = here.access_token.as_str();
    let body = json!({"id": new_id(), "old_password": PASSWORD, "new_password": NEW});
    let (status, _) = change(&app, token, body.clone()).await;
    assert_eq!(status, 200);
    let refresh = async |tokens: &Tokens| {
        let body = json!({"refresh_token": tokens.refresh_token});
        installation::ask::<Tokens>(&auth, "refresh", body, None).await.map_err(|problem| problem.code)
    };
    assert_eq!(refresh(&there).await.unwrap_err(), Code::RefreshRejected);
    assert!(refresh(&here).await.is_ok(), "the one that it was changed from goes on");
    for (password, good) in [(PASSWORD, false), (NEW, true)] {
        let body = json!({"name": "Ana", "password": password});
        assert_eq!(installation::ask::<Tokens>(&auth, "login", body, None).await.is_ok(), good, "{password}");
    }
    let life = installation.life_of(user).await;
    let revoked = SessionRevoked { session: there.session, reason: RevocationReason::PasswordChanged };
    assert!(life.contains(&IdentityEvent::SessionRevoked(revoked)), "{life:?}");
    let what = CredentialChanged { what: CredentialPart::Password, how: CredentialChange::Replaced };
    assert!(life.contains(&IdentityEvent::CredentialChanged(what)), "{life:?}");
    // The answer was lost: the same again is answered the same, although the old password is wrong by now.
    assert_eq!(change(&app, token, body).await.0, 200);
    let other = json!({"id": new_id(), "old_password": PASSWORD, "new_password": NEW});
    assert_eq!(change(&app, token, other).await.0, 401, "another command is another command");
}

#[tokio::test]
async fn what_is_wrong_is_told_and_changes_nothing() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, app(&installation).await);
    register(&auth, "anamariaquilla").await.unwrap();
    let token = login(&auth, "anamariaquilla").await.access_token;
    for (old, new, status, code) in [
        ("not the old password", NEW, 401, "wrong-credentials"),
        (PASSWORD, "short", 400, "weak-password"),
        (PASSWORD, "correct horse battery staple", 400, "weak-password"),
        (PASSWORD, "anamariaquilla1987", 400, "weak-password"),
    ] {
        let body = json!({"id": new_id(), "old_password": old, "new_password": new});
        let (given, problem) = change(&app, &token, body).await;
        assert_eq!((given, &problem["code"]), (status, &json!(code)), "{new}: {problem}");
    }
    let (status, _) = ask(&app, "POST", "/v1/commands/change_password", None, Some(json!({}))).await;
    assert_eq!(status, 401);
    login(&auth, "anamariaquilla").await;
}

/// Whoever has a stolen access token guesses at the password no faster than at a login, wherever it is asked for.
#[tokio::test]
async fn guesses_on_an_open_session_are_counted() {
    let mut installation = Installation::start().await;
    installation.config.rate.login_failures_free = 2;
    let auth = installation.limited_auth().await;
    let app = served(&installation, &auth);
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    for status in [401, 401, 429] {
        let body = json!({"id": new_id(), "old_password": "not the old password", "new_password": NEW});
        assert_eq!(change(&app, &token, body).await.0, status);
    }
    let body = json!({"id": new_id(), "password": PASSWORD});
    let (status, problem) = ask(&app, "POST", "/v1/commands/deactivate", Some(&token), Some(body)).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too-many")), "nor elsewhere");
    login(&auth, "Ana").await;
}
