//! Cookie mode: pages keep their tokens in cookies that no script can read.
//!
//! At the door, before any route. A page says with the header `X-Chasqui-Cookies: 1` that it works with cookies: what an
//! answer holds of tokens then goes into cookies, and a request's cookies become the bearer token and the refresh token
//! that the routes know. So no route knows of cookies.
//!
//! A browser sends cookies whoever made the request. The header is what shows that a page of ours did: no form and no
//! link can send it, and a script elsewhere needs leave that only `http.allowed_origins` get. The origin is checked
//! besides (OWASP's cheat sheet on cross-site request forgery: custom header, origin, `SameSite`). A `WebSocket` cannot
//! carry the header, so there the origin must be named and be one of ours.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use chasqui_protocol::Code;
use cookie::{Cookie, SameSite};
use serde_json::{Map, Value};

use crate::Refusal;

/// Says that a page works with cookies.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-chasqui-cookies");
/// Where refresh tokens are taken, and the only place to which a browser sends its own.
const REFRESH: &str = "/v1/commands/refresh";
/// Answers that may hold tokens, or end a session, are those of commands.
const COMMANDS: &str = "/v1/commands/";
/// Commands after which the caller's session is over.
const ENDING: [&str; 3] =
    ["/v1/commands/logout", "/v1/commands/revoke_all_sessions", "/v1/commands/deactivate"];
/// Answers with tokens are far smaller.
const LARGEST_ANSWER: usize = 1 << 20;

/// How cookies are given and taken.
#[derive(Clone, Debug)]
pub struct Cookies {
    /// Only over TLS, as browsers know it: `Secure` and prefixed names. Off for development without TLS.
    pub secure: bool,
    /// How long the refresh token's cookie is kept.
    pub refresh_life: Duration,
}

/// What stands at the door.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) cookies: Option<Cookies>,
    pub(crate) allowed_origins: Vec<String>,
}

/// Translates between cookies and tokens.
pub(crate) async fn pass(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let Some(cookies) = &door.cookies else { return next.run(request).await };
    match enter(cookies, &door.allowed_origins, request) {
        Ok(Entered { request, path, with_cookies }) => {
            let response = next.run(request).await;
            if with_cookies && path.starts_with(COMMANDS) {
                leave(cookies, &path, response).await
            } else {
                response
            }
        }
        Err(refusal) => refusal.into_response(),
    }
}

struct Entered {
    request: Request,
    path: String,
    with_cookies: bool,
}

fn enter(cookies: &Cookies, allowed: &[String], request: Request) -> Result<Entered, Refusal> {
    let (mut parts, mut body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let with_cookies = parts.headers.get(HEADER).is_some_and(|value| value == "1");
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if with_cookies && changes && !(says_where(&parts.headers) && is_of_ours(allowed, &parts.headers)) {
        return Err(csrf("pages of this origin may not work with cookies; see http.allowed_origins"));
    }
    if parts.headers.contains_key(header::AUTHORIZATION) {
        // Whoever shows a token means it.
        return Ok(Entered { request: Request::from_parts(parts, body), path, with_cookies });
    }
    if let Some(token) = cookie(&parts.headers, cookies.access_name()) {
        may_act(allowed, &parts, with_cookies || !changes)?;
        if let Ok(value) = HeaderValue::try_from(format!("Bearer {token}")) {
            parts.headers.insert(header::AUTHORIZATION, value);
        }
    }
    if path == REFRESH
        && with_cookies
        && let Some(token) = cookie(&parts.headers, cookies.refresh_name())
    {
        let command = Value::from(Map::from_iter([("refresh_token".to_owned(), Value::from(token))]));
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        body = Body::from(command.to_string());
    }
    Ok(Entered { request: Request::from_parts(parts, body), path, with_cookies })
}

/// Whether a request with a cookie may do what it does: `harmless` when it reads only, or has shown the header.
fn may_act(allowed: &[String], parts: &Parts, harmless: bool) -> Result<(), Refusal> {
    if parts.headers.get(header::UPGRADE).is_some() {
        let named = parts.headers.contains_key(header::ORIGIN) && is_of_ours(allowed, &parts.headers);
        let detail =
            "a WebSocket with a cookie must come from a page of this server or of http.allowed_origins";
        return if named { Ok(()) } else { Err(csrf(detail)) };
    }
    if harmless {
        return Ok(());
    }
    Err(csrf("a request that is authenticated by a cookie needs the header X-Chasqui-Cookies: 1"))
}

/// Whether the browser tells at all where the page comes from; with a POST, every one does.
fn says_where(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Whether the page that asks is the server's own or an allowed one, as the browser tells.
pub fn is_of_ours(allowed: &[String], headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        let site = headers.get("sec-fetch-site");
        return site.is_none_or(|site| site == "same-origin" || site == "none");
    };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == host || allowed.iter().any(|one| one == origin)
}

fn csrf(detail: &str) -> Refusal {
    Refusal::new(Code::Csrf, detail)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).flatten();
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// Puts the tokens of an answer into cookies, and takes the cookies away when the session is over.
async fn leave(cookies: &Cookies, path: &str, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_ANSWER).await else {
        return Refusal::new(Code::Internal, "the answer could not be read").into_response();
    };
    let over = parts.status == StatusCode::UNAUTHORIZED && path == REFRESH
        || parts.status.is_success() && ENDING.contains(&path);
    if over {
        for cookie in cookies.taken_away() {
            append(&mut parts.headers, &cookie);
        }
    }
    let given = parts.status.is_success().then(|| cookies.given(&bytes)).flatten();
    let body = match given {
        Some((both, rest)) => {
            for cookie in both {
                append(&mut parts.headers, &cookie);
            }
            parts.headers.remove(header::CONTENT_LENGTH);
            Bytes::from(rest.to_string())
        }
        None => bytes,
    };
    Response::from_parts(parts, Body::from(body))
}

fn append(headers: &mut HeaderMap, cookie: &Cookie<'_>) {
    if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
        headers.append(header::SET_COOKIE, value);
    }
}

impl Cookies {
    pub(crate) const fn access_name(&self) -> &'static str {
        if self.secure { "__Host-chasqui_access" } else { "chasqui_access" }
    }

    const fn refresh_name(&self) -> &'static str {
        if self.secure { "__Secure-chasqui_refresh" } else { "chasqui_refresh" }
    }

    /// The cookies for the tokens of an answer, and the rest of it; `None` where there are no tokens.
    fn given(&self, answer: &[u8]) -> Option<([Cookie<'static>; 2], Value)> {
        let mut answer: Map<String, Value> = serde_json::from_slice(answer).ok()?;
        let life = answer.get("expires_in")?.as_i64()?;
        let (Value::String(access), Value::String(refresh)) =
            (answer.remove("access_token")?, answer.remove("refresh_token")?)
        else {
            return None;
        };
        let refresh_life = i64::try_from(self.refresh_life.as_secs()).unwrap_or(i64::MAX);
        Some((self.both(access, life, refresh, refresh_life), Value::from(answer)))
    }

    fn taken_away(&self) -> [Cookie<'static>; 2] {
        self.both(String::new(), 0, String::new(), 0)
    }

    fn both(&self, access: String, life: i64, refresh: String, refresh_life: i64) -> [Cookie<'static>; 2] {
        let cookie = |name, value, path, life| {
            Cookie::build((name, value))
                .path(path)
                .http_only(true)
                .secure(self.secure)
                .same_site(SameSite::Strict)
                .max_age(cookie::time::Duration::seconds(life))
                .build()
        };
        [
            cookie(self.access_name(), access, "/", life),
            cookie(self.refresh_name(), refresh, REFRESH, refresh_life),
        ]
    }
}

#[cfg(test)]
mod tests;
