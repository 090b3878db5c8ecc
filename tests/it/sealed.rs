//! What is said is sealed: in the log, in MongoDB and in Redis there is nothing to read; whoever may see it reads it
//! live, in history and after a reconnect; a key that is destroyed takes it from all of them.

use std::{fs, path::Path, time::Duration};

use chasqui_bus::{BusRole, keys::KeyBuckets};
use chasqui_client::Options;
use chasqui_crypto::{KekFile, KeyRecord, KeyStore as _, Owner};
use chasqui_events::Timestamp;
use chasqui_protocol::{
    Happening, Item,
    query::{Freshness, Page},
};
use chasqui_testkit::{Checker, Layout, Load, Person, Role, Sent, Stack, eventually};
use pretty_assertions::assert_eq;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SECRET: &str = "the quipu of seven llamas";

/// Every file below a folder that holds these bytes.
fn holding(folder: &Path, bytes: &[u8], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, bytes, found);
        } else if fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|window| window == bytes)) {
            found.push(path.display().to_string());
        }
    }
}

/// Everything that Redis holds, as it would be written to its file.
async fn redis_holds(stack: &Stack, text: &str) -> bool {
    let mut connection = tokio::net::TcpStream::connect(stack.redis().address()).await.unwrap();
    connection.write_all(b"EVAL \"local all = '' for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('TYPE', key).ok == 'list' then all = all .. table.concat(redis.call('LRANGE', key, 0, -1)) end end return all\" 0\r\n").await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    // `$<length>\r\n<bytes>\r\n`
    loop {
        let read = connection.read(&mut buffer).await.unwrap();
        answer.extend_from_slice(&buffer[..read]);
        let head = answer.iter().position(|byte| *byte == b'\n').unwrap_or(usize::MAX - 2);
        let length = std::str::from_utf8(&answer[..head.min(answer.len())])
            .ok()
            .and_then(|head| head.trim().strip_prefix('$').and_then(|length| length.parse::<usize>().ok()));
        if let Some(length) = length
            && answer.len() >= head + 1 + length
        {
            assert!(length > 0, "the hot set is empty: {}", String::from_utf8_lossy(&answer));
            return answer.windows(text.len()).any(|window| window == text.as_bytes());
        }
    }
}

fn said(items: &[Item]) -> Vec<(String, bool)> {
    let message = |item: &Item| match &item.what {
        Happening::Message { body, erased, .. } => Some((body.clone(), *erased)),
        _ => None,
    };
    items.iter().filter_map(message).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_may_see_it_reads_it() {
    let stack = Stack::with(Layout::process_per_role(2)).await;
    let (ana, beto) = (stack.user("Ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let position = ana.says(room, SECRET).await.position.unwrap();
    beto.sees_message(room, SECRET).await;
    let fresh = Freshness::AtLeast(position);
    let history = beto.client.history(room, Page::Newest, None, fresh).await.unwrap();
    assert_eq!(said(&history.items), [(SECRET.to_owned(), false)]);
    let conversation = beto.client.conversation(room, fresh).await.unwrap();
    assert_eq!(conversation.last.unwrap().preview, SECRET);
    let later = beto.device(stack.edge(), Options { cursor: None, ..Person::options() }).await;
    assert_eq!(later.client.history(room, Page::Newest, None, fresh).await.unwrap(), history);

    assert!(!redis_holds(&stack, SECRET).await);
    let mut found = Vec::new();
    holding(stack.nats().data().unwrap(), SECRET.as_bytes(), &mut found);
    holding(stack.mongo().data().unwrap(), SECRET.as_bytes(), &mut found);
    assert_eq!(found, Vec::<String>::new());
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroyed_key_takes_it_from_everywhere() {
    let stack = Stack::with(Layout::core_and_edges(2).set("crypto.key_cache_s", 1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    ana.says(room, "from ana").await;
    let position = beto.says(room, "from beto").await.position.unwrap();
    ana.sees_message(room, "from beto").await;
    let cursor = beto.client.cursor();
    beto.client.close().await;

    let auth = KeyBuckets::open(stack.bus(BusRole::Auth).await);
    auth.destroy(Owner::User(ana.id), Timestamp(1)).await.unwrap();
    // Longer than any process keeps a key; there is nothing that tells of the end of that.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let expected = [(String::new(), true), ("from beto".to_owned(), false)];
    let fresh = Freshness::AtLeast(position);
    let history = ana.client.history(room, Page::Newest, None, fresh).await.unwrap();
    assert_eq!(said(&history.items), expected);
    let later = beto.device(stack.edge(), Options { cursor, ..Person::options() }).await;
    let history = later.client.history(room, Page::Newest, None, fresh).await.unwrap();
    assert_eq!(said(&history.items), expected);
    Checker::new().check(&stack).await;
}

/// Many rooms and authors, none of whose keys is at hand when their messages come: everything comes once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_their_keys_in_order() {
    let stack = Stack::with(Layout::core_and_edges(1).set("crypto.key_cache_s", 1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let mut sent = Vec::new();
    for number in 0..6 {
        for author in [&ana, &beto] {
            let text = format!("{number} from {}", author.name);
            author.says(room, &text).await;
            sent.push(text);
        }
        // The keys are forgotten in between.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    for text in &sent {
        beto.sees_message(room, text).await;
    }
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Keys are replaced and the key-encryption key is exchanged under load: nothing is lost, everything can be read, and
/// the old key-encryption key may go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_under_load() {
    let layout = Layout::core_and_edges(1).set("crypto.key_cache_s", 1).set("crypto.seals_per_epoch", 20);
    let stack = Stack::with(layout).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(10));
    load.acked_further(100).await;
    let file = stack.secret("kek.keys");
    let old = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{old}{}", *KekFile::new_line("kek-next"))).unwrap();
    for (role, kind) in [(Role::Auth, "user"), (Role::CommandApi, "room")] {
        eventually("all keys wrapped anew", async || {
            let metrics = stack.role(role).metrics().await;
            let told = metrics.lines().filter(|line| line.starts_with("chasqui_crypto_keys{"));
            let told: Vec<&str> = told.filter(|line| line.contains(&format!("kind=\"{kind}\""))).collect();
            let (next, before): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.contains("kek-next"));
            let done = !next.is_empty() && before.iter().all(|line: &&str| line.ends_with(" 0"));
            if done { Ok(()) } else { Err(told.join("\n")) }
        })
        .await;
    }
    let both = fs::read_to_string(&file).unwrap();
    fs::write(&file, both.lines().last().unwrap()).unwrap();
    load.acked_further(50).await;
    let sent = load.stop().await;
    let report = Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!(report.standing, report.acked);
    let keys = KeyBuckets::open(stack.bus(BusRole::CommandApi).await);
    let record = keys.get(Owner::Room(room)).await.unwrap().unwrap().record;
    let KeyRecord::Epochs(epochs) = record else { panic!("{record:?}") };
    assert!(epochs.len() > 5, "a key for 20 messages each: {}", epochs.len());
    assert!(epochs.iter().all(|epoch| epoch.key.kek == "kek-next"));
}

/// People are erased one after another while everybody talks: nobody else loses anything, and nothing that the erased
/// said can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_destroyed_under_load() {
    let stack = Stack::with(Layout::core_and_edges(1).set("crypto.key_cache_s", 1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let leavers = [stack.user("carla").await, stack.user("dario").await, stack.user("elena").await];
    let room = ana.room_with("weavers", &[&beto, &leavers[0], &leavers[1], &leavers[2]]).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(10));
    let leaving = leavers.each_ref().map(|leaver| (leaver, room));
    let leaving = Load::start(&leaving, Duration::from_millis(10));
    for leaver in &leavers {
        leaving.acked_further(20).await;
        load.acked_further(20).await;
        let body = json!({"id": leaver.client.new_id(), "password": Person::PASSWORD});
        let url = stack.url(Role::Auth, "/v1/commands/erase_user");
        let asked = stack.http().post(url).bearer_auth(leaver.token().await).json(&body);
        let answer = asked.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
    load.acked_further(50).await;
    let sent = load.stop().await;
    // What is left of what they said.
    let erased = leaving.stop().await.into_iter().map(|sent| Sent { body: String::new(), ..sent });
    let newest =
        sent.iter().filter_map(|sent| sent.outcome.as_ref().ok()?.position).max_by_key(|place| place.seq);
    let fresh = Freshness::AtLeast(newest.unwrap());
    let page = ana.client.history(room, Page::Newest, Some(100), fresh).await.unwrap();
    let by_erased = page.items.iter().filter(|item| leavers.iter().any(|leaver| leaver.id == item.by));
    let readable = by_erased.filter(
        |item| matches!(&item.what, Happening::Message { erased, body, .. } if !erased || !body.is_empty()),
    );
    assert_eq!(readable.count(), 0);
    // They saw what the erased said while it was there, so that only what the others said is compared with the log.
    for (reader, author) in [(&ana, &beto), (&beto, &ana)] {
        let acked = sent.iter().filter(|sent| sent.author == author.id && sent.outcome.is_ok());
        for Sent { body, .. } in acked {
            reader.sees_message(room, body).await;
        }
    }
    let report = Checker::new().sent(sent).sent(erased.collect()).check(&stack).await;
    assert!(report.standing >= report.acked, "an answer to the erased may be lost: {report:?}");
}
