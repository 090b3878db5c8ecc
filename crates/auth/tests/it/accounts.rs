//! Roles and suspensions: who decides them, and what they do to logins.

use std::time::Duration;

use chasqui_auth::{Auth, GlobalRole, Verifier, operator::FromOperator};
use chasqui_bus::{
    BusRole, Log,
    command::{Incoming, Reply},
    subject,
};
use chasqui_events::{
    Timestamp, UserId,
    account::{AccountEvent, Operator},
    identity::{IdentityEvent, RevocationReason, SessionRevoked},
};
use chasqui_protocol::{Accepted, Code, Problem, command::Tokens};
use chasqui_runtime::clock::now_ms;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    installation::{Installation, PASSWORD, ask, login, new_id, register},
    over_http,
};

pub(crate) async fn as_operator(auth: &Auth, name: &str, command: Value) -> Result<Accepted, Problem> {
    let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
    let body = serde_json::to_vec(&FromOperator { operator, command }).unwrap().into();
    let incoming = Incoming { name: name.to_owned(), body, token: None, address: None, trace: None };
    match serde_json::from_slice(&auth.answer_operator(incoming).await).unwrap() {
        Reply::Ok(accepted) => Ok(accepted),
        Reply::Problem(problem) => Err(problem),
    }
}

pub(crate) async fn give(auth: &Auth, user: UserId, role: &str) -> Result<Accepted, Problem> {
    let command = json!({"id": new_id(), "user": user, "role": role, "reason": "a test"});
    as_operator(auth, "change_global_role", command).await
}

async fn attempt(auth: &Auth, name: &str, password: &str) -> Result<Tokens, Problem> {
    ask(auth, "login", json!({"name": name, "password": password}), None).await
}

async fn command(app: &axum::Router, name: &str, token: &str, body: Value) -> (u16, Value) {
    over_http::ask(app, "POST", &format!("/v1/commands/{name}"), Some(token), Some(body)).await
}

#[tokio::test]
async fn a_suspended_user_is_kept_out_as_if_the_password_were_wrong() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let users = [register(&auth, "Ana").await.unwrap(), register(&auth, "Moderator").await.unwrap()];
    give(&auth, users[1], "moderator").await.unwrap();
    let token = login(&auth, "Moderator").await.access_token;
    let session = login(&auth, "Ana").await;
    let body = json!({"id": new_id(), "user": users[0], "reason": "advertises"});
    let (status, answer) = command(&app, "suspend", &token, body).await;
    assert_eq!(status, 200, "{answer}");
    let kept_out = attempt(&auth, "Ana", PASSWORD).await.unwrap_err();
    assert_eq!(kept_out, attempt(&auth, "Ana", "wrong").await.unwrap_err(), "the same words");
    let refresh = json!({"refresh_token": session.refresh_token});
    let refused = ask::<Tokens>(&auth, "refresh", refresh.clone(), None).await.unwrap_err();
    assert_eq!(refused.code, Code::RefreshRejected);
    let ended = SessionRevoked { session: session.session, reason: RevocationReason::Suspended };
    let life = installation.life_of(users[0]).await;
    assert!(life.contains(&IdentityEvent::SessionRevoked(ended)), "connections end by this: {life:?}");
    let body = json!({"id": new_id(), "user": users[0], "reason": "a misunderstanding"});
    assert_eq!(command(&app, "reinstate", &token, body).await.0, 200);
    attempt(&auth, "Ana", PASSWORD).await.unwrap();

    let log = Log::new(installation.bus(BusRole::Auth).await);
    let lane = log.lane_range(&subject::ident_account(users[0]), 1, u64::MAX, 10).await.unwrap();
    let facts: Vec<_> = lane.iter().map(|fact| fact.decode::<AccountEvent>().unwrap()).collect();
    let [suspended, reinstated] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!((suspended.by, reinstated.by), (users[1], users[1]));
    let AccountEvent::Suspended(suspended) = &suspended.event else { panic!("{suspended:?}") };
    assert_eq!((suspended.user, suspended.reason.as_str()), (users[0], "advertises"));
}

#[tokio::test]
async fn a_suspension_ends_by_itself() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let until = Timestamp(now_ms() + 400);
    let body = json!({"id": new_id(), "user": user, "until": until, "reason": "a moment"});
    as_operator(&auth, "suspend", body).await.unwrap();
    assert!(attempt(&auth, "Ana", PASSWORD).await.is_err());
    while now_ms() < until.millis() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    attempt(&auth, "Ana", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn roles_come_from_admins_and_are_read_anew_for_each_decision() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let [first, second, third] = ["First", "Second", "Third"];
    let users = [
        register(&auth, first).await.unwrap(),
        register(&auth, second).await.unwrap(),
        register(&auth, third).await.unwrap(),
    ];
    let change =
        |user: UserId, role: &str| json!({"id": new_id(), "user": user, "role": role, "reason": "x"});
    let nobody = login(&auth, first).await.access_token;
    let (status, answer) = command(&app, "change_global_role", &nobody, change(users[0], "admin")).await;
    assert_eq!((status, &answer["code"]), (403, &json!("forbidden")), "nobody is admin by being first");
    give(&auth, users[0], "admin").await.unwrap();
    // The old token says `user`; the log decides.
    let (status, answer) = command(&app, "change_global_role", &nobody, change(users[1], "admin")).await;
    assert_eq!(status, 200, "{answer}");
    let tokens = login(&auth, second).await;
    let verifier = Verifier::new(&installation.config.auth, &installation.bus(BusRole::WsEdge).await);
    let identity = verifier.verify(&tokens.access_token).await.unwrap();
    assert_eq!(identity.role, GlobalRole::Admin);

    let (status, _) =
        command(&app, "change_global_role", &tokens.access_token, change(users[0], "moderator")).await;
    assert_eq!(status, 200);
    let (status, answer) =
        command(&app, "change_global_role", &tokens.access_token, change(users[1], "user")).await;
    assert_eq!((status, &answer["code"]), (409, &json!("last-admin")));
    let problem = give(&auth, users[1], "user").await.unwrap_err();
    assert_eq!(problem.code, Code::LastAdmin, "neither by an operator");
    let body = json!({"id": new_id(), "user": users[1], "reason": "x"});
    assert_eq!(as_operator(&auth, "suspend", body).await.unwrap_err().code, Code::AccountOutranks);
    let (status, answer) = command(&app, "change_global_role", &nobody, change(users[2], "moderator")).await;
    assert_eq!((status, &answer["code"]), (403, &json!("forbidden")), "no admin any more");
    let unknown = UserId::new(Timestamp(1), [9; 10]);
    assert_eq!(give(&auth, unknown, "moderator").await.unwrap_err().code, Code::UserNotFound);
}

/// Two admins who demote each other at once: one of them stays.
#[tokio::test]
async fn of_two_admins_one_stays() {
    let installation = Installation::start().await;
    let auths = [installation.auth().await, installation.auth().await];
    let users = [register(&auths[0], "One").await.unwrap(), register(&auths[0], "Other").await.unwrap()];
    for user in users {
        give(&auths[0], user, "admin").await.unwrap();
    }
    let [one, other] = [0, 1].map(|n| {
        let (auth, user) = (auths[n].clone(), users[n]);
        tokio::spawn(async move { give(&auth, user, "user").await })
    });
    let done = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
}

/// Nothing is done under an id that names something else: it would not be recorded.
#[tokio::test]
async fn an_act_under_a_used_id_is_refused() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let users = [register(&auth, "Ana").await.unwrap(), register(&auth, "Moderator").await.unwrap()];
    give(&auth, users[1], "moderator").await.unwrap();
    let token = login(&auth, "Moderator").await.access_token;
    let session = login(&auth, "Ana").await;
    let id = new_id();
    let profile = json!({"id": id, "display_name": "Mod"});
    assert_eq!(command(&app, "change_profile", &token, profile).await.0, 200);
    for name in ["end_sessions", "suspend"] {
        let body = json!({"id": id, "user": users[0], "reason": "quietly"});
        let (status, problem) = command(&app, name, &token, body).await;
        assert_eq!((status, &problem["code"]), (409, &json!("id-used")), "{name}");
    }
    let refresh = json!({"refresh_token": session.refresh_token});
    ask::<Tokens>(&auth, "refresh", refresh, None).await.unwrap();
}

/// Tokens name a role: whoever gets a lower one must not go on with the old.
#[tokio::test]
async fn whoever_gets_a_lower_role_is_logged_out() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let user = register(&auth, "Ana").await.unwrap();
    let before = login(&auth, "Ana").await;
    give(&auth, user, "admin").await.unwrap();
    let (status, _) = command(&app, "change_profile", &before.access_token, json!({"id": new_id()})).await;
    assert_ne!(status, 401, "a higher one ends nothing");
    let admin = login(&auth, "Ana").await;
    let other = register(&auth, "Ben").await.unwrap();
    give(&auth, other, "admin").await.unwrap();
    give(&auth, user, "user").await.unwrap();
    for tokens in [before, admin] {
        let body = json!({"refresh_token": tokens.refresh_token});
        let ended = ask::<Tokens>(&auth, "refresh", body, None).await.unwrap_err();
        assert_eq!(ended.code, Code::RefreshRejected);
    }
}
