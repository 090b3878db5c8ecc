use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use pretty_assertions::assert_eq;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

fn app(secure: bool) -> Router {
    let tell = |headers: HeaderMap, body: String| async move {
        let bearer = headers.get("authorization").map_or("nobody", |value| value.to_str().unwrap());
        format!("{bearer} {body}")
    };
    let tokens = || async {
        axum::Json(json!({"user": "u", "expires_in": 600, "access_token": "aaa", "refresh_token": "rrr"}))
    };
    let door = Door {
        cookies: Some(Cookies { secure, refresh_life: Duration::from_secs(1000) }),
        allowed_origins: vec!["https://app.example".to_owned()],
    };
    Router::new()
        .route("/read", get(tell))
        .route("/v1/commands/act", post(tell))
        .route("/v1/commands/refresh", post(tell))
        .route("/v1/commands/logout", post(tell))
        .route("/v1/commands/login", post(tokens))
        .layer(from_fn_with_state(Arc::new(door), pass))
}

async fn ask(method: &str, path: &str, headers: &[(&'static str, &str)]) -> (u16, Vec<String>, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", "chat.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app(true).oneshot(request.body(Body::from("said")).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let set = parts.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned());
    let text = String::from_utf8(to_bytes(body, 10_000).await.unwrap().to_vec()).unwrap();
    (parts.status.as_u16(), set.collect(), text)
}

const COOKIE: (&str, &str) = ("cookie", "other=1; __Host-chasqui_access=tok; __Secure-chasqui_refresh=ref");
const MODE: (&str, &str) = ("x-chasqui-cookies", "1");
const OWN: (&str, &str) = ("origin", "https://chat.example");
const ALLOWED: (&str, &str) = ("origin", "https://app.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

#[tokio::test]
async fn tokens_go_into_cookies_that_no_script_reads_and_not_into_the_answer() {
    let (status, set, body) = ask("POST", "/v1/commands/login", &[MODE, OWN]).await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"user": "u", "expires_in": 600}));
    let rest = "HttpOnly; SameSite=Strict; Secure";
    assert_eq!(
        set,
        [
            format!("__Host-chasqui_access=aaa; {rest}; Path=/; Max-Age=600"),
            format!("__Secure-chasqui_refresh=rrr; {rest}; Path=/v1/commands/refresh; Max-Age=1000"),
        ]
    );
    let (_, set, body) = ask("POST", "/v1/commands/login", &[OWN]).await;
    assert!(set.is_empty() && body.contains("aaa"), "without the header as ever: {body}");
}

#[tokio::test]
async fn a_cookie_is_the_token_of_pages_of_ours_only() {
    let allowed: [&[_]; 4] = [
        &[COOKIE, MODE, OWN],
        &[COOKIE, MODE, ALLOWED],
        &[COOKIE, MODE, ("sec-fetch-site", "same-origin")],
        &[COOKIE, MODE, OWN, ("sec-fetch-site", "same-origin")],
    ];
    for headers in allowed {
        let (status, _, body) = ask("POST", "/v1/commands/act", headers).await;
        assert_eq!((status, body.as_str()), (200, "Bearer tok said"), "{headers:?}");
    }
    let refused: [&[_]; 7] = [
        &[COOKIE],
        &[COOKIE, OWN],
        &[COOKIE, EVIL],
        &[COOKIE, MODE],
        &[COOKIE, MODE, EVIL],
        &[COOKIE, MODE, ("origin", "null")],
        &[COOKIE, MODE, ("sec-fetch-site", "cross-site")],
    ];
    for headers in refused {
        for path in ["/v1/commands/act", "/v1/commands/refresh", "/v1/commands/logout"] {
            let (status, _, body) = ask("POST", path, headers).await;
            assert_eq!(status, 403, "{headers:?}");
            assert!(body.contains("\"code\":\"csrf\""), "{body}");
        }
    }
    assert_eq!(ask("POST", "/v1/commands/login", &[MODE, EVIL]).await.0, 403, "nor is anybody logged in");
    assert_eq!(ask("GET", "/read", &[COOKIE]).await.2, "Bearer tok said", "reading changes nothing");
}

#[tokio::test]
async fn a_token_that_is_shown_goes_before_the_cookie() {
    let shown = ("authorization", "Bearer shown");
    let (status, _, body) = ask("POST", "/v1/commands/act", &[COOKIE, shown]).await;
    assert_eq!((status, body.as_str()), (200, "Bearer shown said"));
    let (_, _, body) = ask("POST", "/v1/commands/act", &[("cookie", "chasqui_access=tok"), MODE, OWN]).await;
    assert_eq!(body, "nobody said", "a name without the prefix could be set by a neighbour");
}

#[tokio::test]
async fn the_refresh_token_is_taken_from_its_cookie_and_both_go_at_the_end() {
    let (status, _, body) = ask("POST", "/v1/commands/refresh", &[COOKIE, MODE, OWN]).await;
    assert_eq!((status, body.as_str()), (200, "Bearer tok {\"refresh_token\":\"ref\"}"));
    let (_, set, _) = ask("POST", "/v1/commands/logout", &[COOKIE, MODE, OWN]).await;
    assert_eq!(set.len(), 2);
    assert!(set.iter().all(|cookie| cookie.contains("Max-Age=0")), "{set:?}");
}

#[tokio::test]
async fn a_websocket_with_a_cookie_must_name_an_origin_of_ours() {
    let upgrade = ("upgrade", "websocket");
    for (headers, status) in [
        (vec![COOKIE, upgrade, OWN], 200),
        (vec![COOKIE, upgrade, ALLOWED], 200),
        (vec![COOKIE, upgrade, EVIL], 403),
        (vec![COOKIE, upgrade], 403),
        (vec![upgrade], 200),
    ] {
        assert_eq!(ask("GET", "/read", &headers).await.0, status, "{headers:?}");
    }
}
