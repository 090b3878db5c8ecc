//! What is sealed opens where it belongs, while there are keys, and nowhere else.

mod backup;
mod memory;

use std::{sync::Arc, time::Duration};

use chasqui_events::{CommandId, Partition, RoomId, Sealed, Timestamp, UserId};
use pretty_assertions::{assert_eq, assert_ne};
use proptest::prelude::*;

use crate::{
    KekFile, KekSource, KeyError, KeyRecord, KeyStore as _, Keyring, Life, Opened, Owner, Place, SealError,
    Sealer, Spot, sealed::Head,
};
use memory::Memory;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// The number of keys that are made now.
const FIRST: u32 = 1_800_000_000;
const LIFE: Life = Life { time: Duration::from_mins(5), number: 1000 };

fn room(n: u8) -> RoomId {
    RoomId::new(Partition::from_low_bits(0), NOW, [n; 10])
}

fn user(n: u8) -> UserId {
    UserId::new(NOW, [n; 10])
}

fn body(in_room: u8, id: u8, author: u8) -> Place {
    Place::Body { room: room(in_room), id: CommandId::new(NOW, [id; 10]), author: user(author) }
}

fn text(text: &str) -> Opened {
    Opened::Text(text.to_owned())
}

/// Several processes over one store.
struct World {
    store: Arc<Memory>,
    kek: Arc<KekFile>,
}

impl World {
    fn new() -> Self {
        let line = KekFile::new_line("a");
        let kek = KekFile::load(KekSource::Text(line.trim().to_owned().into())).unwrap();
        Self { store: Arc::default(), kek: Arc::new(kek) }
    }

    fn process(&self) -> Arc<Keyring> {
        Arc::new(Keyring::new(self.store.clone(), self.kek.clone(), LIFE))
    }

    async fn sealer(&self, budget: u64) -> Sealer {
        let keyring = self.process();
        for n in 1..=3 {
            keyring.ensure(Owner::User(user(n)), NOW).await.unwrap();
        }
        Sealer::new(keyring, budget)
    }
}

/// Which of its room's keys something is sealed with, counted from 1.
fn epoch_of(sealed: &Sealed) -> u32 {
    Head::read(sealed).unwrap().0.room_epoch - FIRST + 1
}

#[tokio::test]
async fn what_is_sealed_opens_in_another_process_and_holds_nothing_of_the_text() {
    let world = World::new();
    let sealed = world.sealer(100).await.seal(&body(1, 1, 1), "ñan, the road", NOW).await.unwrap();
    assert!(!sealed.as_bytes().windows(4).any(|part| part == b"road"));
    let other = world.process();
    assert_eq!(other.open_at_hand(&body(1, 1, 1), &sealed), None, "has looked nothing up yet");
    assert_eq!(other.open(&body(1, 1, 1), &sealed).await, Ok(text("ñan, the road")));
    assert_eq!(other.open_at_hand(&body(1, 1, 1), &sealed), Some(text("ñan, the road")));
}

#[tokio::test]
async fn a_body_opens_in_its_own_room_message_author_and_epoch_only() {
    let world = World::new();
    let writer = world.sealer(100).await;
    let sealed = writer.seal(&body(1, 1, 1), "hola", NOW).await.unwrap();
    writer.seal(&body(2, 1, 2), "so that room 2 has a key", NOW).await.unwrap();
    let keyring = writer.keyring();
    for owner in [Owner::Room(room(1)), Owner::User(user(1))] {
        keyring.advance(owner, FIRST, NOW).await.unwrap();
    }
    for (what, place) in [("room", body(2, 1, 1)), ("message", body(1, 2, 1)), ("author", body(1, 1, 2))] {
        assert_eq!(keyring.open(&place, &sealed).await, Ok(Opened::Damaged), "another {what}");
    }
    for epoch in [1, 5] {
        // The bytes of the two epochs: the second key exists, a third does not.
        for n in [FIRST + 1, FIRST + 2, 0] {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[epoch..epoch + 4].copy_from_slice(&n.to_be_bytes());
            let moved = Sealed::new(bytes);
            assert_eq!(keyring.open(&body(1, 1, 1), &moved).await, Ok(Opened::Damaged), "epoch {n}");
        }
    }
    assert_eq!(keyring.open(&body(1, 1, 1), &sealed).await, Ok(text("hola")), "where it belongs");
}

#[tokio::test]
async fn what_is_personal_opens_as_what_it_is() {
    let world = World::new();
    let writer = world.sealer(100).await;
    let spot = |n, what, of| Place::Personal(Spot { user: user(n), what, of });
    let session = Some(room(9).as_uuid());
    let sealed = writer.seal(&spot(1, "device", session), "chasqui chat", NOW).await.unwrap();
    let open = |place| {
        let (keyring, sealed) = (writer.keyring().clone(), sealed.clone());
        async move { keyring.open(&place, &sealed).await.unwrap() }
    };
    assert_eq!(open(spot(1, "device", session)).await, text("chasqui chat"));
    for place in
        [spot(2, "device", session), spot(1, "name", session), spot(1, "device", None), body(1, 1, 1)]
    {
        assert_eq!(open(place).await, Opened::Damaged, "{place:?}");
    }
}

#[tokio::test]
async fn destroying_either_key_erases_and_nothing_else_looks_erased() {
    let world = World::new();
    let writer = world.sealer(100).await;
    let places = [body(1, 1, 1), body(1, 2, 2), body(2, 3, 1), body(2, 4, 2)];
    let mut sealed = Vec::new();
    for place in &places {
        sealed.push(writer.seal(place, "hola", NOW).await.unwrap());
    }
    let reader = world.process();
    let read = |reader: Arc<Keyring>| {
        let sealed = sealed.clone();
        async move {
            let mut read = Vec::new();
            for (place, sealed) in places.iter().zip(&sealed) {
                read.push(reader.open(place, sealed).await);
            }
            read
        }
    };
    assert_eq!(
        read(reader.clone()).await,
        [const { Ok(()) }; 4].map(|ok: Result<(), KeyError>| ok.map(|()| text("hola")))
    );
    writer.keyring().destroy(Owner::User(user(1)), NOW).await.unwrap();
    reader.forget(Owner::User(user(1))).await;
    assert_eq!(
        read(reader.clone()).await,
        [Ok(Opened::Erased), Ok(text("hola")), Ok(Opened::Erased), Ok(text("hola"))],
        "one person's words in every room"
    );
    writer.keyring().destroy(Owner::Room(room(2)), NOW).await.unwrap();
    reader.forget(Owner::Room(room(2))).await;
    assert_eq!(
        read(reader.clone()).await,
        [Ok(Opened::Erased), Ok(text("hola")), Ok(Opened::Erased), Ok(Opened::Erased)],
        "everybody's words in one room"
    );
    let refused = writer.seal(&body(1, 5, 1), "hola", NOW).await;
    assert_eq!(refused, Err(SealError::Destroyed(Owner::User(user(1)))));
    assert!(!world.store.holds_keys_of(Owner::User(user(1))));
}

#[tokio::test]
async fn what_is_ready_to_seal_is_dropped_with_its_keys() {
    let world = World::new();
    let writer = world.sealer(100).await;
    let reader = world.process();
    for id in 1..=3 {
        let sealed = writer.seal(&body(1, id, 1), "hola", NOW).await.unwrap();
        assert_eq!(reader.open(&body(1, id, 1), &sealed).await, Ok(text("hola")));
    }
    let ring = writer.keyring().advance(Owner::Room(room(1)), FIRST, NOW).await.unwrap();
    assert_eq!(ring.current().unwrap().0, FIRST + 1);
    let next = writer.seal(&body(1, 4, 1), "hola", NOW).await.unwrap();
    assert_eq!(epoch_of(&next), 2, "with the new key");
    writer.keyring().bury(Owner::User(user(1))).await;
    let refused = writer.seal(&body(1, 5, 1), "hola", NOW).await;
    assert_eq!(refused, Err(SealError::Destroyed(Owner::User(user(1)))), "as soon as it is heard of");
    writer.seal(&body(1, 6, 2), "hola", NOW).await.unwrap();
}

#[tokio::test]
async fn keys_that_cannot_be_read_now_are_no_erased_ones() {
    let world = World::new();
    let writer = world.sealer(100).await;
    let sealed = writer.seal(&body(1, 1, 1), "hola", NOW).await.unwrap();
    world.store.set_down(true);
    let reader = world.process();
    assert!(matches!(reader.open(&body(1, 1, 1), &sealed).await, Err(KeyError::Unavailable(..))));
    world.store.set_down(false);
    let stranger = World { store: world.store.clone(), ..World::new() };
    let opened = stranger.process().open(&body(1, 1, 1), &sealed).await;
    assert!(matches!(opened, Err(KeyError::Unavailable(..))), "with another key-encryption key");
    world.store.lose(Owner::Room(room(1)));
    assert_eq!(reader.open(&body(1, 1, 1), &sealed).await, Err(KeyError::Absent(Owner::Room(room(1)))));
}

#[tokio::test]
async fn a_key_is_kept_for_its_time_only() {
    let world = World::new();
    let writer = world.sealer(100).await;
    let sealed = writer.seal(&body(1, 1, 1), "hola", NOW).await.unwrap();
    let life = Life { time: Duration::from_millis(200), number: 10 };
    let reader = Keyring::new(world.store.clone(), world.kek.clone(), life);
    assert_eq!(reader.open(&body(1, 1, 1), &sealed).await, Ok(text("hola")));
    writer.keyring().destroy(Owner::Room(room(1)), NOW).await.unwrap();
    // Nobody tells this reader; it waits for the time itself to pass, which is what is tested.
    tokio::time::sleep(life.time).await;
    assert_eq!(reader.open_at_hand(&body(1, 1, 1), &sealed), None);
    assert_eq!(reader.open(&body(1, 1, 1), &sealed).await, Ok(Opened::Erased));
}

#[tokio::test]
async fn a_room_gets_its_next_key_when_the_budget_of_one_is_spent() {
    let world = World::new();
    let writer = Arc::new(world.sealer(3).await);
    let other = world.sealer(3).await;
    let mut sealed = Vec::new();
    for id in 0..10 {
        sealed.push(writer.seal(&body(1, id, 1 + id % 3), "hola", NOW).await.unwrap());
    }
    assert_eq!(sealed.iter().map(epoch_of).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]);
    let late = other.seal(&body(1, 20, 1), "hola", NOW).await.unwrap();
    assert_eq!(epoch_of(&late), 4, "a process that comes later uses the newest");
    let reader = world.process();
    for (id, sealed) in (0..).zip(&sealed) {
        assert_eq!(reader.open(&body(1, id, 1 + id % 3), sealed).await, Ok(text("hola")), "old epochs open");
    }
    // At once, in two processes: each epoch has at most the budget of each.
    let both: Vec<_> = (0..60)
        .map(|n: u8| {
            let writer =
                if n.is_multiple_of(2) { writer.clone() } else { Arc::new(Sealer::new(world.process(), 3)) };
            tokio::spawn(async move { writer.seal(&body(1, n, 1), "hola", NOW).await.unwrap() })
        })
        .collect();
    let mut by_epoch_and_sealer = std::collections::HashMap::new();
    for sealed in both {
        let (head, _) = Head::read(&sealed.await.unwrap()).map(|(head, bytes)| (head, bytes.len())).unwrap();
        *by_epoch_and_sealer.entry((head.room_epoch, head.sealer)).or_insert(0) += 1;
    }
    assert!(by_epoch_and_sealer.values().all(|seals| *seals <= 3), "{by_epoch_and_sealer:?}");
}

#[tokio::test]
async fn a_reader_finds_an_epoch_that_is_newer_than_what_it_has_at_hand() {
    let world = World::new();
    let (writer, reader) = (world.sealer(100).await, world.process());
    let before = writer.seal(&body(1, 1, 1), "before", NOW).await.unwrap();
    assert_eq!(reader.open(&body(1, 1, 1), &before).await, Ok(text("before")));
    for owner in [Owner::Room(room(1)), Owner::User(user(1))] {
        writer.keyring().advance(owner, FIRST, NOW).await.unwrap();
    }
    let after = writer.seal(&body(1, 2, 1), "after", NOW).await.unwrap();
    assert_eq!(epoch_of(&after), 2);
    assert_eq!(reader.open(&body(1, 2, 1), &after).await, Ok(text("after")));
    assert_eq!(reader.open(&body(1, 1, 1), &before).await, Ok(text("before")));
}

#[tokio::test]
async fn keys_are_wrapped_anew_and_then_do_without_the_old_key_encryption_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kek.keys");
    let (old, new) = (KekFile::new_line("old"), KekFile::new_line("new"));
    std::fs::write(&file, &*old).unwrap();
    let kek = Arc::new(KekFile::load(KekSource::File(file.clone())).unwrap());
    let world = World { store: Arc::default(), kek };
    let writer = world.sealer(1).await;
    let sealed = [1, 2].map(|id| (body(1, id, 1), id));
    let mut bodies = Vec::new();
    for (place, _) in &sealed {
        bodies.push(writer.seal(place, "hola", NOW).await.unwrap());
    }
    std::fs::write(&file, format!("{}{}", *old, *new)).unwrap();
    let keyring = world.process();
    for owner in [Owner::Room(room(1)), Owner::User(user(1)), Owner::User(user(2))] {
        assert_eq!(keyring.rewrap(owner).await, Ok(true));
        assert_eq!(keyring.rewrap(owner).await, Ok(false), "once");
    }
    std::fs::write(&file, &*new).unwrap();
    let reader = world.process();
    for ((place, _), sealed) in sealed.iter().zip(&bodies) {
        assert_eq!(reader.open(place, sealed).await, Ok(text("hola")));
    }
    let untouched = reader.ring(Owner::User(user(3))).await;
    assert!(
        matches!(untouched, Err(KeyError::Unavailable(..))),
        "what was not wrapped anew needs the old one"
    );
}

#[test]
fn a_record_reads_back_and_names_no_secret() {
    let record = KeyRecord::Destroyed { at: NOW };
    assert_eq!(String::from_utf8(record.encode()).unwrap(), r#"{"destroyed":{"at":1800000000000}}"#);
    assert_eq!(KeyRecord::decode(&record.encode()).unwrap(), record);
    assert!(KeyRecord::decode(b"{}").is_err());
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any text opens; with any bit changed it does not; two seals of one text share nothing that is secret.
    #[test]
    fn every_change_is_noticed(said in ".{0,300}", at in any::<proptest::sample::Index>(), bit in 0u8..8) {
        block_on(async {
            let world = World::new();
            let writer = world.sealer(100).await;
            let place = body(1, 1, 1);
            let sealed = writer.seal(&place, &said, NOW).await.unwrap();
            let again = writer.seal(&place, &said, NOW).await.unwrap();
            assert_ne!(&sealed, &again);
            let keyring = writer.keyring();
            assert_eq!(keyring.open(&place, &sealed).await, Ok(text(&said)));
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at.index(sealed.as_bytes().len())] ^= 1 << bit;
            let changed = keyring.open(&place, &Sealed::new(bytes)).await;
            assert_eq!(changed, Ok(Opened::Damaged));
        });
    }

    /// Bytes of any kind are damaged, and no panic.
    #[test]
    fn what_was_never_sealed_is_damaged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        block_on(async {
            let world = World::new();
            let writer = world.sealer(100).await;
            writer.seal(&body(1, 1, 1), "hola", NOW).await.unwrap();
            let opened = writer.keyring().open(&body(1, 1, 1), &Sealed::new(bytes)).await;
            assert_eq!(opened, Ok(Opened::Damaged));
        });
    }
}

#[tokio::test]
async fn the_store_is_asked_for_tombstones_by_kind() {
    let world = World::new();
    world.sealer(1).await;
    let owners = world.store.owners(crate::OwnerKind::User).await.unwrap();
    assert_eq!(owners.len(), 3);
}
