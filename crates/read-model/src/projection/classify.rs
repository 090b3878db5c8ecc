//! What an error of the store means for a batch.

use bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::CommitError;

const DUPLICATE_KEY: i32 = 11000;

/// A document, a command or a transaction is larger than the server takes: `ExceededMemoryLimit`,
/// `TransactionTooLarge`, `TransactionTooLargeForCache`, `BSONObjectTooLarge`, `ExceededTimeLimit` and
/// `MaxTimeMSExpired` of a transaction that takes too long, and the older numbers for documents.
const TOO_LARGE: [i32; 8] = [146, 257, 359, 10334, 262, 50, 17419, 17420];

/// What an error of the driver means.
pub(super) fn error(error: &Error) -> CommitError {
    match &*error.kind {
        ErrorKind::Command(command) => by_code(command.code, error),
        ErrorKind::Write(WriteFailure::WriteError(write)) => by_code(write.code, error),
        ErrorKind::InsertMany(many) => {
            let code = many.write_errors.as_ref().and_then(|errors| errors.first()).map(|error| error.code);
            code.map_or_else(|| CommitError::Unavailable(error.to_string()), |code| by_code(code, error))
        }
        ErrorKind::BsonSerialization(_) | ErrorKind::InvalidArgument { .. } => {
            CommitError::Refused(error.to_string())
        }
        _ => CommitError::Unavailable(error.to_string()),
    }
}

fn by_code(code: i32, error: &Error) -> CommitError {
    by_code_and_text(code, error.to_string(), !error.labels().is_empty())
}

fn by_code_and_text(code: i32, text: String, passing: bool) -> CommitError {
    if code == DUPLICATE_KEY {
        CommitError::Duplicate(text)
    } else if TOO_LARGE.contains(&code) {
        CommitError::TooLarge(text)
    } else if passing {
        CommitError::Unavailable(text)
    } else {
        CommitError::Refused(text)
    }
}

/// A command that writes answers "ok" also when single writes failed.
pub(super) fn answer(answer: &Document) -> Result<(), CommitError> {
    let Some(Bson::Array(errors)) = answer.get("writeErrors") else { return Ok(()) };
    let Some(first) = errors.first().and_then(Bson::as_document) else { return Ok(()) };
    let code = first.get_i32("code").unwrap_or(0);
    Err(by_code_and_text(code, first.get_str("errmsg").unwrap_or("a write failed").to_owned(), false))
}
