//! The key that signs access tokens is exchanged under load, by two processes that make tokens: no valid token is ever
//! refused, over HTTP or WebSocket; at the end the old key is nowhere any more. And in an emergency it is gone at once.
//!
//! Seen to catch: a key that signs as soon as it is made while verifiers refuse unknown keys without a look; an old key
//! that leaves the published set when it stops signing; an edge that keeps connections with tokens of a withdrawn key.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_client::{Api, Event};
use chasqui_testkit::{Checker, Layout, Load, Person, Role, Stack, eventually, within};
use pretty_assertions::assert_eq;
use serde_json::Value;
use tokio::sync::watch;

const LIFE: Duration = Duration::from_secs(5);

fn layout() -> Layout {
    Layout::empty()
        .process("auth-1", &[Role::Auth])
        .process("auth-2", &[Role::Auth])
        .process("core", &[Role::CommandApi, Role::QueryApi, Role::Projector])
        .edges(1)
        .set("auth.access_ttl_s", LIFE.as_secs())
        .set("auth.sessions_per_user", 1000)
        .set("auth.signing_overlap_s", 2)
        .set("auth.jwks_reload_ms", 1000)
}

async fn rotate(stack: &Stack, more: &[&str]) {
    let mut arguments = vec!["admin", "keys", "rotate-signing", "--reason", "a story"];
    arguments.extend(more);
    let mut command = stack.command(&arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn published(stack: &Stack) -> Vec<String> {
    let asked = stack.http().get(stack.url(Role::Auth, "/.well-known/jwks.json")).send().await.unwrap();
    assert_eq!(asked.headers()["cache-control"], "public, max-age=1");
    let set: Value = asked.json().await.unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Logs in at one process again and again, and uses each token until just before it expires. What was answered with
/// anything but success, and how many tokens were used.
async fn call(stack: Arc<Stack>, process: &'static str, stop: watch::Receiver<bool>) -> (Vec<String>, usize) {
    let accounts = Api::new(&stack.process(process).endpoint()).unwrap();
    let mut tokens: Vec<(String, Instant)> = Vec::new();
    let (mut refused, mut made) = (Vec::new(), 0);
    let mut turns = tokio::time::interval(Duration::from_millis(150));
    while !*stop.borrow() {
        turns.tick().await;
        let session = accounts.login("ana", &Person::password(), "phone").await.unwrap();
        let asked = Instant::now();
        tokens.push((session.tokens().await.access_token, asked));
        made += 1;
        for (token, _) in &tokens {
            let url = stack.url(Role::QueryApi, "/v1/conversations");
            let status = stack.http().get(url).bearer_auth(token).send().await.unwrap().status();
            if !status.is_success() {
                refused.push(format!("{process}: {status} after {:?}", asked.elapsed()));
            }
        }
        tokens.retain(|(_, since)| since.elapsed() + Duration::from_secs(2) < LIFE);
    }
    (refused, made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_valid_token_is_refused_while_keys_are_exchanged() {
    let stack = Arc::new(Stack::with(layout()).await);
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let before = published(&stack).await;
    assert_eq!(before.len(), 1);

    let stop = watch::Sender::new(false);
    let callers =
        ["auth-1", "auth-2"].map(|process| tokio::spawn(call(Arc::clone(&stack), process, stop.subscribe())));
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(50));
    load.acked_further(20).await;
    rotate(&stack, &[]).await;
    let both = published(&stack).await;
    assert_eq!((both.len(), &both[0]), (2, &before[0]));
    let auth = Bucket::open(stack.bus(BusRole::Auth).await, Name::SigningKeys);
    let private_halves = async || {
        let set = auth.get("set").await.unwrap().unwrap();
        let set: Value = serde_json::from_slice(&set.value).unwrap();
        let keys = set["keys"].as_array().unwrap();
        keys.iter().filter(|key| key.get("private").is_some()).count()
    };
    assert_eq!(private_halves().await, 2);
    eventually("one private half", async || match private_halves().await {
        1 => Ok(()),
        other => Err(format!("{other} private halves")),
    })
    .await;
    assert_eq!(published(&stack).await, both, "what the old key signed is still good");
    eventually("the old key gone", async || match published(&stack).await {
        now if now == both[1..] => Ok(()),
        now => Err(format!("published: {now:?}")),
    })
    .await;
    load.acked_further(20).await;
    stop.send_replace(true);
    for caller in callers {
        let (refused, made) = caller.await.unwrap();
        assert_eq!(refused, Vec::<String>::new());
        assert!(made > 10, "{made} tokens");
    }
    let sent = load.stop().await;
    let disconnected =
        |person: &Person| person.events().iter().any(|one| matches!(one, Event::Disconnected { .. }));
    assert!(!disconnected(&ana) && !disconnected(&beto));
    let report = Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!(report.standing, report.acked);
    let age = stack.process("auth-1").metric("chasqui_auth_signing_key_age_seconds").await;
    assert!(age > 5.0 && age < 60.0, "{age}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_key_ends_what_it_has_signed() {
    let stack = Stack::with(layout().set("auth.access_ttl_s", 600)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let (stolen, before) = (ana.token().await, published(&stack).await);
    let marks = [ana.events().len(), beto.events().len()];
    rotate(&stack, &["--now"]).await;
    let after = published(&stack).await;
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    let url = stack.url(Role::QueryApi, "/v1/conversations");
    eventually("the stolen token refused", async || {
        match stack.http().get(&url).bearer_auth(&stolen).send().await.unwrap().status().as_u16() {
            401 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    for (person, mark) in [(&ana, marks[0]), (&beto, marks[1])] {
        within("coming back with a new token", person.back_after(mark)).await;
    }
    ana.says(room, "still there?").await;
    beto.sees_message(room, "still there?").await;
    let kids: BTreeSet<String> = published(&stack).await.into_iter().collect();
    assert_eq!(kids, after.into_iter().collect());
    let mut audit = stack.command(&["admin", "audit", "--json", "--act", "keys"]);
    let output = tokio::task::spawn_blocking(move || audit.output()).await.unwrap().unwrap();
    let entry: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&entry["act"], &entry["details"]), (&"keys rotate-signing".into(), &"--now".into()));
    assert_eq!((&entry["reason"], &entry["operator"]), (&"a story".into(), &true.into()));
}
