//! One's sessions: listed, ended one by one or together, bounded.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo};
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_events::{
    SessionId,
    identity::{IdentityEvent, RevocationReason, SessionRevoked},
};
use chasqui_protocol::{
    command::Tokens,
    query::{OpenSession, OpenSessions},
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    installation::{Installation, PASSWORD, login, register},
    over_http::{Asked, app, send},
};

const PROXY: &str = "10.1.2.3:4000";

async fn login_from(app: &Router, device: &str, address: &str) -> Tokens {
    let body = json!({"name": "Ana", "password": PASSWORD, "device": device});
    let asked = Asked::post("/v1/commands/login", body).header("x-forwarded-for", address);
    let peer: SocketAddr = PROXY.parse().unwrap();
    let (status, tokens) = send(app, asked.extension(ConnectInfo(peer))).await;
    assert_eq!(status, 200, "{tokens}");
    serde_json::from_value(tokens).unwrap()
}

async fn command(app: &Router, name: &str, body: Value, tokens: &Tokens) -> (u16, Value) {
    send(app, Asked::post(&format!("/v1/commands/{name}"), body).bearer(&tokens.access_token)).await
}

async fn open(app: &Router, tokens: &Tokens) -> Vec<OpenSession> {
    let (status, sessions) = send(app, Asked::get("/v1/me/sessions").bearer(&tokens.access_token)).await;
    assert_eq!(status, 200, "{sessions}");
    serde_json::from_value::<OpenSessions>(sessions).unwrap().sessions
}

fn ids(sessions: &[OpenSession]) -> Vec<SessionId> {
    sessions.iter().map(|session| session.session).collect()
}

#[tokio::test]
async fn they_are_listed_with_device_address_and_last_use() {
    let mut installation = Installation::start().await;
    installation.config.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let auth = installation.auth().await;
    let ana = register(&auth, "Ana").await.unwrap();
    register(&auth, "Ben").await.unwrap();
    login(&auth, "Ben").await;
    let app = app(&installation).await;
    let phone = login_from(&app, "phone", "203.0.113.7").await;
    let laptop = login_from(&app, "laptop", "2001:db8::9").await;
    let sessions = open(&app, &laptop).await;
    assert_eq!(ids(&sessions), [laptop.session, phone.session], "her own, the one used last first");
    let told: Vec<_> = sessions
        .iter()
        .map(|one| (one.device.as_str(), one.address.map(|address| address.to_string()), one.current))
        .collect();
    assert_eq!(
        told,
        [("laptop", Some("2001:db8::9".to_owned()), true), ("phone", Some("203.0.113.7".to_owned()), false)]
    );
    assert!(sessions.iter().all(|one| one.used_at == one.opened_at));

    let body = json!({"refresh_token": phone.refresh_token});
    let peer: SocketAddr = "198.51.100.1:1".parse().unwrap();
    let asked = Asked::post("/v1/commands/refresh", body).header("x-forwarded-for", "1.1.1.1");
    assert_eq!(send(&app, asked.extension(ConnectInfo(peer))).await.0, 200);
    let sessions = open(&app, &laptop).await;
    assert_eq!(ids(&sessions), [phone.session, laptop.session]);
    assert_eq!(sessions[0].address.unwrap().to_string(), "198.51.100.1", "no proxy of ours: not believed");
    assert!(sessions[0].used_at > sessions[0].opened_at);

    let bucket = Bucket::open(installation.bus(BusRole::Auth).await, Name::Refresh);
    for session in sessions {
        let key = format!("{ana}.{}", session.session);
        let kept = bucket.get(&key).await.unwrap().unwrap().value;
        let kept = String::from_utf8_lossy(&kept);
        let clear = [&session.device, &session.address.unwrap().to_string()].map(|text| kept.contains(text));
        assert_eq!(clear, [false; 2], "{kept}");
    }
}

#[tokio::test]
async fn one_the_others_or_all_are_ended() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    register(&auth, "Ben").await.unwrap();
    let app = app(&installation).await;
    let [here, one, other, fourth] = [
        login(&auth, "Ana").await,
        login(&auth, "Ana").await,
        login(&auth, "Ana").await,
        login(&auth, "Ana").await,
    ];
    let stranger = login(&auth, "Ben").await;

    let body = json!({"session": one.session});
    let (status, problem) = command(&app, "revoke_session", body.clone(), &stranger).await;
    assert_eq!((status, &problem["code"]), (404, &json!("session-not-found")), "not hers to end");
    for _ in 0..2 {
        assert_eq!(command(&app, "revoke_session", body.clone(), &here).await.0, 200, "also when it is over");
    }
    assert_eq!(ids(&open(&app, &here).await), [fourth.session, other.session, here.session]);
    assert_eq!(command(&app, "revoke_other_sessions", json!({}), &here).await.0, 200);
    assert_eq!(ids(&open(&app, &here).await), [here.session]);
    assert_eq!(command(&app, "revoke_all_sessions", json!({}), &here).await.0, 200);
    for over in [&here, &one, &other, &fourth] {
        let body = json!({"refresh_token": over.refresh_token});
        assert_eq!(send(&app, Asked::post("/v1/commands/refresh", body)).await.0, 401);
    }
    let body = json!({"refresh_token": stranger.refresh_token});
    assert_eq!(send(&app, Asked::post("/v1/commands/refresh", body)).await.0, 200);

    let mut revoked: Vec<_> = installation
        .life_of(user)
        .await
        .into_iter()
        .filter_map(|event| match event {
            IdentityEvent::SessionRevoked(SessionRevoked { session, reason }) => Some((session, reason)),
            _ => None,
        })
        .collect();
    revoked.sort_by_key(|(session, _)| *session);
    let mut expected = [&here, &one, &other, &fourth].map(|tokens| tokens.session);
    expected.sort();
    assert_eq!(revoked, expected.map(|session| (session, RevocationReason::RevokedByUser)));
}

#[tokio::test]
async fn a_login_too_many_ends_the_one_that_was_not_used_for_the_longest_time() {
    let mut installation = Installation::start().await;
    installation.config.auth.sessions_per_user = 2;
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let app = app(&installation).await;
    let (first, second) = (login(&auth, "Ana").await, login(&auth, "Ana").await);
    let body = json!({"refresh_token": first.refresh_token});
    assert_eq!(send(&app, Asked::post("/v1/commands/refresh", body)).await.0, 200);
    let third = login(&auth, "Ana").await;
    assert_eq!(ids(&open(&app, &third).await), [third.session, first.session]);
    let body = json!({"refresh_token": second.refresh_token});
    assert_eq!(send(&app, Asked::post("/v1/commands/refresh", body)).await.0, 401);
}

/// The server itself removes what can no longer be used: nothing has to be swept.
#[tokio::test]
async fn what_can_no_longer_be_used_goes_by_itself() {
    let mut installation = Installation::start().await;
    installation.config.auth.refresh_idle_s = Duration::from_secs(1);
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    login(&auth, "Ana").await;
    let families = Bucket::open(installation.bus(BusRole::Auth).await, Name::Refresh);
    let left = || async { families.key_names_under(&user.to_string()).await.unwrap().len() };
    assert_eq!(left().await, 1);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while left().await > 0 {
        assert!(tokio::time::Instant::now() < deadline, "kept for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A session was ended, and the process died before it told anybody: whoever ends sessions next makes that good.
#[tokio::test]
async fn an_end_that_was_not_told_is_told_by_whoever_ends_sessions_next() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let ana = register(&auth, "Ana").await.unwrap();
    let app = app(&installation).await;
    let (here, cut_off) = (login(&auth, "Ana").await, login(&auth, "Ana").await);
    let families = Bucket::open(installation.bus(BusRole::Auth).await, Name::Refresh);
    let key = format!("{ana}.{}", cut_off.session);
    let mut family: Value =
        serde_json::from_slice(&families.get(&key).await.unwrap().unwrap().value).unwrap();
    family["ended"] = json!("revoked_by_user");
    families.put(&key, family.to_string().into()).await.unwrap();
    let revoked = Bucket::open(installation.bus(BusRole::Auth).await, Name::Revoked);
    assert_eq!(revoked.keys().await.unwrap(), Vec::<String>::new());
    assert_eq!(command(&app, "revoke_other_sessions", json!({}), &here).await.0, 200);
    assert_eq!(revoked.keys().await.unwrap().len(), 1);
    let told = IdentityEvent::SessionRevoked(SessionRevoked {
        session: cut_off.session,
        reason: RevocationReason::RevokedByUser,
    });
    assert!(installation.life_of(ana).await.contains(&told));
}
