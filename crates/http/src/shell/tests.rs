use axum::{
    body::{Body, to_bytes},
    http::{Request as HttpRequest, StatusCode},
    routing::post,
};
use chasqui_protocol::Problem;
use pretty_assertions::assert_eq;
use serde::Deserialize;
use tower::ServiceExt as _;

use super::*;
use crate::Json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    count: u32,
}

async fn order(Json(order): Json<Order>) -> String {
    order.count.to_string()
}

async fn numbered(crate::Path(number): crate::Path<u32>, crate::Query(order): crate::Query<Order>) -> String {
    (number + order.count).to_string()
}

fn app() -> Router {
    let routes = Router::new()
        .route("/order", post(order))
        .route("/numbered/{number}", get(numbered))
        .route("/slow", get(std::future::pending::<String>).post(std::future::pending::<String>))
        .route("/broken", get(async || -> String { panic!("on purpose") }));
    let bounds = Bounds {
        body_bytes: 100,
        deadline: Duration::from_millis(20),
        secured: false,
        allowed_origins: vec!["https://chat.example.org".to_owned()],
        proxies: Proxies::default(),
        cookies: None,
    };
    shell(OpenApiRouter::new(), routes, &bounds)
}

async fn ask(request: HttpRequest<Body>) -> (StatusCode, String, axum::http::HeaderMap) {
    let response = app().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    (parts.status, text, parts.headers)
}

fn request(method: &str, path: &str, content_type: Option<&str>, body: &str) -> HttpRequest<Body> {
    let builder = HttpRequest::builder().method(method).uri(path);
    let builder = match content_type {
        Some(content_type) => builder.header("content-type", content_type),
        None => builder,
    };
    builder.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn every_kind_of_bad_input_is_a_problem_document_with_its_code() {
    let json = Some("application/json");
    let long = format!("{{\"count\":1{}}}", " ".repeat(200));
    for (method, path, content_type, body, code) in [
        ("GET", "/nowhere", None, "", Code::NotFound),
        ("DELETE", "/order", None, "", Code::MethodNotAllowed),
        ("POST", "/order", None, "{\"count\":1}", Code::UnsupportedMediaType),
        ("POST", "/order", Some("text/plain"), "{\"count\":1}", Code::UnsupportedMediaType),
        ("POST", "/order", json, "{", Code::Malformed),
        ("POST", "/order", json, "{\"count\":\"x\"}", Code::Malformed),
        ("POST", "/order", json, "{\"count\":1,\"other\":2}", Code::Malformed),
        ("POST", "/order", json, &long, Code::TooLarge),
        ("GET", "/numbered/x?count=1", None, "", Code::Malformed),
        ("GET", "/numbered/1", None, "", Code::Malformed),
        ("GET", "/errors/no-such-code", None, "", Code::NotFound),
        ("GET", "/slow", None, "", Code::Unavailable),
        ("POST", "/slow", None, "", Code::Unknown),
        ("GET", "/broken", None, "", Code::Internal),
    ] {
        let (status, text, headers) = ask(request(method, path, content_type, body)).await;
        let problem: Problem =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{method} {path}: {e}: {text}"));
        assert_eq!(problem.code, code, "{method} {path} {body}");
        assert_eq!((status.as_u16(), problem.status), (code.status(), code.status()));
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(problem.type_uri, format!("/errors/{}", code.as_str()));
        assert!(problem.detail.len() > 20, "says what to do: {}", problem.detail);
    }
}

#[tokio::test]
async fn good_input_passes() {
    let (status, text, _) = ask(request("POST", "/order", Some("application/json"), "{\"count\":7}")).await;
    assert_eq!((status.as_u16(), text.as_str()), (200, "7"));
    let (status, text, _) = ask(request("GET", "/numbered/1?count=2", None, "")).await;
    assert_eq!((status.as_u16(), text.as_str()), (200, "3"));
}

#[tokio::test]
async fn the_pages_explain_and_load_nothing_from_elsewhere() {
    let (status, text, headers) = ask(request("GET", "/errors/busy", None, "")).await;
    assert!(status.is_success() && text.starts_with("# busy"));
    assert_eq!(headers["content-type"], "text/markdown; charset=utf-8");
    for path in ["/docs", "/docs/page.js", "/docs/page.css"] {
        let (status, text, headers) = ask(request("GET", path, None, "")).await;
        assert!(status.is_success(), "{path}");
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another server");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
    let (_, text, _) = ask(request("GET", "/openapi.json", None, "")).await;
    let openapi: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(openapi["info"]["title"], "Chasqui");
    assert_eq!(openapi["components"]["securitySchemes"]["access_token"]["scheme"], "bearer");
}

#[tokio::test]
async fn only_configured_origins_are_let_in() {
    for (origin, allowed) in [("https://chat.example.org", true), ("https://evil.example.org", false)] {
        let preflight = HttpRequest::builder()
            .method("OPTIONS")
            .uri("/order")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap();
        let (.., headers) = ask(preflight).await;
        assert_eq!(headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}

/// Give an order
#[utoipa::path(
    post, path = "/v1/commands/order", request_body = String,
    responses((status = 200, body = String), (status = 409, description = "`busy`", body = Problem))
)]
async fn described(_: String) -> String {
    String::new()
}

#[tokio::test]
async fn described_operations_have_names_and_problems_their_media_type() {
    let bounds = Bounds {
        body_bytes: 100,
        deadline: Duration::from_secs(20),
        secured: false,
        allowed_origins: vec![],
        proxies: Proxies::default(),
        cookies: None,
    };
    let documented = OpenApiRouter::new().routes(utoipa_axum::routes!(described));
    let app = shell(documented, Router::new(), &bounds);
    let response = app.oneshot(request("GET", "/openapi.json", None, "")).await.unwrap();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let openapi: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let operation = &openapi["paths"]["/v1/commands/order"]["post"];
    assert_eq!(
        (&operation["operationId"], &operation["summary"]),
        (&"order".into(), &"Give an order".into())
    );
    let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        statuses,
        ["200", "400", "403", "409", "413", "415", "429", "500", "503", "504"],
        "nobody in particular"
    );
    for status in statuses.into_iter().skip(1) {
        let content = &operation["responses"][status]["content"];
        let schema = &content["application/problem+json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem", "{status}: {content}");
        assert_eq!(content.as_object().unwrap().len(), 1);
    }
    assert!(openapi["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
}

/// What is left of a body stands before the next request: the client must not send one on this connection.
#[tokio::test]
async fn an_answer_before_the_end_of_the_body_says_that_the_connection_ends() {
    let connection = async |content_type, body| {
        let (status, _, headers) = ask(request("POST", "/order", Some(content_type), body)).await;
        (status, headers.get("connection").map(|value| value.to_str().unwrap().to_owned()))
    };
    let close = Some("close".to_owned());
    assert_eq!(connection("text/plain", "unread").await, (StatusCode::UNSUPPORTED_MEDIA_TYPE, close));
    assert_eq!(connection("application/json", r#"{"count":1}"#).await, (StatusCode::OK, None));
    assert_eq!(connection("text/plain", "").await.1, None, "there was nothing to read");
}
