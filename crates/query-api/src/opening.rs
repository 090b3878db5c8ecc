//! Opens what the projections hold sealed, for whoever may see it.

use chasqui_crypto::{KeyError, Keyring, Opened, Place, Spot};
use chasqui_events::{Sealed, Text};
use chasqui_protocol::{
    Happening, Item,
    query::{Ban, Bans, Conversation, LastMessage, Members, Profile, RoomMember},
};
use chasqui_read_model::{
    StoredBans, StoredConversation, StoredItem, StoredMember, StoredMembers, StoredProfile,
};
use futures::future::try_join_all;

/// The longest preview of a message, in characters.
const PREVIEW_CHARS: usize = 120;

/// Opens entries of timelines.
///
/// # Errors
/// [`KeyError`]: a key cannot be had now. What was erased is no error: it is shown as such.
pub async fn open(keyring: &Keyring, items: Vec<StoredItem>) -> Result<Vec<Item>, KeyError> {
    try_join_all(items.into_iter().map(|item| open_one(keyring, item))).await
}

/// Opens one entry.
///
/// # Errors
/// As [`open`].
pub async fn open_one(keyring: &Keyring, stored: StoredItem) -> Result<Item, KeyError> {
    let StoredItem { item, sealed } = stored;
    let (Some(sealed), Some(place)) = (sealed, place(&item)) else { return Ok(item) };
    let opened = open_body(keyring, &place, &sealed).await?;
    Ok(with_body(item, opened))
}

/// Opens a body, and tells the operator when it is not what was sealed.
///
/// # Errors
/// As [`open`].
pub async fn open_body(keyring: &Keyring, place: &Place, sealed: &Sealed) -> Result<Opened, KeyError> {
    let opened = keyring.open(place, sealed).await?;
    if opened == Opened::Damaged {
        tracing::error!(?place, "what is recorded as a message's body is not what was sealed there");
    }
    Ok(opened)
}

/// A message with what its seal held.
#[must_use]
pub fn with_body(mut item: Item, opened: Opened) -> Item {
    if let Happening::Message { body, erased, damaged, .. } = &mut item.what {
        match opened {
            Opened::Text(text) => *body = text,
            Opened::Erased => *erased = true,
            Opened::Damaged => *damaged = true,
        }
    }
    item
}

fn place(item: &Item) -> Option<Place> {
    let Happening::Message { id, .. } = &item.what else { return None };
    Some(Place::Body { room: item.room, id: *id, author: item.by })
}

/// One of somebody's rooms with the beginning of its last message.
pub(crate) async fn with_preview(
    keyring: &Keyring,
    stored: StoredConversation,
) -> Result<Conversation, KeyError> {
    let StoredConversation { conversation, last } = stored;
    let last = match last {
        Some(last) => preview(open_one(keyring, last).await?),
        None => None,
    };
    Ok(Conversation { last, ..conversation })
}

/// Who somebody is.
pub(crate) async fn profile(keyring: &Keyring, stored: StoredProfile) -> Result<Profile, KeyError> {
    let StoredProfile { user, name, display_name, deactivated, erased } = stored;
    if erased {
        return Ok(Profile { user, name: String::new(), display_name: String::new(), deactivated, erased });
    }
    let name = personal(keyring, Spot::name(user), name).await?;
    let display_name = personal(keyring, Spot::display_name(user), display_name).await?;
    let erased = name == Opened::Erased;
    Ok(Profile { user, name: shown(name), display_name: shown(display_name), deactivated, erased })
}

/// Who is in a room.
pub(crate) async fn members(keyring: &Keyring, stored: StoredMembers) -> Result<Members, KeyError> {
    let open = async |StoredMember { user, name, standing, role, muted }| {
        let name = shown(personal(keyring, Spot::name(user), name).await?);
        Ok(RoomMember { user, name, standing, role, muted })
    };
    let members = try_join_all(stored.members.into_iter().map(open)).await?;
    Ok(Members { members, more: stored.more })
}

/// Who is banned from a room.
pub(crate) async fn bans(keyring: &Keyring, stored: StoredBans) -> Result<Bans, KeyError> {
    let open = async |(ban, name): (Ban, Text)| {
        let name = shown(personal(keyring, Spot::name(ban.user), name).await?);
        Ok(Ban { name, ..ban })
    };
    let bans = try_join_all(stored.bans.into_iter().map(open)).await?;
    Ok(Bans { bans, more: stored.more })
}

async fn personal(keyring: &Keyring, spot: Spot, text: Text) -> Result<Opened, KeyError> {
    let opened = keyring.open_text(&Place::Personal(spot), text).await?;
    if opened == Opened::Damaged {
        tracing::error!(?spot, "what is recorded of a user is not what was sealed there");
    }
    Ok(opened)
}

fn shown(opened: Opened) -> String {
    match opened {
        Opened::Text(text) => text,
        Opened::Erased | Opened::Damaged => String::new(),
    }
}

fn preview(item: Item) -> Option<LastMessage> {
    let Happening::Message { body, erased, .. } = item.what else { return None };
    let preview = body.chars().take(PREVIEW_CHARS).collect();
    Some(LastMessage { seq: item.seq, at: item.at, by: item.by, preview, erased })
}
