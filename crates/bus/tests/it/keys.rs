//! Wrapped keys in their buckets: compare-and-set, tombstones, and nothing left on the medium.

use std::{fs, path::Path, sync::Arc, time::Duration};

use chasqui_bus::{BusRole, keys::KeyBuckets};
use chasqui_crypto::{
    KekFile, KekSource, KeyError, KeyRecord, KeyStore as _, Keyring, Life, Opened, Owner, OwnerKind, Place,
    Sealer, StoreError, StoredRecord,
};
use pretty_assertions::assert_eq;

use crate::harness::{Nats, command, now, room, user};

struct Keys {
    nats: Nats,
    kek: Arc<KekFile>,
}

impl Keys {
    async fn start() -> Self {
        let kek = KekFile::load(KekSource::Text(KekFile::new_line("a").trim().to_owned().into())).unwrap();
        Self { nats: Nats::start().await, kek: Arc::new(kek) }
    }

    async fn buckets(&self, role: BusRole) -> KeyBuckets {
        KeyBuckets::open(self.nats.bus(role).await)
    }

    async fn keyring(&self, role: BusRole) -> Arc<Keyring> {
        let life = Life { time: Duration::from_mins(5), number: 100 };
        Arc::new(Keyring::new(Arc::new(self.buckets(role).await), self.kek.clone(), life))
    }
}

fn on_medium(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            on_medium(&path, bytes)
        } else {
            fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
        }
    })
}

#[tokio::test]
async fn what_the_command_side_seals_an_edge_opens_until_a_key_is_destroyed() {
    let keys = Keys::start().await;
    let (room, author) = (room(), user());
    let auth = keys.keyring(BusRole::Auth).await;
    auth.ensure(Owner::User(author), now()).await.unwrap();
    let writer = Sealer::new(keys.keyring(BusRole::CommandApi).await, 1000);
    let place = Place::Body { room, id: command(), author };
    let sealed = writer.seal(&place, "hola", now()).await.unwrap();
    for reader in [BusRole::WsEdge, BusRole::QueryApi] {
        let opened = keys.keyring(reader).await.open(&place, &sealed).await;
        assert_eq!(opened, Ok(Opened::Text("hola".to_owned())), "{reader}");
    }
    auth.destroy(Owner::User(author), now()).await.unwrap();
    auth.destroy(Owner::User(author), now()).await.unwrap();
    assert_eq!(keys.keyring(BusRole::WsEdge).await.open(&place, &sealed).await, Ok(Opened::Erased));
    assert_eq!(auth.store().owners(OwnerKind::User).await.unwrap(), [Owner::User(author)]);
}

#[tokio::test]
async fn a_destroyed_key_is_overwritten_on_the_medium() {
    let keys = Keys::start().await;
    let owner = Owner::Room(room());
    let keyring = keys.keyring(BusRole::CommandApi).await;
    keyring.ensure(owner, now()).await.unwrap();
    let record = keyring.store().get(owner).await.unwrap().unwrap().record;
    let KeyRecord::Epochs(epochs) = &record else { panic!("{record:?}") };
    let wrapped = serde_json::to_string(&epochs[0].key.bytes).unwrap();
    let folder = keys.nats.server.data().unwrap().to_owned();
    // What the server holds in memory for a moment is on its medium when it has stopped.
    keys.nats.server.stop().unwrap();
    assert!(on_medium(&folder, wrapped.as_bytes()), "it was there");
    keys.nats.server.restart().unwrap();
    keyring.destroy(owner, now()).await.unwrap();
    keys.nats.server.stop().unwrap();
    assert!(!on_medium(&folder, wrapped.as_bytes()), "and is not any more");
}

#[tokio::test]
async fn of_two_who_write_at_once_one_is_told() {
    let keys = Keys::start().await;
    let store = keys.buckets(BusRole::CommandApi).await;
    let owner = Owner::Room(room());
    assert_eq!(store.get(owner).await, Ok(None));
    let record = KeyRecord::Destroyed { at: now() };
    store.put(owner, &record, None).await.unwrap();
    assert_eq!(store.put(owner, &record, None).await, Err(StoreError::Conflict));
    let StoredRecord { revision, .. } = store.get(owner).await.unwrap().unwrap();
    store.put(owner, &record, Some(revision)).await.unwrap();
    assert_eq!(store.put(owner, &record, Some(revision)).await, Err(StoreError::Conflict));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_no_erasure() {
    let keys = Keys::start().await;
    let mut settings = keys.nats.settings(BusRole::WsEdge);
    settings.read_for = Duration::from_millis(300);
    let store = KeyBuckets::open(chasqui_bus::Bus::connect(settings).await.unwrap());
    let owner = Owner::Room(room());
    let life = Life { time: Duration::from_mins(5), number: 100 };
    let keyring = Keyring::new(Arc::new(store), keys.kek.clone(), life);
    assert_eq!(keyring.ring(owner).await.unwrap_err(), KeyError::Absent(owner));
    keys.nats.server.pause().unwrap();
    assert!(matches!(keyring.ring(owner).await.unwrap_err(), KeyError::Unavailable(..)));
    keys.nats.server.resume().unwrap();
}
