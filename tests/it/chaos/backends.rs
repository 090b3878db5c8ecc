//! The backends are killed, and stand still.

use std::time::{Duration, Instant};

use chasqui_events::{Partition, RoomId};
use chasqui_testkit::{Layout, Person, Stack, within};

use super::Town;

/// kill -9 of nats-server, again and again: every acknowledged fact is in the log once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_killed() {
    let town = Town::found(Layout::process_per_role(2), &["edge-1", "edge-2"]).await;
    town.lives_through(8, async |stack, _| {
        tokio::task::block_in_place(|| {
            stack.nats().kill_9().unwrap();
            stack.nats().restart().unwrap();
        });
    })
    .await;
}

/// The same with an fsync before each acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_killed_when_it_is_always_durable() {
    let town = Town::found(Layout::one_process().always_durable(), &["chasqui"]).await;
    town.lives_through(4, async |stack, _| {
        tokio::task::block_in_place(|| {
            stack.nats().kill_9().unwrap();
            stack.nats().restart().unwrap();
        });
    })
    .await;
}

/// nats-server stands still (SIGSTOP): callers over HTTP get a clear error in time, and everything recovers by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_stands_still() {
    let town = Town::found(Layout::one_process(), &["chasqui"]).await;
    let ana = town.people[0].clone();
    town.lives_through(1, async |stack, _| {
        stack.nats().pause().unwrap();
        let asked = Instant::now();
        let refused = send_to_nowhere(stack, &ana).await;
        assert!(refused >= 500, "answered {refused} by a log that stands still");
        assert!(asked.elapsed() < Duration::from_secs(7), "answered after {:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_secs(3)).await;
        stack.nats().resume().unwrap();
        let resumed = Instant::now();
        within("an answer again", async { while send_to_nowhere(stack, &ana).await != 404 {} }).await;
        assert!(resumed.elapsed() < Duration::from_secs(10), "recovered after {:?}", resumed.elapsed());
    })
    .await;
}

/// The HTTP status of a message to a room that does not exist: only the log can tell, and nothing is recorded.
async fn send_to_nowhere(stack: &Stack, person: &Person) -> u16 {
    let id = person.client.new_id();
    let nowhere = RoomId::new(Partition::from_low_bits(0), id.timestamp(), rand::random());
    let body = serde_json::json!({"id": id, "room": nowhere, "body": "x"});
    let url = stack.url(chasqui_testkit::Role::CommandApi, "/v1/commands/send");
    let answer = stack.http().post(url).bearer_auth(person.token().await).json(&body).send().await;
    answer.unwrap().status().as_u16()
}

/// kill -9 of the MongoDB server: no double effect, no hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_is_killed() {
    let town = Town::found(Layout::process_per_role(1), &["edge-1"]).await;
    town.lives_through(3, async |stack, _| {
        tokio::task::block_in_place(|| {
            stack.mongo().kill_9().unwrap();
            stack.mongo().restart().unwrap();
        });
    })
    .await;
}

/// kill -9 of the Redis server, which comes back empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed() {
    let town = Town::found(Layout::process_per_role(1), &["edge-1"]).await;
    town.lives_through(5, async |stack, time| {
        tokio::task::block_in_place(|| stack.redis().kill_9().unwrap());
        let mark = town.people[time].mark();
        town.people[time].client.cut().await;
        town.people[time].back_after(mark).await;
        tokio::task::block_in_place(|| stack.redis().restart().unwrap());
    })
    .await;
}
