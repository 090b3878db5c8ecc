//! A second version beside the first, while writes go on.

use std::time::Duration;

use chasqui_bus::{BusRole, live::Live};
use chasqui_events::room::{MemberRemoved, RoomEvent};
use chasqui_projector::admin::{self, AdminError};
use chasqui_read_model::{Checkpoint, ReadModel, Stream, Version};
use pretty_assertions::assert_eq;

use crate::harness::{PARTITIONS, Room, STREAM, Servers, settled, until};

async fn position(model: &ReadModel, version: Version) -> u64 {
    Checkpoint::load(model.store(), version, STREAM).await.unwrap().map_or(0, |checkpoint| checkpoint.pos)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_version_holds_the_same_and_can_be_switched_to_and_the_old_one_dropped() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let mut rooms = vec![];
    for n in 0..8 {
        let mut room = Room::create(&log).await;
        let bob = room.join().await;
        let mut last = 0;
        for m in 0..12 {
            last = room.post(if m % 2 == 0 { bob } else { room.owner }, &format!("{n} {m}")).await;
            room.receipt(bob, last, last - n).await;
        }
        if n % 2 == 0 {
            let removed = RoomEvent::MemberRemoved(MemberRemoved { user: bob, reason: None });
            room.state(room.owner, removed).await;
        }
        assert!(last > 0);
        rooms.push(room);
    }
    settled(&model, &log).await;

    let edge = Live::new(servers.bus(BusRole::WsEdge).await);
    let mut hints = edge.subscribe_notify_all().await.unwrap();
    edge.bus().flush().await.unwrap();
    let store = model.store();
    let second = admin::rebuild(store).await.unwrap();
    assert_eq!(second, Version(2));
    // Writes go on meanwhile.
    for room in &rooms {
        room.post(room.owner, "meanwhile").await;
    }
    settled(&model, &log).await;
    let head = position(&model, Version::FIRST).await;
    until("the second version is there", async || position(&model, second).await == head).await;
    let hashes = admin::content_hash(store, second).await.unwrap();
    assert_eq!(hashes, admin::content_hash(store, Version::FIRST).await.unwrap());

    let hint = tokio::time::timeout(Duration::from_millis(100), hints.recv()).await;
    assert!(hint.is_err(), "people are told again what they know: {hint:?}");

    admin::switch(store, second, false).await.unwrap();
    until("readers follow", async || model.version().await == second).await;
    let heads = model.heads_since(STREAM_PARTITION, 0).await.unwrap();
    assert_eq!((heads.at, heads.rooms.len()), (head, rooms.len()));
    let items = model.timeline_after(rooms[0].id, 0, 100).await.unwrap().items;
    assert_eq!(items.len(), 16);

    let admin_bus = servers.bus(BusRole::Admin).await;
    let refused = admin::drop(store, model.hot(), &admin_bus, second).await;
    assert!(matches!(refused, Err(AdminError::IsActive(Version(2)))));
    admin::drop(store, model.hot(), &admin_bus, Version::FIRST).await.unwrap();
    let report = admin::list(store, &log, PARTITIONS).await.unwrap();
    assert_eq!(
        report.iter().map(|report| (report.version, report.active)).collect::<Vec<_>>(),
        vec![(second, true)]
    );
    // The projector lets go of it, and nothing comes back.
    let last = rooms[0].post(rooms[0].owner, "after").await;
    model.wait_for(STREAM, last, crate::harness::LONG).await.unwrap();
    projector.stop().await;
    assert_eq!(position(&model, Version::FIRST).await, 0);
}

const STREAM_PARTITION: chasqui_events::Partition = crate::harness::P;

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_behind_is_not_switched_to() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let room = Room::create(&log).await;
    settled(&model, &log).await;
    projector.stop().await;
    let second = admin::rebuild(model.store()).await.unwrap();
    let refused = admin::switch(model.store(), second, false).await;
    let Err(AdminError::Behind { stream, behind, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((stream, behind), (STREAM, room.basis));
    assert!(matches!(
        admin::switch(model.store(), Version(9), true).await,
        Err(AdminError::NoSuchVersion(Version(9)))
    ));
    admin::switch(model.store(), second, true).await.unwrap();
    assert_eq!(Stream::of(room.id), STREAM);
}
