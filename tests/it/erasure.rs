//! Somebody is erased: their words, for everybody who was there, at once and in whatever is folded anew, whatever dies
//! meanwhile.

use std::time::Duration;

use chasqui_bus::{
    BusRole,
    keys::KeyBuckets,
    kv::{Bucket, Name},
};
use chasqui_client::{ClientError, Event};
use chasqui_crypto::{KeyRecord, KeyStore as _, Owner};
use chasqui_events::RoomId;
use chasqui_protocol::{
    Code, Happening, Item,
    query::{Freshness, History, Page},
};
use chasqui_testkit::{Checker, Layout, Load, Person, Role, Sent, Stack, eventually, within};
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

/// What query-api answers to somebody, in whatever version of the views is read.
async fn history_over_http(stack: &Stack, person: &Person, room: RoomId) -> Vec<(String, bool)> {
    let url = stack.url(Role::QueryApi, &format!("/v1/rooms/{room}/messages"));
    let answer = stack.http().get(url).bearer_auth(person.token().await).send().await.unwrap();
    said(&answer.json::<History>().await.unwrap().items)
}

async fn erase_oneself(stack: &Stack, token: &str) -> reqwest::Result<reqwest::Response> {
    let body = json!({"id": chasqui_client::Ids::default().command(), "password": Person::PASSWORD});
    stack
        .http()
        .post(stack.url(Role::Auth, "/v1/commands/erase_user"))
        .bearer_auth(token)
        .json(&body)
        .send()
        .await
}

async fn erase_room(stack: &Stack, owner: &Person, room: RoomId) -> reqwest::Result<reqwest::Response> {
    let conversation = owner.client.conversation(room, Freshness::Any).await.unwrap();
    let body =
        json!({"id": chasqui_client::Ids::default().command(), "room": room, "name": conversation.name});
    let url = stack.url(Role::CommandApi, "/v1/commands/erase_room");
    stack.http().post(url).bearer_auth(owner.token().await).json(&body).send().await
}

/// Runs the operator's program to its end; what it says, or complains.
fn admin(stack: &Stack, arguments: &[&str]) -> Result<String, String> {
    let output = stack.command(arguments).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_user_leaves_tombstones() {
    // Keys stay at hand for minutes: what is seen at once comes from the notice.
    let stack = Stack::with(Layout::process_per_role(1)).await;
    let (ana, beto, carla) = (stack.user("Ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.direct_with(&beto).await;
    ana.says(room, "from ana").await;
    let position = beto.says(room, "from beto").await.position.unwrap();
    ana.sees_message(room, "from beto").await;
    let fresh = Freshness::AtLeast(position);
    assert_eq!(said(&beto.client.history(room, Page::Newest, None, fresh).await.unwrap().items).len(), 2);
    assert_eq!(history_over_http(&stack, &beto, room).await.len(), 2);
    assert_eq!(beto.client.profile(ana.id).await.unwrap().name, "Ana");

    let answer = erase_oneself(&stack, &ana.token().await).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());

    let told = |event: &Event| matches!(event, Event::Erased { user } if *user == ana.id);
    beto.seen.after(0, "being told of the erasure", told).await;
    ana.seen.after(0, "being put out", |event| matches!(event, Event::Stopped { .. })).await;
    let tombstones = [(String::new(), true), ("from beto".to_owned(), false)];
    let history = beto.client.history(room, Page::Newest, None, fresh).await.unwrap();
    assert_eq!(said(&history.items), tombstones, "on the edge, as soon as it is told");
    eventually("tombstones in query-api", async || {
        let history = history_over_http(&stack, &beto, room).await;
        if history == tombstones { Ok(()) } else { Err(format!("{history:?}")) }
    })
    .await;
    let profile = beto.client.profile(ana.id).await.unwrap();
    assert_eq!((profile.erased, profile.name.as_str()), (true, ""));
    let found = beto.client.user_by_name("ana").await;
    assert_eq!(found.unwrap_err().problem().unwrap().code, Code::UserNotFound);
    carla.fence().await;
    assert!(!carla.events().iter().any(told), "it is nobody's business who shares no room");

    let built = admin(&stack, &["admin", "projections", "rebuild"]).unwrap();
    let version = built.split_whitespace().next().unwrap();
    eventually("the views, folded anew", async || {
        admin(&stack, &["admin", "projections", "switch", version])
    })
    .await;
    eventually("the same in what was folded anew", async || {
        let (history, profile) =
            (history_over_http(&stack, &beto, room).await, beto.client.profile(ana.id).await);
        if history == tombstones && profile.as_ref().is_ok_and(|profile| profile.erased) {
            Ok(())
        } else {
            Err(format!("{history:?} {profile:?}"))
        }
    })
    .await;
    Checker::new().check(&stack).await;
}

/// The process that erases is killed as soon as the request is written down: the next one does what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_erasure_is_finished_by_the_next_process() {
    let stack = Stack::with(Layout::process_per_role(1)).await;
    let bus = stack.bus(BusRole::Auth).await;
    let (ledger, credentials) =
        (Bucket::open(bus.clone(), Name::Erasures), Bucket::open(bus.clone(), Name::Credentials));
    let keys = KeyBuckets::open(bus);
    let is_done = async |entry: &str| {
        let entry = ledger.get(entry).await.unwrap()?;
        Some(serde_json::from_slice::<Value>(&entry.value).unwrap()["done_at"].is_i64())
    };
    let mut cut_off = 0;
    for number in 0..5 {
        let person = stack.user(&format!("quilla-{number}")).await;
        let entry = format!("user.{}", person.id);
        let token = person.token().await;
        let asked = erase_oneself(&stack, &token);
        let killed = async {
            while is_done(&entry).await.is_none() {}
            stack.process("auth").kill_9();
        };
        let (_, ()) = within("the request to be written down", async { tokio::join!(asked, killed) }).await;
        cut_off += usize::from(is_done(&entry).await == Some(false));
        stack.process("auth").restart().await;
        eventually("the erasure to be finished", async || {
            if is_done(&entry).await == Some(true) { Ok(()) } else { Err(entry.clone()) }
        })
        .await;
        let record = keys.get(Owner::User(person.id)).await.unwrap().unwrap().record;
        assert!(matches!(record, KeyRecord::Destroyed { .. }), "{record:?}");
        assert_eq!(credentials.get(&person.id.to_string()).await.unwrap(), None);
        person.seen.after(0, "being put out", |event| matches!(event, Event::Stopped { .. })).await;
    }
    assert!(cut_off > 0, "each erasure was done before its process could be killed");
}

/// Rooms and a person are erased while everybody talks, and the processes that erase are killed as soon as a request is
/// written down. Nothing else is hurt: what was said elsewhere is there once, for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasures_under_load_hurt_nothing_else() {
    // What the one process erases, the other may still let be said: such a message is void.
    let layout = Layout::process_per_role(1).process("command-api-2", &[Role::CommandApi]);
    let stack = Stack::with(layout).await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let plaza = ana.room_with("plaza", &[&beto, &carla]).await;
    let mut doomed = Vec::new();
    for number in 0..3 {
        doomed.push(ana.room_with(&format!("room-{number}"), &[&beto]).await);
    }
    let mut talkers = vec![(&ana, plaza), (&beto, plaza), (&carla, plaza)];
    talkers.extend(doomed.iter().flat_map(|room| [(&ana, *room), (&beto, *room)]));
    let load = Load::start(&talkers, Duration::from_millis(40));

    let core = stack.bus(BusRole::CommandApi).await;
    let (ledger, keys) = (Bucket::open(core.clone(), Name::Erasures), KeyBuckets::open(core));
    let is_done = async |owner: Owner| {
        let entry = ledger.get(&owner.to_string()).await.unwrap()?;
        Some(serde_json::from_slice::<Value>(&entry.value).unwrap()["done_at"].is_i64())
    };
    let mut cut_off = 0;
    let mut erase = async |owner: Owner, process: &str| {
        load.acked_further(30).await;
        let asked = async {
            // Cut off, mostly.
            drop(match owner {
                Owner::Room(room) => erase_room(&stack, &ana, room).await,
                Owner::User(_) => erase_oneself(&stack, &carla.token().await).await,
            });
        };
        let killed = async {
            while is_done(owner).await.is_none() {}
            stack.process(process).kill_9();
        };
        within("the request to be written down", async { tokio::join!(asked, killed) }).await;
        cut_off += usize::from(is_done(owner).await == Some(false));
        stack.process(process).restart().await;
        eventually("the erasure to be finished", async || match is_done(owner).await {
            Some(true) => Ok(()),
            other => Err(format!("{owner}: {other:?}")),
        })
        .await;
    };
    for room in &doomed {
        erase(Owner::Room(*room), "command-api").await;
    }
    erase(Owner::User(carla.id), "auth").await;
    for owner in doomed.iter().map(|room| Owner::Room(*room)) {
        let record = keys.get(owner).await.unwrap().unwrap().record;
        assert!(matches!(record, KeyRecord::Destroyed { .. }), "{record:?}");
    }
    assert!(cut_off > 0, "each erasure was done before its process could be killed");

    load.acked_further(30).await;
    let sent = load.stop().await;
    let late = |message: &&Sent| {
        let refused = message.outcome.as_ref().err().and_then(ClientError::problem);
        refused.is_some_and(|problem| problem.code == Code::RoomErased)
    };
    assert!(sent.iter().filter(late).count() > 10, "there was talk in the rooms when they were erased");
    Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
    for room in doomed {
        let history = ana.client.history(room, Page::Newest, None, Freshness::Latest).await.unwrap();
        let said = said(&history.items);
        assert!(!said.is_empty() && said.iter().all(|message| *message == (String::new(), true)), "{said:?}");
    }
    let history = ana.client.history(plaza, Page::Newest, None, Freshness::Latest).await.unwrap();
    let of_carla = |item: &&Item| item.by == carla.id;
    let (hers, theirs): (Vec<Item>, Vec<Item>) =
        history.items.iter().cloned().partition(|item| of_carla(&item));
    assert!(said(&hers).iter().all(|(body, erased)| body.is_empty() && *erased), "{hers:?}");
    assert!(said(&theirs).iter().all(|(body, erased)| !body.is_empty() && !erased), "{theirs:?}");
}

/// A room is erased: for everybody in it, at once and in what is folded anew; nothing is said in it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_room_is_closed_and_holds_tombstones() {
    let stack = Stack::with(Layout::process_per_role(1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[&beto]).await;
    ana.says(room, "from ana").await;
    beto.says(room, "from beto").await;
    ana.sees_message(room, "from beto").await;
    eventually("both messages in query-api", async || {
        let history = history_over_http(&stack, &beto, room).await;
        if history.len() == 2 { Ok(()) } else { Err(format!("{history:?}")) }
    })
    .await;
    let mark = beto.events().len();

    let another = ana.client.erase_room(room, "spinners".to_owned(), None).await.unwrap_err();
    assert_eq!(another.problem().unwrap().code, Code::AnotherName);
    ana.client.erase_room(room, "weavers".to_owned(), None).await.unwrap();
    let told =
        |event: &Event| matches!(event, Event::Item(item) if matches!(item.what, Happening::Erased { .. }));
    beto.seen.after(mark, "being told of the erasure", told).await;
    let refused = beto.client.send(room, "is anybody here?").await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, Code::RoomErased);

    let tombstones = vec![(String::new(), true); 2];
    let shown = async || {
        let over_http = history_over_http(&stack, &beto, room).await;
        let history = beto.client.history(room, Page::Newest, None, Freshness::Any).await;
        let on_the_edge = history.as_ref().map(|history| said(&history.items)).unwrap_or_default();
        let conversation = beto.client.conversation(room, Freshness::Latest).await;
        let closed = conversation.as_ref().is_ok_and(|it| it.erased && it.name.is_empty() && it.unread == 0);
        if over_http == tombstones && on_the_edge == tombstones && closed {
            Ok(())
        } else {
            Err(format!("{over_http:?} {history:?} {conversation:?}"))
        }
    };
    eventually("tombstones everywhere", shown).await;
    let built = admin(&stack, &["admin", "projections", "rebuild"]).unwrap();
    let version = built.split_whitespace().next().unwrap();
    eventually("the views, folded anew", async || {
        admin(&stack, &["admin", "projections", "switch", version])
    })
    .await;
    eventually("the same in what was folded anew", shown).await;
    Checker::new().check(&stack).await;
}
