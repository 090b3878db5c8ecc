//! One reads what one wrote, or is told that it is not there yet.

use std::time::{Duration, Instant};

use chasqui_events::{CommandId, Timestamp};
use chasqui_protocol::query::{Freshness, Query};
use chasqui_runtime::clock::{now_ms, random_bytes};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, new_id, texts};

#[tokio::test]
async fn a_position_that_was_answered_can_be_demanded() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "private").await;
    let partition = room.partition();
    for n in 0..20 {
        let text = format!("message {n}");
        let seq = installation.say(&ana, room, &text).await;
        let path = format!("/v1/rooms/{room}/messages?limit=1&at_least={partition}:{seq}");
        let (status, page) = installation.get(Some(&ana), &path).await;
        assert_eq!((status, texts(&page)), (200, vec![text.as_str()]), "{page}");
        let text = format!("latest {n}");
        installation.say(&ana, room, &text).await;
        let (status, page) =
            installation.get(Some(&ana), &format!("/v1/rooms/{room}/messages?limit=1&latest=true")).await;
        assert_eq!((status, texts(&page)), (200, vec![text.as_str()]), "{page}");
    }
    let (status, me) = installation.get(Some(&ana), "/v1/me?latest=true").await;
    assert_eq!((status, &me["name"]), (200, &json!("ana")));
}

#[tokio::test]
async fn what_is_not_projected_in_time_is_a_problem_of_its_own() {
    let mut installation = Installation::waiting(Duration::from_secs(2)).await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "private").await;
    let seq = installation.say(&ana, room, "projected").await;
    let projected = format!("/v1/rooms/{room}/messages?at_least={}:{seq}", room.partition());
    while installation.get(Some(&ana), &projected).await.0 != 200 {}
    installation.stop_projecting().await;
    let later = installation.say(&ana, room, "not projected").await;
    assert!(later > seq);
    for fresh in [format!("at_least={}:{later}", room.partition()), "latest=true".to_owned()] {
        let begun = Instant::now();
        let (status, problem) =
            installation.get(Some(&ana), &format!("/v1/rooms/{room}/messages?{fresh}")).await;
        assert_eq!((status, &problem["code"]), (503, &json!("not-yet-projected")), "{problem}");
        assert!(begun.elapsed().as_secs() < 20, "the wait is bounded");
    }
    let (status, page) = installation.get(Some(&ana), &format!("/v1/rooms/{room}/messages")).await;
    assert_eq!((status, texts(&page)), (200, vec!["projected"]), "without a demand there is an answer");
    let beyond = format!("/v1/rooms/{room}/messages?at_least={}:{}", room.partition(), later + 1);
    let (begun, (status, problem)) = (Instant::now(), installation.get(Some(&ana), &beyond).await);
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")), "there is no such place: {problem}");
    assert!(begun.elapsed() < Duration::from_secs(2), "and nobody waits for it");
}

#[tokio::test]
async fn a_retried_send_is_found_where_it_stands_and_only_there() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "private").await;
    installation.enter(&ana, &ben, room).await;
    // An id from an hour ago: the broker does not know any more whether it has seen it.
    let id = CommandId::new(Timestamp(now_ms() - 3_600_000), random_bytes());
    assert_eq!(installation.reader.find_sent(ana.user, room, id).await.unwrap(), None);
    let sent = installation.ask(&ana, "send", json!({"id": id, "room": room, "body": "hola"})).await;
    let found = installation.reader.find_sent(ana.user, room, id).await.unwrap().unwrap();
    assert_eq!((found.position, found.at), (sent.position, sent.at));
    assert_eq!(installation.reader.find_sent(ben.user, room, id).await.unwrap(), None);
    assert_eq!(installation.reader.find_sent(ana.user, room, new_id()).await.unwrap(), None);
}

#[tokio::test]
async fn an_edge_is_answered_as_http_is() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let seq = installation.say(&ana, room, "hola").await;
    let (user, name) = (ana.user, "ANA".to_owned());
    for (query, path) in [
        (Query::Conversations {}, "/v1/conversations".to_owned()),
        (Query::Conversation { room }, format!("/v1/conversations/{room}")),
        (Query::PublicRooms { name: "Pl".to_owned() }, "/v1/rooms?name=Pl".to_owned()),
        (Query::Members { room, after: None, limit: None }, format!("/v1/rooms/{room}/members")),
        (Query::Bans { room, after: None, limit: None }, format!("/v1/rooms/{room}/bans")),
        (
            Query::History { room, page: chasqui_protocol::query::Page::Before(seq), limit: Some(5) },
            format!("/v1/rooms/{room}/messages?before={seq}&limit=5"),
        ),
        (Query::Receipts { room, seq }, format!("/v1/rooms/{room}/messages/{seq}/receipts")),
        (Query::Profile { user }, format!("/v1/users/{user}")),
        (Query::UserByName { name }, "/v1/users/by-name/ANA".to_owned()),
    ] {
        let direct = installation.reader.answer(ana.user, query.clone(), Freshness::Latest).await.unwrap();
        let (status, over_http) = installation.get(Some(&ana), &path).await;
        assert_eq!((status, over_http), (200, direct), "{query:?}");
    }
}
