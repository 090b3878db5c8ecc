//! Connections that are gone without a word: a network that swallows everything.

use std::time::{Duration, Instant};

use chasqui_client::Event;
use chasqui_testkit::{ChaosProxy, Checker, Direction, Layout, Person, Role, Stack, eventually};

const PING: Duration = Duration::from_millis(400);
const PONG: Duration = Duration::from_millis(400);

/// The edge notices within its bound that nobody is there, and says so to the others; the client notices, too, and
/// comes back to everything that it missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_notice() {
    let layout = Layout::one_process()
        .set("edge.ping_interval_ms", PING.as_millis())
        .set("edge.pong_timeout_ms", PONG.as_millis());
    let stack = Stack::with(layout).await;
    let proxy = ChaosProxy::start(stack.edge_port()).await;
    let ana = stack.user("ana").await;
    let beto = stack.user_at("beto", proxy.endpoint(), Person::options()).await;
    let room = ana.direct_with(&beto).await;
    ana.says(room, "are you there?").await;
    beto.sees_message(room, "are you there?").await;

    let (mark, beto_mark) = (ana.mark(), beto.mark());
    let since = Instant::now();
    proxy.mute(Direction::Down, true);
    proxy.mute(Direction::Up, true);
    let edge = stack.role(Role::WsEdge);
    eventually("the edge to close a connection that does not answer", || async {
        let closed = edge.metric_of("chasqui_edge_closes_total", "4101").await;
        if closed >= 1.0 { Ok(()) } else { Err(format!("{closed} were closed")) }
    })
    .await;
    // Some seconds more for a slow machine.
    let bound = PING + PONG + Duration::from_secs(5);
    assert!(since.elapsed() < bound, "noticed after {:?}", since.elapsed());
    let away = |event: &Event| matches!(event, Event::Presence { user, online: false } if *user == beto.id);
    ana.after(mark, "beto being away", away).await;
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    beto.after(beto_mark, "noticing the silence", lost).await;
    ana.says(room, "missed").await;

    proxy.mute(Direction::Down, false);
    proxy.mute(Direction::Up, false);
    beto.sees_message(room, "missed").await;
    let back = |event: &Event| matches!(event, Event::Presence { user, online: true } if *user == beto.id);
    ana.after(mark, "beto being back", back).await;
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Whoever connects and says nothing is sent away in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_instead_of_a_hello() {
    use chasqui_client::{Connection, SocketLimits};
    use chasqui_protocol::{CloseCode, Codec, ServerFrame};
    let stack = Stack::with(Layout::one_process().set("edge.hello_timeout_ms", 300)).await;
    let mut silent = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
    let closed = chasqui_testkit::within("being sent away", async {
        loop {
            match silent.next().await {
                Ok(ServerFrame::Bye { .. }) => {}
                Ok(other) => panic!("{other:?}"),
                Err(closed) => return closed,
            }
        }
    })
    .await;
    assert_eq!(closed.close_code(), Some(CloseCode::HelloTimeout), "{closed}");
}
