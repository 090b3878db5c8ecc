//! Every connection by TLS: clients, NATS, MongoDB and Redis. Nobody talks to a server that cannot show who it is.

use std::{path::Path, time::Duration};

use chasqui_bus::{Bus, BusRole, NatsSettings};
use chasqui_read_model::{ReadModel, Settings};
use chasqui_testkit::{Authority, Layout, Stack};
use serde_json::{Value, json};

fn post(path: &str, token: Option<&str>, body: &Value) -> String {
    let body = body.to_string();
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n{authorization}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The JSON after an answer's headers.
fn json_of(answer: &str) -> Value {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn new_id() -> String {
    chasqui_client::Ids::default().command().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_travels_by_tls_only() {
    let authority = Authority::new();
    let stack = Stack::with(Layout::one_process().secured(&authority)).await;
    let port = stack.edge_port();
    let talk = async |said: String| authority.converse(port, &said, "\u{0}").await.unwrap();
    let account = json!({"id": new_id(), "name": "ana", "password": "a quiet mountain path"});
    json_of(&talk(post("/v1/commands/register", None, &account)).await);
    let login = json!({"name": "ana", "password": "a quiet mountain path"});
    let answer = talk(post("/v1/commands/login", None, &login)).await;
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age=31536000"), "{answer}");
    let token = json_of(&answer)["access_token"].as_str().unwrap().to_owned();
    let create = json!({"id": new_id(), "kind": "public", "name": "Plaza"});
    let created = json_of(&talk(post("/v1/commands/create_room", Some(&token), &create)).await);
    let send = json!({"id": new_id(), "room": created["room"], "body": "hola"});
    json_of(&talk(post("/v1/commands/send", Some(&token), &send)).await);
    let room = created["room"].as_str().unwrap();
    let read = format!(
        "GET /v1/rooms/{room}/messages?latest=true HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    let history = talk(read).await;
    assert!(history.contains("hola"), "{history}");
    let upgrade = "GET /v1/ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let answer = authority.converse(port, upgrade, "\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let plain = stack.http().get(format!("http://127.0.0.1:{port}/openapi.json")).send().await;
    assert!(plain.is_err(), "{plain:?}");
    assert!(Authority::new().converse(port, "", "").await.is_err(), "a stranger's authority");
    links_refuse_who_they_cannot_verify(&stack, &authority).await;
}

/// The log's server and MongoDB are not talked to with another authority, and without one neither.
async fn links_refuse_who_they_cannot_verify(stack: &Stack, authority: &Authority) {
    let (known, stranger) = (authority.file(), Authority::new());
    let nats = async |ca: Option<&Path>| {
        let password = stack.nats_password("query-api");
        let url = stack.nats().url().replace("nats://", "tls://");
        let settings = NatsSettings::new(url, BusRole::QueryApi, password);
        Bus::connect(NatsSettings { ca_file: ca.map(Path::to_owned), ..settings }).await.is_ok()
    };
    assert!(nats(Some(&known)).await);
    assert!(!nats(Some(&stranger.file())).await);
    assert!(!nats(None).await);
    let mongo = async |ca: &Path| {
        let settings = stack.read_settings();
        let settings = Settings { mongodb_ca: Some(ca.to_owned()), ..settings };
        let settings = Settings { mongodb_timeout: Duration::from_secs(2), ..settings };
        ReadModel::connect(&settings).await.is_ok()
    };
    assert!(mongo(&known).await);
    assert!(!mongo(&stranger.file()).await);
}
