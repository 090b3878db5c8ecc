//! Logging in, and what it does not tell.

use std::time::{Duration, Instant};

use chasqui_auth::{Auth, Verifier};
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_events::identity::{IdentityEvent, SessionOpened};
use chasqui_protocol::{Accepted, Code, Problem, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, PASSWORD, ask, login, new_id, register};

#[tokio::test]
async fn a_login_opens_a_session_that_every_role_can_verify() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let body = json!({"name": "ANA", "password": PASSWORD, "device": "a test"});
    let tokens: Tokens = ask(&auth, "login", body, None).await.unwrap();
    assert_eq!((tokens.user, tokens.expires_in), (user, 600));
    let opened = SessionOpened { session: tokens.session, device: "a test".to_owned() };
    assert_eq!(installation.life_of(user).await.last(), Some(&IdentityEvent::SessionOpened(opened)));
    for role in [BusRole::Auth, BusRole::CommandApi, BusRole::QueryApi, BusRole::WsEdge] {
        let bucket = Bucket::open(installation.bus(role).await, Name::Jwks);
        let identity = Verifier::new(&installation.config.auth, bucket).verify(&tokens.access_token).await;
        let identity = identity.unwrap_or_else(|problem| panic!("{role}: {problem}"));
        assert_eq!((identity.user, identity.session), (user, tokens.session));
    }
}

async fn refused(auth: &Auth, name: &str, password: &str) -> Problem {
    ask::<Tokens>(auth, "login", json!({"name": name, "password": password}), None).await.unwrap_err()
}

#[tokio::test]
async fn a_refusal_tells_nothing_about_who_exists() {
    let mut installation = Installation::start().await;
    // Long enough that the hash is what takes the time, as it does in earnest.
    installation.config.auth.argon2_memory_kib = 16 * 1024;
    installation.config.auth.argon2_iterations = 2;
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let names = ["Ana", "Nobody", "not a name at all, and rather long"];
    let expected = refused(&auth, names[0], "wrong-password").await;
    assert_eq!(expected.code, Code::WrongCredentials);
    let mut times = names.map(|_| Vec::new());
    for _ in 0..15 {
        for (name, times) in names.iter().zip(&mut times) {
            let begun = Instant::now();
            assert_eq!(refused(&auth, name, "wrong-password").await, expected, "{name}");
            times.push(begun.elapsed());
        }
    }
    let [known, unknown, nonsense] = times.map(median);
    for other in [unknown, nonsense] {
        let ratio = other.as_secs_f64() / known.as_secs_f64();
        assert!((0.5..2.0).contains(&ratio), "{other:?} for nobody, {known:?} for somebody");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_profile_is_changed_by_its_owner_only() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    let body = json!({"id": new_id(), "display_name": "Ana María"});
    let refused = ask::<Accepted>(&auth, "change_profile", body.clone(), None).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthorized);
    ask::<Accepted>(&auth, "change_profile", body, Some(&tokens.access_token)).await.unwrap();
    let Some(IdentityEvent::ProfileChanged(changed)) = installation.life_of(user).await.pop() else {
        panic!("recorded")
    };
    assert_eq!(changed.display_name, "Ana María");
}
