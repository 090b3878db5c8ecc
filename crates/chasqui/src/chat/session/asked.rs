//! What the person asks for.

use std::collections::HashSet;

use chasqui_client::ClientError;
use chasqui_events::{RoomId, room::Kind};
use chasqui_protocol::query::{Freshness, Standing};

use super::{
    super::{
        command::{Command, HELP, Sanction},
        wording,
    },
    Session,
};

impl Session {
    pub(super) async fn command(&mut self, command: Command) -> Result<(), ClientError> {
        match command {
            Command::Rooms => self.list().await,
            Command::Open(named) => match self.book.find(&named).await? {
                Some(found) if found.standing == Standing::Invited => self.join(found.room).await,
                Some(found) => self.show_room(found.room).await,
                None => {
                    self.say_unknown(&named);
                    Ok(())
                }
            },
            Command::Direct(name) => {
                let peer = self.client.user_by_name(name).await?;
                let room = self.client.open_direct(peer.user).await?;
                self.entering.insert(room);
                self.show_room(room).await
            }
            Command::Join(named) => {
                if let Some(room) = self.joinable(&named).await? {
                    self.join(room).await
                } else {
                    self.say_unknown(&named);
                    Ok(())
                }
            }
            Command::Create { private, name } => {
                let kind = if private { Kind::Private } else { Kind::Public };
                let room = self.client.create_room(kind, name).await?;
                self.entering.insert(room);
                self.show_room(room).await
            }
            Command::Leave => self.leave().await,
            Command::Invite(name) => self.invite(name).await,
            Command::Ban(sanction) => self.sanction(sanction, true).await,
            Command::Mute(sanction) => self.sanction(sanction, false).await,
            Command::Unban(name) => self.pardon(name, true).await,
            Command::Slow(seconds) => self.slow(seconds).await,
            Command::Erase(name) => self.erase(name).await,
            Command::Unmute(name) => self.pardon(name, false).await,
            Command::Who => self.who().await,
            Command::History(count) => self.history(count).await,
            Command::Export(file) => {
                self.export(&file).await;
                Ok(())
            }
            Command::Help => {
                self.screen.show(HELP);
                Ok(())
            }
            // Both are for whoever reads the lines.
            Command::Password | Command::Quit => Ok(()),
        }
    }

    fn say_unknown(&self, named: &str) {
        let named = wording::safe(named);
        self.screen.show(&format!("There is no conversation {named} here; /rooms lists what there is."));
    }

    pub(super) async fn list(&mut self) -> Result<(), ClientError> {
        let conversations = self.book.conversations().await?;
        let own: HashSet<RoomId> = conversations.iter().map(|(_, conversation)| conversation.room).collect();
        if conversations.is_empty() {
            self.screen.show("You have no conversations yet.");
        }
        for (index, (title, conversation)) in conversations.iter().enumerate() {
            let invited = if conversation.standing == Standing::Invited { "  (invited: /join)" } else { "" };
            self.screen.show(&format!("{}{invited}", wording::conversation(index + 1, title, conversation)));
        }
        let public = self.client.public_rooms("").await?;
        for room in public.rooms.iter().filter(|room| !own.contains(&room.room)) {
            let name = wording::safe(&room.name);
            self.screen.show(&format!("      {name}  {} people  (public: /join {name})", room.members));
        }
        Ok(())
    }

    async fn joinable(&mut self, named: &str) -> Result<Option<RoomId>, ClientError> {
        if let Ok(room) = named.parse() {
            return Ok(Some(room));
        }
        if let Some(own) = self.book.find(named).await? {
            return Ok(Some(own.room));
        }
        let public = self.client.public_rooms(named).await?;
        Ok(public.rooms.iter().find(|room| room.name == named).map(|room| room.room))
    }

    async fn join(&mut self, room: RoomId) -> Result<(), ClientError> {
        self.entering.insert(room);
        let accepted = self.client.join(room).await?;
        if let Some(position) = accepted.position {
            // So that one reads what one did.
            self.client.conversation(room, Freshness::AtLeast(position)).await?;
        }
        self.show_room(room).await
    }

    async fn leave(&mut self) -> Result<(), ClientError> {
        let Some(open) = self.open.as_ref() else {
            self.screen.show("No conversation is open.");
            return Ok(());
        };
        self.client.leave(open.room).await?;
        self.screen.show(&format!("You have left {}.", open.title));
        self.open = None;
        Ok(())
    }

    async fn invite(&mut self, name: String) -> Result<(), ClientError> {
        let Some(open) = self.open.as_ref() else {
            self.screen.show("Open the room first.");
            return Ok(());
        };
        let (room, title) = (open.room, open.title.clone());
        let guest = self.client.user_by_name(name).await?;
        self.client.invite(room, guest.user).await?;
        self.screen.show(&format!("{} may now join {title}.", wording::safe(&guest.name)));
        Ok(())
    }

    async fn sanction(&mut self, sanction: Sanction, ban: bool) -> Result<(), ClientError> {
        let Some(room) = self.open_room() else { return Ok(()) };
        let Sanction { name, ms, reason } = sanction;
        let user = self.client.user_by_name(name).await?.user;
        let until = ms.map(|ms| self.client.now().plus_millis(ms));
        if ban {
            self.client.ban(room, user, until, reason).await?;
        } else {
            self.client.mute(room, user, until, reason).await?;
        }
        Ok(())
    }

    async fn pardon(&mut self, name: String, ban: bool) -> Result<(), ClientError> {
        let Some(room) = self.open_room() else { return Ok(()) };
        let user = self.client.user_by_name(name).await?.user;
        if ban {
            self.client.unban(room, user).await?;
        } else {
            self.client.unmute(room, user).await?;
        }
        Ok(())
    }

    /// The open room; says so where there is none.
    fn open_room(&self) -> Option<RoomId> {
        let room = self.open.as_ref().map(|open| open.room);
        if room.is_none() {
            self.screen.show("Open the room first.");
        }
        room
    }

    async fn erase(&mut self, name: String) -> Result<(), ClientError> {
        let Some(room) = self.open_room() else { return Ok(()) };
        self.client.erase_room(room, name, None).await?;
        Ok(())
    }

    async fn slow(&mut self, seconds: u32) -> Result<(), ClientError> {
        let Some(room) = self.open_room() else { return Ok(()) };
        self.client.set_slow_mode(room, seconds).await?;
        Ok(())
    }

    async fn who(&mut self) -> Result<(), ClientError> {
        let Some(room) = self.open_room() else { return Ok(()) };
        let members = self.client.members(room, None).await?;
        let now = self.client.now();
        for member in &members.members {
            let role = match member.standing {
                Standing::Joined
                    if member.muted.is_some_and(|muted| muted.until.is_none_or(|until| now < until)) =>
                {
                    format!("{}, muted", member.role.as_str())
                }
                Standing::Joined => member.role.as_str().to_owned(),
                Standing::Invited => "invited".to_owned(),
            };
            self.screen.show(&format!("  {}  ({role})", wording::safe(&member.name)));
        }
        if members.more {
            self.screen.show("  \u{2026} and more");
        }
        Ok(())
    }

    async fn history(&mut self, count: u32) -> Result<(), ClientError> {
        let Some(room) = self.open.as_ref().map(|open| open.room) else {
            self.screen.show("Open a conversation first.");
            return Ok(());
        };
        self.show_last(room, count).await.map(drop)
    }
}
