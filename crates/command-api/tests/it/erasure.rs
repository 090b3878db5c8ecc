//! A room is erased for good, whatever dies meanwhile and whatever is restored.

use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
    subject::Lane,
};
use chasqui_command_api::erasure::Step;
use chasqui_crypto::Owner;
use chasqui_events::{Partition, RoomId, room::RoomEvent};
use chasqui_protocol::Code;
use chasqui_runtime::clock::random_bytes;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::installation::{Installation, Person, new_id};

impl Installation {
    async fn says(&self, person: &Person, room: RoomId) -> Result<(), Code> {
        let body = json!({"id": new_id(), "room": room, "body": "hola"});
        self.ask(person, "send", body).await.map(drop).map_err(|problem| problem.code)
    }

    /// Nothing is left of a room, and it is said so once.
    async fn is_gone(&self, owner: &Person, room: RoomId) {
        let keyring = chasqui_auth::keyring(&self.config, self.bus(BusRole::QueryApi).await).unwrap();
        assert!(keyring.ring(Owner::Room(room)).await.unwrap().is_destroyed());
        let ledger = Bucket::open(self.bus(BusRole::CommandApi).await, Name::Erasures);
        let entry = ledger.get(&format!("room.{room}")).await.unwrap().unwrap();
        let entry: Value = serde_json::from_slice(&entry.value).unwrap();
        assert!(entry["done_at"].is_i64(), "{entry}");
        let lane = self.lane::<RoomEvent>(room, Lane::State).await;
        assert_eq!(lane.iter().filter(|fact| matches!(fact.event, RoomEvent::Erased(_))).count(), 1);
        assert_eq!(self.says(owner, room).await, Err(Code::RoomErased));
    }
}

#[tokio::test]
async fn an_owner_erases_a_room_by_its_name_and_once() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "public").await;
    installation.says(&ana, room).await.unwrap();
    let erase = |name: &str| json!({"id": new_id(), "room": room, "name": name});
    let wrong = installation.ask(&ana, "erase_room", erase("Market")).await.unwrap_err();
    assert_eq!(wrong.code, Code::AnotherName);
    let stranger = installation.ask(&ben, "erase_room", erase("Plaza")).await.unwrap_err();
    assert_eq!(stranger.code, Code::NotAMember);
    installation.says(&ana, room).await.unwrap();
    for _ in 0..2 {
        installation.ask(&ana, "erase_room", erase("Plaza")).await.unwrap();
        installation.is_gone(&ana, room).await;
    }
    let join = json!({"id": new_id(), "room": room});
    assert_eq!(installation.ask(&ben, "join", join.clone()).await.unwrap_err().code, Code::RoomErased);
    installation.ask(&ana, "leave", join).await.unwrap();
}

/// A process dies after any of the steps: another one finishes what was begun.
#[tokio::test]
async fn a_death_between_any_two_steps_is_made_good() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let next = installation.another_api().await;
    let ledger = Bucket::open(installation.bus(BusRole::CommandApi).await, Name::Erasures);
    let asked = async || {
        let room = installation.room(&ana, "private").await;
        installation.says(&ana, room).await.unwrap();
        let request = json!({"requested_at": 1, "by": ana.user});
        ledger.create(&format!("room.{room}"), request.to_string().into()).await.unwrap();
        room
    };
    let at_once = asked().await;
    assert_eq!(next.resume_erasures(false).await.unwrap(), 1, "died right after the request");
    installation.is_gone(&ana, at_once).await;
    for step in Step::ALL {
        let room = asked().await;
        assert_eq!(installation.api.resume_erasures_up_to(step, false).await.unwrap(), 1);
        let left = usize::from(step != Step::Done);
        assert_eq!(next.resume_erasures(false).await.unwrap(), left, "{step:?}");
        installation.is_gone(&ana, room).await;
    }
}

/// A copy of the keys from before the erasure is restored: the ledger undoes that.
#[tokio::test]
async fn a_key_that_a_restored_copy_brings_back_is_destroyed_again() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    installation.says(&ana, room).await.unwrap();
    let keys = Bucket::open(installation.bus(BusRole::CommandApi).await, Name::RoomKeys);
    let key = keys.get(&room.to_string()).await.unwrap().unwrap().value;
    let erase = json!({"id": new_id(), "room": room, "name": "Plaza"});
    installation.ask(&ana, "erase_room", erase).await.unwrap();
    assert_eq!(installation.api.resume_erasures(true).await.unwrap(), 0, "everything is as the ledger says");
    keys.put(&room.to_string(), key).await.unwrap();
    assert_eq!(installation.api.resume_erasures(true).await.unwrap(), 1);
    installation.is_gone(&ana, room).await;
}

/// Requests that cannot be read: the room behind them in the ledger does not wait.
#[tokio::test]
async fn an_erasure_that_fails_holds_up_no_other() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let ledger = Bucket::open(installation.bus(BusRole::CommandApi).await, Name::Erasures);
    // The ledger has no order: with so many, it is next to certain that some come first.
    for _ in 0..30 {
        let id = new_id();
        let room = RoomId::new(Partition::from_low_bits(0), id.timestamp(), random_bytes());
        ledger.create(&format!("room.{room}"), "not a request".into()).await.unwrap();
    }
    let room = installation.room(&ana, "public").await;
    let request = json!({"requested_at": 1, "by": ana.user}).to_string();
    ledger.create(&format!("room.{room}"), request.into()).await.unwrap();
    assert_eq!(installation.api.resume_erasures(false).await.unwrap_err().code, Code::Internal, "it is said");
    installation.is_gone(&ana, room).await;
}
