//! Optimistic appends.

use std::collections::HashSet;

use chasqui_bus::{
    log::{Append, AppendError},
    subject::{self, Lane},
};
use chasqui_events::{Timestamp, UserId};
use futures::{FutureExt as _, future::join_all};

use crate::harness::{Nats, command, everything, post, room, said};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_appends_on_one_position_one_wins() {
    let nats = Nats::start().await;
    let (log, room) = (nats.log().await, room());
    let mut expected = 0;
    for _ in 0..5 {
        let appends = (0..100).map(|n| {
            let log = log.clone();
            async move {
                let append = Append { expected: Some(expected), ..post(room, &n.to_string()) };
                log.append(append).await
            }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(appends).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|error| matches!(error, Err(AppendError::Conflict))), "{lost:?}");
        expected = won[0].as_ref().unwrap().seq;
    }
    assert_eq!(everything(&log, "CHAT_1", &subject::room(room, Lane::Msg)).await.len(), 5);
}

#[tokio::test]
async fn a_repetition_is_told_from_a_conflict() {
    let nats = Nats::start().await;
    let (log, room) = (nats.log().await, room());
    let first = Append { expected: Some(0), ..post(room, "mine") };
    let stored = log.append(first.clone()).await.unwrap();
    assert!(!stored.duplicate);

    let again = log.append(first.clone()).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (stored.seq, true), "nothing behind it");
    log.append(Append { expected: Some(stored.seq), ..post(room, "next") }).await.unwrap();
    let again = log.append(first.clone()).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (stored.seq, true), "another fact behind it");

    let other = Append { id: command(), ..first };
    assert!(matches!(log.append(other).await, Err(AppendError::Conflict)));
    let ahead = Append { expected: Some(stored.seq + 100), ..post(room, "from the future") };
    assert!(matches!(log.append(ahead).await, Err(AppendError::Conflict)));
}

#[tokio::test]
async fn an_unconditional_repetition_is_stored_once() {
    let nats = Nats::start().await;
    let (log, room) = (nats.log().await, room());
    let append = post(room, "once");
    let first = log.append(append.clone()).await.unwrap();
    let second = log.append(append).await.unwrap();
    assert_eq!((second.seq, second.duplicate), (first.seq, true));
    assert_eq!(everything(&log, "CHAT_1", ">").await.len(), 1);
}

/// The server compares ids only: whoever uses one twice must not believe that the second thing was recorded.
#[tokio::test]
async fn an_id_that_was_used_for_something_else_is_refused() {
    let nats = Nats::start().await;
    let (log, room) = (nats.log().await, room());
    let first = post(room, "mine");
    log.append(first.clone()).await.unwrap();
    let elsewhere = Append { id: first.id, ..post(self::room(), "there") };
    assert!(matches!(log.append(elsewhere).await, Err(AppendError::IdUsed)));
    let of_another_kind = Append { type_name: "message.edited", ..first.clone() };
    assert!(matches!(log.append(of_another_kind).await, Err(AppendError::IdUsed)));
    let by_another = Append { by: UserId::new(Timestamp(1), [9; 10]), ..first.clone() };
    assert!(matches!(log.append(by_another).await, Err(AppendError::IdUsed)));
    assert!(log.append(first).await.unwrap().duplicate, "a retry is one still");
}

#[tokio::test]
async fn what_the_log_cannot_take_is_refused() {
    let nats = Nats::start().await;
    let log = nats.log().await;
    let large = Append { payload: vec![b'x'; 2_000_000].into(), ..post(room(), "") };
    assert!(matches!(log.append(large).await, Err(AppendError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_beyond_the_bound_wait_for_their_turn() {
    let nats = Nats::start().await;
    let mut settings = nats.settings(chasqui_bus::BusRole::CommandApi);
    settings.max_in_flight = 2;
    let log = chasqui_bus::Log::new(chasqui_bus::Bus::connect(settings).await.unwrap());
    let room = room();
    let appends = (0..200).map(|n| log.append(post(room, &n.to_string())).boxed_local());
    let seqs: HashSet<u64> = join_all(appends).await.into_iter().map(|done| done.unwrap().seq).collect();
    assert_eq!(seqs.len(), 200);
}

#[tokio::test]
async fn headers_say_what_a_fact_is() {
    let nats = Nats::start().await;
    let log = nats.log().await;
    let envelope = said("hola");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let subject = subject::room(room(), Lane::Msg);
    let append = Append { trace: Some(trace), ..Append::fact(subject.clone(), &envelope) };
    let at = log.append(append).await.unwrap();
    let stored = log.last(&subject).await.unwrap().unwrap();
    assert_eq!(stored.seq, at.seq);
    assert_eq!(stored.msg_id, Some(envelope.id));
    assert_eq!(stored.trace.as_deref(), Some(trace));
    assert_eq!(stored.decode().ok(), Some(envelope));
}
