//! Answers that are lost on the way: the message is recorded, and nobody is told (reliability: acks dropped in a
//! proxy, retries inside the dedupe window).

use chasqui_protocol::{Accepted, Code, Problem, command::Send};
use chasqui_testkit::{Checker, Layout, Person, Role, Rule, Sent, Stack};
use pretty_assertions::assert_eq;
use serde_json::json;

fn layout() -> Layout {
    // Short, so that what is unknown is tried again soon and often: within its time an append has seven attempts.
    Layout::one_process().set("nats.ack_timeout_ms", 200).set("commands.timeout_ms", 2_500)
}

async fn says(person: &Person, room: chasqui_events::RoomId, body: &str) -> Sent {
    let answer = person.client.submit_message(room, body, vec![]).await.unwrap();
    let id = answer.id();
    let outcome = chasqui_testkit::within("an answer", answer.wait()).await;
    Sent { room, author: person.id, id, body: body.to_owned(), outcome }
}

/// The log's acknowledgement is lost: command-api appends again with the same id, or reads back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_of_the_log_is_lost() {
    let stack = Stack::with(layout().lossy_nats("chasqui")).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let mut sent = Vec::new();
    // Each loss is found out after `nats.ack_timeout_ms`, or there would be no time for a fourth attempt.
    for (number, lost) in [1, 3, 1].into_iter().enumerate() {
        let before = stack.lossy("chasqui").lost().len();
        stack.lossy("chasqui").lose(Rule::append_acks(lost));
        sent.push(says(&ana, room, &format!("once {number}")).await);
        assert_eq!(stack.lossy("chasqui").lost().len(), before + lost, "nothing was lost");
    }
    assert!(sent.iter().all(|sent| sent.outcome.is_ok()), "{sent:?}");
    beto.sees_message(room, "once 2").await;
    let report = Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!((report.standing, report.repeated), (3, 0), "a retry within the dedupe window is not stored");
}

/// The same for a change of a room, which is appended on a condition that a repetition can no longer meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_of_a_change_is_lost() {
    let stack = Stack::with(layout().lossy_nats("chasqui")).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[]).await;
    stack.lossy("chasqui").lose(Rule::append_acks(1));
    let invited = ana.client.invite(room, beto.id).await.unwrap();
    assert!(invited.position.is_some());
    stack.lossy("chasqui").lose(Rule::append_acks(1));
    let joined = beto.client.join(room).await.unwrap();
    assert_eq!(stack.lossy("chasqui").lost().len(), 2);
    beto.entered(room).await;
    let log = stack.log().await;
    let lane = chasqui_bus::subject::room(room, chasqui_bus::subject::Lane::State);
    let facts = log.lane_range(&lane, 1, u64::MAX, 10).await.unwrap();
    assert_eq!(facts.len(), 3, "created, invited, joined: each once");
    assert_eq!(joined.position.map(|position| position.seq), facts.last().map(|fact| fact.seq));
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// command-api's answer is lost: the edge cannot know, says so, and the client repeats by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_command_api_is_lost() {
    let layout = Layout::empty()
        .process("core", &[Role::Auth, Role::QueryApi, Role::Projector, Role::CommandApi])
        .edges(1)
        .set("nats.ack_timeout_ms", 300)
        .set("commands.timeout_ms", 1_000)
        .lossy_nats("edge-1");
    let stack = Stack::with(layout).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    stack.lossy("edge-1").lose(Rule::command_answers(2));
    let sent = says(&ana, room, "once").await;
    assert_eq!(stack.lossy("edge-1").lost().len(), 2, "nothing was lost");
    assert!(sent.outcome.is_ok(), "{sent:?}");
    beto.sees_message(room, "once").await;
    let report = Checker::new().sent(vec![sent]).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!((report.standing, report.repeated), (1, 0));
}

/// Over HTTP the caller repeats: with the same id it is told the place that the first one got. Every answer of the
/// log is lost for longer than the server has patience, so that it must say that it does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_the_caller_is_told_and_repeats() {
    let stack = Stack::with(layout().lossy_nats("chasqui")).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let body = "once".to_owned();
    let command =
        Send { id: ana.client.new_id(), room, body, replies_to: vec![], retry: false, on_behalf: None };
    // Reading back is in vain, too.
    stack.lossy("chasqui").lose(Rule::new(|message| message.subject.starts_with("_INBOX_command_api")));
    let token = ana.token().await;
    let post = |command: &Send| {
        let url = stack.url(Role::CommandApi, "/v1/commands/send");
        stack.http().post(url).bearer_auth(&token).json(command).send()
    };
    let answer = post(&command).await.unwrap();
    assert_eq!(answer.status().as_u16(), Code::Unknown.status());
    let problem: Problem = answer.json().await.unwrap();
    assert_eq!(problem.code, Code::Unknown);
    stack.lossy("chasqui").lose(Rule::none());

    let answer = post(&Send { retry: true, ..command.clone() }).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let accepted: Accepted = answer.json().await.unwrap();
    let seen = beto.sees_message(room, "once").await;
    assert_eq!(accepted.position.map(|position| position.seq), Some(seen.seq));
    let sent = Sent { room, author: ana.id, id: command.id, body: command.body, outcome: Ok(accepted) };
    let report = Checker::new().sent(vec![sent]).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!((report.standing, report.repeated), (1, 0));
}

/// What was recorded is not refused afterwards: the answer is lost, its author is put out, and then the message is repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_refused_by_now_gets_the_first_answer() {
    let layout = Layout::empty()
        .process("core", &[Role::Auth, Role::QueryApi, Role::Projector, Role::CommandApi])
        .edges(1)
        .set("nats.ack_timeout_ms", 300)
        .set("commands.timeout_ms", 500)
        .lossy_nats("edge-1");
    let stack = Stack::with(layout).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[&beto]).await;
    stack.lossy("edge-1").lose(Rule::command_answers(usize::MAX));
    let answer = beto.client.submit_message(room, "once", vec![]).await.unwrap();
    let id = answer.id();
    ana.sees_message(room, "once").await;

    let post = async |command: &str, person: &Person, body: serde_json::Value| {
        let url = stack.url(Role::CommandApi, &format!("/v1/commands/{command}"));
        stack.http().post(url).bearer_auth(person.token().await).json(&body).send().await.unwrap()
    };
    let ban = json!({"id": ana.client.new_id(), "room": room, "user": beto.id});
    assert_eq!(post("ban", &ana, ban).await.status(), 200);
    let again = |retry: bool| json!({"id": id, "room": room, "body": "once", "retry": retry});
    assert_eq!(post("send", &beto, again(false)).await.status(), 404, "there is no such room for them");
    let told: Accepted = post("send", &beto, again(true)).await.json().await.unwrap();
    let unsaid = json!({"id": beto.client.new_id(), "room": room, "body": "twice", "retry": true});
    assert_eq!(post("send", &beto, unsaid).await.status(), 404, "nobody has recorded that");

    stack.lossy("edge-1").lose(Rule::none());
    let outcome = chasqui_testkit::within("the answer to a repetition", answer.wait()).await;
    assert_eq!(outcome.as_ref().unwrap().position, told.position);
    let sent = Sent { room, author: beto.id, id, body: "once".to_owned(), outcome };
    let report = Checker::new().sent(vec![sent]).seen_by(&[&ana]).check(&stack).await;
    assert_eq!((report.standing, report.repeated), (1, 0));
}
