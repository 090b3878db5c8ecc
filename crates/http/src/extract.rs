//! Extractors that refuse bad input by documented codes instead of axum's plain texts.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use chasqui_protocol::{Code, without_values};
use serde::{Serialize, de::DeserializeOwned};

use crate::Refusal;

/// A JSON body, taken or given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refuse_body(&rejection)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn refuse_body(rejection: &JsonRejection) -> Refusal {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => Refusal::new(
            Code::UnsupportedMediaType,
            "send the body as JSON, with content-type: application/json",
        ),
        rejection if rejection.status() == 413 => {
            Refusal::new(Code::TooLarge, "the body is larger than limits.http_body_bytes; send less at once")
        }
        rejection => Refusal::new(Code::Malformed, reason(&rejection.body_text())),
    }
}

/// axum's text without its first clause, which repeats the title.
fn reason(text: &str) -> String {
    let clause = text.split_once(": ").map_or(text, |(_, rest)| rest);
    format!("the body cannot be read: {}", without_values(clause))
}

/// Parameters of the path.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Refusal::new(
                Code::Malformed,
                format!(
                    "a part of the address is not what it must be: {}",
                    without_values(&rejection.body_text())
                ),
            )),
        }
    }
}

/// Parameters after the question mark.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Refusal::new(
                Code::Malformed,
                format!("a parameter is not what it must be: {}", without_values(&rejection.body_text())),
            )),
        }
    }
}
