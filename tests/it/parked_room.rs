//! A fact that cannot be read (reliability: a poison event parks its room, others flow).

use chasqui_bus::{
    BusRole, Log,
    log::Append,
    subject::{self, Lane},
};
use chasqui_events::{RoomId, room::Kind};
use chasqui_protocol::query::{Freshness, Page};
use chasqui_testkit::{Layout, Message, Person, Stack, eventually};
use pretty_assertions::assert_eq;

/// A message of a type that this program does not know, as a newer one might have written it.
async fn poison(stack: &Stack, author: &Person, room: RoomId) -> u64 {
    let log = Log::new(stack.bus(BusRole::CommandApi).await);
    let id = author.client.new_id();
    let at = author.client.now();
    let fact = serde_json::json!({
        "id": id, "type": "message.levitated", "v": 1, "at": at, "by": author.id, "basis": 1, "data": {"height": 3},
    });
    let append = Append {
        subject: subject::room(room, Lane::Msg),
        id,
        by: author.id,
        type_name: "message.levitated",
        version: 1,
        payload: serde_json::to_vec(&fact).unwrap().into(),
        expected: None,
        aggregate_seq: None,
        trace: None,
    };
    log.append(append).await.unwrap().seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_parks_its_room_and_no_other() {
    let stack = Stack::with(Layout::process_per_role(1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let (sick, well) = two_of_a_partition(&ana, &beto).await;
    ana.says(sick, "before").await;
    let poisoned = poison(&stack, &ana, sick).await;
    ana.says(sick, "held").await;
    let position = ana.says(well, "flows").await.position.unwrap();

    let newest = |room, fresh| beto.client.history(room, Page::Newest, None, fresh);
    let flowing = newest(well, Freshness::AtLeast(position)).await.unwrap();
    assert_eq!((flowing.items.last().unwrap().seq, flowing.held_at), (position.seq, None));
    let held = newest(sick, Freshness::AtLeast(position)).await.unwrap();
    assert_eq!(held.held_at, Some(poisoned), "the reader is not told that the room is held");
    let bodies: Vec<String> = held.items.iter().filter_map(Message::of).map(|message| message.body).collect();
    assert_eq!(bodies, ["before"], "nothing after the poison is applied before it is");
    eventually("an alarm", || async {
        match stack.process("projector").metric("chasqui_projector_parked").await {
            1.0 => Ok(()),
            other => Err(format!("chasqui_projector_parked is {other}")),
        }
    })
    .await;

    // It stays parked over a restart, and the others still flow.
    stack.process("projector").kill_9();
    stack.process("projector").restart().await;
    let position = ana.says(well, "flows on").await.position.unwrap();
    let flowing = newest(well, Freshness::AtLeast(position)).await.unwrap();
    assert_eq!(flowing.items.last().unwrap().seq, position.seq);
    assert_eq!(newest(sick, Freshness::Any).await.unwrap().held_at, Some(poisoned));
    beto.sees_message(well, "flows on").await;

    // A device that comes later is told of the other room without waiting for the sick one.
    let later = beto.device(stack.edge(), Person::options()).await;
    ana.says(well, "to the late").await;
    later.sees_message(well, "to the late").await;
}

async fn two_of_a_partition(ana: &Person, beto: &Person) -> (RoomId, RoomId) {
    let mut rooms: Vec<RoomId> = Vec::new();
    loop {
        let room = ana.client.create_room(Kind::Public, format!("room {}", rooms.len())).await.unwrap();
        beto.client.join(room).await.unwrap();
        beto.entered(room).await;
        match rooms.iter().find(|other| other.partition() == room.partition()) {
            Some(other) => return (*other, room),
            None => rooms.push(room),
        }
    }
}
