//! What was promised, held against what is there: acknowledgements, the log, the views, what clients saw.
//!
//! What counts as a failure:
//!
//! - an acknowledged message that does not stand in the log exactly once, unless it is void and its author was told;
//! - a message in the log that was refused, or that nobody sent;
//! - a room whose timeline in the views is not exactly what its part of the log comes to, whether MongoDB or Redis
//!   answers;
//! - watermarks in the views that are not the highest ones in the log;
//! - a client that did not see each entry of a room, from its entering to its leaving, exactly once; or messages out
//!   of order (a change of the room may come late, marked as late, when its announcement was lost);
//! - a client that was told to start over when nothing gave cause.

mod expected;

use std::collections::HashMap;

use chasqui_client::Event;
use chasqui_crypto::Keyring;
use chasqui_events::{CommandId, RoomId, Seq, UserId};
use chasqui_protocol::Item;
use chasqui_query_api::opening;
use chasqui_read_model::{ReadModel, Stream};

use crate::{Message, PATIENCE, Person, Sent, Stack};
use expected::{Entry, ExpectedRoom};

/// What is to be compared.
#[derive(Debug, Default)]
pub struct Checker {
    sent: Vec<Sent>,
    people: Vec<Person>,
}

/// What was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that stand.
    pub standing: usize,
    /// Messages that were stored and do not stand: their authors had left.
    pub void: usize,
    /// Messages that were stored again and do not count.
    pub repeated: usize,
    /// Messages that were acknowledged.
    pub acked: usize,
}

impl Checker {
    /// Nothing to compare yet but log and views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These were sent, with these answers. When this is used, every message in the log must be among them.
    #[must_use]
    pub fn sent(mut self, sent: Vec<Sent>) -> Self {
        self.sent.extend(sent);
        self
    }

    /// These saw what their clients recorded.
    #[must_use]
    pub fn seen_by(mut self, people: &[&Person]) -> Self {
        self.people.extend(people.iter().map(|person| (*person).clone()));
        self
    }

    /// Waits until the projection has everything, then compares all of it.
    ///
    /// # Panics
    /// With everything that is not as promised.
    pub async fn check(&self, stack: &Stack) -> Report {
        let (rooms, wrong) = self.compare_all(stack).await;
        fail_on(&wrong);
        stack.assert_healthy();
        Report {
            standing: rooms.values().map(|room| room.messages().count()).sum(),
            void: rooms.values().map(|room| room.void.len()).sum(),
            repeated: rooms.values().map(|room| room.repeated.len()).sum(),
            acked: self.sent.iter().filter(|sent| sent.outcome.is_ok()).count(),
        }
    }

    /// Receipts follow what was seen by themselves: what was compared while facts were still coming says nothing.
    async fn compare_all(&self, stack: &Stack) -> (HashMap<RoomId, ExpectedRoom>, Vec<String>) {
        loop {
            let heads = expected::heads(stack).await;
            let rooms = expected::read(stack).await;
            let mut wrong = Vec::new();
            self.check_sent(&rooms, &mut wrong);
            check_views(stack, &heads, &rooms, &mut wrong).await;
            self.check_seen(&rooms, &mut wrong).await;
            if expected::heads(stack).await == heads {
                return (rooms, wrong);
            }
        }
    }

    fn check_sent(&self, rooms: &HashMap<RoomId, ExpectedRoom>, wrong: &mut Vec<String>) {
        for sent in &self.sent {
            let room = rooms.get(&sent.room);
            let standing: Vec<Seq> = room
                .into_iter()
                .flat_map(ExpectedRoom::messages)
                .filter(|message| (message.by, message.id) == (sent.author, sent.id))
                .map(|message| message.seq)
                .collect();
            let void = room.is_some_and(|room| room.void.contains(&(sent.author, sent.id)));
            let problem = match (&sent.outcome, standing.as_slice()) {
                (Ok(accepted), [seq]) => {
                    let at = accepted.position.map(|position| position.seq);
                    let stored_again =
                        at.is_some_and(|at| room.is_some_and(|room| room.repeated.contains(&at)));
                    (at != Some(*seq) && !stored_again)
                        .then(|| format!("was acknowledged at {at:?} and stands at {seq}"))
                }
                (Ok(_), []) if void => {
                    (!self.was_told(sent)).then(|| "is void and its author was not told".to_owned())
                }
                (Ok(_), []) => Some("was acknowledged and is not in the log".to_owned()),
                (Err(error), [_, ..]) if is_refusal(error) => {
                    Some(format!("was refused ({error}) and is in the log"))
                }
                (Err(_), [] | [_]) => None,
                (_, _) => Some(format!("stands {} times", standing.len())),
            };
            if let Some(problem) = problem {
                wrong.push(format!("{:?} ({}) in {} {problem}", sent.body, sent.id, sent.room));
            }
        }
        if !self.sent.is_empty() {
            self.check_unaccounted(rooms, wrong);
        }
    }

    fn check_unaccounted(&self, rooms: &HashMap<RoomId, ExpectedRoom>, wrong: &mut Vec<String>) {
        let known: HashMap<(RoomId, UserId, CommandId), &str> =
            self.sent.iter().map(|sent| ((sent.room, sent.author, sent.id), sent.body.as_str())).collect();
        for (id, room) in rooms {
            for message in room.messages() {
                match known.get(&(*id, message.by, message.id)) {
                    Some(body) if *body == message.body || message.is_erased() => {}
                    Some(body) => wrong.push(format!("{body:?} was sent, {:?} stands in {id}", message.body)),
                    None => wrong.push(format!("nobody sent {message:?}, which stands in {id}")),
                }
            }
        }
    }

    fn was_told(&self, sent: &Sent) -> bool {
        self.people.iter().any(|person| person.id == sent.author && is_void_for(person, sent.id))
    }

    async fn check_seen(&self, rooms: &HashMap<RoomId, ExpectedRoom>, wrong: &mut Vec<String>) {
        for person in &self.people {
            if let Some(reset) = person.events().iter().find(|event| matches!(event, Event::Reset { .. })) {
                wrong.push(format!("{} was told to start over: {reset:?}", person.name));
                continue;
            }
            for (id, room) in rooms {
                let expected = room.seen_by(person.id, entered_at(person, *id));
                if let Some(last) = expected.last() {
                    wait_for(person, *id, last.seq).await;
                }
                let mut seen: Vec<Entry> = person.items(*id).iter().map(Entry::of).collect();
                let whose = format!("what {} saw of {id}", person.name);
                let messages: Vec<Seq> = person.messages(*id).iter().map(|message| message.seq).collect();
                if let Some(pair) = messages.windows(2).find(|pair| pair[0] >= pair[1]) {
                    wrong.push(format!("{whose}: the messages {pair:?} came in this order"));
                }
                seen.sort_by_key(|entry| entry.seq);
                room.forget_erased(&mut seen);
                let taken_back = |message: &Message| {
                    room.void.contains(&(message.by, message.id)) && is_void_for(person, message.id)
                };
                seen.retain(|entry| !entry.message.as_ref().is_some_and(taken_back));
                seen.retain(|entry| !room.is_aside(person.id, entry.seq));
                if !compare(&whose, &expected, &seen, wrong) {
                    wrong.push(format!("{whose} began with {:?}", story(person, *id)));
                }
            }
        }
    }
}

/// Whether a client was told that a message does not stand.
fn is_void_for(person: &Person, message: CommandId) -> bool {
    person.events().iter().any(|event| matches!(event, Event::Void { id, .. } if *id == message))
}

/// Problems after which nothing may be in the log.
fn is_refusal(error: &chasqui_client::ClientError) -> bool {
    error.problem().is_some_and(|problem| !problem.code.worth_a_retry())
}

/// The first comings, goings and entries of a room that a client was told.
fn story(person: &Person, room: RoomId) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::RoomEntered { room: of, from } if *of == room => Some(format!("entered from {from}")),
        Event::RoomLeft { room: of } if *of == room => Some("left".to_owned()),
        Event::Item(item) if item.room == room => Some(item.seq.to_string()),
        Event::Late(item) if item.room == room => Some(format!("late {}", item.seq)),
        Event::Reconnected { .. } => Some("reconnected".to_owned()),
        _ => None,
    };
    person.events().iter().filter_map(line).take(40).collect()
}

/// From where a client was told that it would be sent a room.
fn entered_at(person: &Person, room: RoomId) -> Option<Seq> {
    person.events().iter().find_map(|event| match event {
        Event::RoomEntered { room: of, from } if *of == room => Some(*from),
        _ => None,
    })
}

async fn wait_for(person: &Person, room: RoomId, seq: Seq) {
    let reached = |event: &Event| match event {
        Event::Item(item) | Event::Late(item) => item.room == room && item.seq >= seq,
        _ => false,
    };
    person.after(0, &format!("the last entry of {room}, {seq}"), reached).await;
}

async fn check_views(
    stack: &Stack,
    heads: &[(Stream, Seq)],
    rooms: &HashMap<RoomId, ExpectedRoom>,
    wrong: &mut Vec<String>,
) {
    let (views, keyring) = (stack.read_model().await, stack.keyring().await);
    for (stream, last) in heads {
        if let Err(error) = views.wait_for(*stream, *last, PATIENCE).await {
            wrong.push(format!("the projection of {stream} does not reach {last}: {error}"));
        }
    }
    for (id, room) in rooms {
        check_timeline(&views, &keyring, *id, room, wrong).await;
        check_marks(&views, *id, room, wrong).await;
    }
}

async fn check_timeline(
    views: &ReadModel,
    keyring: &Keyring,
    id: RoomId,
    room: &ExpectedRoom,
    wrong: &mut Vec<String>,
) {
    // From the beginning, which only MongoDB has, and the newest, which Redis should have.
    let near_the_end = room.entries.len().saturating_sub(20);
    for (from, who) in [(0, "all"), (near_the_end, "the newest entries")] {
        let after =
            from.checked_sub(1).and_then(|before| room.entries.get(before)).map_or(0, |entry| entry.seq);
        let expected = room.entries.get(from..).unwrap_or_default();
        match views.timeline_after(id, after, room.entries.len() + 10).await {
            Ok(slice) => {
                let items = opening::open(keyring, slice.items).await.unwrap();
                let seen: Vec<Entry> = items.iter().map(Entry::of).collect();
                compare(&format!("{who} of {id} in the views"), expected, &seen, wrong);
                if !slice.complete || slice.held_at.is_some() {
                    wrong.push(format!("{id} in the views is not complete: held at {:?}", slice.held_at));
                }
            }
            Err(error) => wrong.push(format!("{who} of {id} cannot be read: {error}")),
        }
    }
    match views.room(id).await {
        Ok(Some(info)) => {
            let messages = u64::try_from(room.messages().count()).unwrap_or(u64::MAX);
            let members = u64::try_from(room.members_now()).unwrap_or(u64::MAX);
            if (info.messages, info.members) != (messages, members) {
                wrong
                    .push(format!("{id} has {messages} messages, {members} members; the view says {info:?}"));
            }
        }
        other => wrong.push(format!("{id} is not in the views: {other:?}")),
    }
}

async fn check_marks(views: &ReadModel, id: RoomId, room: &ExpectedRoom, wrong: &mut Vec<String>) {
    match views.marks(id).await {
        Ok(marks) => {
            for mark in marks {
                let expected = room.mark_of(mark.user);
                if mark != expected {
                    wrong.push(format!("in {id} the log comes to {expected:?}; the view says {mark:?}"));
                }
            }
        }
        Err(error) => wrong.push(format!("the marks of {id} cannot be read: {error}")),
    }
}

/// Whether the two are the same; says where they part for the first time.
fn compare(what: &str, expected: &[Entry], seen: &[Entry], wrong: &mut Vec<String>) -> bool {
    if expected == seen {
        return true;
    }
    let at = expected.iter().zip(seen).take_while(|(expected, seen)| expected == seen).count();
    wrong.push(format!(
        "{what}: {} entries, expected {}; at index {at}: {:?}, expected {:?}",
        seen.len(),
        expected.len(),
        seen.get(at),
        expected.get(at),
    ));
    false
}

fn fail_on(wrong: &[String]) {
    const SHOWN: usize = 20;
    if wrong.is_empty() {
        return;
    }
    let shown: Vec<&str> = wrong.iter().take(SHOWN).map(String::as_str).collect();
    panic!("{} promises are broken:\n  {}", wrong.len(), shown.join("\n  "));
}

impl Entry {
    fn of(item: &Item) -> Self {
        Self { seq: item.seq, message: Message::of(item) }
    }
}
