//! Memory of an idle connection that has said hello and is subscribed.

use std::{sync::Arc, time::Duration};

use chasqui_backends::Durability;

use super::{Run, measured::whole};
use crate::{
    driver::{Driver, Load},
    figure::{Figure, Target, Unit},
    people::{Person, Room, World},
    report::{Grid, Section},
    schedule::Schedule,
    stack::Stack,
    table::number,
};

/// Connections that pay for what is needed once.
const FIRST: usize = 100;
/// Until allocations of the handshakes have settled.
const REST: Duration = Duration::from_secs(3);

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let raw = run.bare_idle_kib().await?;
    let connections = run.pick(1000, 5000);
    let mut stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let world =
        World::of_pairs(&stack.endpoint(run.codec), connections / 2 + FIRST / 2, &run.progress).await?;
    // A new process: what registering left in the allocator would hide what connections need.
    stack.serve(run.layout).await?;
    let endpoint = stack.endpoint(run.codec);
    let (first, rest) = split(&world, FIRST);
    let nothing = Schedule::of_count(1.0, 0);
    let first =
        Driver::connect(Load::direct(endpoint.clone(), Arc::new(first), nothing), &run.progress).await?;
    tokio::time::sleep(REST).await;
    let before = stack.memory()?;
    let rest = Driver::connect(Load::direct(endpoint, Arc::new(rest), nothing), &run.progress).await?;
    tokio::time::sleep(REST).await;
    let after = stack.memory()?;
    let still_there = first.present() + rest.present();
    first.close().await;
    rest.close().await;
    anyhow::ensure!(still_there == connections + FIRST, "{still_there} connections are left");
    let count = whole(connections as u64);
    let mut grid = Grid::new("Resident memory", ["process", "before KiB", "after KiB", "KiB per connection"]);
    let mut server = 0.0;
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let each = (whole(*after) - whole(*before)) / count;
        if name.starts_with("chasqui") {
            server += each;
        }
        grid.row([name.clone(), before.to_string(), after.to_string(), number(each)]);
    }
    let mut section = Section::new(
        "idle",
        format!(
            "{connections} connections; each has said hello, is a member of one direct \
             conversation and subscribed to it, both sides connected ({} rooms); difference of resident memory \
             after {FIRST} connections that came first and {REST:?} of rest.",
            connections / 2
        ),
    );
    section.figures = vec![
        Figure::new("server memory of an idle connection", server, Unit::KiB)
            .beside("bare tokio-tungstenite", Some(raw))
            .to_reach(Target::AtMost(12.0)),
    ];
    section.grids = vec![grid];
    Ok(vec![section])
}

/// The first so many people with their rooms, and the others. Pairs sit side by side.
fn split(world: &World, first: usize) -> (World, World) {
    let (few, many) = world.people.split_at(first.min(world.people.len()));
    let rooms = |people: &[Person], skipped: usize| World {
        people: people.to_vec(),
        rooms: world
            .rooms
            .iter()
            .filter_map(|room| {
                let members: Option<Vec<usize>> =
                    room.members.iter().map(|member| member.checked_sub(skipped)).collect();
                let members = members.filter(|all| all.iter().all(|&member| member < people.len()))?;
                Some(Room { id: room.id, members })
            })
            .collect(),
    };
    (rooms(few, 0), rooms(many, first))
}
