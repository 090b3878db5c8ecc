//! The room that a log goes into: found or made, and what it has already.

use anyhow::{Context, bail};
use chasqui_client::Client;
use chasqui_events::{RoomId, room::Kind};
use chasqui_protocol::query::{Freshness, Page, PublicRooms, Query};
use indicatif::ProgressBar;

use super::history::Known;

/// Finds the public room of this name (or id), or makes it, and enters it.
pub(crate) async fn enter(client: &Client, name: &str) -> anyhow::Result<RoomId> {
    if let Ok(room) = name.parse::<RoomId>() {
        client.join(room).await.with_context(|| format!("joining the room {room}"))?;
        return Ok(room);
    }
    let rooms: PublicRooms = client
        .ask_for(Query::PublicRooms { name: name.to_owned() }, Freshness::Latest)
        .await
        .context("looking for the room")?;
    let same_name: Vec<RoomId> =
        rooms.rooms.iter().filter(|room| room.name == name).map(|room| room.room).collect();
    match same_name.as_slice() {
        [] => client.create_room(Kind::Public, name).await.context("making the room"),
        [room] => {
            client.join(*room).await.context("joining the room")?;
            Ok(*room)
        }
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            bail!("there are {} rooms named {name:?}; name one by its id: {}", ids.len(), ids.join(", "))
        }
    }
}

/// Reads a room's whole timeline, including everything that was recorded when this was called.
pub(crate) async fn read(client: &Client, room: RoomId, progress: &ProgressBar) -> anyhow::Result<Known> {
    let importer = client.user().context("the client has never been connected")?;
    let mut known = Known::default();
    let (mut after, mut fresh) = (0, Freshness::Latest);
    loop {
        let page = super::patiently(|| client.history(room, Page::After(after), Some(PAGE), fresh))
            .await
            .context("reading what the room has already")?;
        if let Some(seq) = page.held_at {
            bail!("the room is held at {seq}, because a fact there cannot be read; mend it first");
        }
        for item in &page.items {
            known.apply(item, importer);
        }
        progress.inc(page.items.len() as u64);
        match page.items.last() {
            Some(last) if page.newer => after = last.seq,
            _ => return Ok(known),
        }
        fresh = Freshness::Any;
    }
}

const PAGE: u32 = 200;
