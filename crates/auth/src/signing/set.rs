//! The keys that sign access tokens, as the bucket `SIGNING_KEYS` keeps them, and what is to be done with them next.
//!
//! The life of a key: it is made; when it is known to be published, it gets the moment from which it signs, which lies so
//! far ahead that every verifier has read it by then, and the one before it gets the same moment as its end; from then on
//! the private half of that one is gone; when nothing that it signed can be valid any more, its public half goes, too.

use std::time::Duration;

use bytes::Bytes;
use chasqui_crypto::Wrapped;
use chasqui_events::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Jwk, Jwks};

/// The version that is written.
const VERSION: u32 = 1;
/// How much longer than the last token a public half stays published: the leeway of verifiers, clocks that are apart,
/// and a process that signs with what it read a moment ago.
const MARGIN: Duration = Duration::from_secs(10);

/// All keys that matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySet {
    #[serde(rename = "v")]
    pub(crate) version: u32,
    /// Rises with each change, also where the bucket was made anew: an earlier set never replaces what was published of a
    /// later one.
    pub(crate) serial: i64,
    /// In the order in which they were made.
    pub(crate) keys: Vec<Kept>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) public: Jwk,
    pub(crate) made_at: Timestamp,
    /// From when it signs; absent until it is known to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signs_from: Option<Timestamp>,
    /// From when it signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retires_at: Option<Timestamp>,
    /// The longest life of the tokens that it signs, in milliseconds.
    pub(crate) token_life_ms: i64,
    /// Its seed; absent when it signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private: Option<Wrapped>,
}

/// How keys are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// How long a key signs; `None` for ever.
    pub(crate) rotate_after: Option<Duration>,
    /// How long a key is published before it signs.
    pub(crate) overlap: Duration,
    /// The life of the tokens that this process makes.
    pub(crate) token_life: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing now.
    Nothing,
    /// Make a key.
    Make,
    /// Put this in the place of the set.
    Write(KeySet),
}

impl Kept {
    fn signs(&self, now: Timestamp) -> bool {
        self.private.is_some() && self.signs_from.is_some_and(|from| from <= now)
    }

    /// When no token of it is valid any more.
    fn gone_at(&self) -> Option<Timestamp> {
        self.retires_at.map(|at| at.plus_millis(self.token_life_ms).plus_millis(millis(MARGIN)))
    }
}

impl KeySet {
    /// The set of a new installation, or of one whose keys were files: their public halves, as far as they were published,
    /// stay until the tokens that they signed have expired.
    pub(crate) fn first(published: Jwks, key: Kept, now: Timestamp) -> Self {
        let before = published.keys.into_iter().map(|public| Kept {
            public,
            made_at: now,
            signs_from: None,
            retires_at: Some(now),
            private: None,
            token_life_ms: key.token_life_ms,
        });
        let mut keys: Vec<Kept> = before.collect();
        // Nothing else signs: there is nothing to wait for.
        keys.push(Kept { signs_from: Some(now), ..key });
        Self { version: VERSION, serial: now.millis(), keys }
    }

    /// The set without anything but this key, which signs at once.
    pub(crate) fn withdrawn(&self, key: Kept, now: Timestamp) -> Self {
        self.changed(vec![Kept { signs_from: Some(now), ..key }], now)
    }

    /// The set with another key.
    pub(crate) fn with(&self, key: Kept, now: Timestamp) -> Self {
        let mut keys = self.keys.clone();
        keys.push(key);
        self.changed(keys, now)
    }

    /// What verifiers are to know.
    pub(crate) fn public(&self) -> Jwks {
        Jwks { keys: self.keys.iter().map(|key| key.public.clone()).collect() }
    }

    /// The key that signs now.
    pub(crate) fn current(&self, now: Timestamp) -> Option<&Kept> {
        self.keys.iter().rfind(|key| key.signs(now))
    }

    /// The key that will sign after the current one, once it is made.
    pub(crate) fn coming(&self, now: Timestamp) -> Option<&Kept> {
        self.keys.last().filter(|key| key.private.is_some() && !key.signs(now))
    }

    /// What is to be done next; `published` is the serial of the set whose public halves are published.
    pub(crate) fn next(&self, schedule: &Schedule, published: i64, now: Timestamp) -> Next {
        if published > self.serial {
            // Published of a set that is lost: take the lead again.
            let changed = self.changed(self.keys.clone(), now);
            return Next::Write(KeySet { serial: changed.serial.max(published + 1), ..changed });
        }
        let mut keys = self.keys.clone();
        keys.retain(|key| key.gone_at().is_none_or(|gone| now < gone));
        for key in keys.iter_mut().filter(|key| key.retires_at.is_some_and(|at| at <= now)) {
            key.private = None;
        }
        let life = millis(schedule.token_life);
        for key in keys.iter_mut().filter(|key| key.private.is_some()) {
            key.token_life_ms = key.token_life_ms.max(life);
        }
        if published == self.serial {
            appoint(&mut keys, now.plus_millis(millis(schedule.overlap)));
        }
        if keys != self.keys {
            return Next::Write(self.changed(keys, now));
        }
        let due = |rotate_after: Duration| {
            let since = self.current(now).and_then(|key| key.signs_from);
            since
                .is_none_or(|since| now.since(since) >= millis(rotate_after.saturating_sub(schedule.overlap)))
        };
        if self.coming(now).is_none() && schedule.rotate_after.is_some_and(due) {
            Next::Make
        } else {
            Next::Nothing
        }
    }

    /// A newer program may keep what this one would lose.
    pub(crate) const fn is_newer_than_this_program(&self) -> bool {
        self.version > VERSION
    }

    /// The set with these keys instead.
    pub(crate) fn changed(&self, keys: Vec<Kept>, now: Timestamp) -> Self {
        Self { version: VERSION, serial: now.millis().max(self.serial + 1), keys }
    }

    pub(crate) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// A key that is published gets its moment, and the one before it the same one as its end.
fn appoint(keys: &mut [Kept], from: Timestamp) {
    let Some((newest, before)) = keys.split_last_mut() else { return };
    if newest.private.is_none() || newest.signs_from.is_some() {
        return;
    }
    newest.signs_from = Some(from);
    for key in before.iter_mut().filter(|key| key.retires_at.is_none()) {
        key.retires_at = Some(from);
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
