//! The operator's port: liveness, readiness, metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::clock::now_ms;
use crate::health::{CheckReport, Registry};
use crate::lifecycle::Shutdown;
use crate::metrics::Metrics;

/// What the routes answer from.
#[derive(Debug, Clone)]
pub struct Ops {
    /// The checks of the process.
    pub registry: Registry,
    /// Its metrics.
    pub metrics: Metrics,
    /// Its shutdown; from the soft stage on it is not ready.
    pub shutdown: Shutdown,
}

/// `GET /health/live`, `GET /health/ready`, `GET /metrics`.
pub fn ops_router(ops: Ops) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

/// Serves [`ops_router`] until the *hard* stage of shutdown, so that a draining process can still be watched.
/// Spawn it by [`Tasks::spawn_service`](crate::lifecycle::Tasks::spawn_service).
pub async fn serve_ops(listener: TcpListener, ops: Ops) -> anyhow::Result<()> {
    let (shutdown, metrics) = (ops.shutdown.clone(), ops.metrics.clone());
    tokio::select! {
        served = axum::serve(listener, ops_router(ops)) => Ok(served?),
        () = shutdown.forced() => Ok(()),
        _ = metrics.upkeep() => Ok(()),
    }
}

/// The process runs and its scheduler answers. It says nothing of its backends, because a restart would not heal
/// them.
async fn live() -> &'static str {
    "live\n"
}

async fn ready(State(ops): State<Ops>) -> impl IntoResponse {
    let mut report = ops.registry.report();
    if ops.shutdown.is_requested() {
        report.ready = false;
        report.checks.push(CheckReport::not_ready("process", "shutting down", now_ms()));
    }
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], ops.metrics.render())
}

#[cfg(test)]
mod tests;
