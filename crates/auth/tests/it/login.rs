//! Logging in, and what it does not tell.

use std::time::{Duration, Instant};

use chasqui_auth::{Auth, Verifier};
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_crypto::Spot;
use chasqui_events::{
    UserId,
    identity::{IdentityEvent, SessionOpened},
};
use chasqui_protocol::{Accepted, Code, Problem, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::installation::{Installation, PASSWORD, ask, login, new_id, register};

#[tokio::test]
async fn a_login_opens_a_session_that_every_role_can_verify() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let body = json!({"name": "ANA", "password": PASSWORD, "device": "a test"});
    let tokens: Tokens = ask(&auth, "login", body, None).await.unwrap();
    assert_eq!((tokens.user, tokens.expires_in), (user, 600));
    let life = installation.life_of(user).await;
    let Some(IdentityEvent::SessionOpened(SessionOpened { session, device })) = life.last() else {
        panic!("{life:?}")
    };
    assert_eq!(*session, tokens.session);
    assert_eq!(installation.opened(Spot::device(user, *session), device).await, "a test");
    for role in [BusRole::Auth, BusRole::CommandApi, BusRole::QueryApi, BusRole::WsEdge] {
        let verifier = Verifier::new(&installation.config.auth, &installation.bus(role).await);
        let identity = verifier.verify(&tokens.access_token).await;
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

/// The document that is kept of a user.
async fn kept(installation: &Installation, user: UserId) -> Value {
    let credentials = Bucket::open(installation.bus(BusRole::Auth).await, Name::Credentials);
    serde_json::from_slice(&credentials.get(&user.to_string()).await.unwrap().unwrap().value).unwrap()
}

#[tokio::test]
async fn a_login_renews_a_hash_of_another_cost_and_a_refused_one_does_not() {
    let mut installation = Installation::start().await;
    let user = register(&installation.auth().await, "Ana").await.unwrap();
    let cheap = kept(&installation, user).await["password"].as_str().unwrap().to_owned();
    installation.config.auth.argon2_iterations = 2;
    let auth = installation.auth().await;
    refused(&auth, "Ana", "wrong-password").await;
    assert_eq!(kept(&installation, user).await["password"], cheap);
    login(&auth, "Ana").await;
    let renewed = kept(&installation, user).await["password"].as_str().unwrap().to_owned();
    assert!(renewed.contains(",t=2,"), "{renewed}");
    login(&auth, "Ana").await;
    assert_eq!(kept(&installation, user).await["password"], renewed, "once");
}

#[tokio::test]
async fn a_credential_of_the_first_version_is_good_and_one_of_a_later_is_not_touched() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let credentials = Bucket::open(installation.bus(BusRole::Auth).await, Name::Credentials);
    let mut document = kept(&installation, user).await;
    document.as_object_mut().unwrap().remove("v");
    credentials.put(&user.to_string(), document.to_string().into()).await.unwrap();
    login(&auth, "Ana").await;
    document["v"] = 99.into();
    credentials.put(&user.to_string(), document.to_string().into()).await.unwrap();
    assert_eq!(refused(&auth, "Ana", PASSWORD).await.code, Code::Internal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_logins_delays_no_other_command_and_takes_bounded_memory() {
    const AT_ONCE: usize = 400;
    const MEMORY_KIB: u32 = 32 * 1024;
    let mut installation = Installation::start().await;
    installation.config.auth.argon2_memory_kib = MEMORY_KIB;
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let mut tokens = login(&auth, "Ana").await;
    let storm: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let auth = auth.clone();
            let body = json!({"name": "Ana", "password": "wrong-password"});
            tokio::spawn(async move { ask::<Tokens>(&auth, "login", body, None).await.unwrap_err().code })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    while !storm.iter().all(tokio::task::JoinHandle::is_finished) {
        let begun = Instant::now();
        let body = json!({"refresh_token": tokens.refresh_token});
        tokens = ask(&auth, "refresh", body, None).await.unwrap();
        slowest = slowest.max(begun.elapsed());
    }
    let mut refused = 0;
    for login in storm {
        match login.await.unwrap() {
            Code::TooMany => refused += 1,
            code => assert_eq!(code, Code::WrongCredentials),
        }
    }
    assert!(refused > 0, "the queue was never full, so this shows nothing");
    assert!(slowest < Duration::from_secs(1), "a refresh took {slowest:?}");
    // Two hashes at once, and all the rest of the process: far from what 400 at once would take (13 GB).
    let most = peak_memory_kib();
    assert!(most < 1024 * 1024, "{most} KiB");
}

/// The most memory that this process has had.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
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
    let shown = installation.opened(Spot::display_name(user), &changed.display_name).await;
    assert_eq!(shown, "Ana María");
}
