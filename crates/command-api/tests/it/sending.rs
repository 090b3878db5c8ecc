//! Sending: one fact per id, on the state that it was decided on.

use chasqui_bus::subject::Lane;
use chasqui_events::{
    CommandId, Import, Timestamp,
    message::{MAX_CLOCK_LEAD_MS, MessageEvent},
    room::RoomEvent,
};
use chasqui_protocol::Code;
use chasqui_runtime::clock::{now_ms, random_bytes};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, ask, incoming, new_id};

#[tokio::test]
async fn a_message_is_recorded_once_however_often_it_is_sent() {
    let installation = Installation::start().await;
    let other = installation.another_api().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let body = json!({"id": new_id(), "room": room, "body": "hola", "replies_to": [new_id()]});
    let first = installation.ask(&ana, "send", body.clone()).await.unwrap();
    for api in [&installation.api, &other] {
        let again = ask(api, &ana, "send", body.clone()).await.unwrap();
        assert_eq!(again.position, first.position);
    }
    let facts = installation.lane::<MessageEvent>(room, Lane::Msg).await;
    assert_eq!(facts.len(), 1);
    let state = installation.lane::<RoomEvent>(room, Lane::State).await;
    assert_eq!(state.len(), 1);
    assert_eq!(facts[0].by, ana.user);
    assert!(facts[0].basis > 0 && facts[0].basis < first.position.unwrap().seq);
    assert_eq!(facts[0].at, first.at.unwrap());
}

#[tokio::test]
async fn ids_ahead_of_the_clock_and_bodies_beyond_the_bounds_are_refused() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let ahead = CommandId::new(Timestamp(now_ms() + MAX_CLOCK_LEAD_MS + 5000), random_bytes());
    let large = "x".repeat(installation.config.limits.body_bytes + 1);
    let replies: Vec<_> = (0..17).map(|_| new_id()).collect();
    for (body, code) in [
        (json!({"id": ahead, "room": room, "body": "hola"}), Code::IdInFuture),
        (json!({"id": new_id(), "room": room, "body": ""}), Code::Size),
        (json!({"id": new_id(), "room": room, "body": large}), Code::Size),
        (json!({"id": new_id(), "room": room, "body": "hola", "replies_to": replies}), Code::Size),
        (json!({"id": new_id(), "room": room}), Code::Malformed),
        (json!({"id": new_id(), "room": room, "body": "hola", "as": "somebody"}), Code::Malformed),
    ] {
        let problem = installation.ask(&ana, "send", body).await.unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
    }
    assert_eq!(installation.lane::<MessageEvent>(room, Lane::Msg).await, []);
}

#[tokio::test]
async fn only_importers_speak_for_others_and_it_shows() {
    let installation = Installation::start().await;
    let (ana, importer) = (installation.person("ana").await, installation.person("importer").await);
    let room = installation.room(&importer, "public").await;
    let at = Timestamp(1_100_000_000_000);
    let on_behalf = json!({"user": ana.user, "at": at});
    let join = json!({"id": new_id(), "room": room, "on_behalf": on_behalf});
    let say =
        json!({"id": CommandId::new(at, [1; 10]), "room": room, "body": "hola", "on_behalf": on_behalf});
    for (name, body) in [("join", &join), ("send", &say)] {
        let problem = installation.ask(&ana, name, body.clone()).await.unwrap_err();
        assert_eq!(problem.code, Code::Forbidden, "not even for herself");
        installation.ask(&importer, name, body.clone()).await.unwrap();
    }
    let facts = installation.lane::<MessageEvent>(room, Lane::Msg).await;
    let [fact] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((fact.by, fact.at), (ana.user, at));
    let Some(Import { by, at: recorded }) = fact.import else { panic!("{fact:?}") };
    assert_eq!(by, importer.user);
    assert!((now_ms() - recorded.millis()).abs() < 60_000);
}

/// Every send is a task of its own, which is as large as the largest way through any command.
#[tokio::test]
async fn the_task_of_a_command_is_small() {
    let installation = Installation::start().await;
    let task = installation.api.answer(incoming("send", json!({}), None));
    let bytes = size_of_val(&task);
    assert!(bytes < 6 * 1024, "{bytes} bytes: something large should be boxed");
}
