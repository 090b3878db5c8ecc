//! An edge as the process sees it: a route and a service.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use chasqui_auth::Verifier;
use chasqui_bus::{Bus, BusRole, Log};
use chasqui_limiter::Rates;
use chasqui_query_api::{Bounds, Reader, Secrets};
use chasqui_read_model::ReadModel;
use chasqui_runtime::{config::Config, health::Readiness, lifecycle::Shutdown};
use tokio::task::JoinSet;

use crate::{
    accept, drain,
    edge::{Edge, Made},
    notices, presence, receipt_sender, revoked,
    settings::Settings,
    tick, typing,
};

/// What an edge is built from.
#[derive(Debug)]
pub struct Parts {
    /// The connection to NATS, in the role [`BusRole::WsEdge`].
    pub bus: Bus,
    /// The projections.
    pub read_model: ReadModel,
    /// Checks access tokens.
    pub verifier: Verifier,
    /// How often clients may do what.
    pub rates: Rates,
    /// Read what is sealed, as the role `ws-edge` may.
    pub secrets: Secrets,
    /// Says when the edge is ready.
    pub readiness: Readiness,
}

/// The WebSocket edge.
#[derive(Clone, Copy, Debug)]
pub struct WsEdge;

/// What an edge does besides serving its route.
#[derive(Debug)]
pub struct Service {
    edge: Arc<Edge>,
}

impl WsEdge {
    /// Builds an edge: the route `GET /v1/ws`, and the service to run beside it.
    ///
    /// Nothing that bounds the time or the body of a request belongs around the route, because a connection
    /// outlives both.
    pub fn build(config: &Config, parts: Parts) -> (Router, Service) {
        let Parts { bus, read_model, verifier, rates, secrets, readiness } = parts;
        if bus.role() != BusRole::WsEdge {
            tracing::warn!(role = %bus.role(), "the edge uses the NATS connection of another role");
        }
        let log = Log::new(bus.clone());
        let keyring = Arc::clone(&secrets.keyring);
        let reader = Reader::new(read_model.clone(), log, secrets, Bounds::new(config), rates.clone());
        let settings = Settings::of(config);
        let edge = Edge::new(Made { settings, bus, read_model, verifier, reader, rates, keyring, readiness });
        (accept::router(Arc::clone(&edge)), Service { edge })
    }
}

impl Service {
    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.edge.hub.count()
    }

    /// Runs until the process is told to stop, then sends all clients elsewhere, spread over `edge.drain_ms`, and
    /// returns when they are gone and their receipts are recorded. The HTTP server must go on until then.
    ///
    /// # Errors
    /// When something ends that must not, such as the subscription to notices.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let edge = self.edge;
        let mut tasks: JoinSet<anyhow::Result<&'static str>> = JoinSet::new();
        tasks.spawn(named("tick", ok(tick::run(Arc::clone(&edge), shutdown.clone()))));
        tasks.spawn(named("receipts", receipt_sender::run(Arc::clone(&edge), shutdown.clone())));
        tasks.spawn(named("notices", notices::run(Arc::clone(&edge))));
        tasks.spawn(named("revoked", ok(revoked::watch(Arc::clone(&edge), shutdown.clone()))));
        tasks.spawn(named("hints", typing::run(Arc::clone(&edge))));
        tasks.spawn(named("presence", presence::run(Arc::clone(&edge))));
        tasks.spawn(named("away", ok(presence::watch(Arc::clone(&edge), shutdown.clone()))));
        tokio::select! {
            () = shutdown.requested() => {}
            ended = tasks.join_next() => {
                let ended = ended.context("an edge has tasks")?;
                let name = ended.context("a task of the edge failed")??;
                anyhow::bail!("the edge's task {name} ended by itself");
            }
        }
        tokio::select! {
            () = drain::drain(&edge) => {}
            () = shutdown.forced() => {}
        }
        tasks.shutdown().await;
        Ok(())
    }
}

async fn named(
    name: &'static str,
    task: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<&'static str> {
    task.await.with_context(|| format!("the edge's task {name}"))?;
    Ok(name)
}

async fn ok(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}
