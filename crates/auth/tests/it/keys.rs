//! Keys of access tokens: made once, published, learnt, exchanged, withdrawn.

use std::{fs, time::Duration};

use chasqui_auth::{
    Auth, Verifier,
    operator::{FromOperator, RotateSigningKey, SigningKeyRotated},
};
use chasqui_bus::{
    BusRole,
    command::{Incoming, Reply},
    kv::{Bucket, Name},
};
use chasqui_crypto::KekFile;
use chasqui_events::{Timestamp, account::Operator};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::clock::now_ms;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::installation::{Installation, login, register};

impl Installation {
    async fn verifier(&self) -> Verifier {
        Verifier::new(&self.config.auth, &self.bus(BusRole::WsEdge).await)
    }

    /// What the bucket holds.
    async fn stored(&self, bucket: Name) -> Value {
        let bucket = Bucket::open(self.bus(BusRole::Auth).await, bucket);
        serde_json::from_slice(&bucket.get("set").await.unwrap().unwrap().value).unwrap()
    }

    async fn published(&self) -> Vec<String> {
        let set = self.stored(Name::Jwks).await;
        let kids = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        kids.collect()
    }
}

async fn rotate(auth: &Auth, now: bool) -> SigningKeyRotated {
    let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
    let asked = FromOperator { operator, command: RotateSigningKey { now } };
    let incoming = Incoming {
        name: "rotate_signing_key".to_owned(),
        body: serde_json::to_vec(&asked).unwrap().into(),
        token: None,
        address: None,
        trace: None,
    };
    match serde_json::from_slice(&auth.answer_operator(incoming).await).unwrap() {
        Reply::Ok(rotated) => rotated,
        Reply::Problem(problem) => panic!("{problem}"),
    }
}

fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn later(by: Duration) -> Timestamp {
    Timestamp(now_ms()).plus_millis(i64::try_from(by.as_millis()).unwrap())
}

async fn refused(verifier: &Verifier, token: &str) -> Problem {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        match verifier.verify(token).await {
            Err(problem) => return problem,
            Ok(_) => assert!(tokio::time::Instant::now() < deadline, "believed for ever"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn processes_that_start_together_make_one_key() {
    let installation = Installation::start().await;
    let (one, other, third) = tokio::join!(installation.auth(), installation.auth(), installation.auth());
    assert_eq!(installation.published().await.len(), 1);
    register(&one, "Ana").await.unwrap();
    for auth in [&one, &other, &third] {
        assert_eq!(vec![kid(&login(auth, "Ana").await.access_token)], installation.published().await);
    }
}

#[tokio::test]
async fn a_key_is_exchanged_on_schedule_and_every_token_stays_good() {
    let mut installation = Installation::start().await;
    installation.config.auth.signing_overlap_s = Duration::from_secs(2);
    installation.config.auth.jwks_reload_ms = Duration::from_millis(100);
    let (auth, other) = (installation.auth().await, installation.auth().await);
    register(&auth, "Ana").await.unwrap();
    let verifier = installation.verifier().await;
    let before = login(&auth, "Ana").await.access_token;
    verifier.verify(&before).await.unwrap();

    let due = later(Duration::from_hours(30 * 24));
    let (one, two) = tokio::join!(auth.tend_signing_keys(due), other.tend_signing_keys(due));
    one.unwrap();
    two.unwrap();
    let both = installation.published().await;
    assert_eq!((both.len(), &both[0]), (2, &kid(&before)), "one of the two made one");
    assert_eq!(kid(&login(&auth, "Ana").await.access_token), both[0], "it does not sign yet");

    let set = installation.stored(Name::SigningKeys).await;
    let signs_from = set["keys"][1]["signs_from"].as_i64().unwrap();
    assert_eq!(signs_from, due.millis() + 2000);
    auth.tend_signing_keys(Timestamp(signs_from)).await.unwrap();
    let set = installation.stored(Name::SigningKeys).await;
    assert_eq!((set["keys"][0].get("private"), set["keys"][1].get("private").is_some()), (None, true));
    let ttl = installation.config.auth.access_ttl_s + Duration::from_secs(10);
    auth.tend_signing_keys(Timestamp(signs_from + i64::try_from(ttl.as_millis()).unwrap())).await.unwrap();
    assert_eq!(installation.published().await, both[1..]);
    assert!(refused(&verifier, &before).await.detail.contains("not known"));
}

/// The new key signs at once, and a verifier that read the keys a moment ago refuses no token of it.
#[tokio::test]
async fn a_withdrawn_key_is_refused_and_its_successor_is_believed_at_once() {
    let mut installation = Installation::start().await;
    installation.config.auth.jwks_reload_ms = Duration::from_millis(500);
    let (auth, other) = (installation.auth().await, installation.auth().await);
    register(&auth, "Ana").await.unwrap();
    let verifier = installation.verifier().await;
    let mut stolen = login(&auth, "Ana").await.access_token;
    for _ in 0..3 {
        verifier.verify(&stolen).await.unwrap();
        let rotated = rotate(&auth, true).await;
        let fresh = login(&auth, "Ana").await.access_token;
        assert_eq!(kid(&fresh), rotated.kid);
        verifier.verify(&fresh).await.unwrap();
        let problem = refused(&verifier, &stolen).await;
        assert_eq!(problem.code, Code::Unauthorized);
        assert_eq!(installation.published().await, vec![rotated.kid.clone()]);
        other.tend_signing_keys(Timestamp(now_ms())).await.unwrap();
        assert_eq!(kid(&login(&other, "Ana").await.access_token), rotated.kid);
        stolen = fresh;
    }
}

#[tokio::test]
async fn asking_twice_begins_one_exchange() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let (one, again) = (rotate(&auth, false).await, rotate(&auth, false).await);
    assert_eq!((&one.kid, one.signs_from), (&again.kid, again.signs_from));
    assert!(one.signs_from > later(Duration::from_secs(3500)));
    assert_eq!(installation.published().await.len(), 2);
}

/// The private half is nowhere in the clear, and follows the key-encryption key.
#[tokio::test]
async fn the_private_half_is_wrapped_anew_with_the_key_encryption_key() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let file = installation.config.crypto.kek_file.clone().unwrap();
    let wrapped_by = async || {
        let set = installation.stored(Name::SigningKeys).await;
        set["keys"][0]["private"]["kek"].as_str().unwrap().to_owned()
    };
    assert!(wrapped_by().await.starts_with("kek-"));
    let old = fs::read_to_string(&file).unwrap();
    let line = KekFile::new_line("next");
    fs::write(&file, format!("{old}{}", *line)).unwrap();
    auth.tend_signing_keys(Timestamp(now_ms())).await.unwrap();
    assert_eq!(wrapped_by().await, "next");
    fs::write(&file, &*line).unwrap();
    register(&auth, "Ana").await.unwrap();
    let restarted = installation.auth().await;
    assert_eq!(vec![kid(&login(&restarted, "Ana").await.access_token)], installation.published().await);
}

/// An installation whose key was a file goes on, and the tokens that it has made stay good.
#[tokio::test]
async fn what_was_published_before_stays_until_its_tokens_have_expired() {
    let installation = Installation::start().await;
    let earlier = json!({"keys": [{
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "alg": "EdDSA", "use": "sig",
    }]});
    let jwks = Bucket::open(installation.bus(BusRole::Auth).await, Name::Jwks);
    jwks.create("set", earlier.to_string().into()).await.unwrap();
    let auth = installation.auth().await;
    let published = installation.published().await;
    assert_eq!((published.len(), published[0].as_str()), (2, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    auth.tend_signing_keys(later(installation.config.auth.access_ttl_s + Duration::from_secs(11)))
        .await
        .unwrap();
    assert_eq!(installation.published().await, published[1..]);
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
