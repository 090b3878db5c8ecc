//! One name, one user, whatever happens at the same time.

use std::collections::HashSet;

use chasqui_auth::Auth;
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_crypto::{Owner, Spot};
use chasqui_events::{
    UserId,
    identity::{IdentityEvent, ProfileChanged},
};
use chasqui_protocol::{Accepted, Code, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, PASSWORD, ask, login, new_id, register};

#[tokio::test]
async fn of_many_who_register_one_name_at_once_one_wins() {
    let installation = Installation::start().await;
    // Two processes of the role, as at scale.
    let auths = [installation.auth().await, installation.auth().await];
    let racers: Vec<_> = (0..16)
        .map(|n| {
            let auth = auths[n % 2].clone();
            let name = if n % 3 == 0 { "QUILLA" } else { "Quilla" };
            tokio::spawn(async move { register(&auth, name).await })
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        match racer.await.unwrap() {
            Ok(user) => winners.push(user),
            Err(problem) => assert_eq!(problem.code, Code::NameTaken),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(login(&auths[0], "quilla").await.user, winners[0]);
    let credentials = Bucket::open(installation.bus(BusRole::Auth).await, Name::Credentials);
    assert_eq!(
        credentials.keys().await.unwrap(),
        [winners[0].to_string()],
        "the losers' hashes are taken back"
    );
}

#[tokio::test]
async fn a_retry_is_answered_with_the_same_user_also_at_the_same_time() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let body = json!({"id": new_id(), "name": "Ana", "display_name": "Ana M.", "password": PASSWORD});
    let attempts: Vec<_> = (0..4)
        .map(|_| {
            let (auth, body) = (auth.clone(), body.clone());
            tokio::spawn(async move { ask::<Accepted>(&auth, "register", body, None).await.unwrap() })
        })
        .collect();
    let mut users = HashSet::new();
    for attempt in attempts {
        users.insert(attempt.await.unwrap().user.unwrap());
    }
    users.insert(ask::<Accepted>(&auth, "register", body, None).await.unwrap().user.unwrap());
    assert_eq!(users.len(), 1, "{users:?}");
    let user = *users.iter().next().unwrap();
    let life = installation.life_of(user).await;
    let [IdentityEvent::ProfileChanged(ProfileChanged { display_name })] = life.as_slice() else {
        panic!("{life:?}")
    };
    assert_eq!(installation.opened(Spot::display_name(user), display_name).await, "Ana M.");
    assert_eq!(login(&auth, "ana").await.user, user);
}

#[tokio::test]
async fn bad_input_is_answered_with_what_is_wrong() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let long = "x".repeat(2000);
    for (body, code) in [
        (json!({"id": new_id(), "name": "a b", "password": PASSWORD}), Code::Characters),
        (json!({"id": new_id(), "name": "", "password": PASSWORD}), Code::Size),
        (json!({"id": new_id(), "name": "Ana", "password": "short"}), Code::WeakPassword),
        (
            json!({"id": new_id(), "name": "Ana", "password": "correct horse battery staple"}),
            Code::WeakPassword,
        ),
        (
            json!({"id": new_id(), "name": "anamariaquilla", "password": "anamariaquilla1987"}),
            Code::WeakPassword,
        ),
        (json!({"id": new_id(), "name": "Ana", "password": long}), Code::Size),
        (
            json!({"id": new_id(), "name": "Ana", "password": PASSWORD, "display_name": "a\nb"}),
            Code::Characters,
        ),
        (
            json!({"id": "9b2d6f5c-7f43-4d9e-8a3e-0a4c0b8f7a11", "name": "Ana", "password": PASSWORD}),
            Code::Malformed,
        ),
        (json!({"name": "Ana", "password": PASSWORD}), Code::Malformed),
        (json!({"id": new_id(), "name": "Ana", "password": PASSWORD, "admin": true}), Code::Malformed),
    ] {
        let problem = ask::<Accepted>(&auth, "register", body.clone(), None).await.unwrap_err();
        assert_eq!(problem.code, code, "{body}: {problem}");
    }
    assert!(register(&auth, "Ana").await.is_ok(), "none of them took the name");
}

async fn register_imported(auth: &Auth, name: &str, token: Option<&str>) -> Result<UserId, Code> {
    let body = json!({"id": new_id(), "name": name});
    let accepted = ask::<Accepted>(auth, "register_imported", body, token).await;
    accepted.map(|accepted| accepted.user.unwrap()).map_err(|problem| problem.code)
}

#[tokio::test]
async fn only_importers_register_authors_and_nobody_logs_in_to_them() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    register(&auth, "importer").await.unwrap();
    register(&auth, "Ana").await.unwrap();
    let (importer, ana) = (login(&auth, "importer").await, login(&auth, "Ana").await);
    assert_eq!(register_imported(&auth, "nick", None).await, Err(Code::Unauthorized));
    assert_eq!(register_imported(&auth, "nick", Some(&ana.access_token)).await, Err(Code::Forbidden));
    let token = Some(importer.access_token.as_str());
    let nick = register_imported(&auth, "nick", token).await.unwrap();
    assert_eq!(register_imported(&auth, "NICK", token).await, Err(Code::NameTaken));
    assert_eq!(installation.life_of(nick).await.len(), 1, "others can tell that the author exists");
    for password in ["", PASSWORD] {
        let body = json!({"name": "nick", "password": password});
        let problem = ask::<Accepted>(&auth, "login", body, None).await.unwrap_err();
        assert_eq!(problem.code, Code::WrongCredentials);
    }
}

/// Whoever registered before anything was sealed gets a key when they log in.
#[tokio::test]
async fn somebody_without_a_key_gets_one() {
    let installation = Installation::start().await;
    let user = register(&installation.auth().await, "Ana").await.unwrap();
    let keys = Bucket::open(installation.bus(BusRole::Auth).await, Name::UserKeys);
    keys.delete(&user.to_string()).await.unwrap();
    let auth = installation.auth().await;
    let body = json!({"name": "Ana", "password": PASSWORD, "device": ""});
    ask::<Tokens>(&auth, "login", body, None).await.unwrap();
    let keyring =
        chasqui_auth::keyring(&installation.config, installation.bus(BusRole::QueryApi).await).unwrap();
    assert!(!keyring.ring(Owner::User(user)).await.unwrap().is_destroyed());
}
