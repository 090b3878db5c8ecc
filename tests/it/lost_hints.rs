//! Republished facts are hints: they may be lost, and nothing else may be lost with them (reliability: a tenth of
//! them dropped, among them the last one before silence and one of two rooms of a partition).

use std::time::Duration;

use chasqui_events::{RoomId, room::Kind};
use chasqui_testkit::{Checker, Layout, Load, NatsMessage, Person, Rule, Stack};
use pretty_assertions::assert_eq;

fn layout() -> Layout {
    Layout::core_and_edges(1).lossy_nats("edge-1")
}

/// A tenth of everything, all the time, with a reconnect in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenth_is_lost() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let stack = Stack::with(layout()).await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    let direct = ana.direct_with(&beto).await;
    stack.lossy("edge-1").lose(Rule::live_facts(seed, 10));
    let load = Load::start(&[(&ana, room), (&beto, direct), (&carla, room)], Duration::from_millis(8));
    load.acked_further(150).await;
    beto.client.cut().await;
    load.acked_further(150).await;
    let sent = load.stop().await;
    stack.lossy("edge-1").lost_at_least(20).await;
    let report = Checker::new().sent(sent).seen_by(&[&ana, &beto, &carla]).check(&stack).await;
    assert_eq!(report.standing, report.acked);
}

/// The last fact before silence: no later one shows that it is missing, only the tick does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_before_silence_is_lost() {
    let stack = Stack::with(layout()).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    for round in 0..5 {
        ana.says(room, &format!("heard {round}")).await;
        beto.sees_message(room, &format!("heard {round}")).await;
        let last = format!("unheard {round}");
        let before = stack.lossy("edge-1").lost().len();
        stack.lossy("edge-1").lose(Rule::next(1, move |message| is_said_in(message, room)));
        ana.says(room, &last).await;
        beto.sees_message(room, &last).await;
        assert_eq!(stack.lossy("edge-1").lost().len(), before + 1, "nothing was lost");
    }
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Two rooms of one partition: a fact is lost in one, later ones arrive in the other and are acknowledged. The cursor
/// must not move past the lost one. The tick comes too late to help: only the resume can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_rooms_of_a_partition() {
    let stack = Stack::with(layout().set("edge.tick_ms", 60_000)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let (one, other) = two_of_a_partition(&ana, &beto).await;
    ana.says(one, "heard").await;
    beto.sees_message(one, "heard").await;

    stack.lossy("edge-1").lose(Rule::next(usize::MAX, move |message| is_said_in(message, one)));
    ana.says(one, "unheard").await;
    stack.lossy("edge-1").lost_at_least(1).await;
    for number in 0..5 {
        let body = format!("in the other room {number}");
        let place = ana.says(other, &body).await.position.unwrap();
        beto.sees_message(other, &body).await;
        ana.delivered(other, beto.id, place.seq).await;
    }
    assert!(!beto.bodies(one).contains(&"unheard".to_owned()), "nothing was lost");
    let mark = beto.mark();
    beto.client.cut().await;
    beto.back_after(mark).await;
    beto.sees_message(one, "unheard").await;
    assert_eq!(beto.bodies(one), ["heard", "unheard"]);
    let mark = ana.mark();
    ana.client.cut().await;
    ana.back_after(mark).await;
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// The edge's own connection to NATS is lost for a moment: what was republished meanwhile is gone for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_edge_is_cut_off_from_nats() {
    let layout = layout().edges(1).set_for("edge-1", "edge.tick_ms", 60_000);
    let stack = Stack::with(layout).await;
    let ana = stack.user_at("ana", stack.process("edge-2").endpoint(), Person::options()).await;
    let beto = stack.user_at("beto", stack.process("edge-1").endpoint(), Person::options()).await;
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room)], Duration::from_millis(3));
    for _ in 0..5 {
        load.acked_further(30).await;
        stack.lossy("edge-1").cut_all();
    }
    load.acked_further(30).await;
    let sent = load.stop().await;
    Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Opens rooms until two lie in one partition.
async fn two_of_a_partition(ana: &Person, beto: &Person) -> (RoomId, RoomId) {
    let mut rooms: Vec<RoomId> = Vec::new();
    loop {
        let room = ana.client.create_room(Kind::Public, format!("room {}", rooms.len())).await.unwrap();
        beto.client.join(room).await.unwrap();
        beto.entered(room).await;
        ana.entered(room).await;
        match rooms.iter().find(|other| other.partition() == room.partition()) {
            Some(other) => return (*other, room),
            None => rooms.push(room),
        }
    }
}

/// What is said there is on its way to the edges. The text itself is sealed.
fn is_said_in(message: &NatsMessage, room: RoomId) -> bool {
    message.subject.starts_with("live.") && message.subject.ends_with(&format!("room.{room}.msg"))
}
