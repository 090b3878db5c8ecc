//! Commands whose answers get lost, come late, or say that nobody knows.

use std::time::{Duration, Instant};

use chasqui_client::{ClientError, Event, Options};
use chasqui_protocol::{
    ClientFrame, Code, Problem, ServerFrame,
    frame::ErrorFrame,
    query::{Freshness, Query},
};
use pretty_assertions::assert_eq;

use crate::server::{Server, event, ok, options, room, soon};

fn problem(id: chasqui_events::CommandId, problem: Problem) -> ServerFrame {
    ServerFrame::Error(ErrorFrame { id: Some(id), reference: None, problem })
}

#[tokio::test]
async fn what_was_not_answered_is_sent_again_in_order_with_its_id_and_called_a_retry() {
    let server = Server::start().await;
    let (client, mut events) = server.client(options());
    // Handed in before there is a connection.
    let mut answers = vec![client.submit_message(room(), "0", vec![]).await.unwrap()];
    let mut visit = server.visit().await;
    for body in ["1", "2", "3"] {
        answers.push(client.submit_message(room(), body, vec![]).await.unwrap());
    }
    for (n, answer) in answers.iter().enumerate() {
        let sent = visit.hears_send().await;
        assert_eq!((sent.id, sent.body, sent.retry), (answer.id(), n.to_string(), false));
    }
    let answered = answers.remove(1);
    visit.say(ok(answered.id(), 11)).await;
    assert_eq!(soon("an answer", answered.wait()).await.unwrap().position.unwrap().seq, 11);
    // Lost twice: with the answers, and with the repetitions half said.
    drop(visit);
    drop(server.visit().await);
    let mut visit = server.visit().await;
    for answer in &answers {
        let sent = visit.hears_send().await;
        assert_eq!((sent.id, sent.retry), (answer.id(), true));
    }
    // A new one comes after them and is no retry.
    let new = client.submit_message(room(), "new", vec![]).await.unwrap();
    let sent = visit.hears_send().await;
    assert_eq!((sent.id, sent.retry), (new.id(), false));
    answers.push(new);
    // Answers may come in any order, and twice.
    for (n, answer) in answers.iter().enumerate().rev() {
        visit.say(ok(answer.id(), 20 + n as u64)).await;
        visit.say(ok(answer.id(), 99)).await;
    }
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(soon("an answer", answer.wait()).await.unwrap().position.unwrap().seq, 20 + n as u64);
    }
    assert!(matches!(event(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn queries_are_asked_again() {
    let server = Server::start().await;
    let (client, _events) = server.client(options());
    let asking = tokio::spawn(async move { client.ask(Query::Conversations {}, Freshness::Any).await });
    let mut visit = server.visit().await;
    let first = visit.hears().await;
    drop(visit);
    let mut visit = server.visit().await;
    let again = visit.hears().await;
    assert_eq!(first, again);
    let ClientFrame::Query { reference, .. } = again else { panic!("{again:?}") };
    visit.say(ServerFrame::Result { reference, data: serde_json::json!({"conversations": []}) }).await;
    assert!(soon("the answer", asking).await.unwrap().is_ok());
}

#[tokio::test]
async fn an_unknown_outcome_is_asked_for_after_the_pause_that_the_server_names() {
    let server = Server::start().await;
    let (client, _events) = server.client(options());
    let mut visit = server.visit().await;
    let answer = client.submit_message(room(), "hola", vec![]).await.unwrap();
    let sent = visit.hears_send().await;
    let since = Instant::now();
    visit.say(problem(sent.id, Problem::new(Code::Unknown, "who knows").retry_after_ms(300))).await;
    let again = visit.hears_send().await;
    assert!(since.elapsed() >= Duration::from_millis(300), "asked again after {:?}", since.elapsed());
    assert_eq!((again.id, again.retry), (sent.id, true));
    visit.say(ok(sent.id, 7)).await;
    assert_eq!(soon("the answer", answer.wait()).await.unwrap().position.unwrap().seq, 7);
}

#[tokio::test]
async fn patience_has_an_end_and_a_refusal_needs_none() {
    let server = Server::start().await;
    let (client, _events) = server.client(Options { patience: Duration::from_secs(1), ..options() });
    let mut visit = server.visit().await;
    let answer = client.submit_message(room(), "hola", vec![]).await.unwrap();
    let since = Instant::now();
    let mut waiting = tokio::spawn(answer.wait());
    let mut tries = 0;
    let error = loop {
        tokio::select! {
            answered = &mut waiting => break answered.unwrap().unwrap_err(),
            sent = visit.hears_send() => {
                tries += 1;
                visit.say(problem(sent.id, Problem::new(Code::Unavailable, "not now"))).await;
            }
        }
    };
    assert_eq!(error.problem().map(|problem| problem.code), Some(Code::Unavailable));
    assert!(tries >= 2, "tried {tries} times");
    assert!(since.elapsed() < Duration::from_secs(10), "gave up after {:?}", since.elapsed());

    let answer = client.submit_message(room(), "hola", vec![]).await.unwrap();
    let sent = visit.hears_send().await;
    visit.say(problem(sent.id, Problem::new(Code::NotAMember, "no"))).await;
    let error = soon("the answer", answer.wait()).await.unwrap_err();
    assert!(matches!(error, ClientError::Problem(problem) if problem.code == Code::NotAMember));
}
