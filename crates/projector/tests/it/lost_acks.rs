//! Acknowledgements that are lost, and repetitions of what they were for: inside the broker's dedupe window and outside
//! of it, on one server and on three (reliability: one fact each).
//!
//! Inside, the repetition is answered with the first place and not stored. Outside, a message is stored once more and void
//! in the fold, whoever asks the views is told the first place; a change of the room, which is appended on a condition, is
//! found by reading back and never stored twice.

use std::time::Duration;

use chasqui_bus::{
    Log,
    log::{Append, AppendError, Appended},
    subject::{self, Lane},
};
use chasqui_events::{
    CommandId, Seq, Timestamp,
    room::{Renamed, RoomEvent},
};
use pretty_assertions::assert_eq;

use crate::{
    chaos::same_as_a_clean_fold,
    failpoint::{At, Failpoint},
    harness::{LogPlan, Room, STREAM, Servers, bytes, fact, posted, settled, until},
};

/// A window that a test can sit out. The first append gives up within it.
const SHORT: Duration = Duration::from_secs(2);

/// Appends behind a proxy that loses every answer. Gives the place where the log has it nevertheless.
async fn acknowledgement_lost(servers: &Servers, direct: &Log, append: &Append<'static>) -> Seq {
    let wire = Failpoint::before(servers.nats.address()).await;
    let log = servers.impatient_log(wire.url(servers.nats.url(), servers.nats.address())).await;
    wire.arm(At::Answer, append.id.to_string().as_bytes());
    let outcome = log.append(append.clone()).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    wire.reached().await;
    until("it is stored", async || {
        direct.last(&append.subject).await.unwrap().is_some_and(|stored| stored.msg_id == Some(append.id))
    })
    .await;
    direct.last(&append.subject).await.unwrap().unwrap().seq
}

async fn places(log: &Log, append: &Append<'_>) -> Vec<Seq> {
    let stored = log.lane_range(&append.subject, 1, u64::MAX, 100).await.unwrap();
    stored.iter().filter(|stored| stored.msg_id == Some(append.id)).map(|stored| stored.seq).collect()
}

async fn repeated(plan: LogPlan) {
    let servers = Servers::start_with(plan).await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let room = Room::create(&log).await;
    let renamed = RoomEvent::Renamed(Renamed { name: "Plaza Mayor".to_owned() });
    let change = Append {
        expected: Some(room.basis),
        ..Append::fact(subject::room(room.id, Lane::State), &fact(room.owner, 0, renamed))
    };
    // Of an id of today the readers know that the broker keeps it single; should it not, the store tells them.
    let mut said =
        [fact(room.owner, room.basis, posted("today")), fact(room.owner, room.basis, posted("old"))];
    said[1].id = CommandId::new(Timestamp(1), bytes());
    let messages = said.each_ref().map(|said| Append::fact(subject::room(room.id, Lane::Msg), said));

    let outside = plan.dedupe_window.is_some();
    let mut firsts = vec![];
    for append in messages.iter().chain([&change]) {
        firsts.push(acknowledgement_lost(&servers, &log, append).await);
    }
    if outside {
        // Only time ends the window.
        tokio::time::sleep(SHORT + SHORT / 2).await;
    }
    for (append, &first) in messages.iter().chain([&change]).zip(&firsts) {
        let again = log.append(append.clone()).await.unwrap();
        if outside && append.expected.is_none() {
            assert!(again.seq > first && !again.duplicate, "{again:?}");
            assert_eq!(places(&log, append).await, [first, again.seq]);
        } else {
            assert_eq!(again, Appended { seq: first, duplicate: true });
            assert_eq!(places(&log, append).await, [first]);
        }
    }

    settled(&model, &log).await;
    for hot in [true, false] {
        let slice = model.timeline_after(room.id, room.basis, 10).await.unwrap();
        assert!(slice.complete);
        let seen: Vec<Seq> = slice.items.iter().map(|item| item.seq).collect();
        assert_eq!(seen, firsts, "one fact each; hot: {hot}");
        servers.redis().await.say("FLUSHALL").await;
    }
    for (said, &first) in said.iter().zip(&firsts) {
        let found = model.message(room.id, room.owner, said.id).await.unwrap().unwrap();
        assert_eq!(found.seq, first, "whoever asks for {said:?} is told another place");
    }
    assert_eq!(model.room(room.id).await.unwrap().unwrap().messages, 2);
    assert!(model.stored_checkpoint(STREAM).await.unwrap().unwrap().pos >= firsts[2]);
    same_as_a_clean_fold(&servers).await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_the_window_on_one_server() {
    repeated(LogPlan { servers: 1, dedupe_window: None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_the_window_on_three_servers() {
    repeated(LogPlan { servers: 3, dedupe_window: None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_the_window_on_one_server() {
    repeated(LogPlan { servers: 1, dedupe_window: Some(SHORT) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_the_window_on_three_servers() {
    repeated(LogPlan { servers: 3, dedupe_window: Some(SHORT) }).await;
}
