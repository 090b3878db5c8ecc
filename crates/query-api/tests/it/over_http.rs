//! The queries' routes: described, guarded, and clear about bad input.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, new_id};

#[tokio::test]
async fn every_route_is_described_and_wants_a_token() {
    let installation = Installation::start().await;
    let (_, openapi) = installation.get(None, "/openapi.json").await;
    let id = new_id().to_string();
    for path in [
        "/v1/conversations",
        "/v1/conversations/{room}",
        "/v1/rooms",
        "/v1/rooms/{room}/members",
        "/v1/rooms/{room}/messages",
        "/v1/rooms/{room}/messages/{seq}/receipts",
        "/v1/rooms/{room}/messages/by-id/{author}/{id}",
        "/v1/users/{user}",
        "/v1/users/by-name/{name}",
        "/v1/me",
    ] {
        let operation = &openapi["paths"][path]["get"];
        assert!(operation["summary"].is_string(), "{path}: {operation}");
        assert!(operation["responses"]["200"]["content"].is_object(), "{path} says what it answers");
        let at_least =
            operation["parameters"].as_array().unwrap().iter().any(|one| one["name"] == "at_least");
        assert!(at_least, "{path} takes a position");
        let path = path.replace("{seq}", "1").replace("{name}", "ana");
        let path =
            ["{room}", "{author}", "{id}", "{user}"].iter().fold(path, |path, part| path.replace(part, &id));
        let (status, problem) = installation.get(None, &path).await;
        assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")), "{path}");
    }
}

#[tokio::test]
async fn bad_input_is_answered_with_what_is_wrong() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "private").await;
    installation.get(Some(&ana), &format!("/v1/conversations/{room}?latest=true")).await;
    let long = "x".repeat(2000);
    for (path, status, code) in [
        ("/v1/rooms/x/messages".to_owned(), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages?before=x"), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages?before=1&after=2"), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages?limit=0"), 400, "size"),
        (format!("/v1/rooms/{room}/messages?limits=5"), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages?at_least=5"), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages?at_least=4000:5"), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages?at_least=0:5&latest=true"), 400, "malformed"),
        (format!("/v1/rooms/{room}/messages/9999/receipts"), 404, "message-not-found"),
        (format!("/v1/rooms/{room}/messages/by-id/{}/{}", ana.user, new_id()), 404, "message-not-found"),
        (format!("/v1/users/{}", new_id()), 404, "user-not-found"),
        ("/v1/users/by-name/nobody".to_owned(), 404, "user-not-found"),
        (format!("/v1/rooms?name={long}"), 400, "size"),
        ("/v1/rooms/".to_owned(), 404, "not-found"),
    ] {
        let (given, problem) = installation.get(Some(&ana), &path).await;
        assert_eq!((given, &problem["code"]), (status, &json!(code)), "{path:.80}: {problem}");
    }
}
