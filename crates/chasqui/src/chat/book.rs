//! Names: of people and of conversations, asked for once.

use std::collections::HashMap;

use chasqui_client::{Client, ClientError};
use chasqui_events::{RoomId, UserId, room::Kind};
use chasqui_protocol::{
    Item,
    query::{Conversation, Freshness, Query},
};

use super::wording;

/// The names that were asked for.
#[derive(Debug)]
pub(crate) struct Book {
    client: Client,
    people: HashMap<UserId, String>,
    rooms: HashMap<RoomId, String>,
    /// The conversations as listed last, so that they can be named by number.
    listed: Vec<RoomId>,
}

impl Book {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, people: HashMap::new(), rooms: HashMap::new(), listed: vec![] }
    }

    /// What to call somebody.
    pub(crate) async fn person(&mut self, user: UserId) -> String {
        if Some(user) == self.client.user() {
            return "you".to_owned();
        }
        if let Some(name) = self.people.get(&user) {
            return name.clone();
        }
        match self.client.profile(user).await {
            Ok(profile) => {
                let shown = if profile.display_name.is_empty() { profile.name } else { profile.display_name };
                let name = if profile.erased { "(erased)".to_owned() } else { wording::safe(&shown) };
                self.people.insert(user, name.clone());
                name
            }
            // Asked for again the next time.
            Err(_) => format!("user {user}"),
        }
    }

    /// What to call a conversation.
    pub(crate) async fn room(&mut self, room: RoomId) -> String {
        if let Some(title) = self.rooms.get(&room) {
            return title.clone();
        }
        match self.client.conversation(room, Freshness::Latest).await {
            Ok(conversation) => self.title(&conversation).await,
            Err(_) => format!("room {room}"),
        }
    }

    /// Forgets what a conversation is called: it was named anew.
    pub(crate) fn forget_room(&mut self, room: RoomId) {
        self.rooms.remove(&room);
    }

    /// Forgets somebody's name, also where a conversation is called by it: they were erased.
    pub(crate) fn forget_user(&mut self, user: UserId) {
        self.people.remove(&user);
        self.rooms.clear();
    }

    /// Asks for the conversations, and lists them from now on.
    pub(crate) async fn conversations(&mut self) -> Result<Vec<(String, Conversation)>, ClientError> {
        let conversations = self
            .client
            .ask_for::<chasqui_protocol::query::Conversations>(Query::Conversations {}, Freshness::Latest)
            .await?;
        let mut titled = Vec::with_capacity(conversations.conversations.len());
        for conversation in conversations.conversations {
            titled.push((self.title(&conversation).await, conversation));
        }
        self.listed = titled.iter().map(|(_, conversation)| conversation.room).collect();
        Ok(titled)
    }

    /// The conversation of this number, as listed last, or of this name.
    pub(crate) async fn find(&mut self, named: &str) -> Result<Option<Conversation>, ClientError> {
        let by_number = named.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let listed = by_number.and_then(|index| self.listed.get(index).copied());
        let conversations = self.conversations().await?;
        let wanted = |(title, conversation): &(String, Conversation)| match listed {
            Some(room) => conversation.room == room,
            None => title.to_lowercase() == named.to_lowercase(),
        };
        Ok(conversations.into_iter().find(wanted).map(|(_, conversation)| conversation))
    }

    /// An entry as a line.
    pub(crate) async fn entry(&mut self, item: &Item) -> String {
        for user in wording::people(item) {
            self.person(user).await;
        }
        let (own, people) = (self.client.user(), &self.people);
        wording::entry(item, self.client.now(), |user| {
            if Some(user) == own {
                "you".to_owned()
            } else {
                people.get(&user).cloned().unwrap_or_else(|| format!("user {user}"))
            }
        })
    }

    async fn title(&mut self, conversation: &Conversation) -> String {
        let title = match (conversation.kind, conversation.peer) {
            (Kind::Direct, Some(peer)) => self.person(peer).await,
            _ => wording::safe(&conversation.name),
        };
        self.rooms.insert(conversation.room, title.clone());
        title
    }
}
