//! What stands around the routes of a process: limits, deadlines, headers, metrics, and an answer for every
//! address.

mod unread;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Path, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use chasqui_protocol::Code;
use chasqui_runtime::{
    metrics::names,
    telemetry::{TRACEPARENT, TraceContext},
};
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer};
use tracing::Instrument as _;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Cookies, Proxies, Refusal, address,
    cookies::{self, Door},
    explain, reference,
};

/// What the shell holds its routes to.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The largest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long a request may take.
    pub deadline: Duration,
    /// The public reaches the server by TLS, and browsers are told to come no other way.
    pub secured: bool,
    /// Web origins, besides the server's own, whose pages may use the API.
    pub allowed_origins: Vec<String>,
    /// Who is believed when they tell for whom they ask.
    pub proxies: Proxies,
    /// How pages keep their tokens in cookies; `None` when they may not.
    pub cookies: Option<Cookies>,
}

/// The routes of a process with everything around them: the description of the documented ones at
/// `/openapi.json` and `/docs`, the pages of the problem codes at `/errors/<code>`, and a problem document for
/// every other address. `undocumented` are routes that OpenAPI cannot describe, such as the WebSocket's.
pub fn shell(documented: OpenApiRouter, undocumented: Router, bounds: &Bounds) -> Router {
    let (routes, mut openapi) = documented.split_for_parts();
    reference::introduce(&mut openapi, bounds.cookies.as_ref());
    let door = Door { cookies: bounds.cookies.clone(), allowed_origins: bounds.allowed_origins.clone() };
    routes
        .merge(undocumented)
        .merge(reference::routes(&openapi))
        .route("/errors/{code}", get(error_page))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_method)
        .layer(DefaultBodyLimit::max(bounds.body_bytes))
        .layer(from_fn_with_state(bounds.deadline, within_deadline))
        .layer(from_fn_with_state(Arc::new(door), cookies::pass))
        .layer(cors(&bounds.allowed_origins, bounds.cookies.is_some()))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::new(bounds.proxies.clone()), address::note))
        .layer(from_fn(observe))
        .layer(from_fn_with_state(bounds.secured, harden))
        .layer(from_fn(unread::part_ways))
}

async fn error_page(Path(name): Path<String>) -> Response {
    let Some(code) = Code::from_name(&name) else { return nothing_here().await.into_response() };
    ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], explain::page(code)).into_response()
}

async fn nothing_here() -> Refusal {
    Refusal::new(Code::NotFound, "there is nothing at this address; GET /docs shows what there is")
}

async fn not_this_method() -> Refusal {
    Refusal::new(
        Code::MethodNotAllowed,
        "the address exists, but not for this method; GET /docs shows for which",
    )
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The panic hook has logged it with its place.
    Refusal::new(Code::Internal, "a defect of the server; its log has the details").into_response()
}

/// Answers in time, whatever the route does. A change that was cut off may have been recorded all the same.
async fn within_deadline(State(deadline): State<Duration>, request: Request, next: Next) -> Response {
    let reads_only = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) if reads_only => {
            Refusal::new(Code::Unavailable, "this took too long; try again").into_response()
        }
        Err(_) => Refusal::new(
            Code::Unknown,
            "this took too long; send the same again with the same id to learn whether it was recorded",
        )
        .into_response(),
    }
}

fn cors(origins: &[String], cookies: bool) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let layer = CorsLayer::new();
    if origins.is_empty() {
        return layer;
    }
    let headers =
        [header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static(TRACEPARENT), cookies::HEADER];
    layer
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers)
        .allow_credentials(cookies)
}

/// A span with the trace id around the request, and its time by route.
async fn observe(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let trace = TraceContext::continue_from(traceparent);
    // The route's pattern, never the address: that holds ids, and labels must be few.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut request = request;
    request.extensions_mut().insert(trace);
    let response = next.run(request).instrument(trace.span("http")).await;
    let route = route.unwrap_or_else(|| "(none)".to_owned());
    let status = response.status().as_u16().to_string();
    metrics::histogram!(names::HTTP_SECONDS, "route" => route, "status" => status).record(begun.elapsed());
    response
}

/// Headers for browsers: answers are data, not pages to be framed, guessed at or kept.
async fn harden(State(secured): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), geolocation=(), microphone=()",
    );
    if secured {
        // A year; browsers count it anew with each answer.
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    response
}

#[cfg(test)]
mod tests;
