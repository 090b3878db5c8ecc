//! The published keys: one document in the bucket `JWKS`, so that one read brings all of them.

use bytes::Bytes;
use chasqui_bus::kv::{Bucket, KvError};

use crate::signing::{Jwk, Jwks};

/// The document's key in the bucket.
const DOCUMENT: &str = "set";
/// How often a lost race is run again; races happen when processes start together.
const ATTEMPTS: usize = 16;

/// The published keys; none before the first.
pub(crate) async fn read(bucket: &Bucket) -> Result<Jwks, KvError> {
    Ok(bucket.get(DOCUMENT).await?.map(|entry| parse(&entry.value)).unwrap_or_default())
}

/// Adds a key to the published ones.
pub(crate) async fn publish(bucket: &Bucket, key: &Jwk) -> Result<(), KvError> {
    for _ in 0..ATTEMPTS {
        let entry = bucket.get(DOCUMENT).await?;
        let mut set = entry.as_ref().map(|entry| parse(&entry.value)).unwrap_or_default();
        if set.keys.iter().any(|known| known.kid == key.kid) {
            return Ok(());
        }
        set.keys.push(key.clone());
        let document = Bytes::from(serde_json::to_vec(&set).unwrap_or_default());
        let written = match entry {
            Some(entry) => bucket.update(DOCUMENT, document, entry.revision).await,
            None => bucket.create(DOCUMENT, document).await,
        };
        match written {
            Ok(_) => return Ok(()),
            Err(KvError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(KvError::Conflict)
}

fn parse(document: &[u8]) -> Jwks {
    serde_json::from_slice(document).unwrap_or_else(|error| {
        tracing::error!(%error, "the published key set is not JSON of its shape; treated as empty");
        Jwks::default()
    })
}
