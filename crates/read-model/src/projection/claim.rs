//! Taking a stream over.

use std::time::Duration;

use bson::{Bson, Document, doc};
use tokio::time::timeout;

use super::{ClaimError, classify};
use crate::{
    Checkpoint, CommitError, ReadError, Store, Stream, Version,
    stored::{self, Fields},
    view::Collection,
};

/// How long the claim may wait for a transaction that holds the checkpoint.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be claimed, and how.
pub(super) struct Claim<'a> {
    pub(super) store: &'a Store,
    pub(super) version: Version,
    pub(super) stream: Stream,
    pub(super) incarnation: i64,
    pub(super) now: u64,
    /// The session that the claim's transactions will use.
    pub(super) session: &'a Document,
}

/// What was there before.
pub(super) struct Known {
    pub(super) checkpoint: Checkpoint,
    session: Option<Document>,
}

impl Claim<'_> {
    pub(super) async fn known(&self) -> Result<Option<Known>, ReadError> {
        let found = self.checkpoints().find_one(doc! { "_id": self.stream.to_string() }).await?;
        found
            .map(|found| {
                let session = found.get_document("session").ok().cloned();
                Ok(Known { checkpoint: Checkpoint::read(&found)?, session })
            })
            .transpose()
    }

    /// One try to claim after what is known; `None` when somebody else was faster.
    pub(super) async fn after(&self, known: Option<Known>) -> Result<Option<Checkpoint>, ClaimError> {
        match known {
            None => self.first().await,
            Some(known) => self.next(known).await,
        }
    }

    async fn first(&self) -> Result<Option<Checkpoint>, ClaimError> {
        let first =
            Checkpoint { epoch: self.now.max(1), incarnation: self.incarnation, ..Checkpoint::default() };
        let mut document = self.fields(&first);
        document.insert("_id", self.stream.to_string());
        match self.checkpoints().insert_one(document).await {
            Ok(_) => Ok(Some(first)),
            Err(error) if matches!(classify::error(&error), CommitError::Duplicate(_)) => Ok(None),
            Err(error) => Err(ReadError::from(error).into()),
        }
    }

    async fn next(
        &self,
        Known { checkpoint: known, session }: Known,
    ) -> Result<Option<Checkpoint>, ClaimError> {
        if known.incarnation != self.incarnation && known.pos > 0 {
            return Err(ClaimError::AnotherLog { known: known.incarnation, found: self.incarnation });
        }
        self.end(session).await;
        let next =
            Checkpoint { epoch: self.now.max(known.epoch + 1), incarnation: self.incarnation, ..known };
        let filter = doc! {
            "_id": self.stream.to_string(),
            "epoch": stored::seq(known.epoch),
            "pos": stored::seq(known.pos),
        };
        let set = doc! { "$set": self.fields(&next) };
        let collection = self.checkpoints();
        let update = collection.update_one(filter, set);
        let Ok(result) = timeout(PATIENCE, update.into_future()).await else {
            let text = format!("the checkpoint of {} is held by an open transaction", self.stream);
            return Err(ReadError::Unavailable(text).into());
        };
        Ok((result.map_err(ReadError::from)?.matched_count == 1).then_some(next))
    }

    /// Ends the session of the owner before: a worker that died in the middle of a transaction would hold the
    /// checkpoint until the server gives the transaction up, a minute later.
    async fn end(&self, session: Option<Document>) {
        let Some(session) = session else { return };
        let command = doc! { "killSessions": [session] };
        if let Err(error) = self.store.database().run_command(command).await {
            tracing::debug!(%error, "the session of the owner before could not be ended");
        }
    }

    fn fields(&self, checkpoint: &Checkpoint) -> Document {
        let mut fields = checkpoint.fields();
        fields.insert("session", Bson::Document(self.session.clone()));
        fields
    }

    fn checkpoints(&self) -> mongodb::Collection<Document> {
        self.store.collection(&Collection::Checkpoints.name(self.version))
    }
}

/// The number that the owner of a stream counts up while it has nothing else to write.
pub(super) fn beat(document: &Document) -> Result<i64, ReadError> {
    let fields = Fields::of(Collection::Checkpoints.base(), document);
    Ok(fields.optional("beat", Fields::signed)?.unwrap_or(0))
}
