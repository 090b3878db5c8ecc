//! The ledger of erasures: the bucket `ERASURES`, in which a request is written down before anything is destroyed.
//!
//! An entry is a promise: whoever keeps the owners' keys carries it out, however often a process dies meanwhile. It is never
//! taken back and never emptied, so that a restored copy of keys or data is told what must not come back (ADR 16).

mod erasing;

use bytes::Bytes;
use chasqui_bus::{
    Bus,
    kv::{Bucket, KvError, Name},
};
use chasqui_crypto::{Owner, OwnerKind};
use chasqui_events::{Timestamp, UserId, account::Operator};
use chasqui_protocol::{Code, Problem};
use serde::{Deserialize, Serialize};

pub use self::erasing::{Erasing, erase, resume};
use crate::refusal;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Who asked.
    pub by: UserId,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Set when an operator asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// When everything was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}

/// The entries about one kind of owners, by `<kind>.<id>`.
#[derive(Clone, Debug)]
pub struct Ledger {
    bucket: Bucket,
    kind: OwnerKind,
}

impl Ledger {
    /// The ledger, over a connection of the role that keeps the keys of this kind.
    #[must_use]
    pub fn open(bus: Bus, kind: OwnerKind) -> Self {
        Self { bucket: Bucket::open(bus, Name::Erasures), kind }
    }

    /// Everybody whose erasure was ever asked for.
    ///
    /// # Errors
    /// `unavailable` when the bucket does not answer; the same for the others.
    pub async fn owners(&self) -> Result<Vec<Owner>, Problem> {
        let names = self.bucket.key_names().await.map_err(|error| refusal::not_kept(&error))?;
        let owners = names.iter().filter_map(|name| Owner::parse(name));
        Ok(owners.filter(|owner| owner.kind() == self.kind).collect())
    }

    /// What was asked for about an owner.
    ///
    /// # Errors
    /// `internal` when the entry cannot be read.
    pub async fn request(&self, owner: Owner) -> Result<Option<Request>, Problem> {
        let entry = self.bucket.get(&owner.to_string()).await.map_err(|error| refusal::not_kept(&error))?;
        let Some(entry) = entry else { return Ok(None) };
        let request = serde_json::from_slice(&entry.value);
        request.map(Some).map_err(|error| refusal::unreadable("an entry of the ledger of erasures", &error))
    }

    /// Writes a request down. An earlier one stays as it is, and is the one that counts.
    ///
    /// # Errors
    /// `unavailable` and the like when it is not known to be written.
    pub async fn ask(&self, owner: Owner, request: Request) -> Result<Request, Problem> {
        match self.bucket.create(&owner.to_string(), encoded(&request)).await {
            Ok(_) => Ok(request),
            Err(KvError::Conflict) => {
                let earlier = self.request(owner).await?;
                earlier
                    .ok_or_else(|| Problem::new(Code::Internal, "the ledger of erasures contradicts itself"))
            }
            Err(error) => Err(refusal::not_kept(&error)),
        }
    }

    /// Marks a request as carried out.
    ///
    /// # Errors
    /// `unavailable` and the like when it is not known to be marked.
    pub async fn mark_done(&self, owner: Owner, request: &Request, at: Timestamp) -> Result<(), Problem> {
        let done = Request { done_at: Some(at), ..request.clone() };
        let marked = self.bucket.put(&owner.to_string(), encoded(&done)).await;
        marked.map(drop).map_err(|error| refusal::not_kept(&error))
    }
}

fn encoded(request: &Request) -> Bytes {
    serde_json::to_vec(request).unwrap_or_default().into()
}
