use chasqui_events::Sealed;
use pretty_assertions::assert_eq;

use super::*;

const HOUR: i64 = 3_600_000;
const T0: Timestamp = Timestamp(1_800_000_000_000);
const SCHEDULE: Schedule = Schedule {
    rotate_after: Some(Duration::from_hours(24)),
    overlap: Duration::from_hours(1),
    token_life: Duration::from_mins(10),
};

fn key(name: &str, made_at: Timestamp) -> Kept {
    let text = |text: &str| text.to_owned();
    let public = Jwk {
        kty: text("OKP"),
        crv: text("Ed25519"),
        x: text(name),
        kid: text(name),
        alg: text("EdDSA"),
        usage: text("sig"),
    };
    let private = Some(Wrapped { kek: text("kek"), bytes: Sealed::new(vec![1]) });
    Kept {
        public,
        made_at,
        signs_from: None,
        retires_at: None,
        token_life_ms: millis(SCHEDULE.token_life),
        private,
    }
}

/// What each key is to the world: `+` signs, `-` is only published.
fn seen(set: &KeySet, now: Timestamp) -> Vec<String> {
    let sign = |key: &Kept| set.current(now).is_some_and(|current| current.public == key.public);
    set.keys.iter().map(|key| format!("{}{}", if sign(key) { '+' } else { '-' }, key.public.kid)).collect()
}

/// Does everything that is due, publishing each set at once.
fn tended(mut set: KeySet, now: Timestamp, new: &str) -> KeySet {
    loop {
        match set.next(&SCHEDULE, set.serial, now) {
            Next::Nothing => return set,
            Next::Make => set = set.with(key(new, now), now),
            Next::Write(changed) => {
                assert!(changed.serial > set.serial);
                set = changed;
            }
        }
    }
}

#[test]
fn a_key_is_published_before_it_signs_and_after_it_has_signed() {
    let at = |hours: i64| T0.plus_millis(hours * HOUR);
    let set = tended(KeySet::first(Jwks::default(), key("a", T0), T0), T0, "none");
    assert_eq!(seen(&set, T0), ["+a"]);
    let set = tended(set, at(23).plus_millis(-1), "none");
    assert_eq!(seen(&set, at(22)), ["+a"]);
    let set = tended(set, at(23), "b");
    assert_eq!(seen(&set, at(23)), ["+a", "-b"], "an hour before it signs");
    let set = tended(set, at(24).plus_millis(-1), "none");
    assert_eq!(seen(&set, at(24).plus_millis(-1)), ["+a", "-b"]);
    assert!(set.keys[0].private.is_some());
    assert_eq!(seen(&set, at(24)), ["-a", "+b"], "by the clock, before anybody has written anything");
    let set = tended(set, at(24), "none");
    assert_eq!((set.keys[0].private.is_none(), set.keys[1].private.is_some()), (true, true));
    let last_token = at(24).plus_millis(millis(SCHEDULE.token_life));
    let set = tended(set, last_token.plus_millis(millis(MARGIN) - 1), "none");
    assert_eq!(set.public().keys.len(), 2);
    let set = tended(set, last_token.plus_millis(millis(MARGIN)), "none");
    assert_eq!(seen(&set, last_token), ["+b"]);
}

#[test]
fn a_key_gets_its_moment_only_once_it_is_published() {
    let set = KeySet::first(Jwks::default(), key("a", T0), T0).with(key("b", T0), T0);
    let unpublished = set.serial - 1;
    assert_eq!(set.next(&SCHEDULE, unpublished, T0.plus_millis(9 * HOUR)), Next::Nothing);
    let later = T0.plus_millis(9 * HOUR);
    let Next::Write(set) = set.next(&SCHEDULE, set.serial, later) else { panic!("not appointed") };
    assert_eq!(set.keys[1].signs_from, Some(later.plus_millis(HOUR)));
    assert_eq!(set.keys[0].retires_at, Some(later.plus_millis(HOUR)));
}

#[test]
fn the_longest_tokens_of_any_process_count() {
    let set = tended(KeySet::first(Jwks::default(), key("a", T0), T0), T0, "none");
    let patient = Schedule { token_life: Duration::from_hours(5), ..SCHEDULE };
    let Next::Write(set) = set.next(&patient, set.serial, T0) else { panic!("not noted") };
    assert_eq!(set.keys[0].token_life_ms, 5 * HOUR);
    assert_eq!(set.next(&SCHEDULE, set.serial, T0), Next::Nothing, "it is not forgotten");
}

#[test]
fn a_withdrawn_key_is_gone_at_once_and_the_new_one_signs() {
    let set = tended(KeySet::first(Jwks::default(), key("a", T0), T0), T0, "none").with(key("b", T0), T0);
    let now = T0.plus_millis(5);
    let set = tended(set.withdrawn(key("c", now), now), now, "none");
    assert_eq!(seen(&set, now), ["+c"]);
}

#[test]
fn keys_that_were_files_stay_until_their_tokens_have_expired() {
    let published = Jwks { keys: vec![key("file", T0).public] };
    let set = tended(KeySet::first(published, key("a", T0), T0), T0, "none");
    assert_eq!(seen(&set, T0), ["-file", "+a"]);
    let set = tended(set, T0.plus_millis(millis(SCHEDULE.token_life + MARGIN)), "none");
    assert_eq!(seen(&set, T0), ["+a"]);
}

#[test]
fn a_set_that_was_lost_does_not_keep_its_successor_from_being_published() {
    let set = tended(KeySet::first(Jwks::default(), key("a", T0), T0), T0, "none");
    let lost = set.serial + 77;
    let Next::Write(set) = set.next(&SCHEDULE, lost, T0) else { panic!("not taken over") };
    assert!(set.serial > lost);
}

#[test]
fn without_a_schedule_nothing_is_made() {
    let never = Schedule { rotate_after: None, ..SCHEDULE };
    let set = KeySet::first(Jwks::default(), key("a", T0), T0);
    assert_eq!(set.next(&never, set.serial, T0.plus_millis(100_000 * HOUR)), Next::Nothing);
}
