//! Rooms as aggregates.

use std::{collections::HashMap, time::Duration};

use chasqui_bus::{
    Bus, BusRole,
    event_store::{ExecuteError, Outcome, RoomChange, RoomStore, StoreSettings, metadata},
    kv::{Bucket, Name},
    subject::{self, Lane},
};
use chasqui_domain::{Asker, Limits, Rejection, RoomCommand, cqrs::Ask, room::VersionedRoom};
use chasqui_events::{CommandId, RoomId, UserId, account::GlobalRole, room::Kind};
use cqrs_es::{AggregateError, CqrsFramework, EventStore};

use crate::{
    harness::{Nats, command, everything, now, room, until, user},
    proxy::Proxy,
};

async fn store(nats: &Nats) -> RoomStore {
    RoomStore::open(nats.bus(BusRole::CommandApi).await, StoreSettings::default()).await.unwrap()
}

fn asker(user: UserId) -> Asker {
    Asker { user, role: GlobalRole::User, at: now() }
}

async fn ask(
    store: &RoomStore,
    room: RoomId,
    id: CommandId,
    by: UserId,
    command: RoomCommand,
) -> Result<Outcome, ExecuteError<Rejection>> {
    let change = RoomChange { room, id, by, at: now(), import: None, trace: None };
    let asker = asker(by);
    store.execute(change, |room| room.room.decide(asker, &command, &Limits::default())).await
}

fn create() -> RoomCommand {
    RoomCommand::Create { kind: Kind::Public, name: "Plaza".to_owned() }
}

fn rename(name: &str) -> RoomCommand {
    RoomCommand::Rename { name: name.to_owned() }
}

#[tokio::test]
async fn a_room_is_changed_and_loaded_anywhere() {
    let nats = Nats::start().await;
    let (here, plaza, owner, guest) = (store(&nats).await, room(), user(), user());
    assert_eq!(*here.load(plaza).await.unwrap(), VersionedRoom::default());
    let created = ask(&here, plaza, command(), owner, create()).await.unwrap();
    let joined = ask(&here, plaza, command(), guest, RoomCommand::Join).await.unwrap();
    assert!(matches!(joined, Outcome::Recorded { duplicate: false, .. }) && joined.seq() > created.seq());
    let again = ask(&here, plaza, command(), guest, RoomCommand::Join).await.unwrap();
    assert_eq!(again, Outcome::AlreadySo { seq: joined.seq() });
    let no = ask(&here, plaza, command(), guest, rename("Mine")).await.unwrap_err();
    assert!(matches!(no, ExecuteError::Rejected(Rejection::RoleTooLow { .. })), "{no:?}");

    let loaded = store(&nats).await.load(plaza).await.unwrap();
    assert_eq!(loaded, here.load(plaza).await.unwrap());
    assert_eq!((loaded.seq, loaded.count, loaded.room.members.len()), (joined.seq(), 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_all_happen_once_on_the_state_they_were_decided_on() {
    let nats = Nats::start().await;
    let plaza = room();
    let settings = StoreSettings { attempts: 200, ..StoreSettings::default() };
    let mut stores = Vec::new();
    for _ in 0..3 {
        let bus = nats.bus(BusRole::CommandApi).await;
        stores.push(RoomStore::open(bus, settings).await.unwrap());
    }
    ask(&stores[0], plaza, command(), user(), create()).await.unwrap();
    let joins: Vec<_> = (0..60)
        .map(|n| {
            let store = stores[n % 3].clone();
            tokio::spawn(
                async move { ask(&store, plaza, command(), user(), RoomCommand::Join).await.unwrap() },
            )
        })
        .collect();
    for join in joins {
        join.await.unwrap();
    }
    let facts = everything(stores[0].log(), "CHAT_1", &subject::room(plaza, Lane::State)).await;
    assert_eq!(facts.len(), 61);
    let fresh = store(&nats).await.load(plaza).await.unwrap();
    assert_eq!((fresh.room.members.len(), fresh.count), (61, 61));
    for store in &stores {
        until("every cache has followed", || async { store.load(plaza).await.unwrap() == fresh }).await;
    }
}

#[tokio::test]
async fn a_cache_follows_what_others_do_without_asking() {
    let nats = Nats::start().await;
    let (here, there, plaza, owner) = (store(&nats).await, store(&nats).await, room(), user());
    ask(&here, plaza, command(), owner, create()).await.unwrap();
    there.load(plaza).await.unwrap();
    for name in ["One", "Two", "Three"] {
        let seq = ask(&here, plaza, command(), owner, rename(name)).await.unwrap().seq();
        until("the other cache has followed", || async {
            let room = there.load(plaza).await.unwrap();
            room.seq == seq && room.room.name == name
        })
        .await;
    }
    // Served from memory: the server is not there to be asked.
    nats.server.pause().unwrap();
    assert_eq!(there.load(plaza).await.unwrap().room.name, "Three");
    nats.server.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_connection_was_lost_is_read() {
    let nats = Nats::start().await;
    let proxy = Proxy::before(nats.server.address()).await;
    let mut settings = nats.settings(BusRole::CommandApi);
    settings.url.clone_from(&proxy.url);
    let behind = Bus::connect(settings).await.unwrap();
    let (here, there, plaza, owner) = (
        store(&nats).await,
        RoomStore::open(behind.clone(), StoreSettings::default()).await.unwrap(),
        room(),
        user(),
    );
    ask(&here, plaza, command(), owner, create()).await.unwrap();
    there.load(plaza).await.unwrap();
    // Live facts are lost on the way, the connection seems to stand: decided on an old state, and noticed.
    proxy.swallow_answers(true);
    let seq = ask(&here, plaza, command(), owner, rename("Other")).await.unwrap().seq();
    proxy.cut_all();
    proxy.swallow_answers(false);
    until("the lost fact is known", || async { there.load(plaza).await.unwrap().seq == seq }).await;
}

#[tokio::test]
async fn a_room_that_was_not_checked_for_long_is_checked() {
    let nats = Nats::start().await;
    let settings = StoreSettings { check_after: Duration::ZERO, ..StoreSettings::default() };
    let doubting = RoomStore::open(nats.bus(BusRole::CommandApi).await, settings).await.unwrap();
    let (here, plaza, owner) = (store(&nats).await, room(), user());
    ask(&here, plaza, command(), owner, create()).await.unwrap();
    for n in 0..20 {
        let name = format!("Room {n}");
        ask(&here, plaza, command(), owner, rename(&name)).await.unwrap();
        assert_eq!(doubting.load(plaza).await.unwrap().room.name, name, "at once, live fact or not");
    }
}

#[tokio::test]
async fn a_repeated_command_is_recorded_once() {
    let nats = Nats::start().await;
    let (here, there, plaza, owner) = (store(&nats).await, store(&nats).await, room(), user());
    ask(&here, plaza, command(), owner, create()).await.unwrap();
    let id = command();
    let first = ask(&here, plaza, id, owner, rename("One")).await.unwrap();
    ask(&here, plaza, command(), owner, rename("Two")).await.unwrap();
    // By another process, which decides it again on a state where it makes sense again.
    let second = ask(&there, plaza, id, owner, rename("One")).await.unwrap();
    assert_eq!(second, Outcome::Recorded { seq: first.seq(), duplicate: true });
    assert_eq!(there.load(plaza).await.unwrap().room.name, "Two");
    assert_eq!(here.load(plaza).await.unwrap().count, 3);
}

#[tokio::test]
async fn snapshots_shorten_loading_and_are_not_believed_blindly() {
    let nats = Nats::start().await;
    let settings = StoreSettings { snapshot_every: 10, ..StoreSettings::default() };
    let bus = nats.bus(BusRole::CommandApi).await;
    let here = RoomStore::open(bus.clone(), settings).await.unwrap();
    let (plaza, owner) = (room(), user());
    ask(&here, plaza, command(), owner, create()).await.unwrap();
    for n in 0..24 {
        ask(&here, plaza, command(), owner, rename(&format!("Room {n}"))).await.unwrap();
    }
    let bucket = Bucket::open(bus.clone(), Name::Snapshots);
    let key = plaza.to_string();
    let count = async || {
        let entry = bucket.get(&key).await.unwrap()?;
        let written: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        written["room"]["count"].as_u64()
    };
    until("the second snapshot is written", || async { count().await == Some(20) }).await;

    let expected = here.load(plaza).await.unwrap();
    let fresh = RoomStore::open(bus.clone(), settings).await.unwrap();
    assert_eq!(fresh.load(plaza).await.unwrap(), expected);

    // A snapshot that lies but fits the log is believed: that is what shows that it is used.
    let entry = bucket.get(&key).await.unwrap().unwrap();
    let mut written: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
    written["room"]["count"] = 1_020.into();
    bucket.put(&key, written.to_string().into()).await.unwrap();
    let fresh = RoomStore::open(bus.clone(), settings).await.unwrap();
    assert_eq!(fresh.load(plaza).await.unwrap().count, 1_025);
    // One of another log, of another format, or of no format is not.
    for (field, value) in [("fingerprint", 7.into()), ("format", 99.into()), ("room", "x".into())] {
        let mut wrong = written.clone();
        wrong[field] = value;
        bucket.put(&key, wrong.to_string().into()).await.unwrap();
        let fresh = RoomStore::open(bus.clone(), settings).await.unwrap();
        assert_eq!(fresh.load(plaza).await.unwrap(), expected, "{field}");
    }
}

#[tokio::test]
async fn many_loads_of_one_room_are_one() {
    let nats = Nats::start().await;
    let (here, plaza, owner) = (store(&nats).await, room(), user());
    ask(&here, plaza, command(), owner, create()).await.unwrap();
    for n in 0..50 {
        ask(&here, plaza, command(), owner, rename(&format!("Room {n}"))).await.unwrap();
    }
    let fresh = store(&nats).await;
    let loads = futures::future::join_all((0..200).map(|_| fresh.load(plaza))).await;
    let first = loads[0].as_ref().unwrap();
    assert!(loads.iter().all(|room| std::sync::Arc::ptr_eq(room.as_ref().unwrap(), first)));
    assert_eq!(fresh.cached_rooms(), 1);
}

fn context(id: CommandId, by: UserId) -> HashMap<String, String> {
    HashMap::from([
        (metadata::COMMAND_ID.to_owned(), id.to_string()),
        (metadata::BY.to_owned(), by.to_string()),
        (metadata::AT.to_owned(), now().millis().to_string()),
    ])
}

#[tokio::test]
async fn the_framework_of_cqrs_es_works_on_it() {
    let nats = Nats::start().await;
    let (store, plaza, owner) = (store(&nats).await, room(), user());
    let key = plaza.to_string();
    let framework = CqrsFramework::new(store.clone(), vec![], Limits::default());
    let id = command();
    let by_owner = |command| Ask { asker: asker(owner), command };
    framework.execute_with_metadata(&key, by_owner(create()), context(id, owner)).await.unwrap();
    for name in ["One", "Two", "Three", "Four"] {
        framework
            .execute_with_metadata(&key, by_owner(rename(name)), context(command(), owner))
            .await
            .unwrap();
    }
    let guest = user();
    let no = framework
        .execute_with_metadata(
            &key,
            Ask { asker: asker(guest), command: rename("Mine") },
            context(command(), guest),
        )
        .await;
    assert!(matches!(no, Err(AggregateError::UserError(_))), "{no:?}");
    let without = framework.execute(&key, by_owner(rename("Five"))).await;
    assert!(matches!(without, Err(AggregateError::UnexpectedError(_))), "{without:?}");

    let events = store.load_events(&key).await.unwrap();
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(events[0].metadata[metadata::COMMAND_ID], id.to_string());
    let loaded = store.load(plaza).await.unwrap();
    assert_eq!((loaded.count, loaded.room.name.as_str()), (5, "Four"));

    // Two contexts of one state: one commit wins.
    let (one, other) = (store.load_aggregate(&key).await.unwrap(), store.load_aggregate(&key).await.unwrap());
    let event = || vec![events[1].payload.clone()];
    store.commit(event(), one, context(command(), owner)).await.unwrap();
    let lost = store.commit(event(), other, context(command(), owner)).await;
    assert!(matches!(lost, Err(AggregateError::AggregateConflict)), "{lost:?}");
}
