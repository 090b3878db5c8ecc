//! The limits of all processes together, in Redis. Each decision is one script: atomic, one round trip, by the clock of
//! Redis. Every key expires when it says nothing any more.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chasqui_runtime::{config::Rate, gate::Gate};
use redis::{
    Client, RedisResult, Script, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    attempts::{AttemptRule, MOST_ORIGINS, ORIGINS_KEPT, Origin},
    key::Key,
    tally::Entry,
};

const TAKE: &str = include_str!("shared/take.lua");
const SETTLE: &str = include_str!("shared/settle.lua");
const BEGIN: &str = include_str!("shared/begin.lua");
const SUCCEED: &str = include_str!("shared/succeed.lua");

/// Keys settled in one round trip.
const SETTLED_AT_ONCE: usize = 512;

/// Where Redis is, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Connection string; it may hold a password.
    pub url: SecretString,
    /// The authorities that may have signed the server's certificate, PEM.
    pub ca_file: Option<PathBuf>,
    /// How long a decision may take before this process decides alone.
    pub timeout: Duration,
}

/// The connection string is not one.
#[derive(Debug, thiserror::Error)]
#[error("the address of Redis cannot be used: {0}")]
pub struct BadAddress(String);

/// Redis does not answer: decide alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Down;

#[derive(Clone)]
pub(crate) struct Shared {
    manager: ConnectionManager,
    timeout: Duration,
    gate: Gate,
    scripts: Arc<Scripts>,
}

struct Scripts {
    take: Script,
    settle: Script,
    begin: Script,
    succeed: Script,
}

impl Shared {
    /// Prepares the connection; it is made at its first use, and again whenever it is lost.
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, BadAddress> {
        let bad = |error: redis::RedisError| BadAddress(error.to_string());
        let url = settings.url.expose_secret();
        let client = match &settings.ca_file {
            None => Client::open(url),
            Some(file) => {
                let unreadable = |error| BadAddress(format!("{} cannot be read: {error}", file.display()));
                let authorities = std::fs::read(file).map_err(unreadable)?;
                Client::build_with_tls(
                    url,
                    TlsCertificates { client_tls: None, root_cert: Some(authorities) },
                )
            }
        };
        let client = client.map_err(bad)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(settings.timeout))
            .set_response_timeout(Some(settings.timeout));
        Ok(Self {
            manager: ConnectionManager::new_lazy_with_config(client, config).map_err(bad)?,
            timeout: settings.timeout,
            gate: Gate::default(),
            scripts: Arc::new(Scripts {
                take: Script::new(TAKE),
                settle: Script::new(SETTLE),
                begin: Script::new(BEGIN),
                succeed: Script::new(SUCCEED),
            }),
        })
    }

    /// Takes one of a key; how long there is none.
    pub(crate) async fn take(&self, key: &Key, rate: Rate) -> Result<Option<Duration>, Down> {
        let mut call = self.scripts.take.key(key.text());
        call.arg(micros(rate.interval())).arg(rate.burst());
        let wait: u64 = self.ask(call.invoke_async(&mut self.manager.clone())).await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }

    /// Counts what was given away; for each key, how long there is no other.
    pub(crate) async fn settle(&self, entries: &[Entry]) -> Result<Vec<Duration>, Down> {
        let mut waits = Vec::with_capacity(entries.len());
        for entries in entries.chunks(SETTLED_AT_ONCE) {
            let mut pipeline = redis::pipe();
            pipeline.cmd("SCRIPT").arg("LOAD").arg(SETTLE).ignore();
            for Entry { key, rate, count } in entries {
                let call = pipeline.cmd("EVALSHA").arg(self.scripts.settle.get_hash()).arg(1).arg(key.text());
                call.arg(micros(rate.interval())).arg(rate.burst()).arg(*count);
            }
            let settled: Vec<u64> = self.ask(pipeline.query_async(&mut self.manager.clone())).await?;
            waits.extend(settled.into_iter().map(Duration::from_micros));
        }
        Ok(waits)
    }

    /// Counts an attempt as failed; how long it has to wait instead, and the failures in a row.
    pub(crate) async fn begin(
        &self,
        key: &Key,
        rule: &AttemptRule,
        origin: Option<Origin>,
        heard: u32,
    ) -> Result<(Duration, u32), Down> {
        let mut call = self.scripts.begin.key(key.text());
        call.arg(rule.free).arg(micros(rule.first_wait)).arg(micros(rule.longest_wait));
        call.arg(rule.strangers()).arg(rule.most).arg(micros(rule.rest));
        call.arg(text(origin)).arg(heard);
        let (wait, failures): (u64, u32) = self.ask(call.invoke_async(&mut self.manager.clone())).await?;
        Ok((Duration::from_micros(wait), failures))
    }

    /// Forgets the failures of an account and remembers the origin.
    pub(crate) async fn succeed(&self, key: &Key, origin: Option<Origin>) -> Result<(), Down> {
        let mut call = self.scripts.succeed.key(key.text());
        call.arg(text(origin)).arg(MOST_ORIGINS).arg(micros(ORIGINS_KEPT) / 1000);
        let _: u64 = self.ask(call.invoke_async(&mut self.manager.clone())).await?;
        Ok(())
    }

    async fn ask<T>(&self, question: impl Future<Output = RedisResult<T>>) -> Result<T, Down> {
        if !self.gate.may_pass() {
            return Err(Down);
        }
        let failure = match tokio::time::timeout(self.timeout, question).await {
            Ok(Ok(answer)) => {
                self.gate.succeeded();
                return Ok(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {:?}", self.timeout),
        };
        if self.gate.is_open() {
            tracing::warn!(error = failure, "Redis does not answer; this process holds the limits alone");
        }
        self.gate.failed();
        Err(Down)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn text(origin: Option<Origin>) -> String {
    origin.map(hex::encode).unwrap_or_default()
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("up", &self.gate.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
