//! The same truth, found the slow and simple way.

use std::collections::{BTreeMap, HashSet};

use chasqui_domain::Room;
use chasqui_events::{
    Fact, RoomId, Seq, UserId, message::MessageEvent, receipts::ReceiptEvent, room::RoomEvent,
};
use pretty_assertions::assert_eq;

use super::{history, memory::Memory};
use crate::{
    fold::{Lane, LogFact, Source},
    view::members::MemberStanding,
};

#[derive(Default)]
struct Told {
    room: Room,
    /// Place, author and whether it is a message.
    entries: Vec<(Seq, UserId, bool)>,
    /// Delivered and read.
    marks: BTreeMap<UserId, (Seq, Seq)>,
    joined_at: BTreeMap<UserId, Seq>,
    held: bool,
    head: Seq,
}

/// Compares what a store holds with what the log says.
pub(super) fn check(log: &[LogFact], store: &Memory) {
    for room in history::rooms() {
        let facts: Vec<&LogFact> =
            log.iter().filter(|fact| matches!(fact.source, Source::Room(of, _) if of == room)).collect();
        check_room(room, &tell(&facts), store);
    }
}

fn tell(facts: &[&LogFact]) -> Told {
    let mut told = Told::default();
    let mut ids = HashSet::new();
    for fact in facts {
        told.head = fact.seq;
        let Source::Room(_, lane) = fact.source else { continue };
        told.held |= fact.body.is_err();
        let (false, Ok(envelope)) = (told.held, &fact.body) else { continue };
        match (&envelope.event, lane) {
            (Fact::Room(event), Lane::State) => {
                told.room.apply(event);
                told.entries.push((fact.seq, envelope.by, false));
                note_joining(&mut told, fact.seq, event);
            }
            (Fact::Message(MessageEvent::Posted(_)), Lane::Msg) => {
                if may_post(facts, envelope.by, envelope.basis, fact.seq)
                    && ids.insert((envelope.by, envelope.id))
                {
                    told.entries.push((fact.seq, envelope.by, true));
                }
            }
            (Fact::Receipt(ReceiptEvent::Moved(moved)), Lane::Rcpt) => {
                let top = told.entries.last().map_or(0, |(seq, ..)| *seq);
                for mark in &moved.marks {
                    if told.joined_at.contains_key(&mark.user) {
                        let (delivered, read) = told.marks.entry(mark.user).or_default();
                        *read = (*read).max(mark.read.min(top));
                        *delivered = (*delivered).max(mark.delivered.max(mark.read).min(top));
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    told
}

/// Notes also who was only invited: they have a document from then on.
fn note_joining(told: &mut Told, seq: Seq, event: &RoomEvent) {
    match event {
        RoomEvent::Created(created) => {
            told.joined_at.extend(created.members.iter().map(|member| (member.user, seq)));
        }
        RoomEvent::MemberJoined(joined) => {
            told.joined_at.insert(joined.user, seq);
        }
        RoomEvent::MemberInvited(invited) => {
            told.joined_at.entry(invited.user).or_insert(seq);
        }
        RoomEvent::MemberBanned(banned) => {
            told.joined_at.entry(banned.user).or_insert(seq);
        }
        _ => {}
    }
}

fn may_post(facts: &[&LogFact], author: UserId, basis: Seq, seq: Seq) -> bool {
    let (mut may, mut muted) = (true, false);
    for fact in facts.iter().filter(|fact| fact.seq > basis && fact.seq < seq) {
        let Ok(envelope) = &fact.body else { continue };
        match &envelope.event {
            Fact::Room(RoomEvent::Erased(_)) => return false,
            Fact::Room(RoomEvent::MemberLeft(left)) if left.user == author => may = false,
            Fact::Room(RoomEvent::MemberRemoved(removed)) if removed.user == author => may = false,
            Fact::Room(RoomEvent::MemberJoined(joined)) if joined.user == author => may = true,
            Fact::Room(RoomEvent::MemberBanned(banned)) if banned.user == author => may = false,
            Fact::Room(RoomEvent::MemberMuted(mute)) if mute.user == author => muted = true,
            Fact::Room(RoomEvent::MemberUnmuted(unmuted)) if unmuted.user == author => muted = false,
            _ => {}
        }
    }
    may && !muted
}

fn check_room(room: RoomId, told: &Told, store: &Memory) {
    let entries: Vec<_> = store.timeline().into_iter().filter(|entry| entry.item.room == room).collect();
    let places: Vec<Seq> = entries.iter().map(|entry| entry.item.seq).collect();
    let expected: Vec<Seq> = told.entries.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(places, expected);
    let (mut n, mut m) = (0, 0);
    for (entry, (.., message)) in entries.iter().zip(&told.entries) {
        n += 1;
        m += u64::from(*message);
        assert_eq!((entry.n, entry.m), (n, m));
    }
    let Some(doc) = store.room(room) else {
        assert_eq!(told.head, 0);
        return;
    };
    assert_eq!((doc.n, doc.m), (n, m));
    assert_eq!(doc.heads.max(), told.head);
    assert_eq!(doc.heads.held_at.is_some(), told.held);
    assert_eq!(doc.name, told.room.name);
    assert_eq!(doc.members, told.room.members.len() as u64);
    for user in history::users() {
        check_member(
            room,
            user,
            told,
            store,
            doc.unread(user, store.member(room, user).map_or(0, |m| m.seen)),
        );
    }
}

fn check_member(room: RoomId, user: UserId, told: &Told, store: &Memory, unread: u64) {
    let Some(member) = store.member(room, user) else {
        assert!(!told.joined_at.contains_key(&user));
        return;
    };
    let joined = member.membership.standing == MemberStanding::Joined;
    assert_eq!(joined, told.room.members.contains_key(&user));
    let invited = member.membership.standing == MemberStanding::Invited;
    assert_eq!(invited, told.room.invited.contains(&user));
    let banned = member.membership.standing == MemberStanding::Banned;
    assert_eq!(banned, told.room.banned.contains_key(&user) && !joined);
    assert_eq!(member.membership.ban.is_some(), banned);
    assert_eq!(member.membership.muted, told.room.muted.get(&user).copied());
    let (delivered, read) = told.marks.get(&user).copied().unwrap_or_default();
    assert_eq!((member.membership.delivered, member.membership.read), (delivered, read));
    if joined {
        assert_eq!(member.membership.role, told.room.members[&user].role);
        // What one has read, what one has said, and what was there before one came.
        let own = told.entries.iter().rev().find(|(_, by, message)| *message && *by == user);
        let seen = read.max(own.map_or(0, |(seq, ..)| *seq)).max(told.joined_at[&user]);
        let expected = told.entries.iter().filter(|(seq, _, message)| *message && *seq > seen).count();
        assert_eq!(unread, expected as u64);
    }
}
