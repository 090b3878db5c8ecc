//! Doing it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Topology,
    plan::{self, Change, Difference, Plan},
};
use crate::{ApiError, Bus, jetstream};

/// The topology was not, or not wholly, applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Something would be lost, and that was not allowed. Nothing was changed.
    #[error("nothing was changed, because this would lose something:\n{0}")]
    Destructive(Plan),
    /// The server refuses a change; those before it have been made.
    #[error("stream {stream}: {error}")]
    Refused {
        /// Which stream.
        stream: String,
        /// Why.
        error: ApiError,
    },
    /// The comparison failed; nothing was changed.
    #[error(transparent)]
    Plan(#[from] ApiError),
}

#[derive(Deserialize)]
struct Done {
    #[serde(rename = "config")]
    _config: Map<String, Value>,
}

#[derive(Deserialize)]
struct Deleted {
    #[serde(rename = "success")]
    _success: bool,
}

/// Makes the server as the files say, and tells what was done. Needs a connection of the role `admin`. Unknown
/// partitions are left alone.
///
/// # Errors
/// See [`ApplyError`].
pub async fn apply(bus: &Bus, topology: &Topology, allow_destructive: bool) -> Result<Plan, ApplyError> {
    let plan = plan::plan(bus, topology).await?;
    if plan.is_destructive() && !allow_destructive {
        return Err(ApplyError::Destructive(plan));
    }
    for change in &plan.changes {
        let Some(file) = topology.streams.iter().find(|file| file.name == change.stream()) else { continue };
        let stream = &file.name;
        let result = match change {
            Change::Create { .. } => create(bus, stream, &file.config).await,
            Change::Update { differences, .. } if must_be_made_again(differences) => {
                make_again(bus, stream, &file.config).await
            }
            Change::Update { .. } => update(bus, stream, &file.config).await,
            Change::Unknown { .. } => Ok(()),
        };
        result.map_err(|error| ApplyError::Refused { stream: stream.clone(), error })?;
    }
    Ok(plan)
}

fn must_be_made_again(differences: &[Difference]) -> bool {
    differences.iter().any(|difference| difference.field == "storage")
}

/// Making the same stream twice is no error, so that a lost answer does no harm.
async fn create(bus: &Bus, stream: &str, config: &Map<String, Value>) -> Result<(), ApiError> {
    jetstream::request::<Done>(bus, &format!("STREAM.CREATE.{stream}"), config).await.map(drop)
}

async fn update(bus: &Bus, stream: &str, config: &Map<String, Value>) -> Result<(), ApiError> {
    jetstream::request::<Done>(bus, &format!("STREAM.UPDATE.{stream}"), config).await.map(drop)
}

async fn make_again(bus: &Bus, stream: &str, config: &Map<String, Value>) -> Result<(), ApiError> {
    match jetstream::request::<Deleted>(bus, &format!("STREAM.DELETE.{stream}"), &()).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    create(bus, stream, config).await
}
