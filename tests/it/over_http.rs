//! Everything without a WebSocket: plain HTTP, as a stranger's program would do it with the documentation at hand.

use chasqui_events::{CommandId, Timestamp};
use chasqui_protocol::{Accepted, Code, Problem, command::Tokens};
use chasqui_testkit::{Checker, Layout, Role, Stack};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// Somebody with a token and nothing else.
struct Caller<'a> {
    stack: &'a Stack,
    token: String,
    user: String,
}

fn new_id() -> String {
    chasqui_client::Ids::default().command().to_string()
}

impl<'a> Caller<'a> {
    async fn arrives(stack: &'a Stack, name: &str) -> Self {
        let password = "a quiet mountain";
        let register = json!({"id": new_id(), "name": name, "password": password});
        let accepted: Accepted = post(stack, Role::Auth, "register", None, &register).await.unwrap();
        let login = json!({"name": name, "password": password});
        let tokens: Tokens = post(stack, Role::Auth, "login", None, &login).await.unwrap();
        assert_eq!(Some(tokens.user), accepted.user);
        Self { stack, token: tokens.access_token, user: tokens.user.to_string() }
    }

    async fn does(&self, name: &str, mut command: Value) -> Result<Accepted, Problem> {
        let has_id = !matches!(name, "read" | "delivered");
        if has_id && command.get("id").is_none() {
            command["id"] = new_id().into();
        }
        post(self.stack, Role::CommandApi, name, Some(&self.token), &command).await
    }

    async fn asks(&self, path: &str) -> Result<Value, Problem> {
        let url = self.stack.url(Role::QueryApi, path);
        answer(self.stack.http().get(url).bearer_auth(&self.token)).await
    }
}

async fn post<T: serde::de::DeserializeOwned>(
    stack: &Stack,
    role: Role,
    name: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<T, Problem> {
    let mut request = stack.http().post(stack.url(role, &format!("/v1/commands/{name}"))).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    answer(request).await
}

async fn answer<T: serde::de::DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, Problem> {
    let answer = request.send().await.unwrap();
    if answer.status().is_success() {
        return Ok(answer.json().await.unwrap());
    }
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/problem+json");
    let status = answer.status().as_u16();
    let problem: Problem = answer.json().await.unwrap();
    assert_eq!(problem.status, status);
    Err(problem)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_registering_to_receipts() {
    let stack = Stack::start().await;
    let (ana, beto) = (Caller::arrives(&stack, "ana").await, Caller::arrives(&stack, "beto").await);
    let room = ana.does("open_direct", json!({"user": beto.user})).await.unwrap().room.unwrap();
    let send = json!({"id": new_id(), "room": room, "body": "hola, beto"});
    let position = ana.does("send", send.clone()).await.unwrap().position.unwrap();
    let again = ana.does("send", send.clone()).await.unwrap().position.unwrap();
    assert_eq!(again, position, "the same command again is the same command");

    let page = beto.asks(&format!("/v1/rooms/{room}/messages?at_least={position}")).await.unwrap();
    let last = page["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["what"]["message"]["body"], "hola, beto");
    assert_eq!((last["seq"].as_u64(), last["by"].as_str()), (Some(position.seq), Some(ana.user.as_str())));
    let rooms = beto.asks("/v1/conversations").await.unwrap();
    assert_eq!(rooms["conversations"][0]["unread"], 1);

    beto.does("delivered", json!({"room": room, "seq": position.seq})).await.unwrap();
    let receipts = format!("/v1/rooms/{room}/messages/{}/receipts?latest=true", position.seq);
    let shown = ana.asks(&receipts).await.unwrap();
    assert!(shown["delivered"].to_string().contains(&beto.user), "{shown}");
    assert!(!shown["read"].to_string().contains(&beto.user), "{shown}");
    beto.does("read", json!({"room": room, "seq": position.seq})).await.unwrap();
    let shown = ana.asks(&receipts).await.unwrap();
    assert!(shown["read"].to_string().contains(&beto.user), "{shown}");
    let rooms = beto.asks("/v1/conversations?latest=true").await.unwrap();
    assert_eq!(rooms["conversations"][0]["unread"], 0);
    Checker::new().check(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_with_pages_of_history() {
    let stack = Stack::start().await;
    let (ana, beto) = (Caller::arrives(&stack, "ana").await, Caller::arrives(&stack, "beto").await);
    let create = json!({"kind": "private", "name": "the harvest"});
    let room = ana.does("create_room", create).await.unwrap().room.unwrap();
    let denied = beto.asks(&format!("/v1/rooms/{room}/messages?latest=true")).await.unwrap_err();
    assert!(matches!(denied.code, Code::RoomNotFound | Code::NotAMember), "{denied:?}");
    ana.does("invite", json!({"room": room, "user": beto.user})).await.unwrap();
    beto.does("join", json!({"room": room})).await.unwrap();
    let mut places = Vec::new();
    for number in 0..25 {
        let send = json!({"room": room, "body": format!("number {number}")});
        places.push(ana.does("send", send).await.unwrap().position.unwrap());
    }
    let last = places.last().unwrap();
    let seqs = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect()
    };
    let expected: Vec<u64> = places.iter().map(|place| place.seq).collect();
    let newest = beto.asks(&format!("/v1/rooms/{room}/messages?limit=10&at_least={last}")).await.unwrap();
    assert_eq!(seqs(&newest), expected[15..]);
    assert_eq!((&newest["older"], &newest["newer"]), (&json!(true), &json!(false)));
    let before = format!("/v1/rooms/{room}/messages?limit=10&before={}", expected[15]);
    assert_eq!(seqs(&beto.asks(&before).await.unwrap()), expected[5..15]);
    let after = format!("/v1/rooms/{room}/messages?limit=10&after={}", expected[4]);
    assert_eq!(seqs(&beto.asks(&after).await.unwrap()), expected[5..15]);
    let around =
        beto.asks(&format!("/v1/rooms/{room}/messages?limit=11&around={}", expected[10])).await.unwrap();
    assert!(seqs(&around).contains(&expected[10]), "{around}");
    assert!(seqs(&around).contains(&expected[8]) && seqs(&around).contains(&expected[12]), "{around}");
    Checker::new().check(&stack).await;
}

/// The commands have a process of their own, which need not read the projections for anything else.
fn commands_apart() -> Layout {
    let rest = [Role::Auth, Role::QueryApi, Role::Projector, Role::WsEdge];
    Layout::empty().process("rest", &rest).process("commands", &[Role::CommandApi])
}

/// A message whose id is too old for the broker to know, sent, and sent again after its author has left: it stands,
/// but may not be said any more.
async fn said_before_leaving(stack: &Stack) -> Result<(Accepted, Accepted), Problem> {
    let (ana, beto) = (Caller::arrives(stack, "ana").await, Caller::arrives(stack, "beto").await);
    let room = ana.does("create_room", json!({"kind": "public", "name": "plaza"})).await?.room.unwrap();
    beto.does("join", json!({"room": room})).await?;
    let old = CommandId::new(Timestamp(1_700_000_000_000), [7; 10]);
    let send = json!({"id": old, "room": room, "body": "once"});
    let first = beto.does("send", send.clone()).await?;
    beto.does("leave", json!({"room": room})).await?;
    let mut again = send;
    again["retry"] = true.into();
    Ok((first, beto.does("send", again).await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_message_that_is_sent_again_is_looked_up_also_by_a_command_api_alone() {
    let stack = Stack::with(commands_apart()).await;
    let (first, again) = said_before_leaving(&stack).await.unwrap();
    assert_eq!(again.position, first.position);
    Checker::new().check(&stack).await;
}

/// Commands do not wait for MongoDB, and nothing is recorded twice because it is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_history_is_away_only_the_repetition_is_put_off() {
    let layout = commands_apart().set_for("commands", "mongodb.url", "mongodb://127.0.0.1:1").set_for(
        "commands",
        "mongodb.timeout_ms",
        200,
    );
    let stack = Stack::with(layout).await;
    let problem = said_before_leaving(&stack).await.unwrap_err();
    assert_eq!(problem.code, Code::Unavailable, "{problem:?}");
    Checker::new().check(&stack).await;
}
