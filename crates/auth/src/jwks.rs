//! The published keys: one document in the bucket `JWKS`, so that one read brings all of them.

use bytes::Bytes;
use chasqui_bus::kv::{Bucket, KvError};
use serde::{Deserialize, Serialize};

use crate::signing::{Jwk, Jwks, set::KeySet};

/// The document's key in the bucket.
const DOCUMENT: &str = "set";
/// How often a lost race is run again; races happen when processes start together.
const ATTEMPTS: usize = 16;

#[derive(Default, Serialize, Deserialize)]
struct Published {
    keys: Vec<Jwk>,
    /// That of the set that these are the public halves of; absent while keys were files.
    #[serde(default)]
    serial: i64,
}

/// The published keys; none before the first.
pub(crate) async fn read(bucket: &Bucket) -> Result<Jwks, KvError> {
    let entry = bucket.get(DOCUMENT).await?;
    Ok(Jwks { keys: entry.map(|entry| parse(&entry.value)).unwrap_or_default().keys })
}

/// Publishes a set, unless a later one is. The serial of the set that is published then.
pub(crate) async fn publish(bucket: &Bucket, set: &KeySet) -> Result<i64, KvError> {
    for _ in 0..ATTEMPTS {
        let entry = bucket.get(DOCUMENT).await?;
        let published = entry.as_ref().map(|entry| parse(&entry.value)).unwrap_or_default();
        if published.serial >= set.serial {
            return Ok(published.serial);
        }
        let published = Published { keys: set.public().keys, serial: set.serial };
        let document = Bytes::from(serde_json::to_vec(&published).unwrap_or_default());
        let written = match entry {
            Some(entry) => bucket.update(DOCUMENT, document, entry.revision).await,
            None => bucket.create(DOCUMENT, document).await,
        };
        match written {
            Ok(_) => return Ok(set.serial),
            Err(KvError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(KvError::Conflict)
}

fn parse(document: &[u8]) -> Published {
    serde_json::from_slice(document).unwrap_or_else(|error| {
        tracing::error!(%error, "the published key set is not JSON of its shape; treated as empty");
        Published::default()
    })
}
