//! Who uses the operator's credential, the record of it, and what they ask of the role `auth`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use chasqui_auth::operator::FromOperator;
use chasqui_bus::{
    Bus, Log,
    command::{CommandError, request_as_operator},
    log::{Append, AppendError},
    subject,
};
use chasqui_events::{
    CommandId, Envelope, Timestamp,
    account::{AccountEvent, Operator, OperatorActed, nobody},
};
use chasqui_runtime::clock::{id_parts, now_ms};
use nix::unistd::{Uid, User, gethostname};
use serde::{Serialize, de::DeserializeOwned};

/// How long the role `auth` may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who this is, as this machine says.
pub(super) fn operator() -> Operator {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    let host = gethostname().ok().and_then(|host| host.into_string().ok());
    Operator { user, host: host.unwrap_or_else(|| "unknown".to_owned()) }
}

/// A new command id.
pub(super) fn new_id() -> CommandId {
    let (at, random) = id_parts();
    CommandId::new(Timestamp(at), random)
}

/// Records that the operator did, or is about to do, something.
pub(super) async fn record(
    bus: &Bus,
    act: &str,
    arguments: Vec<String>,
    reason: Option<String>,
) -> anyhow::Result<()> {
    let event = AccountEvent::OperatorActed(OperatorActed {
        act: act.to_owned(),
        arguments,
        reason,
        operator: operator(),
    });
    let (id, at) = (new_id(), Timestamp(now_ms()));
    let envelope = Envelope { id, at, by: nobody(), basis: 0, import: None, event };
    let append = Append::fact(subject::IDENT_OPERATOR.to_owned(), &envelope);
    let recorded: Result<_, AppendError> = Log::new(bus.clone()).append(append).await;
    recorded.map(drop).with_context(|| format!("{act} cannot be recorded in the log, where every act is"))
}

/// Asks something of a process with the role `auth`.
pub(super) async fn ask<R: DeserializeOwned>(
    bus: &Bus,
    name: &str,
    command: impl Serialize,
) -> anyhow::Result<R> {
    let asked = FromOperator { operator: operator(), command };
    match request_as_operator(bus, name, PATIENCE, &asked).await {
        Ok(answer) => Ok(answer),
        Err(CommandError::Problem(problem)) => bail!("{}", problem.detail),
        Err(CommandError::Unavailable(reason)) => {
            bail!("{reason}; a process with the role `auth` must be running")
        }
        Err(CommandError::Timeout(reason)) => bail!("{reason}; it may have been done all the same"),
    }
}
