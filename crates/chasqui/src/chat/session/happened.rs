//! What happens meanwhile, and what of it is worth a line.

use chasqui_client::Event;
use chasqui_events::{RoomId, UserId, receipts::Mark};
use chasqui_protocol::{Happening, Item};

use super::{super::wording, Session};

impl Session {
    pub(super) async fn happened(&mut self, event: Event) {
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
            Event::Erased { user } => {
                self.book.forget_user(user);
                self.screen.show("-- somebody you share a room with was erased, and all that they said");
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
            Happening::Message { .. } | Happening::Erased { .. } => true,
            Happening::Invited { user }
            | Happening::Removed { user, .. }
            | Happening::Banned { user, .. }
            | Happening::Unbanned { user }
            | Happening::Muted { user, .. }
            | Happening::Unmuted { user } => Some(*user) == self.client.user(),
            Happening::Created { .. }
            | Happening::Renamed { .. }
            | Happening::Joined { .. }
            | Happening::Left { .. }
            | Happening::RoleChanged { .. }
            | Happening::SlowModeChanged { .. } => false,
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
