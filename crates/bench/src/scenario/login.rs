//! Logins at the cost that passwords have where nothing is configured, and a storm of them.

use std::time::{Duration, Instant};

use anyhow::Context;
use argon2::{Algorithm, Argon2, Params, Version};
use chasqui_protocol::command::{Login, Tokens};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::Run;
use crate::{
    api::Api,
    figure::{Figure, Unit},
    latency::Latencies,
    people::{PASSWORD, named},
    procfs::{peak_kib, resident_kib},
    report::Section,
    stack::Stack,
};

/// Logins at once: two are hashed, the others wait or are told to come back.
const STORM: usize = 64;

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let logins = run.pick(20_u32, 600);
    let stack = Stack::start_with_real_passwords(&run.progress).await?;
    let config = stack.config()?;
    let endpoint = stack.endpoint(run.codec);
    let api = Api::new(&endpoint.api)?;
    let people = named(&api, 8, &run.progress).await?;
    let server = stack.processes().into_iter().next().context("a server runs")?;
    let rest = resident_kib(server.pid)?;
    run.progress.step(format!("{logins} logins, {STORM} at once"));
    let over = CancellationToken::new();
    let begun = Instant::now();
    let storm = stream::iter((0..logins as usize).map(|n| {
        let (api, name) = (&api, people.get(n % people.len().max(1)).cloned().unwrap_or_default());
        async move {
            let login =
                Login { name, password: PASSWORD.to_owned(), device: "bench".to_owned(), reactivate: false };
            api.command::<Tokens>("login", None, &login).await
        }
    }))
    .buffer_unordered(STORM);
    let (storm, alive) = tokio::join!(
        async {
            let counted = storm.try_fold(0_u32, async |done, _| Ok(done + 1)).await;
            over.cancel();
            counted
        },
        meanwhile(&api, &over)
    );
    let (done, lasted) = (storm?, begun.elapsed());
    let alive = alive?.summary();
    let cost = one_hash(&config)?;
    let cores = config.auth.argon2_concurrency as f64;

    let mut section = Section::new(
        "login",
        format!(
            "{done} logins, {STORM} at once; whoever is told to come back comes back. Argon2id with {} KiB, {} passes, {} at once.",
            config.auth.argon2_memory_kib, config.auth.argon2_iterations, config.auth.argon2_concurrency
        ),
    );
    section.figures = vec![
        Figure::new("logins", f64::from(done) / lasted.as_secs_f64(), Unit::PerSecond)
            .beside("the bare hash, as many at once", Some(cores / cost.as_secs_f64())),
        Figure::new("one bare hash", cost.as_secs_f64() * 1e3, Unit::Ms),
        Figure::new("memory at rest", rest as f64, Unit::KiB),
        Figure::new("most memory during the storm", peak_kib(server.pid)? as f64, Unit::KiB),
        Figure::new("another request meanwhile, p99", alive.p99, Unit::Ms),
    ];
    Ok(vec![section])
}

/// How long a request takes that has nothing to do with passwords, until the storm is over.
async fn meanwhile(api: &Api, over: &CancellationToken) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    while !over.is_cancelled() {
        let asked = Instant::now();
        api.get::<serde_json::Value>("/.well-known/jwks.json", "").await?;
        latencies.record(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(latencies)
}

fn one_hash(config: &chasqui_runtime::config::Config) -> anyhow::Result<Duration> {
    const TIMES: u32 = 10;
    let auth = &config.auth;
    let params = Params::new(auth.argon2_memory_kib, auth.argon2_iterations, auth.argon2_parallelism, None);
    let argon2 =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|error| anyhow::anyhow!("{error}"))?);
    let begun = Instant::now();
    for _ in 0..TIMES {
        let mut out = [0; 32];
        let hashed = argon2.hash_password_into(PASSWORD.as_bytes(), b"a salt of 16 by.", &mut out);
        hashed.map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(begun.elapsed() / TIMES)
}
