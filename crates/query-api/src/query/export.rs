//! Everything that the caller has said, and where, as lines of JSON.
//!
//! The lines are made page by page while they are read, so that a long export needs no more memory than a short one.
//! Nobody else's words are in it.

use std::collections::VecDeque;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chasqui_auth::proof;
use chasqui_events::{RoomId, Seq, UserId};
use chasqui_http::Refusal;
use chasqui_protocol::{
    Code, Happening, Item, Problem,
    export::{ExportEnd, ExportLine, ExportedMessage, ExportedRoom},
    query::Freshness,
};
use chasqui_read_model::{Membership, RoomInfo};
use futures::stream;

use super::profile;
use crate::{
    asking::Asking,
    reader::{Reader, not_read},
    routes::QueryApi,
};

/// Entries of a timeline that are looked through at once.
const SPAN: usize = 256;

/// Everything that one has said
///
/// Lines of JSON, each an object with one key: `profile`, then for each room that one is in or was the line `room` and one's
/// own messages in it as lines `message`, and `end` last. Without `end` the export was cut off. Nobody else's messages are in
/// it. `GET /v1/me/export/account` has the rest. Needs a login that is at most `auth.proof_max_age_s` old.
#[utoipa::path(
    get, path = "/v1/me/export", tag = "queries", security(("access_token" = [])),
    responses(
        (status = 200, description = "The lines", body = ExportLine, content_type = "application/jsonl"),
        (status = 403, description = "`proof-needed`", body = Problem),
        (status = 404, description = "`user-not-found`: not projected yet", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
) -> Result<Response, Refusal> {
    let reader = api.reader();
    proof::demand_young(caller.identity.session, reader.bounds().proof_max_age)?;
    let user = caller.identity.user;
    let profile = profile::read(reader, user, Freshness::Latest).await?;
    reader.fresh_rooms(Freshness::Latest).await?;
    reader.admit_export(user).await?;
    let rooms = reader.model().memberships(user).await.map_err(|error| not_read(&error))?;
    let export = Export {
        reader: reader.clone(),
        user,
        rooms: rooms.into(),
        current: None,
        told: ExportEnd { rooms: 0, messages: 0 },
        ended: false,
    };
    let first = lines([ExportLine::Profile(profile)])?;
    let rest = stream::try_unfold(export, Export::next);
    let whole = stream::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"chasqui-export.jsonl\""),
    ];
    Ok((headers, Body::from_stream(whole)).into_response())
}

/// How far an export is.
struct Export {
    reader: Reader,
    user: UserId,
    /// Those that are not begun.
    rooms: VecDeque<Membership>,
    /// The room whose messages are told now, and after which place they go on.
    current: Option<(RoomId, Seq)>,
    told: ExportEnd,
    ended: bool,
}

impl Export {
    /// The next lines; nothing after the last one.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        let next = if self.ended {
            return Ok(None);
        } else if let Some((room, after)) = self.current.take() {
            self.messages(room, after).await?
        } else if let Some(membership) = self.rooms.pop_front() {
            self.room(&membership).await?
        } else {
            self.ended = true;
            vec![ExportLine::End(self.told)]
        };
        Ok(Some((lines(next)?, self)))
    }

    async fn room(&mut self, membership: &Membership) -> Result<Vec<ExportLine>, Problem> {
        let info = self.reader.model().room(membership.room).await.map_err(|error| not_read(&error))?;
        let Some(info) = info else { return Ok(Vec::new()) };
        self.current = Some((info.room, 0));
        self.told.rooms += 1;
        Ok(vec![ExportLine::Room(shown(self.user, membership, info))])
    }

    async fn messages(&mut self, room: RoomId, after: Seq) -> Result<Vec<ExportLine>, Problem> {
        let said = self.reader.model().said_by(room, self.user, after, SPAN).await;
        let said = said.map_err(|error| not_read(&error))?;
        self.current = said.more_after.map(|after| (room, after));
        let items = self.reader.open(said.items).await?;
        let messages: Vec<_> = items.into_iter().filter_map(message).collect();
        self.told.messages += messages.len() as u64;
        Ok(messages)
    }
}

fn shown(user: UserId, membership: &Membership, info: RoomInfo) -> ExportedRoom {
    let Membership { room, standing, role, .. } = *membership;
    let other = |pair: [UserId; 2]| pair.into_iter().find(|one| *one != user);
    ExportedRoom {
        room,
        kind: info.kind,
        // Whoever is gone knows the name that it had then, not the one that it has now.
        name: standing.present().map(|_| info.name).filter(|name| !name.is_empty()),
        peer: info.pair.and_then(other),
        standing: standing.name().to_owned(),
        role,
        held_at: info.heads.held_at,
    }
}

fn message(item: Item) -> Option<ExportLine> {
    let Item { room, seq, at, what: Happening::Message { id, body, replies_to, .. }, .. } = item else {
        return None;
    };
    Some(ExportLine::Message(ExportedMessage { room, seq, at, id, body, replies_to }))
}

fn lines(lines: impl IntoIterator<Item = ExportLine>) -> Result<Bytes, Problem> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, &line).map_err(|error| {
            tracing::error!(%error, "a line of an export is not JSON");
            Problem::new(Code::Internal, "the export could not be written")
        })?;
        text.push(b'\n');
    }
    Ok(text.into())
}
