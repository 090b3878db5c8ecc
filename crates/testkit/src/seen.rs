//! What a person's client was told, in order.

use std::sync::Arc;

use chasqui_client::{Event, Events};
use chasqui_events::{CommandId, RoomId, Seq, UserId, receipts::Mark};
use chasqui_protocol::{Item, timeline::Happening};
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use crate::PATIENCE;

/// A message as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place.
    pub seq: Seq,
    /// Who said it.
    pub by: UserId,
    /// Its id.
    pub id: CommandId,
    /// What was said.
    pub body: String,
}

impl Message {
    /// The message in a timeline's entry, if it is one.
    #[must_use]
    pub fn of(item: &Item) -> Option<Self> {
        match &item.what {
            Happening::Message { id, body, .. } => {
                Some(Self { seq: item.seq, by: item.by, id: *id, body: body.clone() })
            }
            _ => None,
        }
    }

    /// Whether its words were erased: nobody says nothing.
    #[must_use]
    pub const fn is_erased(&self) -> bool {
        self.body.is_empty()
    }
}

/// Everything a client told its application, from its start. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seen {
    name: Arc<str>,
    events: Arc<Mutex<Vec<Event>>>,
    count: watch::Receiver<usize>,
}

impl Seen {
    /// Records everything that comes, in a task of its own.
    #[must_use]
    pub fn record(name: &str, mut from: Events) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (told, count) = watch::channel(0);
        let into = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some(event) = from.next().await {
                let mut into = into.lock();
                into.push(event);
                told.send_replace(into.len());
            }
        });
        Self { name: name.into(), events, count }
    }

    /// Everything so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }

    /// How many events there are: what is passed to [`Seen::after`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.events.lock().len()
    }

    /// Waits until `find` finds something in everything seen so far.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`], with the last events.
    pub async fn until<T>(&self, what: &str, mut find: impl FnMut(&[Event]) -> Option<T>) -> T {
        let mut count = self.count.clone();
        let search = async {
            loop {
                count.borrow_and_update();
                let found = find(&self.events.lock());
                if let Some(found) = found {
                    return found;
                }
                if count.changed().await.is_err() {
                    // The recording has ended: what is there now is all there will ever be.
                    let found = find(&self.events.lock());
                    return found.unwrap_or_else(|| self.in_vain(what));
                }
            }
        };
        match timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => self.in_vain(what),
        }
    }

    /// Waits for an event that `matches` among those after the first `mark`.
    pub async fn after(&self, mark: usize, what: &str, mut matches: impl FnMut(&Event) -> bool) -> Event {
        self.until(what, |events| events.iter().skip(mark).find(|event| matches(event)).cloned()).await
    }

    fn in_vain<T>(&self, what: &str) -> T {
        const LAST: usize = 40;
        let events = self.events.lock();
        let last = events.get(events.len().saturating_sub(LAST)..).unwrap_or_default();
        let lines: Vec<String> = last.iter().map(|event| format!("  {event:?}")).collect();
        panic!(
            "{} waited {PATIENCE:?} in vain: {what}; the last of {} events:\n{}",
            self.name,
            events.len(),
            lines.join("\n"),
        );
    }

    /// The entries of a room's timeline, in the order in which they came.
    #[must_use]
    pub fn items(&self, room: RoomId) -> Vec<Item> {
        let of_room = |event: &Event| match event {
            Event::Item(item) | Event::Late(item) if item.room == room => Some(item.clone()),
            _ => None,
        };
        self.events.lock().iter().filter_map(of_room).collect()
    }

    /// The messages of a room, in the order in which they came.
    #[must_use]
    pub fn messages(&self, room: RoomId) -> Vec<Message> {
        self.items(room).iter().filter_map(Message::of).collect()
    }

    /// What the messages of a room say, in the order in which they came.
    #[must_use]
    pub fn bodies(&self, room: RoomId) -> Vec<String> {
        self.messages(room).into_iter().map(|message| message.body).collect()
    }

    /// The highest marks of a member in a room, as far as this client was told.
    #[must_use]
    pub fn marks(&self, room: RoomId, user: UserId) -> Mark {
        marks_in(&self.events.lock(), room, user)
    }

    /// Waits for the message with this text.
    pub async fn message(&self, room: RoomId, body: &str) -> Message {
        self.until(&format!("the message {body:?} in {room}"), |events| {
            events.iter().rev().find_map(|event| match event {
                Event::Item(item) if item.room == room => {
                    Message::of(item).filter(|message| message.body == body)
                }
                _ => None,
            })
        })
        .await
    }

    /// Waits until a member's device has got a room up to a place, as far as this client was told.
    pub async fn delivered(&self, room: RoomId, user: UserId, seq: Seq) {
        self.until(&format!("delivery of {seq} in {room} to {user}"), |events| {
            (marks_in(events, room, user).delivered >= seq).then_some(())
        })
        .await;
    }

    /// Waits until a member has read a room up to a place, as far as this client was told.
    pub async fn read(&self, room: RoomId, user: UserId, seq: Seq) {
        self.until(&format!("reading of {seq} in {room} by {user}"), |events| {
            (marks_in(events, room, user).read >= seq).then_some(())
        })
        .await;
    }
}

fn marks_in(events: &[Event], room: RoomId, user: UserId) -> Mark {
    let mut highest = Mark { user, delivered: 0, read: 0 };
    for event in events {
        if let Event::Receipts { room: of, marks } = event
            && *of == room
        {
            for mark in marks.iter().filter(|mark| mark.user == user) {
                highest.delivered = highest.delivered.max(mark.delivered);
                highest.read = highest.read.max(mark.read);
            }
        }
    }
    highest
}
