//! Direct conversations: one per pair.

use chasqui_bus::{BusRole, Log, subject, subject::Lane};
use chasqui_events::{
    identity::IdentityEvent,
    room::{Kind, RoomEvent},
};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, ask, new_id};

#[tokio::test]
async fn both_sides_at_once_open_one_conversation() {
    let installation = Installation::start().await;
    let apis = [installation.api.clone(), installation.another_api().await];
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let opening: Vec<_> = (0..8)
        .map(|n| {
            let (api, from, to) = (apis[n % 2].clone(), ana.clone(), ben.clone());
            let (from, to) = if n % 4 < 2 { (from, to) } else { (to, from) };
            tokio::spawn(async move {
                let body = json!({"id": new_id(), "user": to.user});
                ask(&api, &from, "open_direct", body).await.unwrap().room.unwrap()
            })
        })
        .collect();
    let mut rooms = Vec::new();
    for one in opening {
        rooms.push(one.await.unwrap());
    }
    rooms.dedup();
    let [room] = rooms[..] else { panic!("one room, not {rooms:?}") };
    let facts = installation.lane::<RoomEvent>(room, Lane::State).await;
    let [fact] = &facts[..] else { panic!("one fact, not {facts:?}") };
    let RoomEvent::Created(created) = &fact.event else { panic!("{fact:?}") };
    assert_eq!((created.kind, created.members.len()), (Kind::Direct, 2));
    let log = Log::new(installation.bus(BusRole::CommandApi).await);
    let claims = log.lane_range(&subject::ident_direct(ana.user, ben.user), 1, u64::MAX, 10).await.unwrap();
    assert_eq!(claims.len(), 1);
}

#[tokio::test]
async fn a_claim_whose_room_was_never_created_is_completed() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "public").await;
    // The process died between the claim and the creation.
    let orphan = chasqui_events::RoomId::new(room.partition(), room.timestamp(), [9; 10]);
    let mut pair = [ana.user, ben.user];
    pair.sort();
    let event = IdentityEvent::DirectClaimed(chasqui_events::identity::DirectClaimed { room: orphan, pair });
    let envelope = chasqui_events::Envelope {
        id: new_id(),
        at: room.timestamp(),
        by: ana.user,
        basis: 0,
        import: None,
        event,
    };
    let log = Log::new(installation.bus(BusRole::CommandApi).await);
    let subject = subject::ident_direct(ana.user, ben.user);
    log.append(chasqui_bus::log::Append::fact(subject, &envelope)).await.unwrap();
    let body = json!({"id": new_id(), "user": ana.user});
    assert_eq!(installation.ask(&ben, "open_direct", body).await.unwrap().room, Some(orphan));
    let say = json!({"id": new_id(), "room": orphan, "body": "hola"});
    installation.ask(&ana, "send", say).await.unwrap();
}

#[tokio::test]
async fn it_needs_somebody_else_who_exists() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let nobody = chasqui_events::UserId::new(chasqui_events::Timestamp(1), [1; 10]);
    for (user, expected) in [(ana.user, "direct-with-self"), (nobody, "user-not-found")] {
        let body = json!({"id": new_id(), "user": user});
        let problem = installation.ask(&ana, "open_direct", body).await.unwrap_err();
        assert_eq!(problem.code.as_str(), expected);
    }
}
