//! The identity routes over HTTP.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use chasqui_auth::{Auth, serve};
use chasqui_http::{Bounds, Proxies, shell};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::installation::{Installation, PASSWORD, new_id};

/// A request to be sent.
pub(crate) struct Asked(Request<Body>);

impl Asked {
    pub(crate) fn get(path: &str) -> Self {
        Self(Request::builder().uri(path).body(Body::empty()).unwrap())
    }

    pub(crate) fn post(path: &str, body: Value) -> Self {
        let request = Request::builder().method("POST").uri(path).body(Body::from(body.to_string()));
        Self(request.unwrap()).header("content-type", "application/json")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn extension<E: Clone + Send + Sync + 'static>(mut self, extension: E) -> Self {
        self.0.extensions_mut().insert(extension);
        self
    }
}

pub(crate) async fn send(app: &Router, Asked(request): Asked) -> (u16, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

pub(crate) async fn ask(
    app: &Router,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> (u16, Value) {
    let asked = match (method, body) {
        ("POST", Some(body)) => Asked::post(path, body),
        _ => Asked::get(path),
    };
    send(app, token.into_iter().fold(asked, Asked::bearer)).await
}

pub(crate) async fn app(installation: &Installation) -> Router {
    served(installation, &installation.auth().await)
}

/// The routes of a role, within the shell.
pub(crate) fn served(installation: &Installation, auth: &Auth) -> Router {
    let http = &installation.config.http;
    let bounds = Bounds {
        body_bytes: 65_536,
        deadline: Duration::from_secs(30),
        secured: false,
        allowed_origins: vec![],
        proxies: Proxies { trusted: http.trusted_proxies.clone(), header: http.forwarded_header },
        cookies: None,
    };
    shell(auth.routes(), Router::new(), &bounds)
}

#[tokio::test]
async fn an_account_lives_over_http() {
    let installation = Installation::start().await;
    let app = app(&installation).await;
    let command = |name: &str| format!("/v1/commands/{name}");
    let body = json!({"id": new_id(), "name": "Ana", "password": PASSWORD});
    let (status, registered) = ask(&app, "POST", &command("register"), None, Some(body)).await;
    assert_eq!(status, 200, "{registered}");
    let body = json!({"name": "ana", "password": PASSWORD});
    let (status, tokens) = ask(&app, "POST", &command("login"), None, Some(body)).await;
    assert_eq!((status, &tokens["user"]), (200, &registered["user"]));
    let token = tokens["access_token"].as_str();
    let body = json!({"id": new_id(), "display_name": "Ana M."});
    let (status, _) = ask(&app, "POST", &command("change_profile"), token, Some(body)).await;
    assert_eq!(status, 200);
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let (status, refreshed) = ask(&app, "POST", &command("refresh"), None, Some(body)).await;
    assert_eq!((status, &refreshed["session"]), (200, &tokens["session"]));
    let (status, _) = ask(&app, "POST", &command("logout"), token, Some(json!({}))).await;
    assert_eq!(status, 200);
    let body = json!({"refresh_token": refreshed["refresh_token"]});
    let (status, problem) = ask(&app, "POST", &command("refresh"), None, Some(body)).await;
    assert_eq!((status, &problem["code"]), (401, &json!("refresh-rejected")));
    let (status, jwks) = ask(&app, "GET", "/.well-known/jwks.json", None, None).await;
    assert_eq!((status, &jwks["keys"][0]["crv"]), (200, &json!("Ed25519")));
}

#[tokio::test]
async fn refusals_are_problem_documents() {
    let installation = Installation::start().await;
    let app = app(&installation).await;
    let profile = Some(json!({"id": new_id(), "display_name": ""}));
    for (path, token, body, status, code) in [
        ("register", None, Some(json!({"name": 7})), 400, "malformed"),
        ("login", None, Some(json!({"name": "x", "password": "y"})), 401, "wrong-credentials"),
        ("refresh", None, Some(json!({"refresh_token": "x"})), 401, "refresh-rejected"),
        ("change_profile", None, profile.clone(), 401, "unauthorized"),
        ("change_profile", Some("not.a.token"), profile, 401, "unauthorized"),
    ] {
        let (given, problem) = ask(&app, "POST", &format!("/v1/commands/{path}"), token, body).await;
        assert_eq!((given, &problem["code"]), (status, &json!(code)), "{path}: {problem}");
        assert_eq!(problem["type"], format!("/errors/{code}"));
    }
}

#[tokio::test]
async fn every_command_is_described() {
    let installation = Installation::start().await;
    let (_, openapi) = ask(&app(&installation).await, "GET", "/openapi.json", None, None).await;
    for name in serve::NAMES {
        let operation = &openapi["paths"][format!("/v1/commands/{name}")]["post"];
        assert!(
            operation["summary"].is_string() && operation["requestBody"].is_object(),
            "{name}: {operation}"
        );
    }
    assert!(openapi["paths"]["/.well-known/jwks.json"]["get"].is_object());
}
