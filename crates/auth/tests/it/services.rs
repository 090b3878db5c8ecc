//! Programs: their accounts, their tokens, and what those allow.

use chasqui_auth::{Auth, GlobalRole, Scope, Verifier, operator::FromOperator};
use chasqui_bus::{
    BusRole,
    command::{Incoming, Reply},
    kv::{Bucket, Name},
};
use chasqui_events::{
    Timestamp, UserId,
    account::Operator,
    identity::{IdentityEvent, RevocationReason, SessionRevoked},
};
use chasqui_protocol::{
    Accepted, Code, Problem,
    command::{IssuedToken, ServiceSession, ServiceTokens},
};
use chasqui_runtime::clock::now_ms;
use pretty_assertions::assert_eq;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    installation::{Installation, PASSWORD, ask, login, new_id, register},
    over_http,
};

async fn as_operator<R: DeserializeOwned>(auth: &Auth, name: &str, command: Value) -> Result<R, Problem> {
    let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
    let body = serde_json::to_vec(&FromOperator { operator, command }).unwrap().into();
    let incoming = Incoming { name: name.to_owned(), body, token: None, address: None, trace: None };
    match serde_json::from_slice(&auth.answer_operator(incoming).await).unwrap() {
        Reply::Ok(answer) => Ok(answer),
        Reply::Problem(problem) => Err(problem),
    }
}

async fn station(auth: &Auth) -> UserId {
    let command = json!({"id": new_id(), "name": "Station", "reason": "tells the weather"});
    as_operator::<Accepted>(auth, "create_service", command).await.unwrap().user.unwrap()
}

async fn token(auth: &Auth, user: UserId, expires_at: Option<i64>) -> Result<IssuedToken, Problem> {
    let scopes = ["read", "post"];
    let command = json!({
        "id": new_id(), "user": user, "name": "the mast", "scopes": scopes, "expires_at": expires_at, "reason": "x",
    });
    as_operator(auth, "issue_token", command).await
}

async fn logs_in(app: &axum::Router, secret: &str) -> Result<ServiceSession, String> {
    let body = Some(json!({"token": secret}));
    let (status, answer) = over_http::ask(app, "POST", "/v1/commands/service_login", None, body).await;
    match status {
        200 => Ok(serde_json::from_value(answer).unwrap()),
        _ => Err(answer["code"].as_str().unwrap().to_owned()),
    }
}

#[tokio::test]
async fn a_program_logs_in_with_its_token_until_that_is_revoked() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let user = station(&auth).await;
    let issued = token(&auth, user, None).await.unwrap();
    assert!(issued.secret.starts_with("chq_") && !format!("{issued:?}").contains(&issued.secret));
    let session = logs_in(&app, &issued.secret).await.unwrap();
    assert_eq!(session.user, user);
    let verifier = Verifier::new(&installation.config.auth, &installation.bus(BusRole::WsEdge).await);
    let identity = verifier.verify(&session.access_token).await.unwrap();
    assert_eq!((identity.role, identity.session), (GlobalRole::Service, session.session));
    assert!(identity.may(Scope::Read) && identity.may(Scope::Post) && !identity.may(Scope::Moderate));
    let listed: ServiceTokens = as_operator(&auth, "tokens", json!({"user": "station"})).await.unwrap();
    let [listed] = listed.tokens.as_slice() else { panic!("{listed:?}") };
    assert_eq!((listed.token, listed.name.as_str()), (issued.token, "the mast"));
    assert!(listed.last_used_at.is_some());

    let revoke = json!({"id": new_id(), "user": user, "token": issued.token, "reason": "stolen"});
    for _ in 0..2 {
        as_operator::<Accepted>(&auth, "revoke_token", revoke.clone()).await.unwrap();
    }
    assert_eq!(logs_in(&app, &issued.secret).await, Err("wrong-credentials".to_owned()));
    let revoked = SessionRevoked { session: session.session, reason: RevocationReason::TokenRevoked };
    assert!(
        installation.life_of(user).await.contains(&IdentityEvent::SessionRevoked(revoked)),
        "edges are told"
    );
}

/// A hash that was put back by hand, or whose removal failed, opens nothing: the log decides.
#[tokio::test]
async fn a_hash_without_its_fact_opens_nothing() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let user = station(&auth).await;
    let issued = token(&auth, user, None).await.unwrap();
    let bucket = Bucket::open(installation.bus(BusRole::Auth).await, Name::ServiceTokens);
    let key = issued.token.to_string();
    let kept = bucket.get(&key).await.unwrap().unwrap().value;
    assert!(!String::from_utf8_lossy(&kept).contains(issued.secret.rsplit('_').next().unwrap()));
    let revoke = json!({"id": new_id(), "user": user, "token": issued.token, "reason": "stolen"});
    as_operator::<Accepted>(&auth, "revoke_token", revoke).await.unwrap();
    bucket.put(&key, kept).await.unwrap();
    assert!(logs_in(&app, &issued.secret).await.is_err());
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_in_one_way() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let user = station(&auth).await;
    let ends = now_ms() + 500;
    let brief = token(&auth, user, Some(ends)).await.unwrap();
    let (head, _) = brief.secret.rsplit_once('_').unwrap();
    let forged = format!("{head}_{}", "A".repeat(43));
    for bad in ["", "chq_", "chq_x_y", "Bearer abc", forged.as_str()] {
        assert_eq!(logs_in(&app, bad).await, Err("wrong-credentials".to_owned()), "{bad}");
    }
    assert!(logs_in(&app, &brief.secret).await.unwrap().expires_in <= 1, "no longer than the token");
    while now_ms() < ends {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(logs_in(&app, &brief.secret).await, Err("wrong-credentials".to_owned()));

    let kept_out = json!({"id": new_id(), "user": user, "reason": "x"});
    let lasting = token(&auth, user, None).await.unwrap();
    let open = logs_in(&app, &lasting.secret).await.unwrap().session;
    as_operator::<Accepted>(&auth, "suspend", kept_out).await.unwrap();
    let ended = SessionRevoked { session: open, reason: RevocationReason::Suspended };
    assert!(
        installation.life_of(user).await.contains(&IdentityEvent::SessionRevoked(ended)),
        "edges are told"
    );
    assert_eq!(logs_in(&app, &lasting.secret).await, Err("wrong-credentials".to_owned()));
}

#[tokio::test]
async fn an_erased_program_is_cut_off() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let user = station(&auth).await;
    let issued = token(&auth, user, None).await.unwrap();
    let open = logs_in(&app, &issued.secret).await.unwrap().session;
    let erase = json!({"id": new_id(), "user": user, "reason": "not needed any more"});
    as_operator::<Accepted>(&auth, "erase_user", erase).await.unwrap();
    let ended = SessionRevoked { session: open, reason: RevocationReason::Erased };
    let life = installation.life_of(user).await;
    assert!(life.contains(&IdentityEvent::SessionRevoked(ended)), "connections end by this: {life:?}");
    assert_eq!(logs_in(&app, &issued.secret).await, Err("wrong-credentials".to_owned()));
}

#[tokio::test]
async fn only_admins_make_programs_and_people_are_none() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let ana = register(&auth, "Ana").await.unwrap();
    let token_of_ana = login(&auth, "Ana").await.access_token;
    let create = json!({"id": new_id(), "name": "Robot", "reason": "x"});
    let path = "/v1/commands/create_service";
    let (status, answer) = over_http::ask(&app, "POST", path, Some(&token_of_ana), Some(create)).await;
    assert_eq!((status, &answer["code"]), (403, &json!("forbidden")));
    assert_eq!(token(&auth, ana, None).await.unwrap_err().code, Code::NotAService);
    let taken = json!({"id": new_id(), "name": "ANA", "reason": "x"});
    assert_eq!(
        as_operator::<Accepted>(&auth, "create_service", taken).await.unwrap_err().code,
        Code::NameTaken
    );
    let user = station(&auth).await;
    let refused = ask::<Value>(&auth, "login", json!({"name": "Station", "password": PASSWORD}), None).await;
    assert_eq!(refused.unwrap_err().code, Code::WrongCredentials, "nobody logs in with a password");
    let role = json!({"id": new_id(), "user": user, "role": "admin", "reason": "x"});
    assert_eq!(
        as_operator::<Accepted>(&auth, "change_global_role", role).await.unwrap_err().code,
        Code::ServiceRole
    );
    let past = Some(Timestamp(1).millis());
    assert_eq!(token(&auth, user, past).await.unwrap_err().code, Code::TimeHasPassed);
    let unknown = json!({"id": new_id(), "user": user, "name": "x", "scopes": ["admin"], "reason": "x"});
    let problem = as_operator::<IssuedToken>(&auth, "issue_token", unknown).await.unwrap_err();
    assert!(problem.code == Code::Malformed && problem.detail.contains("moderate"), "{problem}");
}

/// A program logs in all the time. After its sessions were ended, it gets new ones.
#[tokio::test]
async fn a_busy_program_comes_back_after_its_sessions_were_ended() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    let user = station(&auth).await;
    let issued = token(&auth, user, None).await.unwrap();
    for _ in 0..20 {
        logs_in(&app, &issued.secret).await.unwrap();
    }
    let end = json!({"id": new_id(), "user": user, "reason": "a test"});
    as_operator::<Accepted>(&auth, "end_sessions", end).await.unwrap();
    let again = logs_in(&app, &issued.secret).await.unwrap();
    let revoked = Bucket::open(installation.bus(BusRole::Auth).await, Name::Revoked);
    let ended = revoked.keys().await.unwrap();
    assert_eq!(ended.len(), 16);
    assert!(!ended.iter().any(|key| key.contains(&again.session.to_string())), "{ended:?}");
}
