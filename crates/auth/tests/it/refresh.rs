//! Refresh tokens: good once, repeated for a moment, deadly later.

use std::time::Duration;

use chasqui_auth::Auth;
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_events::identity::{IdentityEvent, RevocationReason, SessionRevoked};
use chasqui_protocol::{Accepted, Code, Problem, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, ask, login, register};

async fn refresh(auth: &Auth, token: &str) -> Result<Tokens, Problem> {
    ask(auth, "refresh", json!({"refresh_token": token}), None).await
}

async fn rejected(auth: &Auth, token: &str) {
    assert_eq!(refresh(auth, token).await.unwrap_err().code, Code::RefreshRejected, "{token}");
}

#[tokio::test]
async fn two_refreshes_at_once_make_one_lineage() {
    let installation = Installation::start().await;
    let auths = [installation.auth().await, installation.auth().await];
    let user = register(&auths[0], "Ana").await.unwrap();
    let tokens = login(&auths[0], "Ana").await;
    let both = auths.clone().map(|auth| {
        let token = tokens.refresh_token.clone();
        tokio::spawn(async move { refresh(&auth, &token).await.unwrap() })
    });
    let [one, other] = both;
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert_eq!(one.refresh_token, other.refresh_token);
    assert_eq!((one.user, one.session), (user, tokens.session));
    let next = refresh(&auths[0], &one.refresh_token).await.unwrap();
    assert_ne!(next.refresh_token, one.refresh_token);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_within_the_grace() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let first = login(&auth, "Ana").await.refresh_token;
    let second = refresh(&auth, &first).await.unwrap().refresh_token;
    assert_eq!(refresh(&auth, &first).await.unwrap().refresh_token, second, "the same successor again");
    let third = refresh(&auth, &second).await.unwrap().refresh_token;
    rejected(&auth, &first).await;
    rejected(&auth, &third).await;
}

#[tokio::test]
async fn reuse_ends_the_session_for_everybody_and_says_so() {
    let mut installation = Installation::start().await;
    installation.config.auth.refresh_grace_s = Duration::ZERO;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    let stolen = tokens.refresh_token;
    let good = refresh(&auth, &stolen).await.unwrap().refresh_token;
    // A grace of nothing still covers the same millisecond.
    tokio::time::sleep(Duration::from_millis(5)).await;
    rejected(&auth, &stolen).await;
    rejected(&auth, &good).await;
    rejected(&auth, &stolen).await;
    let revoked = SessionRevoked { session: tokens.session, reason: RevocationReason::TokenReused };
    let told: Vec<_> = installation.life_of(user).await.into_iter().skip(2).collect();
    assert_eq!(told, [IdentityEvent::SessionRevoked(revoked)], "once, however often it is shown again");
    let other = login(&auth, "Ana").await;
    assert!(refresh(&auth, &other.refresh_token).await.is_ok(), "other sessions live on");
}

#[tokio::test]
async fn a_made_up_token_ends_nothing() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    let made_up = format!("{}.{}.{}", tokens.user, tokens.session, "A".repeat(43));
    for bad in [made_up.as_str(), "", "x", "x.y", "01939e0b-2c7a-7cc0-b5f1-a2b6e0c1d2e3.AAAA"] {
        rejected(&auth, bad).await;
    }
    assert!(refresh(&auth, &tokens.refresh_token).await.is_ok());
}

#[tokio::test]
async fn whoever_only_knows_the_session_uses_up_nothing_of_its_limit() {
    let mut installation = Installation::start().await;
    installation.config.rate.refresh_session = Some("2, 1/d".parse().unwrap());
    let auth = installation.limited_auth().await;
    register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    let made_up = format!("{}.{}.{}", tokens.user, tokens.session, "A".repeat(43));
    for _ in 0..5 {
        rejected(&auth, &made_up).await;
    }
    let second = refresh(&auth, &tokens.refresh_token).await.unwrap().refresh_token;
    let third = refresh(&auth, &second).await.unwrap().refresh_token;
    assert_eq!(refresh(&auth, &third).await.unwrap_err().code, Code::TooMany, "she herself is limited");
}

#[tokio::test]
async fn a_logout_ends_the_session_at_once() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    for _ in 0..2 {
        ask::<Accepted>(&auth, "logout", json!({}), Some(&tokens.access_token)).await.unwrap();
    }
    rejected(&auth, &tokens.refresh_token).await;
    let revoked = SessionRevoked { session: tokens.session, reason: RevocationReason::LoggedOut };
    let told: Vec<_> = installation.life_of(user).await.into_iter().skip(2).collect();
    assert_eq!(told, [IdentityEvent::SessionRevoked(revoked)]);
}

#[tokio::test]
async fn a_session_that_is_over_is_forgotten() {
    let mut installation = Installation::start().await;
    installation.config.auth.refresh_idle_s = Duration::from_millis(1);
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    rejected(&auth, &tokens.refresh_token).await;
    let families = Bucket::open(installation.bus(BusRole::Auth).await, Name::Refresh);
    assert_eq!(families.get(&format!("{}.{}", tokens.user, tokens.session)).await.unwrap(), None);
}

#[tokio::test]
async fn an_access_token_dies_with_its_session_in_every_process() {
    let installation = Installation::start().await;
    let (here, there) = (installation.auth().await, installation.auth().await);
    register(&here, "Ana").await.unwrap();
    let (tokens, other) = (login(&here, "Ana").await, login(&here, "Ana").await);
    there.verifier().verify(&tokens.access_token).await.unwrap();
    ask::<Accepted>(&here, "logout", json!({}), Some(&tokens.access_token)).await.unwrap();
    let ended = std::time::Instant::now();
    for auth in [&here, &there] {
        let refused = loop {
            match auth.verifier().verify(&tokens.access_token).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(problem) => break problem,
            }
            assert!(ended.elapsed() < Duration::from_secs(20), "good for ever");
        };
        assert_eq!(refused.code, Code::Unauthorized);
        assert!(ended.elapsed() < Duration::from_secs(2), "after {:?}", ended.elapsed());
        auth.verifier().verify(&other.access_token).await.unwrap();
        // Whoever lost the answer may ask again.
        ask::<Accepted>(auth, "logout", json!({}), Some(&tokens.access_token)).await.unwrap();
    }
    // A process that starts later knows it before its first check.
    let late = installation.auth().await;
    assert_eq!(late.verifier().verify(&tokens.access_token).await.unwrap_err().code, Code::Unauthorized);
}
