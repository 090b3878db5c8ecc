//! One batch, one transaction.

use std::time::Duration;

use bson::{Bson, Document, doc};
use chasqui_events::Seq;
use mongodb::{
    ClientSession,
    error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT},
};

use super::{Writer, classify};
use crate::{
    Checkpoint, CommitError,
    plan::{Plan, Write},
    stored,
    view::Collection,
};

/// How often a transaction is tried that the server asks to try again, and its commit.
const TRIES: u32 = 8;
/// The wait before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(5);
/// So many updates at most in one command, which must stay below 16 MiB.
const UPDATES_PER_COMMAND: usize = 1000;

/// Why a try failed.
enum Failure {
    /// Try the whole transaction again.
    Again(CommitError),
    /// Do not.
    Final(CommitError),
}

pub(super) async fn commit(
    writer: &Writer,
    plan: &Plan,
    prev: Seq,
    to: &Checkpoint,
) -> Result<(), CommitError> {
    let mut session = writer.session.lock().await;
    let mut pause = PAUSE;
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(writer, &mut session, plan, prev, to).await {
            Ok(()) => return Ok(()),
            Err(Failure::Again(_)) if tries < TRIES => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            // Our own earlier try, whose answer was lost.
            Err(Failure::Final(CommitError::Diverged { stored, .. })) if tries > 1 && stored == to.pos => {
                return Ok(());
            }
            Err(Failure::Again(error) | Failure::Final(error)) => return Err(error),
        }
    }
}

async fn attempt(
    writer: &Writer,
    session: &mut ClientSession,
    plan: &Plan,
    prev: Seq,
    to: &Checkpoint,
) -> Result<(), Failure> {
    session.start_transaction().await.map_err(|error| of_driver(&error))?;
    let written = async {
        move_checkpoint(writer, session, prev, to).await?;
        for (collection, writes) in plan.writes.iter() {
            write_collection(writer, session, collection, writes).await?;
        }
        Ok(())
    };
    match written.await {
        Ok(()) => commit_written(session).await,
        Err(failure) => {
            // Whether or not it arrives: a transaction without a commit comes to nothing.
            let _ = session.abort_transaction().await;
            Err(match failure {
                Failure::Final(CommitError::Diverged { .. }) => diverged(writer, prev).await,
                other => other,
            })
        }
    }
}

async fn commit_written(session: &mut ClientSession) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        match session.commit_transaction().await {
            Ok(()) => return Ok(()),
            Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && tries < TRIES => {
                tokio::time::sleep(PAUSE * tries).await;
            }
            Err(error) => return Err(of_driver(&error)),
        }
    }
}

async fn move_checkpoint(
    writer: &Writer,
    session: &mut ClientSession,
    prev: Seq,
    to: &Checkpoint,
) -> Result<(), Failure> {
    let mut filter = writer.mine();
    filter.insert("pos", stored::seq(prev));
    let set = doc! { "$set": to.fields() };
    let result = writer.checkpoints().update_one(filter, set).session(session).await;
    match result {
        Ok(result) if result.matched_count == 1 => Ok(()),
        Ok(_) => Err(Failure::Final(CommitError::Diverged { expected: prev, stored: prev })),
        Err(error) => Err(of_driver(&error)),
    }
}

/// The checkpoint was not where it should be: who has moved it?
async fn diverged(writer: &Writer, expected: Seq) -> Failure {
    Failure::Final(match Checkpoint::load(&writer.store, writer.version, writer.stream).await {
        Ok(Some(stored)) if stored.epoch == writer.epoch => {
            CommitError::Diverged { expected, stored: stored.pos }
        }
        Ok(_) => CommitError::Fenced,
        Err(error) => error.into(),
    })
}

async fn write_collection(
    writer: &Writer,
    session: &mut ClientSession,
    collection: Collection,
    planned: &[(Bson, Write)],
) -> Result<(), Failure> {
    let name = collection.name(writer.version);
    let (mut inserts, mut updates, mut removals) = (vec![], vec![], vec![]);
    for (id, write) in planned {
        match write {
            Write::Insert(document) => inserts.push(document),
            Write::Put(document) => {
                updates.push(doc! { "q": { "_id": id }, "u": document, "upsert": true });
            }
            Write::Change { set, raise, first, create } => {
                let change = change(set, raise, first);
                // Without operators it would replace the document by an empty one.
                if !change.is_empty() {
                    updates.push(doc! { "q": { "_id": id }, "u": change, "upsert": *create });
                }
            }
            Write::Remove => removals.push(doc! { "q": { "_id": id }, "limit": 1 }),
        }
    }
    if !inserts.is_empty() {
        let collection = writer.store.collection(&name);
        collection.insert_many(inserts).session(&mut *session).await.map_err(|error| of_driver(&error))?;
    }
    for updates in updates.chunks(UPDATES_PER_COMMAND) {
        run(writer, session, doc! { "update": &name, "updates": updates }).await?;
    }
    if !removals.is_empty() {
        run(writer, session, doc! { "delete": &name, "deletes": removals }).await?;
    }
    Ok(())
}

/// The operators of an update that have something to do.
fn change(set: &Document, raise: &Document, first: &Document) -> Document {
    let operators = [("$set", set), ("$max", raise), ("$setOnInsert", first)];
    let used = operators.into_iter().filter(|(_, fields)| !fields.is_empty());
    used.map(|(operator, fields)| (operator.to_owned(), Bson::Document(fields.clone()))).collect()
}

async fn run(writer: &Writer, session: &mut ClientSession, command: Document) -> Result<(), Failure> {
    let answer = writer.store.database().run_command(command).session(&mut *session).await;
    let answer = answer.map_err(|error| of_driver(&error))?;
    classify::answer(&answer).map_err(Failure::Final)
}

fn of_driver(error: &Error) -> Failure {
    let meaning = classify::error(error);
    if error.contains_label(TRANSIENT_TRANSACTION_ERROR)
        && !matches!(meaning, CommitError::TooLarge(_) | CommitError::Duplicate(_))
    {
        Failure::Again(meaning)
    } else {
        Failure::Final(meaning)
    }
}
