//! The operator's commands about keys, while everything runs: new keys, a copy of them, and what comes back of it.

use std::{fs, time::Duration};

use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_crypto::KekFile;
use chasqui_protocol::{
    Happening, Item,
    query::{Freshness, Page},
};
use chasqui_testkit::{Checker, Layout, Load, Person, Role, Stack, eventually};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// What the messages say, and whether they are erased.
fn said(items: &[Item]) -> Vec<(String, bool)> {
    let message = |item: &Item| match &item.what {
        Happening::Message { body, erased, .. } => Some((body.clone(), *erased)),
        _ => None,
    };
    items.iter().filter_map(message).collect()
}

/// Runs `chasqui admin keys` to its end: whether it succeeded, and all that it said.
fn keys(stack: &Stack, arguments: &[&str]) -> (bool, String) {
    let output = stack.command(&[&["admin", "keys"], arguments].concat()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn succeeds(stack: &Stack, arguments: &[&str]) -> String {
    let (good, text) = keys(stack, arguments);
    assert!(good, "{arguments:?}: {text}");
    text
}

/// The row of the table of a key-encryption key: its keys of rooms and of users.
fn row(table: &str, kek: &str) -> Option<(u64, u64)> {
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(kek))?;
    let mut counts = line.split_whitespace().filter_map(|word| word.parse().ok());
    Some((counts.next()?, counts.next()?))
}

/// New keys for everybody under load: nothing is lost, all can be read; and the table tells what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_new_keys_under_load() {
    let stack = Stack::with(Layout::core_and_edges(1).set("crypto.key_cache_s", 1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(10));
    load.acked_further(20).await;
    let file = stack.secret("kek.keys");
    let lines = fs::read_to_string(&file).unwrap();
    let kek = lines.lines().last().unwrap().split_whitespace().next().unwrap();
    assert_eq!(row(&succeeds(&stack, &["status"]), kek), Some((1, 2)));
    let told = succeeds(&stack, &["rotate", "--all", "--reason", "a laptop was lost"]);
    assert!(told.starts_with("3 new keys"), "{told}");
    succeeds(&stack, &["rotate", "--room", &room.to_string()]);
    load.acked_further(50).await;
    let sent = load.stop().await;
    Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!(row(&succeeds(&stack, &["status"]), kek), Some((3, 4)));

    // Another key-encryption key in place of this one: the status tells, and fails.
    fs::write(&file, &*KekFile::new_line("another")).unwrap();
    let (good, text) = keys(&stack, &["status"]);
    assert!(!good && text.contains("3 owners whose keys cannot be unwrapped"), "{text}");
    assert!(text.contains(&ana.id.to_string()) && text.contains(kek), "{text}");
    fs::write(&file, lines).unwrap();
    succeeds(&stack, &["status"]);
    let audit = stack.command(&["admin", "audit", "--json"]).output().unwrap();
    let audit = String::from_utf8(audit.stdout).unwrap();
    assert!(audit.contains("keys rotate") && audit.contains("a laptop was lost"), "{audit}");
}

/// A copy of the keys from before an erasure brings back what was lost, and nobody who was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_keys_brings_nobody_back() {
    let stack = Stack::with(Layout::core_and_edges(1).set("crypto.key_cache_s", 1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    ana.says(room, "from ana").await;
    let position = beto.says(room, "from beto").await.position.unwrap();
    ana.sees_message(room, "from beto").await;
    let copy = stack.folder().join("keys.backup");
    let file = copy.to_str().unwrap();
    succeeds(&stack, &["backup", "--out", file]);
    assert!(!keys(&stack, &["backup", "--out", file]).0, "no copy is written over another");

    let erase = json!({"id": chasqui_client::Ids::default().command(), "password": Person::PASSWORD});
    let url = stack.url(Role::Auth, "/v1/commands/erase_user");
    let answer = stack.http().post(url).bearer_auth(ana.token().await).json(&erase).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    // The bucket is lost as well, the mark of what was destroyed among it.
    let users = Bucket::open(stack.bus(BusRole::Auth).await, Name::UserKeys);
    for key in users.keys().await.unwrap() {
        users.delete(&key).await.unwrap();
    }
    let fresh = Freshness::AtLeast(position);
    let url = stack.url(Role::QueryApi, &format!("/v1/rooms/{room}/messages"));
    eventually("keys at hand to grow old", async || {
        let answer = stack.http().get(&url).bearer_auth(beto.token().await).send().await.unwrap();
        if answer.status() == 503 { Ok(()) } else { Err(answer.text().await.unwrap()) }
    })
    .await;

    // One that is too old, or was written by a newer program, is refused before anything is done.
    let mut older: Value = serde_json::from_slice(&fs::read(&copy).unwrap()).unwrap();
    let made_at = older["made_at"].as_i64().unwrap();
    older["made_at"] = json!(made_at - 36 * 24 * 60 * 60 * 1000);
    let aged = stack.folder().join("aged.backup");
    fs::write(&aged, older.to_string()).unwrap();
    let (good, text) = keys(&stack, &["restore", "--from", aged.to_str().unwrap()]);
    assert!(!good && text.contains("36 days old") && text.contains("crypto.backup_days"), "{text}");

    let restored = succeeds(&stack, &["restore", "--from", file]);
    assert!(restored.contains("users: 1 restored, 0 had all their keys, 1 are erased"), "{restored}");
    let history = beto.client.history(room, Page::Newest, None, fresh).await.unwrap();
    assert_eq!(said(&history.items), [(String::new(), true), ("from beto".to_owned(), false)]);
    Checker::new().check(&stack).await;
}
