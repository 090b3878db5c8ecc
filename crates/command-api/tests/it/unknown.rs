//! A log that does not answer: a clear error in time, and nothing doubled afterwards.

use std::time::{Duration, Instant};

use chasqui_bus::subject::Lane;
use chasqui_events::{message::MessageEvent, room::RoomEvent};
use chasqui_protocol::Code;
use chasqui_testkit::{LossyNats, Rule};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, ask, new_id};

#[tokio::test]
async fn a_send_into_a_stopped_log_is_unknown_in_time_and_its_retry_is_the_same_message() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let warm = json!({"id": new_id(), "room": room, "body": "before"});
    installation.ask(&ana, "send", warm).await.unwrap();
    installation.nats.pause().unwrap();
    let body = json!({"id": new_id(), "room": room, "body": "into the dark"});
    let begun = Instant::now();
    let problem = installation.ask(&ana, "send", body.clone()).await.unwrap_err();
    let took = begun.elapsed();
    assert!(matches!(problem.code, Code::Unknown | Code::Unavailable), "{problem}");
    assert!(problem.detail.contains("same id"), "says what to do: {problem}");
    assert!(took <= Duration::from_millis(5500), "{took:?}");
    installation.nats.resume().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let accepted = loop {
        match installation.ask(&ana, "send", body.clone()).await {
            Ok(accepted) => break accepted,
            Err(problem) => assert!(Instant::now() < deadline, "{problem}"),
        }
    };
    let facts = installation.lane::<MessageEvent>(room, Lane::Msg).await;
    let sizes: Vec<_> = facts
        .iter()
        .map(|fact| match &fact.event {
            MessageEvent::Posted(posted) => posted.size,
        })
        .collect();
    assert_eq!(sizes, ["before", "into the dark"].map(|text| text.len() as u64), "once");
    assert!(accepted.position.is_some());
}

#[tokio::test]
async fn a_killed_log_is_recovered_from() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    installation.nats.kill_9().unwrap();
    let body = json!({"id": new_id(), "room": room, "body": "hola"});
    let problem = installation.ask(&ana, "send", body.clone()).await.unwrap_err();
    assert!(matches!(problem.code, Code::Unknown | Code::Unavailable), "{problem}");
    installation.nats.restart().unwrap();
    let begun = Instant::now();
    while let Err(problem) = installation.ask(&ana, "send", body.clone()).await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{problem}");
    }
    assert_eq!(installation.lane::<MessageEvent>(room, Lane::Msg).await.len(), 1);
}

#[tokio::test]
async fn a_lost_acknowledgement_costs_time_and_doubles_nothing() {
    let installation = Installation::start().await;
    let network = LossyNats::start(installation.nats.address()).await;
    let api = installation.api_behind(&network).await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let warm = json!({"id": new_id(), "room": room, "body": "before"});
    ask(&api, &ana, "send", warm).await.unwrap();
    network.lose(Rule::append_acks(1));
    let body = json!({"id": new_id(), "room": room, "body": "hola"});
    let sent = ask(&api, &ana, "send", body).await.unwrap();
    network.lost_at_least(1).await;
    network.lose(Rule::append_acks(1));
    let rename = json!({"id": new_id(), "room": room, "name": "Otra"});
    let renamed = ask(&api, &ana, "rename_room", rename).await.unwrap();
    network.lost_at_least(2).await;
    assert!(renamed.position.unwrap().seq > sent.position.unwrap().seq);
    assert_eq!(installation.lane::<MessageEvent>(room, Lane::Msg).await.len(), 2);
    assert_eq!(installation.lane::<RoomEvent>(room, Lane::State).await.len(), 2);
}
