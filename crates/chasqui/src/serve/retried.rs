//! Where the role `command-api` looks up a `send` that was repeated over HTTP too late for the log's server to know.

use std::sync::Arc;

use chasqui_bus::Log;
use chasqui_command_api::FindSent;
use chasqui_crypto::Keyring;
use chasqui_limiter::Rates;
use chasqui_protocol::{Code, Problem};
use chasqui_query_api::{Bounds, Reader, Secrets};
use chasqui_read_model::{ReadModel, Settings};
use tokio::sync::OnceCell;

use super::{Process, Role, model_settings};

/// In the projections, where this process knows them: because another of its roles reads them, or because it was
/// told where MongoDB is. Edges look up what comes over their connections themselves.
pub(super) async fn find_sent(
    process: &mut Process<'_>,
    roles: &[Role],
    log: Log,
    keyring: Arc<Keyring>,
) -> anyhow::Result<Option<FindSent>> {
    let model = if roles.contains(&Role::QueryApi) {
        OnceCell::new_with(Some(process.model().await?))
    } else if process.config.is_given("mongodb.url") {
        OnceCell::new()
    } else {
        return Ok(None);
    };
    let (settings, bounds) = (model_settings(process.config), Bounds::new(process.config));
    let (secrets, rates) = (Secrets { keyring, names: None }, process.rates.clone());
    let projections = Arc::new(Projections { model, settings, log, secrets, bounds, rates });
    Ok(Some(Arc::new(move |author, room, id| {
        let projections = Arc::clone(&projections);
        Box::pin(async move { projections.reader().await?.find_sent(author, room, id).await })
    })))
}

/// Opened when they are first needed: commands are taken without MongoDB, from the start on.
struct Projections {
    model: OnceCell<ReadModel>,
    settings: Settings,
    log: Log,
    secrets: Secrets,
    bounds: Bounds,
    rates: Rates,
}

impl Projections {
    async fn reader(&self) -> Result<Reader, Problem> {
        let model = self.model.get_or_try_init(|| ReadModel::connect(&self.settings)).await;
        let model = model.map_err(|error| {
            tracing::warn!(%error, "the read model does not answer");
            let detail =
                "the history does not answer now, which knows whether this was recorded; send it again";
            Problem::new(Code::Unavailable, detail).retry_after_ms(1000)
        })?;
        let (log, secrets) = (self.log.clone(), self.secrets.clone());
        Ok(Reader::new(model.clone(), log, secrets, self.bounds, self.rates.clone()))
    }
}
