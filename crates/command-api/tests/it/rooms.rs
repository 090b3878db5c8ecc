//! Rooms: made once, governed by roles, whoever decides.

use std::collections::HashSet;

use chasqui_bus::subject::Lane;
use chasqui_events::room::RoomEvent;
use chasqui_protocol::{Accepted, Code, Problem};
use chasqui_testkit::{LossyNats, Rule};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, ask, new_id};

fn code(result: Result<Accepted, Problem>) -> &'static str {
    result.map_or_else(|problem| problem.code.as_str(), |_| "ok")
}

#[tokio::test]
async fn a_retried_creation_makes_one_room() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let other = installation.another_api().await;
    let body = json!({"id": new_id(), "kind": "public", "name": "Plaza"});
    let attempts: Vec<_> = (0..8)
        .map(|n| {
            let (api, ana, body) =
                (if n % 2 == 0 { &installation.api } else { &other }.clone(), ana.clone(), body.clone());
            tokio::spawn(async move { ask(&api, &ana, "create_room", body).await.unwrap() })
        })
        .collect();
    let mut answers = HashSet::new();
    for attempt in attempts {
        let Accepted { room, position, .. } = attempt.await.unwrap();
        answers.insert((room.unwrap(), position.unwrap()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let (room, _) = answers.into_iter().next().unwrap();
    assert_eq!(installation.lane::<RoomEvent>(room, Lane::State).await.len(), 1);
    let ben = installation.person("ben").await;
    // The same id of somebody else is another command: done, or refused where the log would take it for this one.
    match installation.ask(&ben, "create_room", body).await {
        Ok(made) => {
            let bens = made.room.unwrap();
            assert_ne!(bens, room);
            assert_eq!(installation.lane::<RoomEvent>(bens, Lane::State).await.len(), 1);
        }
        Err(problem) => assert_eq!(problem.code, Code::IdUsed),
    }
}

#[tokio::test]
async fn a_private_room_is_entered_by_invitation_and_left_again() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "private").await;
    let join = || json!({"id": new_id(), "room": room});
    let say = || json!({"id": new_id(), "room": room, "body": "hola"});
    assert_eq!(code(installation.ask(&ben, "join", join()).await), "invitation-needed");
    assert_eq!(code(installation.ask(&ben, "send", say()).await), "room-not-found");
    let nobody = json!({"id": new_id(), "room": room, "user": room});
    assert_eq!(code(installation.ask(&ana, "invite", nobody).await), "user-not-found");
    let invite = json!({"id": new_id(), "room": room, "user": ben.user});
    assert_eq!(code(installation.ask(&ana, "invite", invite).await), "ok");
    assert_eq!(code(installation.ask(&ben, "send", say()).await), "not-a-member");
    assert_eq!(code(installation.ask(&ben, "join", join()).await), "ok");
    assert_eq!(code(installation.ask(&ben, "send", say()).await), "ok");
    assert_eq!(code(installation.ask(&ana, "leave", join()).await), "last-owner");
    let role = json!({"id": new_id(), "room": room, "user": ben.user, "role": "owner"});
    assert_eq!(code(installation.ask(&ben, "change_role", role.clone()).await), "role-too-low");
    assert_eq!(code(installation.ask(&ana, "change_role", role).await), "ok");
    assert_eq!(code(installation.ask(&ana, "leave", join()).await), "ok");
    let rename = json!({"id": new_id(), "room": room, "name": "Otra"});
    assert_eq!(code(installation.ask(&ben, "rename_room", rename).await), "ok");
    assert_eq!(code(installation.ask(&ana, "send", say()).await), "room-not-found");
}

#[tokio::test]
async fn a_removed_member_is_out_at_once_in_every_process() {
    let installation = Installation::start().await;
    let other = installation.another_api().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "public").await;
    let enter = json!({"id": new_id(), "room": room});
    installation.ask(&ben, "join", enter).await.unwrap();
    let say = || json!({"id": new_id(), "room": room, "body": "hola"});
    ask(&other, &ben, "send", say()).await.unwrap();
    let remove = json!({"id": new_id(), "room": room, "user": ben.user, "reason": "noise"});
    installation.ask(&ana, "remove", remove).await.unwrap();
    assert_eq!(code(installation.ask(&ben, "send", say()).await), "not-a-member");
    // The other process follows the live lane; until it has heard, posts are accepted and void.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while code(ask(&other, &ben, "send", say()).await) == "ok" {
        assert!(tokio::time::Instant::now() < deadline, "the other process never hears of it");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_another_process_recorded_a_moment_ago_is_never_denied() {
    let installation = Installation::start().await;
    // A process that never hears live what happens elsewhere.
    let network = LossyNats::start(installation.nats.address()).await;
    network.lose(Rule::live_facts(1, 1));
    let other = installation.api_behind(&network).await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "private").await;
    let body = || json!({"id": new_id(), "room": room});
    // The other process has the room in memory, as it was.
    assert_eq!(code(ask(&other, &ben, "join", body()).await), "invitation-needed");
    for _ in 0..10 {
        let invite = json!({"id": new_id(), "room": room, "user": ben.user});
        installation.ask(&ana, "invite", invite).await.unwrap();
        assert_eq!(code(ask(&other, &ben, "join", body()).await), "ok");
        let say = || json!({"id": new_id(), "room": room, "body": "hola"});
        assert_eq!(code(installation.ask(&ben, "send", say()).await), "ok");
        installation.ask(&ben, "leave", body()).await.unwrap();
        assert_eq!(code(ask(&other, &ben, "leave", body()).await), "ok", "so already");
        let invite = json!({"id": new_id(), "room": room, "user": ben.user});
        installation.ask(&ana, "invite", invite).await.unwrap();
        installation.ask(&ben, "join", body()).await.unwrap();
        assert_eq!(code(ask(&other, &ben, "send", say()).await), "ok", "it thinks that he has left");
        installation.ask(&ben, "leave", body()).await.unwrap();
    }
    let facts = installation.lane::<RoomEvent>(room, Lane::State).await;
    assert_eq!(facts.len(), 1 + 10 * 6, "what was so already is not recorded again");
}

#[tokio::test]
async fn many_who_join_at_once_all_get_in() {
    let installation = Installation::start().await;
    let other = installation.another_api().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let mut joins = Vec::new();
    for n in 0..10 {
        let person = installation.person(&format!("guest{n}")).await;
        let api = if n % 2 == 0 { installation.api.clone() } else { other.clone() };
        joins.push(tokio::spawn(async move {
            loop {
                match ask(&api, &person, "join", json!({"id": new_id(), "room": room})).await {
                    Err(problem) if problem.code == Code::Busy => {}
                    joined => return joined.unwrap(),
                }
            }
        }));
    }
    let mut positions = HashSet::new();
    for join in joins {
        positions.insert(join.await.unwrap().position.unwrap());
    }
    assert_eq!(positions.len(), 10);
    assert_eq!(installation.lane::<RoomEvent>(room, Lane::State).await.len(), 11);
}

#[tokio::test]
async fn rooms_that_are_not_there_are_not_found_wherever_they_would_be() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    for room in ["01939e0b-2c7a-7002-b5f1-a2b6e0c1d2e3", "01939e0b-2c7a-7fff-b5f1-a2b6e0c1d2e3"] {
        for (name, body) in [
            ("send", json!({"id": new_id(), "room": room, "body": "hola"})),
            ("join", json!({"id": new_id(), "room": room})),
            ("leave", json!({"id": new_id(), "room": room})),
            ("rename_room", json!({"id": new_id(), "room": room, "name": "x"})),
            ("read", json!({"room": room, "seq": 1})),
        ] {
            assert_eq!(code(installation.ask(&ana, name, body).await), "room-not-found", "{name} {room}");
        }
    }
}
