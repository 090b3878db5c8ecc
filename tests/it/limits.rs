//! How often things may happen, in the whole system: refused with the time to wait, for all processes together, and without
//! Redis in each of them.

use std::time::Duration;

use chasqui_client::{Connection, SocketLimits};
use chasqui_events::CommandId;
use chasqui_protocol::{
    Accepted, ClientFrame, CloseCode, Code, Codec, Problem, ServerFrame, command::Send, frame::ErrorFrame,
};
use chasqui_testkit::{Layout, Person, Role, Stack, within};
use pretty_assertions::assert_eq;
use reqwest::Response;
use serde_json::{Value, json};

fn new_id() -> String {
    chasqui_client::Ids::default().command().to_string()
}

/// Where somebody usually logs in.
const HOME: &str = "198.51.100.7";

/// Everything is allowed but what the test sets. Nothing comes back while it runs.
fn limited(layout: Layout, rates: &[(&str, &str)]) -> Layout {
    let open = ["login_address", "register_address", "connect_address"];
    let layout = open.iter().fold(layout, |layout, name| layout.set(&format!("rate.{name}"), "off"));
    let layout = layout.set("rate.enforcement", "enforce");
    rates.iter().fold(layout, |layout, (name, rate)| layout.set(&format!("rate.{name}"), rate))
}

async fn post(stack: &Stack, url: String, token: Option<&str>, body: &Value) -> Response {
    let request = stack.http().post(url).json(body);
    token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth).send().await.unwrap()
}

async fn refused(response: Response) -> Problem {
    assert_eq!(response.status(), 429);
    let header: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.code, Code::TooMany);
    let wait = problem.retry_after_ms.unwrap();
    assert_eq!(header, wait.div_ceil(1000));
    problem
}

/// A login by way of a proxy, which names the client's address.
async fn log_in(stack: &Stack, process: &str, from: &str, name: &str, password: &str) -> Response {
    let url = format!("{}/v1/commands/login", stack.process(process).endpoint().http_url());
    let body = json!({"name": name, "password": password});
    stack.http().post(url).header("x-forwarded-for", from).json(&body).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_guessed_at_so_often_in_all_processes_and_nobody_learns_whether_it_exists() {
    let layout = Layout::empty()
        .process("auth-1", &[Role::Auth, Role::Projector])
        .process("auth-2", &[Role::Auth])
        .process("api", &[Role::CommandApi, Role::QueryApi, Role::WsEdge]);
    let rates = [("login_failures_free", "4"), ("login_failures_most", "5")];
    let layout = limited(layout, &rates).set("http.trusted_proxies", "127.0.0.1/32");
    let stack = Stack::with(layout).await;
    let _ana = stack.user("ana").await;
    assert_eq!(log_in(&stack, "auth-1", HOME, "ana", Person::PASSWORD).await.status(), 200);
    let mut told = Vec::new();
    for name in ["ana", "nobody"] {
        let mut statuses = Vec::new();
        for (process, from) in [("auth-1", 1), ("auth-2", 2), ("auth-1", 3), ("auth-2", 4)] {
            let from = format!("192.0.2.{from}");
            statuses.push(log_in(&stack, process, &from, name, "wrong-password").await.status().as_u16());
        }
        assert_eq!(statuses, [401; 4], "{name}");
        // The right password is no exception: it would tell that it is right.
        for password in ["wrong-password", Person::PASSWORD] {
            let problem = refused(log_in(&stack, "auth-2", "192.0.2.5", name, password).await).await;
            told.push((problem.title, problem.detail));
        }
    }
    assert!(told.iter().all(|words| *words == told[0]), "{told:?}");
    // From where she logged in before she still comes in, and the row ends.
    assert_eq!(log_in(&stack, "auth-1", HOME, "ana", Person::PASSWORD).await.status(), 200);
    assert_eq!(log_in(&stack, "auth-2", "192.0.2.5", "ana", Person::PASSWORD).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_queries_of_one_account_are_limited_over_http_and_the_socket() {
    let rates = [
        ("send_account", "5, 1/h"),
        ("create_room_account", "2, 1/h"),
        ("query_account", "20, 1/h"),
        ("change_account", "1, 1/h"),
    ];
    let stack = Stack::with(limited(Layout::one_process(), &rates)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.client.open_direct(beto.id).await.unwrap();
    // Half over the socket, half over HTTP: one account.
    for n in 0..3 {
        ana.client.send(room, format!("{n}")).await.unwrap();
    }
    let url = stack.url(Role::CommandApi, "/v1/commands/send");
    let token = ana.token().await;
    let send = |n: u32| json!({"id": new_id(), "room": room, "body": format!("{n}")});
    for n in 3..5 {
        assert_eq!(post(&stack, url.clone(), Some(&token), &send(n)).await.status(), 200);
    }
    refused(post(&stack, url, Some(&token), &send(5)).await).await;
    assert!(beto.client.send(room, "another account").await.is_ok());
    let create = stack.url(Role::CommandApi, "/v1/commands/create_room");
    let body = || json!({"id": new_id(), "kind": "public", "name": "Plaza"});
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let created: Accepted =
            post(&stack, create.clone(), Some(&token), &body()).await.json().await.unwrap();
        rooms.push(created.room.unwrap());
    }
    refused(post(&stack, create, Some(&token), &body()).await).await;
    let rename = stack.url(Role::CommandApi, "/v1/commands/rename_room");
    let renamed = |name: &str| json!({"id": new_id(), "room": rooms[0], "name": name});
    assert_eq!(post(&stack, rename.clone(), Some(&token), &renamed("Mercado")).await.status(), 200);
    refused(post(&stack, rename, Some(&token), &renamed("Plaza")).await).await;
    let me = stack.url(Role::QueryApi, "/v1/me");
    let mut asked = 0;
    let last = loop {
        let response = stack.http().get(&me).bearer_auth(&token).send().await.unwrap();
        asked += 1;
        if response.status() != 200 || asked > 25 {
            break response;
        }
    };
    refused(last).await;
    let counted = stack.role(Role::QueryApi).metric_of("chasqui_limited_total", "query_account").await;
    assert!(counted >= 1.0, "{counted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_speaks_too_fast_is_read_more_slowly_and_loses_nothing() {
    let rates = [("frames_connection", "10, 100/s"), ("send_account", "off"), ("send_room", "off")];
    let stack = Stack::with(limited(Layout::one_process(), &rates)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.client.open_direct(beto.id).await.unwrap();
    let sends = (0..60).map(|n| ana.client.send(room, format!("{n}")));
    let begun = std::time::Instant::now();
    for sent in futures::future::join_all(sends).await {
        sent.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    assert!(stack.role(Role::WsEdge).metric("chasqui_edge_held_total").await > 0.0);
    for n in 0..60 {
        beto.sees_message(room, &format!("{n}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_redis_loosens_limits_and_stops_nothing() {
    let rates = [("create_room_account", "2, 1/h")];
    let stack = Stack::with(limited(Layout::one_process(), &rates)).await;
    let ana = stack.user("ana").await;
    let token = ana.token().await;
    stack.redis().kill_9().unwrap();
    let create = stack.url(Role::CommandApi, "/v1/commands/create_room");
    let body = || json!({"id": new_id(), "kind": "public", "name": "Plaza"});
    for _ in 0..2 {
        assert_eq!(post(&stack, create.clone(), Some(&token), &body()).await.status(), 200);
    }
    refused(post(&stack, create, Some(&token), &body()).await).await;
    let alone = stack.role(Role::CommandApi).metric("chasqui_limiter_alone_total").await;
    assert!(alone >= 2.0, "{alone} decisions");
}

/// What a frame was answered with: nothing wrong, or a code.
async fn outcome(connection: &mut Connection, send: &Send) -> Option<Code> {
    connection.send(&ClientFrame::Send(send.clone())).await.unwrap();
    let asked = send.id;
    loop {
        match within("an answer", connection.next()).await.unwrap() {
            ServerFrame::Ok { id, .. } if id == asked => return None,
            ServerFrame::Error(ErrorFrame { id: Some(id), problem, .. }) if id == asked => {
                return Some(problem.code);
            }
            _ => {}
        }
    }
}

/// Looking a repeated message up costs more than sending it; so it counts as one, whether it was recorded or is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_repeated_messages_up_is_limited_over_http_and_the_socket() {
    let stack = Stack::with(limited(Layout::one_process(), &[("send_account", "4, 1/d")])).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let (caro, room) = (stack.user("caro").await, ana.room_with("weavers", &[]).await);
    let socket = async |person: &Person| {
        let connection = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await;
        let mut connection = connection.unwrap();
        connection.hello(&person.token().await, None, None).await.unwrap();
        connection
    };
    // An id from before the time for which the broker remembers ids is looked up first.
    let old =
        CommandId::new(chasqui_events::Timestamp(ana.client.new_id().timestamp().0 - 3_600_000), [7; 10]);
    let repeated =
        |id| Send { id, room, body: "hola".to_owned(), replies_to: vec![], retry: true, on_behalf: None };
    let mut socket_of_ana = socket(&ana).await;
    let mut recorded = Vec::new();
    for _ in 0..5 {
        recorded.push(outcome(&mut socket_of_ana, &repeated(old)).await);
    }
    let refused = repeated(beto.client.new_id());
    let (mut socket_of_beto, mut over_socket) = (socket(&beto).await, Vec::new());
    for _ in 0..3 {
        over_socket.push(outcome(&mut socket_of_beto, &refused).await);
    }
    let (url, token) = (stack.url(Role::CommandApi, "/v1/commands/send"), caro.token().await);
    let mut over_http = Vec::new();
    for _ in 0..3 {
        over_http.push(post(&stack, url.clone(), Some(&token), &json!(refused)).await.status().as_u16());
    }
    let (unknown, limited) = (Some(Code::RoomNotFound), Some(Code::TooMany));
    // The first one is looked up and sent, the next two are looked up; what is refused is judged and looked up.
    assert_eq!(recorded, [None, None, None, limited, limited]);
    assert_eq!((over_socket, over_http), (vec![unknown, unknown, limited], vec![404, 404, 429]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_is_counted_also_those_of_moderators_and_about_oneself() {
    let stack = Stack::with(limited(Layout::one_process(), &[("query_account", "20, 1/d")])).await;
    let ana = stack.user("ana").await;
    let (room, mut last) = (ana.room_with("weavers", &[]).await, Vec::new());
    for (name, role, path) in [
        ("beto", Role::QueryApi, format!("/v1/rooms/{room}/bans")),
        ("caro", Role::QueryApi, "/v1/admin/audit".to_owned()),
        ("dora", Role::Auth, "/v1/me/sessions".to_owned()),
        ("elsa", Role::Auth, "/v1/me/factors".to_owned()),
    ] {
        let (person, url) = (stack.user(name).await, stack.url(role, &path));
        let token = person.token().await;
        let mut statuses = Vec::new();
        for _ in 0..21 {
            let response = stack.http().get(&url).bearer_auth(&token).send().await.unwrap();
            statuses.push(response.status().as_u16());
        }
        assert_ne!(statuses.first(), Some(&429), "{path}");
        last.push((path, statuses.pop()));
    }
    assert!(last.iter().all(|(_, status)| *status == Some(429)), "{last:?}");
}

/// A new connection that says hello; the code that it was closed with instead.
async fn connected(stack: &Stack, token: &str) -> Result<Connection, Option<CloseCode>> {
    let connection = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await;
    let mut connection = connection.unwrap();
    match connection.hello(token, None, None).await {
        Ok(_) => Ok(connection),
        Err(error) => Err(error.close_code()),
    }
}

/// The code that a new connection is closed with before it has said anything.
async fn closed(stack: &Stack) -> Option<CloseCode> {
    let connection = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await;
    let mut connection = connection.unwrap();
    loop {
        if let Err(error) = within("the close", connection.next()).await {
            return error.close_code();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_so_many_connections_at_a_time() {
    let stack = Stack::with(Layout::one_process().set("edge.max_connections_per_user", 3)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let token = ana.token().await;
    let first = connected(&stack, &token).await.unwrap();
    let _second = connected(&stack, &token).await.unwrap();
    assert_eq!(connected(&stack, &token).await.err(), Some(Some(CloseCode::TooManyConnections)));
    connected(&stack, &beto.token().await).await.unwrap();
    drop(first);
    within("a place that was given back", async { while connected(&stack, &token).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_so_many_connections_at_a_time() {
    let stack = Stack::with(Layout::one_process().set("edge.max_connections_per_address", 4)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let (hers, his) = (ana.token().await, beto.token().await);
    let first = connected(&stack, &hers).await.unwrap();
    let _second = connected(&stack, &his).await.unwrap();
    assert_eq!(closed(&stack).await, Some(CloseCode::TooManyConnections));
    drop(first);
    within("a place that was given back", async { while connected(&stack, &his).await.is_err() {} }).await;
}
