//! The description of the API: `/openapi.json` for programs, `/docs` for people. The page is written here and
//! loads nothing from elsewhere, because a server may have no way out.

mod operations;

use axum::{Router, http::header, response::IntoResponse as _, routing::get};
use utoipa::openapi::{
    InfoBuilder, OpenApi,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::Cookies;

/// The name of the way to authenticate by cookie.
const COOKIE: &str = "cookie";
const SCRIPT: &str = include_str!("reference/page.js");
const STYLE: &str = include_str!("reference/page.css");
const PAGE: &str = include_str!("reference/page.html");
/// The page may load its own files and ask its own server, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ABOUT: &str = "Commands are POSTed to /v1/commands/<name>, in the same shape as over the WebSocket; what was \
                     recorded is read with GET. Errors are RFC 9457 problem documents; their `type` is the address \
                     of a page about them.";

/// Title, version and the way to authenticate.
pub(crate) fn introduce(openapi: &mut OpenApi, cookies: Option<&Cookies>) {
    openapi.info = InfoBuilder::new()
        .title("Chasqui")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    openapi
        .components
        .get_or_insert_default()
        .security_schemes
        .insert("access_token".to_owned(), SecurityScheme::Http(scheme).into());
    if let Some(cookies) = cookies {
        let about = "In cookie mode: the header `X-Chasqui-Cookies: 1` with a login puts the tokens into cookies, and is \
                     needed with every POST afterwards";
        let value = ApiKeyValue::with_description(cookies.access_name(), about);
        let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(value));
        let schemes = &mut openapi.components.get_or_insert_default().security_schemes;
        schemes.insert(COOKIE.to_owned(), scheme.into());
        operations::allow(openapi, COOKIE);
    }
    operations::complete(openapi);
}

pub(crate) fn routes(openapi: &OpenApi) -> Router {
    let description = openapi.to_json().unwrap_or_default();
    let file = |content_type: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, content_type)], text) })
    };
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move {
                ([(header::CONTENT_TYPE, "application/json")], description).into_response()
            }),
        )
        .route(
            "/docs",
            get(async || {
                let headers = [
                    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                    (header::CONTENT_SECURITY_POLICY, POLICY),
                ];
                (headers, PAGE)
            }),
        )
        .route("/docs/page.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/docs/page.css", file("text/css; charset=utf-8", STYLE))
}
