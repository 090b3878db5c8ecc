//! Order in a room: bans, mutes and slow mode.
//!
//! The first two may end by themselves. Whether one is in force is asked at a moment that the command or the fact brings along,
//! never of a reader's clock.

use std::time::Duration;

use chasqui_events::{
    Timestamp, UserId,
    room::{MemberBanned, MemberMuted, MemberUnbanned, MemberUnmuted, Role, RoomEvent, SlowModeChanged},
};
use serde::{Deserialize, Serialize};

use super::{Asker, Decision, Room};
use crate::{Limits, Permission, Rejection, name};

/// How long a ban or a mute lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Until when; `None` for until it is taken back.
    pub until: Option<Timestamp>,
}

impl Term {
    /// Whether it is in force at a moment.
    #[must_use]
    pub fn holds(self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// The longest time between two messages of one member, in seconds.
const SLOWEST: usize = 6 * 60 * 60;

impl Room {
    /// How long a member waits between two messages; `None` for those who do not wait: where slow mode is off, and for
    /// whoever may change it.
    #[must_use]
    pub fn slow_mode_for(&self, user: UserId) -> Option<Duration> {
        let role = self.members.get(&user)?.role;
        let waits = self.slow_mode_s > 0 && Permission::SlowMode.demand(role).is_err();
        waits.then(|| Duration::from_secs(self.slow_mode_s.into()))
    }

    /// Whether somebody may not enter at a moment.
    #[must_use]
    pub fn is_banned(&self, user: UserId, at: Timestamp) -> bool {
        self.banned.get(&user).is_some_and(|term| term.holds(at))
    }

    /// Until when somebody may not post, when that is so at a moment.
    #[must_use]
    pub fn mute(&self, user: UserId, at: Timestamp) -> Option<Term> {
        self.muted.get(&user).copied().filter(|term| term.holds(at))
    }

    pub(super) fn decide_ban(
        &self,
        asker: Asker,
        user: UserId,
        until: Option<Timestamp>,
        reason: Option<&str>,
        limits: &Limits,
    ) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("bans")?;
        Permission::Ban.demand(role)?;
        name::reason(reason)?;
        ahead(until, asker.at, "the end of a ban")?;
        self.is_below(asker.user, role, user)?;
        self.not_the_last_owner(user)?;
        let term = Term { until };
        if self.is_banned(user, asker.at) && self.banned.get(&user) == Some(&term) {
            return Ok(Decision::AlreadySo);
        }
        if self.banned.len() >= limits.room_members && !self.banned.contains_key(&user) {
            return Err(Rejection::TooManyBans { most: limits.room_members });
        }
        let reason = reason.map(str::to_owned);
        Ok(Decision::Record(RoomEvent::MemberBanned(MemberBanned { user, until, reason })))
    }

    pub(super) fn decide_unban(&self, asker: Asker, user: UserId) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("bans")?;
        Permission::Ban.demand(role)?;
        if !self.is_banned(user, asker.at) {
            return Ok(Decision::AlreadySo);
        }
        Ok(Decision::Record(RoomEvent::MemberUnbanned(MemberUnbanned { user })))
    }

    pub(super) fn decide_mute(
        &self,
        asker: Asker,
        user: UserId,
        until: Option<Timestamp>,
        reason: Option<&str>,
    ) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("mutes")?;
        Permission::Mute.demand(role)?;
        name::reason(reason)?;
        ahead(until, asker.at, "the end of a mute")?;
        if !self.members.contains_key(&user) {
            return Err(Rejection::TargetNotAMember);
        }
        self.is_below(asker.user, role, user)?;
        if self.mute(user, asker.at) == Some(Term { until }) {
            return Ok(Decision::AlreadySo);
        }
        let reason = reason.map(str::to_owned);
        Ok(Decision::Record(RoomEvent::MemberMuted(MemberMuted { user, until, reason })))
    }

    pub(super) fn decide_unmute(&self, asker: Asker, user: UserId) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("mutes")?;
        Permission::Mute.demand(role)?;
        if self.mute(user, asker.at).is_none() {
            return Ok(Decision::AlreadySo);
        }
        Ok(Decision::Record(RoomEvent::MemberUnmuted(MemberUnmuted { user })))
    }

    pub(super) fn decide_slow_mode(&self, asker: Asker, seconds: u32) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("slow mode")?;
        Permission::SlowMode.demand(role)?;
        let given = usize::try_from(seconds).unwrap_or(usize::MAX);
        name::size("the time of slow mode", "seconds", given, 0, SLOWEST)?;
        if self.slow_mode_s == seconds {
            return Ok(Decision::AlreadySo);
        }
        Ok(Decision::Record(RoomEvent::SlowModeChanged(SlowModeChanged { seconds })))
    }

    /// Nobody keeps order over themselves, and only owners over equals.
    fn is_below(&self, asker: UserId, role: Role, user: UserId) -> Result<(), Rejection> {
        if asker == user {
            return Err(Rejection::OwnMembership);
        }
        match self.members.get(&user) {
            Some(target) if target.role >= role && role != Role::Owner => {
                Err(Rejection::RoleTooLow { needed: Role::Owner })
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn ahead(until: Option<Timestamp>, now: Timestamp, what: &'static str) -> Result<(), Rejection> {
    match until {
        Some(until) if until <= now => Err(Rejection::TimeHasPassed { what }),
        Some(_) | None => Ok(()),
    }
}
