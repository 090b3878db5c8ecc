//! One pair, one room.

use chasqui_testkit::{Checker, Layout, Role, Stack};
use futures::future::{join, join_all};
use pretty_assertions::assert_eq;

/// Both sides open the conversation at the same moment, several times each, decided by two processes: there is one
/// room, made once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opened_by_both_at_once() {
    const PAIRS: usize = 6;
    let layout = Layout::empty()
        .process("core", &[Role::Auth, Role::QueryApi, Role::Projector, Role::WsEdge, Role::CommandApi])
        .process("commands-2", &[Role::CommandApi]);
    let stack = Stack::with(layout).await;
    let ana = stack.user("ana").await;
    for number in 0..PAIRS {
        let other = stack.user(&format!("other-{number}")).await;
        let attempts = |from: &chasqui_testkit::Person, to| {
            let client = from.client.clone();
            join_all((0..4).map(move |_| {
                let client = client.clone();
                async move { client.open_direct(to).await.unwrap() }
            }))
        };
        let (mut rooms, others) = join(attempts(&ana, other.id), attempts(&other, ana.id)).await;
        rooms.extend(others);
        rooms.sort_unstable();
        rooms.dedup();
        let [room] = rooms[..] else { panic!("one pair has the rooms {rooms:?}") };
        let lane = chasqui_bus::subject::room(room, chasqui_bus::subject::Lane::State);
        let facts = stack.log().await.lane_range(&lane, 1, u64::MAX, 10).await.unwrap();
        assert_eq!(facts.len(), 1, "the room was made more than once");
        ana.says(room, "hola").await;
        other.sees_message(room, "hola").await;
        assert_eq!(other.client.open_direct(ana.id).await.unwrap(), room);
    }
    Checker::new().seen_by(&[&ana]).check(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_talks_to_themselves_or_to_nobody() {
    use chasqui_protocol::Code;
    let stack = Stack::start().await;
    let ana = stack.user("ana").await;
    let with_self = ana.client.open_direct(ana.id).await.unwrap_err();
    assert_eq!(with_self.problem().unwrap().code, Code::DirectWithSelf);
    let nobody = chasqui_events::UserId::new(chasqui_events::Timestamp(1), [7; 10]);
    let with_nobody = ana.client.open_direct(nobody).await.unwrap_err();
    assert_eq!(with_nobody.problem().unwrap().code, Code::UserNotFound);
}
