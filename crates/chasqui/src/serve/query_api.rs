//! The role `query-api`.

use std::sync::Arc;

use chasqui_auth::Verifier;
use chasqui_bus::{Bus, BusRole, Log};
use chasqui_query_api::{Bounds, QueryApi, Reader, Secrets, erasures};
use chasqui_read_model::{ReadModel, Settings};
use chasqui_runtime::config::Config;
use secrecy::SecretString;

use super::{Process, connect, ready::Need};

pub(super) async fn build(process: &mut Process<'_>) -> anyhow::Result<()> {
    let reader = process.reader().await?;
    let bus = process.reader_bus().await?;
    let (keyring, follows) = (Arc::clone(reader.keyring()), bus.clone());
    let shutdown = process.shutdown.clone();
    process.tasks.spawn_service("query-api.erasures", async move {
        tokio::select! {
            followed = erasures::follow(follows, &keyring) => Ok(followed?),
            () = shutdown.forced() => Ok(()),
        }
    });
    let verifier = Verifier::new(&process.config.auth, &bus);
    let api = QueryApi::new(reader, verifier);
    process.documented = std::mem::take(&mut process.documented).merge(api.routes());
    let model = process.model().await?;
    process.watch("query-api", vec![Need::Bus(bus), Need::Model(model)]);
    Ok(())
}

impl Process<'_> {
    /// The connection of the role `query-api`, opened once.
    async fn reader_bus(&mut self) -> anyhow::Result<Bus> {
        if let Some(bus) = &self.query_bus {
            return Ok(bus.clone());
        }
        let bus = connect(self.config, BusRole::QueryApi).await?;
        self.query_bus = Some(bus.clone());
        Ok(bus)
    }

    /// The projections, opened once for all roles of the process that read them.
    pub(super) async fn model(&mut self) -> anyhow::Result<ReadModel> {
        if let Some(model) = &self.model {
            return Ok(model.clone());
        }
        let model = ReadModel::connect(&settings(self.config)).await?;
        self.model = Some(model.clone());
        Ok(model)
    }

    /// What answers queries, under the role `query-api`.
    async fn reader(&mut self) -> anyhow::Result<Reader> {
        let bus = self.reader_bus().await?;
        let secrets = Secrets::load(self.config, bus.clone())?;
        Ok(Reader::new(
            self.model().await?,
            Log::new(bus),
            secrets,
            Bounds::new(self.config),
            self.rates.clone(),
        ))
    }
}

/// Where the projections are.
pub(crate) fn settings(config: &Config) -> Settings {
    Settings {
        mongodb_url: SecretString::from(config.mongodb.url.expose().to_owned()),
        mongodb_ca: config.mongodb.ca_file.clone(),
        database: config.mongodb.database.clone(),
        pool_max: config.mongodb.pool_max,
        mongodb_timeout: config.mongodb.timeout_ms,
        redis_url: SecretString::from(config.redis.url.expose().to_owned()),
        redis_ca: config.redis.ca_file.clone(),
        redis_timeout: config.redis.timeout_ms,
        hot_items: config.hot.items_per_room,
    }
}
