//! The commands over HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use chasqui_command_api::{FindSent, serve::NAMES};
use chasqui_events::{CommandId, Partition, Position, Timestamp};
use chasqui_http::{Bounds, Proxies, shell};
use chasqui_protocol::Accepted;
use chasqui_runtime::clock::now_ms;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::installation::{Installation, Person, new_id};

fn app(installation: &Installation, find_sent: Option<FindSent>) -> Router {
    let bounds = Bounds {
        body_bytes: 65_536,
        deadline: Duration::from_secs(30),
        secured: false,
        allowed_origins: vec![],
        proxies: Proxies::default(),
        cookies: None,
    };
    shell(installation.api.routes(find_sent), Router::new(), &bounds)
}

async fn post(app: &Router, person: Option<&Person>, name: &str, body: Value) -> (u16, Value) {
    let mut request =
        Request::post(format!("/v1/commands/{name}")).header("content-type", "application/json");
    if let Some(person) = person {
        request = request.header("authorization", format!("Bearer {}", person.token));
    }
    answer(app, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn answer(app: &Router, request: Request<Body>) -> (u16, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_room_lives_over_http() {
    let installation = Installation::start().await;
    let app = app(&installation, None);
    let ana = installation.person("ana").await;
    let create = json!({"id": new_id(), "kind": "public", "name": "Plaza"});
    let (status, created) = post(&app, Some(&ana), "create_room", create).await;
    assert_eq!(status, 200, "{created}");
    let say = json!({"id": new_id(), "room": created["room"], "body": "hola"});
    let (status, sent) = post(&app, Some(&ana), "send", say).await;
    assert_eq!((status, &sent["position"]["p"]), (200, &created["position"]["p"]));
    assert!(sent["position"]["s"].as_u64() > created["position"]["s"].as_u64());
}

#[tokio::test]
async fn refusals_are_problem_documents_with_their_status() {
    let installation = Installation::start().await;
    let app = app(&installation, None);
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "public").await;
    for (person, name, body, status, code) in [
        (None, "join", json!({"id": new_id(), "room": room}), 401, "unauthorized"),
        (Some(&ben), "join", json!({"id": "x", "room": room}), 400, "malformed"),
        (Some(&ben), "send", json!({"id": new_id(), "room": room, "body": "x"}), 403, "not-a-member"),
        (Some(&ana), "leave", json!({"id": new_id(), "room": ben.user}), 404, "room-not-found"),
        (Some(&ana), "open_direct", json!({"id": new_id(), "user": ana.user}), 409, "direct-with-self"),
        (
            Some(&ana),
            "create_room",
            json!({"id": new_id(), "kind": "direct", "name": "x"}),
            409,
            "not-in-direct",
        ),
        (Some(&ana), "create_room", json!({"id": new_id(), "kind": "public", "name": " "}), 400, "size"),
    ] {
        let (given, problem) = post(&app, person, name, body).await;
        assert_eq!((given, &problem["code"]), (status, &json!(code)), "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_retry_of_an_old_id_is_looked_up_before_it_is_sent_again() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let position = Position { partition: Partition::from_low_bits(0), seq: 4711 };
    let counter = Arc::clone(&asked);
    let find_sent: FindSent = Arc::new(move |_, _, _| {
        counter.fetch_add(1, Relaxed);
        Box::pin(async move { Ok(Some(Accepted { position: Some(position), ..Accepted::default() })) })
    });
    let app = app(&installation, Some(find_sent));
    let old = CommandId::new(Timestamp(now_ms() - 3_600_000), [5; 10]);
    for (id, retry, found) in [(old, true, true), (old, false, false), (new_id(), true, false)] {
        let body = json!({"id": id, "room": room, "body": "hola", "retry": retry});
        let (status, sent) = post(&app, Some(&ana), "send", body).await;
        assert_eq!(status, 200, "{sent}");
        assert_eq!(sent["position"]["s"] == 4711, found, "{id} {retry}: {sent}");
    }
    assert_eq!(asked.load(Relaxed), 1, "the broker itself knows young ids, and first attempts need no look");
}

#[tokio::test]
async fn every_command_is_described() {
    let installation = Installation::start().await;
    let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let (_, openapi) = answer(&app(&installation, None), request).await;
    for name in NAMES.iter().filter(|name| **name != "receipts") {
        let operation = &openapi["paths"][format!("/v1/commands/{name}")]["post"];
        assert!(
            operation["summary"].is_string() && operation["requestBody"].is_object(),
            "{name}: {operation}"
        );
        assert!(operation["security"][0]["access_token"].is_array(), "{name} needs a token");
    }
    assert!(openapi["paths"]["/v1/commands/receipts"].is_null(), "only edges move receipts");
}
