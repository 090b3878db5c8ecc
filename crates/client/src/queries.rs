//! The queries, each with the shape of its answer.

use chasqui_events::{CommandId, RoomId, Seq, UserId};
use chasqui_protocol::{
    Item,
    query::{
        Bans, Conversation, Conversations, Freshness, History, Members, Page, Profile, PublicRooms, Query,
        Receipts,
    },
};
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

impl Client {
    /// The user's rooms, the most recently active first.
    pub async fn conversations(&self) -> Result<Conversations, ClientError> {
        self.ask_for(Query::Conversations {}, Freshness::Any).await
    }

    /// One of the user's rooms.
    pub async fn conversation(&self, room: RoomId, fresh: Freshness) -> Result<Conversation, ClientError> {
        self.ask_for(Query::Conversation { room }, fresh).await
    }

    /// The public rooms whose names begin with this.
    pub async fn public_rooms(&self, name: impl Into<String>) -> Result<PublicRooms, ClientError> {
        self.ask_for(Query::PublicRooms { name: name.into() }, Freshness::Latest).await
    }

    /// Who is in a room, after the last one of the page before.
    pub async fn members(&self, room: RoomId, after: Option<UserId>) -> Result<Members, ClientError> {
        self.ask_for(Query::Members { room, after, limit: None }, Freshness::Any).await
    }

    /// Who is banned from a room, after the last one of the page before.
    pub async fn bans(&self, room: RoomId, after: Option<UserId>) -> Result<Bans, ClientError> {
        self.ask_for(Query::Bans { room, after, limit: None }, Freshness::Latest).await
    }

    /// A page of a room's timeline.
    pub async fn history(
        &self,
        room: RoomId,
        page: Page,
        limit: Option<u32>,
        fresh: Freshness,
    ) -> Result<History, ClientError> {
        self.ask_for(Query::History { room, page, limit }, fresh).await
    }

    /// One message.
    pub async fn message(&self, room: RoomId, author: UserId, id: CommandId) -> Result<Item, ClientError> {
        self.ask_for(Query::Message { room, author, id }, Freshness::Latest).await
    }

    /// Who got and who read a message.
    pub async fn receipts(&self, room: RoomId, seq: Seq, fresh: Freshness) -> Result<Receipts, ClientError> {
        self.ask_for(Query::Receipts { room, seq }, fresh).await
    }

    /// Somebody's profile.
    pub async fn profile(&self, user: UserId) -> Result<Profile, ClientError> {
        self.ask_for(Query::Profile { user }, Freshness::Any).await
    }

    /// The user of a name.
    pub async fn user_by_name(&self, name: impl Into<String>) -> Result<Profile, ClientError> {
        self.ask_for(Query::UserByName { name: name.into() }, Freshness::Latest).await
    }

    /// Asks a query and reads its answer as `T`.
    pub async fn ask_for<T: DeserializeOwned>(&self, ask: Query, fresh: Freshness) -> Result<T, ClientError> {
        let data = self.ask(ask, fresh).await?;
        serde_json::from_value(data).map_err(|error| ClientError::Shape(error.to_string()))
    }
}
