//! Going by another name.

use chasqui_auth::NameKey;
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_protocol::{Code, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    installation::{self, Installation, PASSWORD, login, new_id, register},
    over_http::{app, ask},
};

async fn rename(app: &axum::Router, token: &str, body: Value) -> (u16, Value) {
    ask(app, "POST", "/v1/commands/change_name", Some(token), Some(body)).await
}

async fn may_log_in(auth: &chasqui_auth::Auth, name: &str) -> bool {
    let body = json!({"name": name, "password": PASSWORD});
    match installation::ask::<Tokens>(auth, "login", body, None).await {
        Ok(_) => true,
        Err(problem) => {
            assert_eq!(problem.code, Code::WrongCredentials);
            false
        }
    }
}

#[tokio::test]
async fn a_login_takes_the_new_name_and_nobody_takes_the_old_one() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, app(&installation).await);
    let user = register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    let body = json!({"id": new_id(), "name": "Coya"});
    assert_eq!(rename(&app, &token, body.clone()).await.0, 200);
    assert_eq!(rename(&app, &token, body).await.0, 200, "the same command again");
    assert_eq!((may_log_in(&auth, "coya").await, may_log_in(&auth, "ana").await), (true, false));
    assert_eq!(login(&auth, "COYA").await.user, user);
    assert_eq!(register(&auth, "ANA").await.unwrap_err().code, Code::NameTaken);
    register(&auth, "Ben").await.unwrap();
    let ben = login(&auth, "Ben").await.access_token;
    for name in ["Ana", "coya"] {
        let (status, problem) = rename(&app, &ben, json!({"id": new_id(), "name": name})).await;
        assert_eq!((status, &problem["code"]), (409, &json!("name-taken")), "{name}");
    }
    assert_eq!(rename(&app, &token, json!({"id": new_id(), "name": "ANA"})).await.0, 200, "back again");
    assert_eq!((may_log_in(&auth, "coya").await, may_log_in(&auth, "ana").await), (false, true));
    let (status, problem) = rename(&app, &token, json!({"id": new_id(), "name": "a b"})).await;
    assert_eq!((status, &problem["code"]), (400, &json!("characters")));
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_wins() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, app(&installation).await);
    let mut tokens = Vec::new();
    for n in 0..6 {
        let name = format!("llama{n}");
        register(&auth, &name).await.unwrap();
        tokens.push(login(&auth, &name).await.access_token);
    }
    let racers: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let app = app.clone();
            tokio::spawn(
                async move { rename(&app, &token, json!({"id": new_id(), "name": "Vicuna"})).await.0 },
            )
        })
        .collect();
    let mut statuses = Vec::new();
    for racer in racers {
        statuses.push(racer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
    assert!(may_log_in(&auth, "vicuna").await);
}

/// A process that dies between the claim and what follows: the log tells which name is newer.
#[tokio::test]
async fn a_rename_that_was_cut_off_is_completed_by_the_next_login() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, app(&installation).await);
    let user = register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    let credentials = Bucket::open(installation.bus(BusRole::Auth).await, Name::Credentials);
    let before = credentials.get(&user.to_string()).await.unwrap().unwrap().value;
    assert_eq!(rename(&app, &token, json!({"id": new_id(), "name": "Coya"})).await.0, 200);
    credentials.put(&user.to_string(), before).await.unwrap();
    assert!(may_log_in(&auth, "Coya").await);
    assert!(!may_log_in(&auth, "Ana").await, "it is settled by then");
    let kept = credentials.get(&user.to_string()).await.unwrap().unwrap().value;
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    let name_key = NameKey::load(installation.config.auth.name_key_file.as_deref().unwrap()).unwrap();
    assert_eq!(kept["name"], name_key.token("coya"));
}

/// What a login needs is not changed on an access token alone, and not without end.
#[tokio::test]
async fn another_name_needs_a_proof_and_there_are_so_many_a_day() {
    let mut installation = Installation::start().await;
    installation.config.auth.proof_max_age_s = std::time::Duration::ZERO;
    installation.config.rate.rename_account = Some("2, 2/d".parse().unwrap());
    let auth = installation.limited_auth().await;
    let app = crate::over_http::served(&installation, &auth);
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    let (status, problem) = rename(&app, &token, json!({"id": new_id(), "name": "Coya"})).await;
    assert_eq!((status, &problem["code"]), (403, &json!("proof-needed")));
    let named = |name: &str| json!({"id": new_id(), "name": name, "password": PASSWORD});
    for name in ["Coya", "Quilla"] {
        assert_eq!(rename(&app, &token, named(name)).await.0, 200);
    }
    let (status, problem) = rename(&app, &token, named("Inti")).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too-many")));
}
