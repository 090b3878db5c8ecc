use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

const OPENED: Timestamp = Timestamp(1_800_000_000_000);
const LIFETIMES: Lifetimes = Lifetimes {
    idle: Duration::from_secs(1000),
    absolute: Duration::from_secs(5000),
    grace: Duration::from_secs(10),
};

fn user() -> UserId {
    UserId::new(OPENED, [1; 10])
}

fn first() -> (Family, RefreshToken) {
    let token = RefreshToken::new(user(), SessionId::new(OPENED, [2; 10]), [7; 32]);
    (Family::open("name".to_owned(), Origin::default(), &token, OPENED), token)
}

fn at(seconds: i64) -> Timestamp {
    OPENED.plus_millis(seconds * 1000)
}

fn rotated(family: &Family, token: &RefreshToken, now: Timestamp) -> (Family, RefreshToken) {
    match family.present(token, now, [now.millis().to_le_bytes()[0]; HALF], LIFETIMES) {
        Presented::Rotated(family, token) => (family, token),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_token_is_good_once_and_gives_the_next() {
    let (mut family, mut token) = first();
    for step in 1..5 {
        let (next_family, next) = rotated(&family, &token, at(step * 100));
        assert_ne!(next, token);
        (family, token) = (next_family, next);
    }
}

#[test]
fn a_lost_answer_is_given_again_for_a_moment_only() {
    let (family, token) = first();
    let (rotated, successor) = rotated(&family, &token, at(100));
    let again = rotated.present(&token, at(105), [9; HALF], LIFETIMES);
    assert_eq!(again, Presented::Repeated(successor.clone()), "one lineage, whatever the nonce now");
    let Presented::Reused(ended) = rotated.present(&token, at(111), [9; HALF], LIFETIMES) else {
        panic!("shown too late")
    };
    assert_eq!(ended.ended, Some(RevocationReason::TokenReused));
    let after = ended.present(&successor, at(112), [9; HALF], LIFETIMES);
    assert_eq!(after, Presented::Ended(RevocationReason::TokenReused), "the good token is dead, too");
}

#[test]
fn a_token_two_back_ends_the_family_at_once() {
    let (family, first_token) = first();
    let (family, second) = rotated(&family, &first_token, at(1));
    let (family, _) = rotated(&family, &second, at(2));
    assert!(matches!(family.present(&first_token, at(3), [9; HALF], LIFETIMES), Presented::Reused(_)));
}

#[test]
fn a_made_up_token_of_a_known_session_changes_nothing() {
    let (family, token) = first();
    let made_up = RefreshToken::new(token.user, token.session, [8; 32]);
    assert_eq!(family.present(&made_up, at(1), [9; HALF], LIFETIMES), Presented::Foreign);
}

#[test]
fn families_end_by_idleness_and_by_age() {
    let (mut family, mut token) = first();
    assert_eq!(family.present(&token, at(1001), [9; HALF], LIFETIMES), Presented::Expired);
    for step in 1..=5 {
        (family, token) = rotated(&family, &token, at(step * 990));
    }
    assert_eq!(family.present(&token, at(5001), [9; HALF], LIFETIMES), Presented::Expired);
}

#[test]
fn nothing_stored_or_shown_holds_a_secret() {
    let (family, token) = first();
    let (family, successor) = rotated(&family, &token, at(1));
    let stored = serde_json::to_string(&family).unwrap();
    for secret in [&token, &successor] {
        let text = secret.to_string();
        let (_, secret_part) = text.rsplit_once('.').unwrap();
        assert!(!stored.contains(secret_part) && !stored.contains(&hex::encode(*secret.secret)));
        assert_eq!(format!("{secret:?}"), format!("{}.{}.***", secret.user, secret.session));
    }
    assert_eq!(serde_json::from_str::<Family>(&stored).unwrap(), family);
}

proptest! {
    #[test]
    fn tokens_read_back_and_no_text_makes_the_reader_panic(secret: [u8; 32], text in "\\PC{0,80}") {
        let token = RefreshToken::new(user(), SessionId::new(OPENED, [2; 10]), secret);
        prop_assert_eq!(token.to_string().parse::<RefreshToken>(), Ok(token));
        let _ = text.parse::<RefreshToken>();
    }
}
