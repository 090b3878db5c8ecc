//! A room that is followed: its feed, and the local connections that hear it.
//!
//! Everything that changes either happens under one lock, so that what passes the feed reaches every connection in
//! the same order. The lock is held for a fan-out and never across an await.

use std::sync::Arc;

use chasqui_bus::subject::Lane;
use chasqui_events::{CommandId, RoomId, Seq, Timestamp, UserId, receipts::Mark};
use chasqui_protocol::{Item, ServerFrame};
use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    connection::Connection,
    edge::Edge,
    feed::{Feed, Heads, Missing, Out, People},
    frame::Shared,
    resume::introduction,
    session::{Attached, Entered, Entry, Released},
    unsealing::Arrivals,
};

/// A room that is followed.
#[derive(Debug)]
pub(crate) struct Room {
    id: RoomId,
    inner: Mutex<Inner>,
    /// The feed may have moved.
    moved: Notify,
    /// What has come and waits for a key.
    arrivals: Arrivals,
}

#[derive(Debug)]
struct Inner {
    feed: Feed,
    audience: Vec<Arc<Connection>>,
    /// Since when nobody hears it.
    idle_since: Option<Timestamp>,
    closed: bool,
    listener: Option<AbortHandle>,
}

/// What a feed asks for that takes a read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    Fill { lane: Lane, missing: Missing },
    Judge { seq: Seq, author: UserId, id: CommandId },
    Trail { seq: Seq, missing: Missing },
    Rejudge { missing: Missing },
    Reread { seqs: Vec<Seq> },
}

/// How a connection is to hear a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hear {
    /// Everything after this place; `None` from now on.
    pub(crate) after: Option<Seq>,
    /// The caller's delivered mark.
    pub(crate) marked: Seq,
    /// Say first that the room was entered, and where.
    pub(crate) announce: Option<Seq>,
}

/// What came of attaching a connection to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seated {
    /// As the session says, with the room's head and the last receipt at that moment.
    As(Attached, Heads),
    /// The user is not in the room, as its state lane says up to here.
    NotAMember(Seq),
    /// The room is not followed any more; ask the hub for it again.
    Closed,
}

/// What came of letting a connection into a room that it may not have been told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    /// It is to be told what is missing; what happens from now on is held.
    Begun(Introduced),
    /// It hears the room, or cannot.
    Heard,
    /// The room is not followed any more; ask the hub for it again.
    Closed,
}

/// What a connection is to be told before it hears a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Introduced {
    /// It knows of its user's comings and goings up to here.
    pub(crate) told: Seq,
    /// What comes after this place is held.
    pub(crate) upto: Seq,
    /// Its user is in the room at that place, as far as is known here.
    pub(crate) is_member: bool,
    /// The last receipt.
    pub(crate) rcpt: Seq,
}

impl Room {
    pub(crate) fn new(id: RoomId, large_room: usize, now: Timestamp) -> Arc<Self> {
        let inner = Inner {
            feed: Feed::new(id, large_room),
            audience: Vec::new(),
            idle_since: Some(now),
            closed: false,
            listener: None,
        };
        Arc::new(Self { id, inner: Mutex::new(inner), moved: Notify::new(), arrivals: Arrivals::default() })
    }

    pub(crate) const fn id(&self) -> RoomId {
        self.id
    }

    pub(crate) const fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Whether the feed tells, or has told, whom a state fact at this place concerns.
    pub(crate) fn tells_of(&self, seq: Seq) -> bool {
        self.inner.lock().feed.tells_of(seq)
    }

    /// The last state fact that was let through.
    pub(crate) fn state_head(&self) -> Seq {
        self.inner.lock().feed.heads().state
    }

    /// The room is heard by another subscription than its own.
    pub(crate) fn drop_listener(&self) {
        if let Some(listener) = self.inner.lock().listener.take() {
            listener.abort();
        }
    }

    pub(crate) fn set_listener(&self, listener: AbortHandle) {
        let mut inner = self.inner.lock();
        if inner.closed {
            listener.abort();
        } else {
            inner.listener = Some(listener);
        }
    }

    /// Does something to the feed and whatever follows from it.
    pub(crate) fn drive<R>(
        self: &Arc<Self>,
        edge: &Arc<Edge>,
        act: impl FnOnce(&mut Feed, &mut Vec<Out>) -> R,
    ) -> R {
        let (mut out, mut wishes) = (Vec::new(), Vec::new());
        let mut inner = self.inner.lock();
        let result = act(&mut inner.feed, &mut out);
        for out in out {
            self.follow(&mut inner, edge, out, &mut wishes);
        }
        drop(inner);
        self.moved.notify_waiters();
        for wish in wishes {
            crate::fill::grant(edge, self, wish);
        }
        result
    }

    pub(crate) fn open(self: &Arc<Self>, edge: &Arc<Edge>, heads: Heads, people: People) {
        self.drive(edge, |feed, out| feed.open(heads, people, out));
    }

    /// Waits until the feed is open.
    pub(crate) async fn until_open(&self) {
        self.until(Feed::is_open).await;
    }

    /// Waits until the feed has let everything up to `heads` through.
    pub(crate) async fn until_through(&self, heads: Heads) {
        self.until(|feed| {
            let now = feed.heads();
            now.state >= heads.state && now.msg >= heads.msg && now.rcpt >= heads.rcpt
        })
        .await;
    }

    async fn until(&self, holds: impl Fn(&Feed) -> bool) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if holds(&self.inner.lock().feed) {
                return;
            }
            moved.await;
        }
    }

    /// Lets a connection hear the room as `ask` says.
    pub(crate) fn attach(&self, connection: &Arc<Connection>, ask: Hear, now: Timestamp) -> Seated {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Seated::Closed;
        }
        let heads = inner.feed.heads();
        if !connection.user().is_some_and(|user| inner.feed.is_member(user)) {
            return Seated::NotAMember(heads.state);
        }
        let head = inner.feed.head();
        let announce = ask.announce.map(|from| {
            Shared::new(ServerFrame::RoomEntered { room: self.id, from }).in_codec(connection.codec)
        });
        let places = (ask.after.unwrap_or(head), head);
        let attached = connection.touch(|session| session.attach(self.id, places, ask.marked, announce, now));
        if matches!(attached, Attached::Live | Attached::Catching) {
            inner.add(connection);
        }
        Seated::As(attached, heads)
    }

    /// Ends a connection's catching up, see [`crate::session::Session::release`].
    pub(crate) fn release(
        &self,
        connection: &Arc<Connection>,
        complete: Seq,
        now: Timestamp,
    ) -> (Released, Seq) {
        let mut inner = self.inner.lock();
        let released = connection.touch(|session| session.release(self.id, complete, now));
        if released == Released::Over {
            inner.remove(connection, now);
        }
        (released, inner.feed.head())
    }

    /// Begins to tell a connection of the room, see [`crate::session::Session::begin_introduction`].
    pub(crate) fn begin_introduction(&self, connection: &Arc<Connection>) -> Introduction {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Introduction::Closed;
        }
        let Some(told) = connection.touch(|session| session.begin_introduction(self.id)) else {
            return Introduction::Heard;
        };
        inner.add(connection);
        let (upto, rcpt) = (inner.feed.head(), inner.feed.heads().rcpt);
        let is_member = connection.user().is_some_and(|user| inner.feed.is_member(user));
        Introduction::Begun(Introduced { told, upto, is_member, rcpt })
    }

    /// See [`crate::session::Session::end_introduction_outside`].
    pub(crate) fn end_introduction_outside(&self, connection: &Arc<Connection>, upto: Seq, now: Timestamp) {
        let mut inner = self.inner.lock();
        let released = connection.touch(|session| session.end_introduction_outside(self.id, upto, now));
        if released == Released::Over {
            inner.remove(connection, now);
        }
    }

    /// The connection could not be told.
    pub(crate) fn give_up_introduction(&self, connection: &Arc<Connection>, now: Timestamp) {
        let mut inner = self.inner.lock();
        connection.touch(|session| session.give_up_introduction(self.id));
        inner.remove(connection, now);
    }

    /// The connection is gone.
    pub(crate) fn detach(&self, connection: &Arc<Connection>, now: Timestamp) {
        self.inner.lock().remove(connection, now);
    }

    /// Stops following when nobody has heard the room for `linger_ms`. True when it is closed now.
    pub(crate) fn close_if_idle(&self, now: Timestamp, linger_ms: i64) -> bool {
        let mut inner = self.inner.lock();
        let idle = inner.idle_since.is_some_and(|since| now.since(since) >= linger_ms);
        if idle && inner.audience.is_empty() && !inner.closed {
            inner.closed = true;
            if let Some(listener) = inner.listener.take() {
                listener.abort();
            }
        }
        inner.closed
    }

    /// Keeps the room from being closed while somebody is about to hear it.
    pub(crate) fn lease(&self, now: Timestamp) -> bool {
        let mut inner = self.inner.lock();
        if inner.audience.is_empty() {
            inner.idle_since = Some(now);
        }
        !inner.closed
    }

    /// What of a mark by a member is news for the log; never beyond what there is in the room.
    pub(crate) fn news(&self, mark: Mark) -> Option<Mark> {
        let inner = self.inner.lock();
        let head = inner.feed.head();
        inner.feed.news(Mark { read: mark.read.min(head), delivered: mark.delivered.min(head), ..mark })
    }

    /// Something fleeting, for all local members but the one whom it is about.
    pub(crate) fn hint(&self, frame: ServerFrame, about: UserId, now: Timestamp) {
        let inner = self.inner.lock();
        if !inner.feed.is_member(about) {
            return;
        }
        let mut shared = Shared::new(frame);
        for connection in inner.audience.iter().filter(|connection| connection.user() != Some(about)) {
            let frame = shared.in_codec(connection.codec);
            connection.touch(|session| session.hint(self.id, frame, now));
        }
    }

    /// The members who hear the room on this edge, each once; nobody in a large room.
    pub(crate) fn local_members(&self) -> Vec<UserId> {
        if self.inner.lock().feed.is_large() { Vec::new() } else { self.hearers() }
    }

    /// The users who hear the room on this edge, each once.
    pub(crate) fn hearers(&self) -> Vec<UserId> {
        let inner = self.inner.lock();
        let mut users: Vec<UserId> =
            inner.audience.iter().filter_map(|connection| connection.user()).collect();
        drop(inner);
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Whether somebody is in the room.
    pub(crate) fn has(&self, user: UserId) -> bool {
        self.inner.lock().feed.is_member(user)
    }

    /// Whether presence is told in the room, and the user is in it.
    pub(crate) fn tells_presence_of(&self, user: UserId) -> bool {
        let inner = self.inner.lock();
        !inner.feed.is_large() && inner.feed.is_member(user)
    }

    /// Entries that were pushed to nobody when their time was.
    pub(crate) fn push_late(&self, edge: &Arc<Edge>, items: Vec<Item>) {
        let mut inner = self.inner.lock();
        for item in items {
            let author = author_of(&item);
            self.push_entry(&mut inner, edge, item, true, author);
        }
    }

    fn follow(self: &Arc<Self>, inner: &mut Inner, edge: &Arc<Edge>, out: Out, wishes: &mut Vec<Wish>) {
        match out {
            Out::Entry { item, late, author, time } => {
                self.push_entry(inner, edge, item, late, author);
                edge.meters.pushed(time);
            }
            Out::Enter { user, from } => self.enter(inner, edge, user, from),
            Out::Leave { user } => self.leave(inner, edge, user),
            Out::Aside { user, item } => edge.tell_user(user, ServerFrame::Item(item)),
            Out::Receipts { marks, to } => {
                let frame = ServerFrame::Receipts { room: self.id, marks };
                self.push_hint(inner, edge, frame, to);
            }
            Out::Void { author, id, reason, pushed } => {
                if reason == chasqui_domain::VoidReason::Repeated {
                    // The first copy stands, and its author has its answer: there is nothing to tell.
                    return;
                }
                let frame = ServerFrame::Void { id, room: self.id, reason: reason.as_str().to_owned() };
                if pushed {
                    self.push_hint(inner, edge, frame.clone(), None);
                }
                if !pushed || !inner.feed.is_member(author) {
                    edge.tell_user(author, frame);
                }
            }
            Out::Fill { lane, missing } => {
                wishes.push(Wish::Fill { lane, missing });
            }
            Out::Judge { seq, author, id } => wishes.push(Wish::Judge { seq, author, id }),
            Out::Trail { seq, missing } => wishes.push(Wish::Trail { seq, missing }),
            Out::Rejudge { missing } => wishes.push(Wish::Rejudge { missing }),
            Out::Reread { seqs } => wishes.push(Wish::Reread { seqs }),
            Out::Poison { lane, seq, reason } => {
                tracing::error!(room = %self.id, lane = lane.as_str(), seq, reason, "a fact cannot be read");
                edge.watch(self.id);
            }
        }
    }

    fn push_entry(
        &self,
        inner: &mut Inner,
        edge: &Arc<Edge>,
        item: Item,
        late: bool,
        author: Option<UserId>,
    ) {
        let (seq, now) = (item.seq, edge.clock.now());
        let mut shared = Shared::new(ServerFrame::Item(item));
        for connection in &inner.audience {
            let foreign = author.is_some_and(|author| connection.user() != Some(author));
            let entry = Entry { seq, late, foreign };
            let frame = shared.in_codec(connection.codec);
            if connection.touch(|session| session.deliver(self.id, entry, frame, now)) {
                edge.note_stale(connection);
            }
        }
        edge.meters.items_sent(inner.audience.len());
    }

    fn push_hint(&self, inner: &Inner, edge: &Arc<Edge>, frame: ServerFrame, to: Option<UserId>) {
        let now = edge.clock.now();
        let mut shared = Shared::new(frame);
        for connection in inner.audience.iter().filter(|one| to.is_none() || one.user() == to) {
            let frame = shared.in_codec(connection.codec);
            connection.touch(|session| session.hint(self.id, frame, now));
        }
    }

    fn enter(self: &Arc<Self>, inner: &mut Inner, edge: &Arc<Edge>, user: UserId, from: Seq) {
        let began = inner.feed.began();
        let now = edge.clock.now();
        let mut shared = Shared::new(ServerFrame::RoomEntered { room: self.id, from });
        for connection in edge.hub.of_user(user) {
            let frame = shared.in_codec(connection.codec);
            let most = edge.settings.max_rooms_per_session;
            let entered = connection.touch(|session| {
                if session.room_count() >= most {
                    Entered::Already
                } else {
                    session.enter(self.id, from, began, frame, now)
                }
            });
            match entered {
                Entered::Seated => {
                    inner.add(&connection);
                    edge.note_stale(&connection);
                }
                Entered::Untold(told) => {
                    inner.add(&connection);
                    let upto = from.saturating_sub(1);
                    let introduced = Introduced { told, upto, is_member: false, rcpt: 0 };
                    self.introduce(edge, connection, introduced);
                }
                Entered::Already => {}
            }
        }
    }

    /// Tells a connection what it does not know yet, beside everything else.
    fn introduce(self: &Arc<Self>, edge: &Arc<Edge>, connection: Arc<Connection>, introduced: Introduced) {
        let (room, edge) = (Arc::clone(self), Arc::clone(edge));
        tokio::spawn(async move {
            if let Err(error) = introduction::go_on(&edge, &connection, &room, introduced).await {
                let room = room.id();
                tracing::warn!(%room, %error, "a room could not be entered; the next look at memberships will");
            }
        });
    }

    fn leave(&self, inner: &mut Inner, edge: &Arc<Edge>, user: UserId) {
        let now = edge.clock.now();
        let mut shared = Shared::new(ServerFrame::RoomLeft { room: self.id });
        inner.audience.retain(|connection| {
            if connection.user() != Some(user) {
                return true;
            }
            let frame = shared.in_codec(connection.codec);
            let stays = connection.touch(|session| session.leave(self.id, frame, now));
            edge.note_stale(connection);
            stays
        });
        inner.note_idle(now);
    }
}

impl Inner {
    fn add(&mut self, connection: &Arc<Connection>) {
        if !self.audience.iter().any(|other| Arc::ptr_eq(other, connection)) {
            self.audience.push(Arc::clone(connection));
        }
        self.idle_since = None;
    }

    fn remove(&mut self, connection: &Arc<Connection>, now: Timestamp) {
        self.audience.retain(|other| !Arc::ptr_eq(other, connection));
        self.note_idle(now);
    }

    fn note_idle(&mut self, now: Timestamp) {
        if self.audience.is_empty() {
            self.audience.shrink_to_fit();
            self.idle_since.get_or_insert(now);
        }
    }
}

/// The author of a message; `None` for a change of the room.
pub(crate) fn author_of(item: &Item) -> Option<UserId> {
    matches!(item.what, chasqui_protocol::Happening::Message { .. }).then_some(item.by)
}
