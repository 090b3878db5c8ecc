//! Two processes that decide commands: each command goes to either, and both must know what the other has done.

use chasqui_events::room::Kind;
use chasqui_protocol::{ClientFrame, command::RenameRoom};
use chasqui_testkit::{Checker, Layout, Person, Role, Stack, within};
use futures::future::join_all;
use pretty_assertions::assert_eq;

async fn stack() -> Stack {
    let layout = Layout::empty()
        .process("core", &[Role::Auth, Role::QueryApi, Role::Projector, Role::WsEdge])
        .process("commands-1", &[Role::CommandApi])
        .process("commands-2", &[Role::CommandApi]);
    Stack::with(layout).await
}

/// Who was let in may speak, is out may not: from the answer on, whichever of the two is asked next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_has_recorded_the_other_knows() {
    const ROUNDS: usize = 40;
    let stack = stack().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.client.create_room(Kind::Public, "plaza").await.unwrap();
    for round in 0..ROUNDS {
        beto.client.join(room).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let said = beto.client.send(room, format!("round {round}")).await;
        said.unwrap_or_else(|error| panic!("round {round}: a member may not speak: {error}"));
        beto.client.leave(room).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    let report = Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!((report.standing, report.void), (ROUNDS, 0));
}

/// Everybody changes the same room at once: each change is recorded once, in one order, or its author is asked to
/// try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_the_same_moment_come_one_after_the_other() {
    const PEOPLE: usize = 10;
    let stack = stack().await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(stack.user(&format!("person-{number}")).await);
    }
    let owner = &people[0];
    let room = owner.client.create_room(Kind::Public, "plaza").await.unwrap();
    let joins = join_all(people[1..].iter().map(|person| person.client.join(room)));
    let renames = join_all((0..PEOPLE).map(|number| {
        let command = RenameRoom { id: owner.client.new_id(), room, name: format!("plaza {number}") };
        owner.client.command(ClientFrame::RenameRoom(command))
    }));
    let (joins, renames) = within("joins and renames", futures::future::join(joins, renames)).await;
    let mut places: Vec<u64> =
        joins.into_iter().chain(renames).map(|accepted| accepted.unwrap().position.unwrap().seq).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), PEOPLE - 1 + PEOPLE, "two changes were given one place");
    let everybody: Vec<&Person> = people.iter().collect();
    Checker::new().seen_by(&everybody).check(&stack).await;
}
