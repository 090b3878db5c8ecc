//! Whom a fact is told to besides the followers of its room.

use chasqui_events::{Seq, UserId, account::AccountEvent, identity::IdentityEvent, room::RoomEvent};

use super::Batch;
use crate::{Notice, NoticeKind, view::Entry};

pub(super) fn of_room(batch: &mut Batch, entry: &Entry<'_>, event: &RoomEvent) {
    let (kind, users) = match event {
        RoomEvent::Created(created) => {
            (NoticeKind::Joined, created.members.iter().map(|member| member.user).collect())
        }
        RoomEvent::MemberJoined(joined) => (NoticeKind::Joined, vec![joined.user]),
        RoomEvent::MemberLeft(left) => (NoticeKind::Left, vec![left.user]),
        RoomEvent::MemberInvited(invited) => (NoticeKind::Invited, vec![invited.user]),
        RoomEvent::MemberRemoved(removed) => (NoticeKind::Removed, vec![removed.user]),
        RoomEvent::MemberRoleChanged(changed) => (NoticeKind::RoleChanged, vec![changed.user]),
        RoomEvent::MemberBanned(banned) => (NoticeKind::Removed, vec![banned.user]),
        RoomEvent::Erased(_) => (NoticeKind::Erased, vec![entry.by()]),
        RoomEvent::Renamed(_)
        | RoomEvent::MemberUnbanned(_)
        | RoomEvent::MemberMuted(_)
        | RoomEvent::MemberUnmuted(_)
        | RoomEvent::SlowModeChanged(_) => return,
    };
    let notice = Notice::of_room(kind, entry.room, entry.seq);
    batch.notices.extend(users.into_iter().map(|user| (user, notice)));
}

pub(super) fn of_account(batch: &mut Batch, seq: Seq, event: &AccountEvent) {
    match event {
        AccountEvent::Erased(erased) => batch.notices.push((erased.user, Notice::of_erasure(seq))),
        AccountEvent::RoleChanged(_)
        | AccountEvent::Suspended(_)
        | AccountEvent::Reinstated(_)
        | AccountEvent::SessionsEnded(_)
        | AccountEvent::Deactivated(_)
        | AccountEvent::Reactivated(_)
        | AccountEvent::ServiceCreated(_)
        | AccountEvent::TokenIssued(_)
        | AccountEvent::TokenRevoked(_)
        | AccountEvent::OperatorActed(_) => {}
    }
}

pub(super) fn of_identity(batch: &mut Batch, seq: Seq, by: UserId, event: &IdentityEvent) {
    match event {
        IdentityEvent::SessionRevoked(revoked) => {
            batch.notices.push((by, Notice::of_session(revoked.session, seq)));
        }
        IdentityEvent::Registered(_)
        | IdentityEvent::ProfileChanged(_)
        | IdentityEvent::Renamed(_)
        | IdentityEvent::CredentialChanged(_)
        | IdentityEvent::SessionOpened(_)
        | IdentityEvent::DirectClaimed(_) => {}
    }
}
