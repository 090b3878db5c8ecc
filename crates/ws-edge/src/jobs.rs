//! What a session asks for that takes a while: tokens, commands, queries. Each ends with an input for the session.

use std::sync::Arc;

use chasqui_auth::{Identity, Scope};
use chasqui_bus::command::{self, Call, CommandError, Reply as WireReply};
use chasqui_events::UserId;
use chasqui_protocol::{
    Accepted, Code, Problem, ServerFrame,
    command::LoggedIn,
    frame::ErrorFrame,
    query::{Freshness, Query},
};
use serde::de::DeserializeOwned;

use crate::{
    connection::Connection,
    edge::Edge,
    session::{Forward, Input, Reply},
};

/// Looks at a token.
pub(crate) async fn verify(edge: &Edge, token: &str) -> Result<Identity, Problem> {
    let identity = edge.verifier.verify(token).await?;
    // Whoever is connected is told everything of their rooms.
    identity.may_do("read")?;
    Ok(identity)
}

/// Asks the command side, and gives its answer as a frame.
pub(crate) async fn forward(edge: Arc<Edge>, connection: Arc<Connection>, forward: Forward) -> Input {
    let ordered_in = forward.ordered_in;
    let id = forward.id;
    let frame = match ask(&edge, &connection, forward).await {
        Ok(frame) => frame,
        Err(problem) => ServerFrame::Error(ErrorFrame { id: Some(id), reference: None, problem }),
    };
    Input::Replied { ordered_in, frame }
}

async fn ask(edge: &Edge, connection: &Connection, forward: Forward) -> Result<ServerFrame, Problem> {
    let is_late = || chasqui_events::message::may_repeat(forward.id, edge.clock.now());
    if forward.retry_of.is_some()
        && is_late()
        && let Some(accepted) = sent_before(edge, connection, &forward).await?
    {
        return Ok(ServerFrame::Ok { id: forward.id, accepted });
    }
    match command(edge, connection, &forward).await {
        // What is refused now may have been recorded when it was asked for first.
        Err(problem) if forward.retry_of.is_some() && !problem.code.worth_a_retry() => {
            let before = sent_before(edge, connection, &forward).await?;
            before.map(|accepted| ServerFrame::Ok { id: forward.id, accepted }).ok_or(problem)
        }
        answered => answered,
    }
}

async fn command(edge: &Edge, connection: &Connection, forward: &Forward) -> Result<ServerFrame, Problem> {
    let token = connection.token();
    let timeout = edge.settings.command_timeout;
    let call = Call {
        name: forward.name,
        token: token.as_deref(),
        address: connection.address,
        trace: None,
        timeout,
    };
    let body = forward.body.get().to_owned().into_bytes().into();
    let answer = command::request_raw(&edge.bus, call, body).await.map_err(not_answered)?;
    match forward.reply {
        Reply::Accepted => Ok(ServerFrame::Ok { id: forward.id, accepted: read::<Accepted>(&answer)? }),
        Reply::Tokens => Ok(match read::<LoggedIn>(&answer)? {
            LoggedIn::Tokens(tokens) => ServerFrame::Tokens { id: forward.id, tokens },
            LoggedIn::SecondFactor { second_factor } => {
                ServerFrame::SecondFactor { id: forward.id, second_factor }
            }
        }),
    }
}

/// The answer that a repeated message got when it was recorded, if it was: the read model knows.
async fn sent_before(
    edge: &Edge,
    connection: &Connection,
    forward: &Forward,
) -> Result<Option<Accepted>, Problem> {
    let (Some(retry), Some(caller)) = (forward.retry_of, connection.identity()) else { return Ok(None) };
    // A look-up costs more than a message.
    edge.rates.send(caller.account(), retry.room)?;
    let author = retry.author.filter(|_| caller.may(Scope::Import)).unwrap_or(caller.user);
    edge.reader.find_sent(author, retry.room, forward.id).await
}

fn read<R: DeserializeOwned>(answer: &[u8]) -> Result<R, Problem> {
    match serde_json::from_slice(answer) {
        Ok(WireReply::Ok(result)) => Ok(result),
        Ok(WireReply::Problem(problem)) => Err(problem),
        Err(error) => {
            tracing::error!(%error, "an answer of the command side is not understood");
            let detail = "the answer was not understood; repeat the command with the same id";
            Err(Problem::new(Code::Unknown, detail))
        }
    }
}

fn not_answered(error: CommandError) -> Problem {
    match error {
        CommandError::Problem(problem) => problem,
        CommandError::Unavailable(reason) => {
            let detail = format!("{reason}; nothing was recorded, try again");
            Problem::new(Code::Unavailable, detail).retry_after_ms(500)
        }
        CommandError::Timeout(reason) => {
            let detail = format!("{reason}; repeat the command with the same id, it is done once");
            Problem::new(Code::Unknown, detail).retry_after_ms(500)
        }
    }
}

/// Answers a query.
pub(crate) async fn answer(
    edge: Arc<Edge>,
    caller: UserId,
    reference: String,
    ask: Query,
    fresh: Freshness,
) -> Input {
    let frame = match edge.reader.answer(caller, ask, fresh).await {
        Ok(data) => ServerFrame::Result { reference, data },
        Err(problem) => ServerFrame::Error(ErrorFrame { id: None, reference: Some(reference), problem }),
    };
    Input::Answered(frame)
}
