//! Keys of access tokens: published, learnt, expired.

use std::time::Duration;

use chasqui_auth::Verifier;
use chasqui_bus::BusRole;
use chasqui_protocol::Code;
use pretty_assertions::assert_eq;

use crate::installation::{Installation, login, register};

impl Installation {
    async fn verifier(&self) -> Verifier {
        Verifier::new(&self.config.auth, &self.bus(BusRole::WsEdge).await)
    }
}

#[tokio::test]
async fn a_new_key_is_learnt_and_the_old_one_stays_good() {
    let mut installation = Installation::start().await;
    let old = installation.auth().await;
    register(&old, "Ana").await.unwrap();
    let before = login(&old, "Ana").await.access_token;
    let verifier = installation.verifier().await;
    verifier.verify(&before).await.unwrap();

    installation.config.auth.signing_key_file = Some(installation.another_key());
    installation.config.auth.jwks_reload_ms = Duration::from_millis(100);
    let verifier_of_short_pauses = installation.verifier().await;
    verifier_of_short_pauses.verify(&before).await.unwrap();
    let new = installation.auth().await;
    let after = login(&new, "Ana").await.access_token;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while verifier_of_short_pauses.verify(&after).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the new key is never learnt");
        tokio::task::yield_now().await;
    }
    assert_eq!(
        verifier.verify(&after).await.unwrap_err().code,
        Code::Unauthorized,
        "whoever looked a moment ago does not look again for every unknown key"
    );
    for token in [before, after] {
        verifier_of_short_pauses.verify(&token).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_when_it_has_expired() {
    let mut installation = Installation::start().await;
    installation.config.auth.access_ttl_s = Duration::from_secs(1);
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    let verifier = installation.verifier().await;
    let identity = verifier.verify(&token).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let refused = loop {
        match verifier.verify(&token).await {
            Ok(again) => assert_eq!(again, identity),
            Err(problem) => break problem,
        }
        assert!(tokio::time::Instant::now() < deadline, "remembered for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(refused.code, Code::Unauthorized);
    assert!(refused.detail.contains("expired"), "{refused}");
}

#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let installation = Installation::start().await;
    let other = Installation::start().await;
    let auth = other.auth().await;
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    assert_eq!(installation.verifier().await.verify(&token).await.unwrap_err().code, Code::Unauthorized);
}
