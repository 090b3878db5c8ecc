//! `chasqui serve`: builds the roles of this process, runs them, ends them in order.

mod auth;
mod bus;
mod command_api;
mod erasures;
mod exposure;
mod projector;
mod query_api;
mod ready;
mod retried;
mod role;
mod tending;
mod ws_edge;

use anyhow::Context as _;
use axum::Router;
use chasqui_bus::Bus;
use chasqui_http::{Bounds, Connections, Cookies, Proxies, Tls, shell};
use chasqui_limiter::Rates;
use chasqui_read_model::ReadModel;
use chasqui_runtime::{
    config::{Config, CookieMode},
    health::Registry,
    lifecycle::{Lifecycle, Shutdown, Tasks},
    metrics::Metrics,
    ops::{Ops, serve_ops},
    telemetry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use bus::connect;
pub(crate) use query_api::settings as model_settings;
pub(crate) use role::Role;

use crate::cli::Serve;

pub(crate) async fn run(config: Config, serve: &Serve) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    let roles = Role::chosen(&serve.roles);
    announce(&config, &roles);
    let life = Lifecycle::new(config.shutdown.grace_ms);
    let mut process = Process::new(&config, &life)?;
    process.watch_over().await?;
    let tls = process.certificate()?;
    let http = listen(config.http.listen, "http.listen").await?;
    process.build(&roles).await?;
    process.serve_http(http, tls);
    life.run().await
}

/// What this process is, in the first lines of its log.
fn announce(config: &Config, roles: &[Role]) {
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        roles = names.join(","),
        partitions = config.chat.partitions,
        "chasqui starts"
    );
    tracing::info!("{}", config.durability.meaning());
    for warning in exposure::warnings(config) {
        tracing::warn!("{warning}");
    }
}

/// The process while it is being built.
pub(crate) struct Process<'a> {
    config: &'a Config,
    tasks: Tasks,
    shutdown: Shutdown,
    registry: Registry,
    documented: OpenApiRouter,
    undocumented: Router,
    rates: Rates,
    query_bus: Option<Bus>,
    model: Option<ReadModel>,
    /// Cancelled when the edge of this process has let its clients go. Until then it still sends commands, so the
    /// command side goes on.
    edge_is_done: CancellationToken,
}

impl<'a> Process<'a> {
    fn new(config: &'a Config, life: &Lifecycle) -> anyhow::Result<Self> {
        Ok(Self {
            rates: Rates::shared(config).context("redis.url")?,
            config,
            tasks: life.tasks(),
            shutdown: life.shutdown(),
            registry: Registry::new(),
            documented: OpenApiRouter::new(),
            undocumented: Router::new(),
            query_bus: None,
            model: None,
            edge_is_done: CancellationToken::new(),
        })
    }

    /// The operator's port comes first, so that a start can be watched.
    async fn watch_over(&self) -> anyhow::Result<()> {
        let listener = listen(self.config.ops.listen, "ops.listen").await?;
        let ops = Ops {
            registry: self.registry.clone(),
            metrics: Metrics::install()?,
            shutdown: self.shutdown.clone(),
        };
        self.tasks.spawn_service("ops", serve_ops(listener, ops));
        let (rates, shutdown) = (self.rates.clone(), self.shutdown.clone());
        self.tasks.spawn_service("limits", async move {
            rates.limiter().run(shutdown.requested()).await;
            Ok(())
        });
        Ok(())
    }

    /// The certificate of the public port, if there is one, and its renewal.
    fn certificate(&self) -> anyhow::Result<Option<Tls>> {
        let http = &self.config.http;
        let (Some(certificate), Some(key)) = (&http.tls_cert_file, &http.tls_key_file) else {
            return Ok(None);
        };
        let tls = Tls::load(certificate, key)?;
        let (fresh, shutdown) = (tls.clone(), self.shutdown.clone());
        self.tasks.spawn_service("http.certificate", async move {
            tokio::select! {
                never = fresh.keep_fresh() => never,
                () = shutdown.forced() => Ok(()),
            }
        });
        Ok(Some(tls))
    }

    async fn build(&mut self, roles: &[Role]) -> anyhow::Result<()> {
        if !roles.contains(&Role::WsEdge) {
            // Nobody waits for an edge that there is not.
            self.edge_is_done.cancel();
        }
        for role in roles {
            let built = match role {
                Role::Auth => auth::build(self).await,
                Role::CommandApi => command_api::build(self, roles).await,
                Role::QueryApi => query_api::build(self).await,
                Role::Projector => projector::build(self).await,
                Role::WsEdge => ws_edge::build(self).await,
            };
            built.with_context(|| format!("starting the role {}", role.name()))?;
        }
        Ok(())
    }

    /// When commands are no longer taken: after the edge of this process has let its clients go.
    fn commands_may_stop(&self) -> impl Future<Output = ()> + Send + use<> {
        let (shutdown, edge_is_done) = (self.shutdown.clone(), self.edge_is_done.clone());
        async move {
            shutdown.requested().await;
            edge_is_done.cancelled().await;
        }
    }

    fn serve_http(self, listener: TcpListener, tls: Option<Tls>) {
        let stop = self.commands_may_stop();
        let Self { config, tasks, registry, documented, undocumented, .. } = self;
        let bounds = Bounds {
            body_bytes: config.limits.http_body_bytes,
            deadline: config.http.request_timeout_ms,
            secured: tls.is_some(),
            allowed_origins: config.http.allowed_origins.clone(),
            proxies: Proxies {
                trusted: config.http.trusted_proxies.clone(),
                header: config.http.forwarded_header,
            },
            cookies: cookies(config),
        };
        let proxies = bounds.proxies.clone();
        let routes = shell(documented, undocumented, &bounds);
        let connections = Connections {
            most: Connections::default().most.max(config.edge.max_connections),
            most_per_address: config.http.max_connections_per_address,
            proxies,
            header_deadline: config.http.request_timeout_ms,
            answer_patience: config.http.answer_timeout_ms,
            tls,
        };
        let ready = registry.register("http");
        tasks.spawn_critical("http", async move {
            ready.set_ready();
            Ok(chasqui_http::serve(listener, routes, connections, stop).await?)
        });
    }
}

async fn listen(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listening on {address} ({key})"))?;
    tracing::info!(address = %listener.local_addr()?, "{key}");
    Ok(listener)
}

fn cookies(config: &Config) -> Option<Cookies> {
    let refresh_life = config.auth.refresh_idle_s;
    match config.auth.cookies {
        CookieMode::On => Some(Cookies { secure: true, refresh_life }),
        CookieMode::Insecure => Some(Cookies { secure: false, refresh_life }),
        CookieMode::Off => None,
    }
}
