//! A partition whose log does not answer delays its own rooms only.

use chasqui_events::{RoomId, room::Kind};
use chasqui_testkit::{Checker, Layout, Person, Rule, Stack, eventually};

/// Beto comes back while the stream of one of his rooms does not answer: in the other he is served at once, in this one
/// as soon as it does. He comes into a third one, of the same partition, meanwhile. Nothing is lost, also not when the
/// connection is cut once more in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_are_served() {
    let stack = Stack::with(Layout::core_and_edges(1).lossy_nats("edge-1")).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let (silent, third, other) = rooms(&ana, &beto).await;
    // From here on his cursor knows that he is in these rooms: nothing but it says what he has missed there.
    let mark = beto.mark();
    beto.client.cut().await;
    beto.back_after(mark).await;
    moves_on(&ana, &beto, silent).await;
    let heard = beto.bodies(silent);

    let stream = format!("\"name\":\"CHAT_{}\"", silent.partition());
    stack.lossy("edge-1").lose(Rule::new(move |message| {
        message.subject.starts_with("_INBOX")
            && message.holds("stream_info_response")
            && message.holds(&stream)
    }));
    for round in 0..2 {
        let mark = beto.mark();
        beto.client.cut().await;
        ana.says(silent, &format!("late {round}")).await;
        ana.says(other, &format!("in time {round}")).await;
        beto.back_after(mark).await;
        beto.sees_message(other, &format!("in time {round}")).await;
        // The cursor moves over what was acknowledged, and must not move in the silent partition.
        moves_on(&ana, &beto, other).await;
    }
    ana.says(silent, "late 2").await;
    beto.client.join(third).await.unwrap();
    beto.says(third, "late, too").await;
    ana.sees_message(third, "late, too").await;
    beto.fence().await;
    assert!(beto.bodies(third).is_empty(), "the partition was not silent");
    assert_eq!(beto.bodies(silent), heard, "the partition was not silent");

    stack.lossy("edge-1").lose(Rule::none());
    beto.sees_message(silent, "late 2").await;
    beto.sees_message(third, "late, too").await;
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Ana says something, and Beto's cursor moves over it.
async fn moves_on(ana: &Person, beto: &Person, room: RoomId) {
    let before = beto.client.cursor();
    ana.says(room, "and more").await;
    eventually("the cursor moves", async || {
        if beto.client.cursor() == before { Err("it is where it was".to_owned()) } else { Ok(()) }
    })
    .await;
}

/// Two rooms of one partition, Beto in the first of them, and one of another, with Beto in it.
async fn rooms(ana: &Person, beto: &Person) -> (RoomId, RoomId, RoomId) {
    let mut all: Vec<RoomId> = Vec::new();
    loop {
        let room = ana.client.create_room(Kind::Public, format!("room {}", all.len())).await.unwrap();
        ana.entered(room).await;
        all.push(room);
        let pair = all.iter().find(|first| **first != room && first.partition() == room.partition());
        let other = all.iter().find(|other| other.partition() != room.partition());
        if let (Some(first), Some(other)) = (pair, other) {
            for joined in [*first, *other] {
                beto.client.join(joined).await.unwrap();
                beto.entered(joined).await;
            }
            return (*first, room, *other);
        }
    }
}
