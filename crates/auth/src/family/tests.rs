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
    (Family::open("name".to_owned(), &token, OPENED), token)
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

/// Who holds which token: the client, and a thief who has copied what the client held at some moment.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client refreshes; its answer may be lost.
    Client { lost: bool },
    /// The thief refreshes.
    Thief,
    /// Time passes.
    Wait { seconds: u16 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(|lost| Step::Client { lost }),
        2 => Just(Step::Thief),
        2 => (0u16..30).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// The family in its bucket, and everything that was ever given out.
struct Kept {
    family: Family,
    now: Timestamp,
    nonce: u8,
}

impl Kept {
    /// Shows a token, and gives the next one.
    fn show(&mut self, token: &RefreshToken) -> Option<RefreshToken> {
        self.nonce = self.nonce.wrapping_add(1);
        match self.family.present(token, self.now, [self.nonce; HALF], LIFETIMES) {
            Presented::Rotated(family, next) => {
                self.family = family;
                Some(next)
            }
            Presented::Repeated(next) => Some(next),
            Presented::Reused(family) => {
                self.family = family;
                None
            }
            Presented::Ended(_) | Presented::Expired => None,
            Presented::Foreign => panic!("a token of the family is not foreign"),
        }
    }
}

proptest! {
    /// A client and a thief who has copied one of its tokens, in any order: once both have refreshed with what they
    /// hold, outside of the grace, the family is dead, or the thief holds nothing.
    #[test]
    fn a_copied_token_ends_the_family_or_is_worth_nothing(
        before in prop::collection::vec(any_step(), 0..8),
        after in prop::collection::vec(any_step(), 0..12),
    ) {
        let (family, token) = first();
        let mut kept = Kept { family, now: at(1), nonce: 0 };
        let mut client = Some(token);
        let mut thief: Option<RefreshToken> = None;
        let alone = before.len();
        for (index, step) in before.iter().chain(&after).enumerate() {
            if index == alone {
                thief.clone_from(&client);
            }
            match *step {
                Step::Wait { seconds } => kept.now = kept.now.plus_millis(i64::from(seconds) * 1000),
                Step::Client { lost } => {
                    let Some(shown) = client.clone() else { continue };
                    let next = kept.show(&shown);
                    // A lost answer is asked for again at once.
                    client = if lost && next.is_some() { kept.show(&shown) } else { next };
                }
                Step::Thief => thief = thief.as_ref().and_then(|shown| kept.show(shown)),
            }
            if thief.is_none() {
                prop_assert!(
                    client.is_some() || kept.family.ended.is_some(),
                    "the client is put out although the family lives"
                );
            }
        }
        // Both go on, each well after the other.
        for _ in 0..2 {
            for holder in [&mut client, &mut thief] {
                kept.now = kept.now.plus_millis(20_000);
                *holder = holder.as_ref().and_then(|shown| kept.show(shown));
            }
        }
        prop_assert!(kept.family.ended.is_some() || thief.is_none(), "both live on");
    }

    /// Without a thief, whatever is lost and however long it takes within the limits, the client goes on.
    #[test]
    fn a_client_alone_is_never_put_out(steps in prop::collection::vec((any::<bool>(), 0u16..30), 0..40)) {
        let (family, token) = first();
        let mut kept = Kept { family, now: at(1), nonce: 0 };
        let mut client = token;
        for (lost, seconds) in steps {
            kept.now = kept.now.plus_millis(i64::from(seconds) * 1000);
            let next = kept.show(&client).unwrap();
            let again = if lost { kept.show(&client).unwrap() } else { next.clone() };
            prop_assert_eq!(&again, &next);
            client = next;
        }
        prop_assert_eq!(kept.family.ended, None);
    }
}
