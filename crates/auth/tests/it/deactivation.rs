//! Leaving for now, and coming back.

use chasqui_bus::{BusRole, Log, subject};
use chasqui_events::account::AccountEvent;
use chasqui_protocol::{Code, Problem, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    installation::{self, Installation, PASSWORD, login, new_id, register},
    over_http::{app, ask},
};

async fn try_login(auth: &chasqui_auth::Auth, body: Value) -> Result<Tokens, Problem> {
    installation::ask(auth, "login", body, None).await
}

#[tokio::test]
async fn whoever_leaves_is_gone_until_they_come_back() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, app(&installation).await);
    let user = register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    let deactivate = async |password: &str| {
        let body = json!({"id": new_id(), "password": password});
        ask(&app, "POST", "/v1/commands/deactivate", Some(&tokens.access_token), Some(body)).await.0
    };
    assert_eq!(deactivate("not her password").await, 401);
    assert!(try_login(&auth, json!({"name": "Ana", "password": PASSWORD})).await.is_ok(), "nothing happened");
    assert_eq!((deactivate(PASSWORD).await, deactivate(PASSWORD).await), (200, 200));
    let refused = try_login(&auth, json!({"name": "Ana", "password": PASSWORD})).await.unwrap_err();
    let nobody = try_login(&auth, json!({"name": "Nobody", "password": PASSWORD})).await.unwrap_err();
    assert_eq!(refused, nobody, "in the same words");
    let body = json!({"refresh_token": tokens.refresh_token});
    let ended = installation::ask::<Tokens>(&auth, "refresh", body, None).await.unwrap_err();
    assert_eq!(ended.code, Code::RefreshRejected);
    let back = |password: &str| json!({"name": "Ana", "password": password, "reactivate": true});
    assert_eq!(try_login(&auth, back("not her password")).await.unwrap_err(), nobody);
    assert_eq!(try_login(&auth, back(PASSWORD)).await.unwrap().user, user);
    assert!(try_login(&auth, json!({"name": "Ana", "password": PASSWORD})).await.is_ok());
    assert!(try_login(&auth, back(PASSWORD)).await.is_ok(), "who is here need not come back");
    let log = Log::new(installation.bus(BusRole::Auth).await);
    let lane = log.lane_range(&subject::ident_account(user), 1, u64::MAX, 100).await.unwrap();
    let told: Vec<_> = lane.iter().map(|fact| fact.decode::<AccountEvent>().unwrap().event).collect();
    assert!(matches!(told[..], [AccountEvent::Deactivated(_), AccountEvent::Reactivated(_)]), "{told:?}");
}
