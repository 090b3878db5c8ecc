//! Connections that are cut in the middle of a stream of messages (reliability: the connection cut at any byte).

use std::time::Duration;

use chasqui_events::room::Kind;
use chasqui_protocol::Codec;
use chasqui_testkit::{ChaosProxy, Checker, Direction, Load, Person, Stack};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Two people talk over connections that are cut again and again after random counts of bytes, in both directions:
/// within a handshake, a frame, an acknowledgement, an answer. Everything arrives once and in order all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_any_byte() {
    const CUTS: usize = 12;
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let stack = Stack::start().await;
    let (near_ana, near_beto) =
        (ChaosProxy::start(stack.edge_port()).await, ChaosProxy::start(stack.edge_port()).await);
    let ana = stack.user_at("ana", near_ana.endpoint(), Person::options()).await;
    let compact = chasqui_client::Options { codec: Codec::MessagePack, ..Person::options() };
    let beto = stack.user_at("beto", near_beto.endpoint(), compact).await;
    let carla = stack.user("carla").await;
    let room = ana.room_with("on the road", &[&beto, &carla]).await;

    let load = Load::start(&[(&ana, room), (&beto, room), (&carla, room)], Duration::from_millis(10));
    for proxy in [&near_ana, &near_beto] {
        for _ in 0..CUTS {
            let direction = if dice.random() { Direction::Down } else { Direction::Up };
            // Handshake and hello are some 1,500 bytes.
            proxy.cut_next_after(direction, dice.random_range(1..8_000));
        }
        proxy.cut_all();
    }
    while near_ana.cuts_left() + near_beto.cuts_left() > 0 {
        load.acked_further(10).await;
    }
    load.acked_further(30).await;
    let sent = load.stop().await;
    assert!(near_beto.accepted() > CUTS as u64, "the cuts were not reached");
    let report = Checker::new().sent(sent).seen_by(&[&ana, &beto, &carla]).check(&stack).await;
    assert_eq!(report.standing, report.acked);
}

/// A device that was away comes back with the cursor that it kept, in a new run of the program: it gets what it
/// missed, in order, and nothing that it had acknowledged long before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_cursor_brings_what_was_missed() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    for number in 0..20 {
        ana.says(room, &format!("seen {number}")).await;
    }
    let last = beto.sees_message(room, "seen 19").await;
    ana.delivered(room, beto.id, last.seq).await;
    beto.client.close().await;
    let cursor = beto.client.cursor();
    assert!(cursor.is_some(), "a connected client has a cursor");

    for number in 0..150 {
        ana.says(room, &format!("missed {number}")).await;
    }
    let options = chasqui_client::Options { cursor, ..Person::options() };
    let later = beto.device(stack.edge(), options).await;
    later.sees_message(room, "missed 149").await;
    let bodies = later.bodies(room);
    let missed: Vec<String> = (0..150).map(|number| format!("missed {number}")).collect();
    assert!(bodies.ends_with(&missed), "{bodies:?}");
    let again = bodies.len() - missed.len();
    // The cursor lags: what comes again is the end of what was seen, in order, for the client to drop.
    let seen: Vec<String> = (0..20).map(|number| format!("seen {number}")).collect();
    assert_eq!(bodies[..again], seen[seen.len() - again..]);
}

/// A whole crowd is cut off at once, under load: everybody comes back, and nobody has missed anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_cut_at_once() {
    const CROWD: usize = 60;
    let stack = Stack::start().await;
    let proxy = ChaosProxy::start(stack.edge_port()).await;
    let ana = stack.user("ana").await;
    let plaza = ana.client.create_room(Kind::Public, "plaza").await.unwrap();
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let somebody = stack.user_at(&format!("person-{number}"), proxy.endpoint(), Person::options()).await;
        somebody.client.join(plaza).await.unwrap();
        somebody.entered(plaza).await;
        crowd.push(somebody);
    }
    let load = Load::start(&[(&ana, plaza)], Duration::from_millis(20));
    for _ in 0..3 {
        load.acked_further(30).await;
        proxy.cut_all();
    }
    load.acked_further(30).await;
    let sent = load.stop().await;
    assert!(proxy.accepted() >= 2 * CROWD as u64, "nobody came back");
    let everybody: Vec<&Person> = crowd.iter().collect();
    let report = Checker::new().sent(sent).seen_by(&everybody).check(&stack).await;
    assert_eq!(report.standing, report.acked);
}
