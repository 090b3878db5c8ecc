//! The role `auth`.

use std::{sync::Arc, time::Duration};

use chasqui_auth::{
    Auth, SETTLED, operator,
    serve::{NAMES, QUEUE_GROUP},
};
use chasqui_bus::{
    BusRole, Log,
    command::{self, Serve},
    subject,
};
use chasqui_crypto::OwnerKind;
use chasqui_events::Timestamp;
use chasqui_runtime::clock::now_ms;
use tokio::time::MissedTickBehavior;

use super::{
    Process, connect,
    ready::{Need, must_have},
};

/// How often hashes that nobody owns are looked for.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How far back the first look of a process goes; later ones go back over the last few.
const FIRST_SWEEP: Duration = Duration::from_hours(7 * 24);

/// How often the keys that sign access tokens are looked at: so long a process signs with one that another withdrew.
const TEND_SIGNING_KEYS_EVERY: Duration = Duration::from_secs(1);

/// Most identity commands wait for a password's hash, whose number is bounded elsewhere.
const AT_ONCE: usize = 512;
/// Operators are few.
const OPERATORS_AT_ONCE: usize = 8;

pub(super) async fn build(process: &mut Process<'_>) -> anyhow::Result<()> {
    let bus = connect(process.config, BusRole::Auth).await?;
    must_have(&Log::new(bus.clone()), [subject::IDENT.to_owned()]).await?;
    let auth = Auth::build(process.config, bus.clone(), process.rates.clone()).await?;
    let server =
        command::serve(&bus, Serve { names: NAMES, group: QUEUE_GROUP, concurrency: AT_ONCE }).await?;
    let operators = Serve { names: operator::NAMES, group: QUEUE_GROUP, concurrency: OPERATORS_AT_ONCE };
    let operators = command::serve_operators(&bus, operators).await?;
    process.documented = std::mem::take(&mut process.documented).merge(auth.routes());
    process.watch("auth", vec![Need::Bus(bus.clone())]);
    sweep(process, auth.clone());
    tend_signing_keys(process, auth.clone());
    errands(process, auth.clone());
    let resumed = auth.clone();
    process.resume_erasures("auth", move |replay| {
        let auth = resumed.clone();
        async move { auth.resume_erasures(replay).await }
    });
    process.tend_keys(OwnerKind::User, Arc::clone(auth.keyring()));
    let (stop, asked) = (process.commands_may_stop(), auth.clone());
    process.tasks.spawn_critical("auth.operators", async move {
        let handler = move |incoming| {
            let auth = asked.clone();
            async move { auth.answer_operator(incoming).await }
        };
        operators.run(handler, stop).await;
        Ok(())
    });
    let stop = process.commands_may_stop();
    process.tasks.spawn_critical("auth", async move {
        let handler = move |incoming| {
            let auth = auth.clone();
            async move { auth.answer(incoming).await }
        };
        server.run(handler, stop).await;
        bus.flush().await?;
        Ok(())
    });
    Ok(())
}

/// Exchanges the keys that sign access tokens when it is time, and follows what other processes do.
fn tend_signing_keys(process: &Process<'_>, auth: Auth) {
    let shutdown = process.shutdown.clone();
    process.tasks.spawn_service("auth.signing_keys", async move {
        let mut ticks = tokio::time::interval(TEND_SIGNING_KEYS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.requested() => return Ok(()),
            }
            match auth.tend_signing_keys(Timestamp(now_ms())).await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    tracing::warn!(%error, "the keys of access tokens are not looked after now");
                    failing = true;
                }
                Err(_) => {}
            }
        }
    });
}

/// What commands leave behind: mail to users.
fn errands(process: &Process<'_>, auth: Auth) {
    let shutdown = process.shutdown.clone();
    process.tasks.spawn_service("auth.errands", async move {
        tokio::select! {
            () = auth.run_errands() => {}
            () = shutdown.requested() => {}
        }
        Ok(())
    });
}

fn sweep(process: &Process<'_>, auth: Auth) {
    let shutdown = process.shutdown.clone();
    process.tasks.spawn_service("auth.sweep", async move {
        let mut back = FIRST_SWEEP;
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.requested() => return Ok(()),
            }
            match auth.sweep(ago(back), ago(SETTLED)).await {
                Ok(0) => back = SETTLED + 2 * SWEEP_EVERY,
                Ok(removed) => {
                    tracing::info!(
                        removed,
                        "removed password hashes of registrations that were never completed"
                    );
                    back = SETTLED + 2 * SWEEP_EVERY;
                }
                Err(problem) => tracing::warn!(%problem, "the sweep of password hashes is put off"),
            }
        }
    });
}

fn ago(duration: Duration) -> Timestamp {
    Timestamp(now_ms().saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}
