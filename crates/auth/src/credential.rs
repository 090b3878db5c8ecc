//! What proves who somebody is: the documents of the bucket `CREDENTIALS`, one per user.
//!
//! A document is JSON with a version; older ones are read. It is changed by compare-and-set on its revision, so that
//! of two changes at once none is lost.

use bytes::Bytes;
use chasqui_bus::kv::KvError;
use chasqui_events::{Seq, Timestamp, UserId};
use chasqui_protocol::{Code, Problem};
use serde::{Deserialize, Serialize};

use crate::{refusal, service::Inner};

/// The version that is written.
const VERSION: u32 = 2;

/// What is kept of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credential {
    /// The document's shape. The first one did not say.
    #[serde(default = "first", rename = "v")]
    pub(crate) version: u32,
    /// The password's hash, a PHC string.
    pub(crate) password: String,
    /// The claim token of the name that it was made for, so that one whose name was never claimed can be told.
    pub(crate) name: String,
    /// When it was made, in unix milliseconds.
    pub(crate) created_at: Timestamp,
}

const fn first() -> u32 {
    1
}

impl Credential {
    /// What a new user has.
    pub(crate) fn new(password: String, name: String, created_at: Timestamp) -> Self {
        Self { version: VERSION, password, name, created_at }
    }

    fn encode(&self) -> Bytes {
        let written = Self { version: VERSION, ..self.clone() };
        serde_json::to_vec(&written).unwrap_or_default().into()
    }
}

/// A document and its revision.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) credential: Credential,
    revision: Seq,
}

/// Reads a user's document; `None` for nobody, and for authors that were imported.
pub(crate) async fn load(auth: &Inner, user: UserId) -> Result<Option<Kept>, Problem> {
    let entry = auth.credentials.get(&user.to_string()).await.map_err(|error| refusal::not_kept(&error))?;
    let Some(entry) = entry else { return Ok(None) };
    let credential: Credential = serde_json::from_slice(&entry.value)
        .map_err(|error| refusal::unreadable("the credential of this user", &error))?;
    if credential.version > VERSION {
        tracing::error!(user.id = %user, credential.version, "a newer program wrote this credential");
        return Err(Problem::new(
            Code::Internal,
            "the credential of this user was written by a newer program",
        ));
    }
    Ok(Some(Kept { credential, revision: entry.revision }))
}

/// Writes the document of a new user.
pub(crate) async fn create(auth: &Inner, user: UserId, credential: &Credential) -> Result<(), Problem> {
    let created = auth.credentials.create(&user.to_string(), credential.encode()).await;
    created.map(drop).map_err(|error| refusal::not_kept(&error))
}

/// Writes a document over the one that was read. False when somebody else changed it in between.
pub(crate) async fn replace(
    auth: &Inner,
    user: UserId,
    read: &Kept,
    credential: &Credential,
) -> Result<bool, Problem> {
    match auth.credentials.update(&user.to_string(), credential.encode(), read.revision).await {
        Ok(_) => Ok(true),
        Err(KvError::Conflict) => Ok(false),
        Err(error) => Err(refusal::not_kept(&error)),
    }
}
