//! Bad input at every entrance: a documented code, a sentence that says what to do, and nothing half done
//! (reliability 34).

use chasqui_client::{Connection, ConnectionError, SocketLimits};
use chasqui_protocol::{CloseCode, Code, Codec, Problem, ServerFrame};
use chasqui_testkit::{Checker, Person, Role, Stack, within};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// What is posted to an address, and the code that must come back.
struct Case {
    path: &'static str,
    body: Vec<u8>,
    content_type: &'static str,
    expected: &'static [Code],
}

fn case(path: &'static str, body: impl Into<Vec<u8>>, expected: &'static [Code]) -> Case {
    Case { path, body: body.into(), content_type: "application/json", expected }
}

fn json(path: &'static str, body: &Value, expected: &'static [Code]) -> Case {
    case(path, body.to_string(), expected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let stack = Stack::start().await;
    let ana = stack.user("ana").await;
    let room = ana.room_with("weavers", &[]).await;
    let heads = stream_heads(&stack).await;
    let id = ana.client.new_id();
    let far = chasqui_events::CommandId::new(ana.client.now().plus_millis(3_600_000), [1; 10]);
    let send = "/v1/commands/send";
    let mut cases = vec![
        case(send, "", &[Code::Malformed]),
        case(send, "{", &[Code::Malformed]),
        case(send, "[]", &[Code::Malformed]),
        case(send, vec![0xff, 0xfe], &[Code::Malformed]),
        case(send, "[".repeat(50_000), &[Code::Malformed]),
        case(send, "x".repeat(200_000), &[Code::TooLarge]),
        json(send, &json!({"id": id, "room": room}), &[Code::Malformed]),
        json(send, &json!({"id": 7, "room": room, "body": "x"}), &[Code::Malformed]),
        json(send, &json!({"id": id, "room": "nowhere", "body": "x"}), &[Code::Malformed]),
        json(send, &json!({"id": id, "room": room, "body": "x", "shout": true}), &[Code::Malformed]),
        json(send, &json!({"id": id, "room": room, "body": ""}), &[Code::Size]),
        json(send, &json!({"id": id, "room": room, "body": "x".repeat(20_000)}), &[Code::Size]),
        json(send, &json!({"id": far, "room": room, "body": "x"}), &[Code::IdInFuture]),
        json(send, &json!({"id": id, "room": id, "body": "x"}), &[Code::RoomNotFound, Code::NotAMember]),
        json(
            send,
            &json!({"id": id, "room": room, "body": "x", "on_behalf": {"user": ana.id, "at": 1}}),
            &[Code::Forbidden],
        ),
        json(
            "/v1/commands/create_room",
            &json!({"id": id, "kind": "secret", "name": "x"}),
            &[Code::Malformed],
        ),
        json("/v1/commands/create_room", &json!({"id": id, "kind": "public", "name": ""}), &[Code::Size]),
        json(
            "/v1/commands/create_room",
            &json!({"id": id, "kind": "direct", "name": "x"}),
            &[Code::NotInDirect],
        ),
        json("/v1/commands/read", &json!({"room": room, "seq": -1}), &[Code::Malformed]),
        json("/v1/commands/invite", &json!({"id": id, "room": room, "user": id}), &[Code::UserNotFound]),
        json(
            "/v1/commands/change_role",
            &json!({"id": id, "room": room, "user": id, "role": "owner"}),
            &[Code::TargetNotAMember],
        ),
        json("/v1/commands/levitate", &json!({}), &[Code::NotFound]),
        json("/v1/commands/register", &json!({"id": id, "name": "", "password": "12345678"}), &[Code::Size]),
        json(
            "/v1/commands/register",
            &json!({"id": id, "name": "a b\u{0}", "password": "12345678"}),
            &[Code::Characters],
        ),
        json(
            "/v1/commands/register",
            &json!({"id": id, "name": "short", "password": "1"}),
            &[Code::WeakPassword],
        ),
        json(
            "/v1/commands/register",
            &json!({"id": id, "name": "ANA", "password": "12345678"}),
            &[Code::NameTaken],
        ),
        json("/v1/commands/login", &json!({"name": "nobody", "password": "x"}), &[Code::WrongCredentials]),
        json("/v1/commands/login", &json!({"name": "ana", "password": "x"}), &[Code::WrongCredentials]),
        json("/v1/commands/refresh", &json!({"refresh_token": "stolen"}), &[Code::RefreshRejected]),
    ];
    let text = Case { content_type: "text/plain", ..json(send, &json!({}), &[Code::UnsupportedMediaType]) };
    cases.push(text);
    for case in cases {
        post(&stack, &case, &ana.token().await).await;
    }
    // Without a token, and with a bad one, nothing is even looked at.
    for token in ["", "garbage", "a.b.c"] {
        let body = json!({"id": id, "room": room, "body": "x"});
        post(&stack, &json(send, &body, &[Code::Unauthorized]), token).await;
    }
    assert_eq!(stream_heads(&stack).await, heads, "something was recorded");
    Checker::new().seen_by(&[&ana]).check(&stack).await;
}

async fn post(stack: &Stack, case: &Case, token: &str) {
    let what = format!("{} {:?}", case.path, String::from_utf8_lossy(&case.body[..case.body.len().min(120)]));
    let url = stack.url(Role::CommandApi, case.path);
    let request = stack.http().post(url).bearer_auth(token).header("content-type", case.content_type);
    let answer = request.body(case.body.clone()).send().await;
    let answer = answer.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_problem(&what, answer, case.expected).await;
}

async fn assert_problem(what: &str, answer: reqwest::Response, expected: &[Code]) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let problem: Problem =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {status} {text}: {error}"));
    assert!(expected.contains(&problem.code), "{what}: {problem:?}, expected one of {expected:?}");
    assert_eq!(problem.status, status, "{what}");
    assert!(problem.detail.len() > 10, "{what}: {:?} says nothing", problem.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_questions_over_http() {
    let stack = Stack::start().await;
    let ana = stack.user("ana").await;
    let room = ana.room_with("weavers", &[]).await;
    let id = ana.client.new_id();
    for (path, expected) in [
        ("/v1/nothing".to_owned(), Code::NotFound),
        ("/v1/rooms/nowhere/messages".to_owned(), Code::Malformed),
        (format!("/v1/rooms/{id}/messages"), Code::RoomNotFound),
        (format!("/v1/rooms/{room}/messages?limit=many"), Code::Malformed),
        (format!("/v1/rooms/{room}/messages?before=1&after=2"), Code::Malformed),
        (format!("/v1/rooms/{room}/messages?at_least=3"), Code::Malformed),
        (format!("/v1/rooms/{room}/messages/1/receipts/x"), Code::NotFound),
        (format!("/v1/users/{id}"), Code::UserNotFound),
        ("/v1/users/by-name/nobody".to_owned(), Code::UserNotFound),
    ] {
        let url = stack.url(Role::QueryApi, &path);
        let answer = stack.http().get(url).bearer_auth(ana.token().await).send().await.unwrap();
        assert_problem(&path, answer, &[expected]).await;
    }
    let url = stack.url(Role::QueryApi, "/v1/conversations");
    let answer = stack.http().delete(&url).bearer_auth(ana.token().await).send().await.unwrap();
    assert_problem("DELETE", answer, &[Code::MethodNotAllowed]).await;
}

/// Frames that are no frames: the connection says so and goes on, or is closed with a documented code. Others on the
/// same edge notice nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_frames() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let frames: Vec<Vec<u8>> = [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        r#"{"send":{}}"#,
        r#"{"ping":1,"pong":2}"#,
        r#"{"levitate":{}}"#,
        r#"{"ping":"x"}"#,
        r#"{"ack":{"room":"nowhere","seq":1}}"#,
        r#"{"hello":{"token":"again"}}"#,
        r#"{"query":{"ref":"q","ask":{"nonsense":{}}}}"#,
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([vec![0xff; 40], b"[".repeat(10_000)])
    .collect();
    for frame in frames {
        let what = String::from_utf8_lossy(&frame[..frame.len().min(60)]).into_owned();
        let mut connection = hello(&stack, &ana).await;
        connection.send_bytes(frame).await.unwrap();
        match within(&what, refusal(&mut connection)).await {
            Ok(problem) => {
                let code = problem.code;
                let documented = [Code::Malformed, Code::UnknownFrame, Code::Forbidden, Code::RoomNotFound];
                assert!(documented.contains(&code), "{what}: {problem:?}");
                assert!(problem.detail.len() > 10, "{what}: {:?} says nothing", problem.detail);
            }
            Err(closed) => {
                assert_eq!(closed.close_code(), Some(CloseCode::ProtocolError), "{what}: {closed}");
            }
        }
    }
    let mut connection = hello(&stack, &ana).await;
    let huge = format!(r#"{{"send":{{"body":"{}"}}}}"#, "x".repeat(300_000));
    // The edge may close before it has read all of it.
    connection.send_bytes(huge.into_bytes()).await.ok();
    match within("a huge frame", refusal(&mut connection)).await {
        Ok(problem) => assert_eq!(problem.code, Code::TooLarge),
        Err(ConnectionError::Closed { .. } | ConnectionError::Broken(_)) => {}
        Err(other) => panic!("{other}"),
    }
    ana.says(room, "still here").await;
    beto.sees_message(room, "still here").await;
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

async fn hello(stack: &Stack, person: &Person) -> Connection {
    let mut connection = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
    connection.hello(&person.token().await, None, None).await.unwrap();
    connection
}

/// The problem that the edge answers with, or how it closes.
async fn refusal(connection: &mut Connection) -> Result<Problem, ConnectionError> {
    loop {
        if let ServerFrame::Error(refused) = connection.next().await? {
            return Ok(refused.problem);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_hello() {
    let stack = Stack::start().await;
    let ana = stack.user("ana").await;
    let token = ana.token().await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(signature.len()));
    for bad in ["", "garbage", "a.b.c", &forged] {
        let mut connection =
            Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
        match within("an answer to a bad hello", connection.hello(bad, None, None)).await.unwrap_err() {
            ConnectionError::HelloRefused(problem) => assert_eq!(problem.code, Code::Unauthorized),
            closed => assert_eq!(closed.close_code(), Some(CloseCode::Unauthorized), "{bad:?}: {closed}"),
        }
    }
    // Anything but a hello or an account command comes too early.
    let mut early = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
    early
        .send_bytes(br#"{"typing":{"room":"01939e0b-2c7a-7cc0-b5f1-a2b6e0c1d2e3","on":true}}"#.to_vec())
        .await
        .unwrap();
    match within("an answer to a frame before the hello", refusal(&mut early)).await {
        Ok(problem) => assert!(matches!(problem.code, Code::Unauthorized | Code::Malformed), "{problem:?}"),
        Err(closed) => assert_eq!(closed.close_code(), Some(CloseCode::Unauthorized), "{closed}"),
    }
}

/// A command on NATS itself, with the credentials of an edge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_commands_on_nats() {
    use chasqui_bus::{BusRole, command};
    let stack = Stack::start().await;
    let ana = stack.user("ana").await;
    let token = ana.token().await;
    let edge = stack.bus(BusRole::WsEdge).await;
    let room = ana.room_with("weavers", &[]).await;
    let good = json!({"id": ana.client.new_id(), "room": room, "body": "x"}).to_string();
    let heads = stream_heads(&stack).await;
    for (name, body, token, expected) in [
        ("send", "", Some(token.as_str()), Code::Malformed),
        ("send", "{}", Some(&token), Code::Malformed),
        ("send", "\u{0}", Some(&token), Code::Malformed),
        ("send", &good, None, Code::Unauthorized),
        ("send", &good, Some("garbage"), Code::Unauthorized),
    ] {
        let call = command::Call {
            name,
            token,
            address: None,
            trace: None,
            timeout: std::time::Duration::from_secs(5),
        };
        let answer = command::request_raw(&edge, call, body.to_owned().into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["problem"]["code"], expected.as_str(), "{name} {body:?}: {answer}");
    }
    assert_eq!(stream_heads(&stack).await, heads, "something was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_command_line_and_in_the_configuration() {
    let stack = Stack::start().await;
    for (args, variable, says) in [
        (&["serve", "--role", "king"][..], None, "ws-edge"),
        (&["levitate"], None, "--help"),
        (&["serve"], Some(("CHASQUI_EDGE_TICK_MZ", "5")), "CHASQUI_EDGE_TICK_MS"),
        (&["serve"], Some(("CHASQUI_EDGE_TICK_MS", "soon")), "edge.tick_ms"),
        (&["serve"], Some(("CHASQUI_NATS_URL", "not a url")), "nats.url"),
    ] {
        let mut command = stack.command(args);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?} {variable:?} was accepted");
        assert!(told.contains(says), "{args:?} {variable:?} does not name {says}:\n{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}

async fn stream_heads(stack: &Stack) -> Vec<u64> {
    let log = stack.log().await;
    let mut heads = Vec::new();
    for partition in chasqui_events::Partition::first(stack.partitions()) {
        heads.push(log.partition_head(partition).await.unwrap().last_seq);
    }
    heads
}
