//! A person at the chat: what they type, what happens, what they see.

use std::collections::HashSet;

use chasqui_client::{Answer, Client, ClientError, Event, Events};
use chasqui_events::{RoomId, Seq, UserId, receipts::Mark, room::Kind};
use chasqui_protocol::{
    Accepted, Code, Happening, Item,
    query::{Freshness, Page, Standing},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::{
    book::Book,
    command::{Command, HELP, Typed, parse},
    terminal::{Input, Lines, Screen},
    ticks::Ticks,
    wording,
};

/// Messages shown when a conversation is opened.
const SHOWN_AT_OPENING: u32 = 10;

/// A chat under way.
pub(crate) struct Session {
    client: Client,
    screen: Screen,
    book: Book,
    ticks: Ticks,
    open: Option<Open>,
    sending: FuturesUnordered<BoxFuture<'static, (String, Result<Accepted, ClientError>)>>,
    /// Told once per loss.
    offline: bool,
    /// Entered by a command of one's own, which says so itself.
    entering: HashSet<RoomId>,
}

/// The conversation that is open.
struct Open {
    room: RoomId,
    title: String,
    /// The last entry shown: what comes again after opening is not shown twice.
    shown: Seq,
}

impl Session {
    pub(crate) fn new(client: Client, screen: Screen) -> Self {
        let book = Book::new(client.clone());
        Self {
            client,
            screen,
            book,
            ticks: Ticks::default(),
            open: None,
            sending: FuturesUnordered::new(),
            offline: false,
            entering: HashSet::new(),
        }
    }

    /// Goes on until the person quits or the server does not want the client any more.
    pub(crate) async fn run(&mut self, lines: &mut Lines, events: &mut Events) -> anyhow::Result<()> {
        self.screen.show("/help lists the commands; /dm NAME talks to somebody.");
        if let Err(error) = self.list().await {
            self.screen.show(&wording::trouble(&error));
        }
        loop {
            let prompt = self.prompt();
            tokio::select! {
                input = lines.next(&prompt) => match input {
                    Input::Line(line) => if self.typed(&line).await { break },
                    Input::End => break,
                },
                event = events.next() => match event {
                    Some(Event::Stopped { why, .. }) => anyhow::bail!("the server has ended this: {why}"),
                    Some(event) => self.happened(event).await,
                    None => anyhow::bail!("the client has ended"),
                },
                Some((body, answer)) = self.sending.next() => self.answered(&body, answer),
            }
        }
        // What was said last is on its way.
        while let Some((body, answer)) = self.sending.next().await {
            self.answered(&body, answer);
        }
        Ok(())
    }

    fn prompt(&self) -> String {
        self.open.as_ref().map_or_else(|| "> ".to_owned(), |open| format!("{}> ", open.title))
    }

    /// True when the person wants to quit.
    async fn typed(&mut self, line: &str) -> bool {
        let done = match parse(line) {
            Typed::Nothing => Ok(()),
            Typed::Say(body) => self.say(body).await,
            Typed::Wrong(why) => {
                self.screen.show(&why);
                Ok(())
            }
            Typed::Command(Command::Quit) => return true,
            Typed::Command(command) => self.command(command).await,
        };
        if let Err(error) = done {
            self.screen.show(&wording::trouble(&error));
        }
        false
    }

    async fn say(&mut self, body: String) -> Result<(), ClientError> {
        let Some(open) = &self.open else {
            self.screen
                .show("No conversation is open: /dm NAME talks to somebody, /rooms lists what there is.");
            return Ok(());
        };
        if self.offline {
            self.screen.show("-- not connected; this is sent as soon as there is a connection again");
        }
        let answer: Answer = self.client.submit_message(open.room, body.clone(), vec![]).await?;
        self.sending.push(Box::pin(async move { (body, answer.wait().await) }));
        Ok(())
    }

    fn answered(&self, body: &str, answer: Result<Accepted, ClientError>) {
        if let Err(error) = answer {
            let (what, why) = (wording::beginning(body), wording::trouble(&error));
            self.screen.show(&format!("-- not sent: \u{201c}{what}\u{201d}: {why}"));
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), ClientError> {
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
            Command::Who => self.who().await,
            Command::History(count) => self.history(count).await,
            Command::Help => {
                self.screen.show(HELP);
                Ok(())
            }
            Command::Quit => Ok(()),
        }
    }

    fn say_unknown(&self, named: &str) {
        let named = wording::safe(named);
        self.screen.show(&format!("There is no conversation {named} here; /rooms lists what there is."));
    }

    async fn list(&mut self) -> Result<(), ClientError> {
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

    async fn who(&mut self) -> Result<(), ClientError> {
        let Some(room) = self.open.as_ref().map(|open| open.room) else {
            self.screen.show("Open the room first.");
            return Ok(());
        };
        let members = self.client.members(room, None).await?;
        for member in &members.members {
            let role = match member.standing {
                Standing::Joined => format!("{:?}", member.role).to_lowercase(),
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

    /// Opens a conversation: its last messages, and it counts as read.
    async fn show_room(&mut self, room: RoomId) -> Result<(), ClientError> {
        let title = self.book.room(room).await;
        self.screen.show(&format!("-- {title}"));
        let shown = self.show_last(room, SHOWN_AT_OPENING).await?;
        if shown > 0 {
            self.client.read(room, shown).await?;
        }
        self.open = Some(Open { room, title, shown });
        Ok(())
    }

    async fn show_last(&mut self, room: RoomId, count: u32) -> Result<Seq, ClientError> {
        let page = self.client.history(room, Page::Newest, Some(count), Freshness::Latest).await;
        let page = match page {
            // The projection lags: what there is is better than nothing.
            Err(error) if error.problem().is_some_and(|problem| problem.code == Code::NotYetProjected) => {
                self.client.history(room, Page::Newest, Some(count), Freshness::Any).await?
            }
            page => page?,
        };
        if page.older {
            self.screen.show("   \u{2026} /history shows more");
        }
        for item in &page.items {
            let line = self.book.entry(item).await;
            self.screen.show(&line);
            self.note_own(item);
        }
        Ok(page.items.last().map_or(0, |item| item.seq))
    }

    async fn happened(&mut self, event: Event) {
        match event {
            Event::Item(item) | Event::Late(item) => self.entry(item).await,
            Event::Receipts { room, marks } => self.receipts(room, marks).await,
            Event::RoomEntered { room, .. } => {
                if !self.entering.remove(&room) {
                    let title = self.book.room(room).await;
                    self.screen.show(&format!("-- you are now in {title}: /open {title}"));
                }
            }
            Event::RoomLeft { room } => {
                if let Some(left) = self.open.take_if(|open| open.room == room) {
                    self.screen.show(&format!("-- you are not in {} any more", left.title));
                }
            }
            Event::Void { room, reason, .. } => {
                let (title, reason) = (self.book.room(room).await, wording::safe(&reason));
                self.screen.show(&format!("-- a message in {title} does not stand: {reason}"));
            }
            Event::Disconnected { why, .. } => {
                if !std::mem::replace(&mut self.offline, true) {
                    self.screen
                        .show(&format!("-- the connection is lost ({}); trying again", wording::safe(&why)));
                }
            }
            Event::Connected(_) | Event::Reconnected { .. } => {
                if std::mem::take(&mut self.offline) {
                    self.screen.show("-- connected again");
                }
            }
            Event::Reset { .. } => {
                self.screen.show("-- what happened meanwhile is not shown by itself: /history has it");
            }
            Event::Refused(problem) => self.screen.show(&format!("-- {}", wording::safe(&problem.detail))),
            Event::Typing { .. } | Event::Presence { .. } | Event::CaughtUp | Event::Stopped { .. } => {}
        }
    }

    async fn entry(&mut self, item: Item) {
        if matches!(item.what, Happening::Renamed { .. }) {
            self.book.forget_room(item.room);
        }
        let own = Some(item.by) == self.client.user();
        let is_open = match self.open.as_mut().filter(|open| open.room == item.room) {
            Some(open) if item.seq <= open.shown => return,
            Some(open) => {
                open.shown = item.seq;
                true
            }
            None => false,
        };
        let line = self.book.entry(&item).await;
        if is_open {
            self.screen.show(&line);
            self.note_own(&item);
            if !own {
                // A client that has stopped says so itself.
                self.client.read(item.room, item.seq).await.ok();
            }
        } else if self.concerns(&item) && !own {
            let title = self.book.room(item.room).await;
            self.screen.show(&format!("[{title}] {line}"));
        }
    }

    /// Whether an entry of a conversation that is not open is worth a line.
    fn concerns(&self, item: &Item) -> bool {
        match &item.what {
            Happening::Message { .. } => true,
            Happening::Invited { user } | Happening::Removed { user, .. } => {
                Some(*user) == self.client.user()
            }
            Happening::Created { .. }
            | Happening::Renamed { .. }
            | Happening::Joined { .. }
            | Happening::Left { .. }
            | Happening::RoleChanged { .. } => false,
        }
    }

    fn note_own(&mut self, item: &Item) {
        if let Happening::Message { body, .. } = &item.what
            && Some(item.by) == self.client.user()
        {
            self.ticks.said(item.room, item.seq, body);
        }
    }

    async fn receipts(&mut self, room: RoomId, marks: Vec<Mark>) {
        let others: Vec<Mark> =
            marks.into_iter().filter(|mark| Some(mark.user) != self.client.user()).collect();
        for mark in others {
            let Some((tick, body)) = self.ticks.moved(room, mark) else { continue };
            let line = format!("      {} \u{201c}{body}\u{201d}", tick.sign());
            let whom: UserId = mark.user;
            let name = self.book.person(whom).await;
            if self.open.as_ref().is_some_and(|open| open.room == room) {
                self.screen.show(&format!("{line} {name}"));
            }
        }
    }
}
