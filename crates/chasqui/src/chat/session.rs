//! A person at the chat: what they type, what happens, what they see.

mod asked;
mod export;
mod happened;
mod password;

use std::collections::HashSet;

use chasqui_client::{Answer, Client, ClientError, Event, Events, Session as Login};
use chasqui_events::{RoomId, Seq};
use chasqui_protocol::{
    Accepted, Code, Happening, Item,
    query::{Freshness, Page},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::{
    book::Book,
    command::{Command, Typed, parse},
    terminal::{Input, Lines, Screen},
    ticks::Ticks,
    wording,
};

/// Messages shown when a conversation is opened.
const SHOWN_AT_OPENING: u32 = 10;

/// A chat under way.
pub(crate) struct Session {
    client: Client,
    login: Login,
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
    pub(crate) fn new(client: Client, login: Login, screen: Screen) -> Self {
        let book = Book::new(client.clone());
        Self {
            client,
            login,
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
                    Input::Line(line) => if self.typed(&line, lines).await { break },
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
    async fn typed(&mut self, line: &str, lines: &mut Lines) -> bool {
        let done = match parse(line) {
            Typed::Nothing => Ok(()),
            Typed::Say(body) => self.say(body).await,
            Typed::Wrong(why) => {
                self.screen.show(&why);
                Ok(())
            }
            Typed::Command(Command::Quit) => return true,
            Typed::Command(Command::Password) => {
                self.change_password(lines).await;
                Ok(())
            }
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

    fn note_own(&mut self, item: &Item) {
        if let Happening::Message { body, .. } = &item.what
            && Some(item.by) == self.client.user()
        {
            self.ticks.said(item.room, item.seq, body);
        }
    }
}
