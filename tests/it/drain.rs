//! An edge that is told to go (reliability: SIGTERM under load).

use std::time::Duration;

use chasqui_client::{Connection, SocketLimits};
use chasqui_protocol::{CloseCode, Codec, ServerFrame};
use chasqui_testkit::{Checker, Layout, Load, Person, Stack, within};
use futures::future::join_all;

/// Everybody is told to come back and when, the closes are spread, nothing acknowledged is lost, and those who come
/// back to the other edge have everything once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load() {
    const IDLE: usize = 20;
    let stack = Stack::with(Layout::core_and_edges(2)).await;
    let (one, two) = (stack.process("edge-1"), stack.process("edge-2"));
    let ana = stack.user_at("ana", one.endpoint(), Person::options()).await;
    let beto = stack.user_at("beto", one.endpoint(), Person::options()).await;
    let carla = stack.user_at("carla", two.endpoint(), Person::options()).await;
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut connection =
            Connection::open(&one.endpoint(), Codec::Json, SocketLimits::default()).await.unwrap();
        connection.hello(&carla.token().await, None, None).await.unwrap();
        idle.push(tokio::spawn(farewell(connection)));
    }

    let load = Load::start(&[(&ana, room), (&beto, room), (&carla, room)], Duration::from_millis(10));
    load.acked_further(60).await;
    let marks = [ana.mark(), beto.mark()];
    one.stop().await;
    let farewells = within("the farewells", join_all(idle)).await;
    one.restart().await;
    for (person, mark) in [&ana, &beto].into_iter().zip(marks) {
        person.back_after(mark).await;
    }
    load.acked_further(60).await;
    let sent = load.stop().await;

    for farewell in farewells {
        let (bye, close) = farewell.unwrap();
        let (reconnect, _after_ms) = bye.expect("a connection was closed without a word");
        assert!(reconnect, "a client was told not to come back");
        assert_eq!(close, Some(CloseCode::GoingAway));
    }
    Checker::new().sent(sent).seen_by(&[&ana, &beto, &carla]).check(&stack).await;
}

/// What a connection is told at its end: the `bye`, and the code of the close.
async fn farewell(mut connection: Connection) -> (Option<(bool, u64)>, Option<CloseCode>) {
    let mut bye = None;
    loop {
        match connection.next().await {
            Ok(ServerFrame::Bye { reconnect, after_ms, .. }) => bye = Some((reconnect, after_ms)),
            Ok(_) => {}
            Err(closed) => return (bye, closed.close_code()),
        }
    }
}

/// Every role ends by itself when told to, under load, and begins again with everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_ends_and_begins_again() {
    let stack = Stack::with(Layout::process_per_role(1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(15));
    for role in ["projector", "command-api", "query-api", "auth", "edge-1"] {
        load.acked_further(20).await;
        stack.process(role).stop().await;
        stack.process(role).restart().await;
    }
    load.acked_further(20).await;
    let sent = load.stop().await;
    Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
}
