use chasqui_events::account::GlobalRole::{Admin, Moderator, Service, User};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const LATER: Timestamp = Timestamp(2_000_000);

fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n; 10])
}

fn actor(role: GlobalRole) -> Actor {
    Actor::User(user(1), role)
}

fn operator() -> Actor {
    Actor::Operator(Operator { user: "quilla".to_owned(), host: "cusco".to_owned() })
}

fn case<'a>(actor: &'a Actor, role: GlobalRole, account: &'a Account) -> Case<'a> {
    Case { actor, target: user(2), role, account, reason: "because", now: NOW }
}

fn suspended(until: Option<Timestamp>) -> Account {
    let mut account = Account::default();
    let reason = "because".to_owned();
    account.apply(&AccountEvent::Suspended(Suspended { user: user(2), until, reason, operator: None }));
    account
}

#[test]
fn a_suspension_ends_at_its_time_or_by_reinstatement() {
    let mut account = suspended(Some(LATER));
    assert!(!account.may_act(NOW) && account.may_act(LATER));
    assert!(!suspended(None).may_act(Timestamp(i64::MAX)));
    let by = actor(Moderator);
    let event = case(&by, User, &account).reinstate().unwrap().unwrap();
    account.apply(&event);
    assert!(account.may_act(NOW));
    assert_eq!(case(&by, User, &account).reinstate(), Ok(None), "it is over");
}

#[test]
fn order_is_kept_from_above_only() {
    let account = Account::default();
    let refused = |by: &Actor, target| case(by, target, &account).suspend(None).err().map(|r| r.code());
    for (own, target, expected) in [
        (User, User, Some("forbidden")),
        (Service, User, Some("forbidden")),
        (Moderator, User, None),
        (Moderator, Service, None),
        (Moderator, Moderator, Some("account-outranks")),
        (Moderator, Admin, Some("account-outranks")),
        (Admin, Moderator, None),
        (Admin, Admin, Some("account-outranks")),
    ] {
        assert_eq!(refused(&actor(own), target), expected, "{own:?} suspends {target:?}");
    }
    assert_eq!(refused(&operator(), Moderator), None);
    assert_eq!(refused(&operator(), Admin), Some("account-outranks"), "they have to step down first");
    let myself = Case { target: user(1), ..case(&actor(Admin), User, &account) }.suspend(None);
    assert_eq!(myself, Err(Rejection::OwnAccount));
}

#[test]
fn what_is_decided_is_what_was_asked_with_its_reason_and_operator() {
    let account = Account::default();
    let by = operator();
    let given = Case { reason: "  the first admin ", ..case(&by, User, &account) };
    let Ok(Some(AccountEvent::RoleChanged(changed))) = given.change_role(Admin, false) else {
        panic!("given")
    };
    assert_eq!((changed.user, changed.role, changed.reason.as_str()), (user(2), Admin, "the first admin"));
    assert_eq!(changed.operator.unwrap().host, "cusco");
    for reason in ["", "   ", "a\u{7}", &"x".repeat(name::REASON_CHARS + 1)] {
        assert!(Case { reason, ..given }.change_role(Admin, false).is_err(), "{reason:?}");
    }
    let past = case(&by, User, &account).suspend(Some(NOW));
    assert!(matches!(past, Err(Rejection::TimeHasPassed { .. })));
    let again = suspended(Some(LATER));
    assert_eq!(case(&by, User, &again).suspend(Some(LATER)), Ok(None));
    assert!(case(&by, User, &again).suspend(None).unwrap().is_some(), "for longer");
}

#[test]
fn roles_are_given_by_admins_to_people_who_can_use_them() {
    let (account, shut) = (Account::default(), suspended(None));
    for (own, may) in [(User, false), (Service, false), (Moderator, false), (Admin, true)] {
        assert_eq!(case(&actor(own), User, &account).change_role(Moderator, true).is_ok(), may, "{own:?}");
    }
    let admin = actor(Admin);
    assert_eq!(case(&admin, Moderator, &account).change_role(Moderator, true), Ok(None));
    assert_eq!(case(&admin, User, &shut).change_role(Admin, true), Err(Rejection::AccountCannotAct));
    assert!(case(&admin, Moderator, &shut).change_role(User, true).is_ok());
    assert_eq!(case(&admin, User, &account).change_role(Service, true), Err(Rejection::ServiceRole));
    assert_eq!(case(&admin, Service, &account).change_role(User, true), Err(Rejection::ServiceRole));
}

proptest! {
    /// Whatever is asked by whom in whatever order, the admins never vanish once there is one: only another who
    /// may act lets one go, and no admin is ever suspended.
    #[test]
    fn there_is_always_an_admin_who_may_act(
        asked in proptest::collection::vec((0usize..4, 0usize..4, 0u8..4), 1..80),
    ) {
        let mut roles = Roles::default();
        let mut accounts: Vec<Account> = vec![Account::default(); 4];
        let people: Vec<UserId> = (1..5).map(user).collect();
        let first = case(&operator(), User, &accounts[0]).change_role(Admin, false).unwrap().unwrap();
        roles.apply(&AccountEvent::RoleChanged(match first {
            AccountEvent::RoleChanged(changed) => RoleChanged { user: people[0], ..changed },
            other => panic!("{other:?}"),
        }));
        for (who, whom, what) in asked {
            let by = Actor::User(people[who], roles.of(people[who]));
            let (target, role) = (people[whom], roles.of(people[whom]));
            let another = roles
                .admins()
                .filter(|admin| *admin != target)
                .any(|admin| accounts[people.iter().position(|one| *one == admin).unwrap()].may_act(NOW));
            let case = Case { target, ..case(&by, role, &accounts[whom]) };
            let decided = match what {
                0 => case.suspend(None),
                1 => case.change_role(User, another),
                2 => case.change_role(Admin, another),
                _ => case.reinstate(),
            };
            if let Ok(Some(event)) = decided {
                roles.apply(&event);
                accounts[whom].apply(&event);
            }
            let acting = people.iter().zip(&accounts).filter(|(who, account)| roles.of(**who) == Admin && account.may_act(NOW));
            prop_assert!(acting.count() >= 1);
            prop_assert!(people.iter().zip(&accounts).all(|(who, account)| roles.of(*who) != Admin || account.may_act(NOW)));
        }
    }
}

#[test]
fn whoever_went_may_come_back_unless_suspended_meanwhile() {
    let mut account = Account::default();
    assert_eq!(account.reactivate(user(2)), None);
    assert_eq!(account.deactivate(user(2), true), Err(Rejection::LastAdmin));
    let gone = account.deactivate(user(2), false).unwrap().unwrap();
    account.apply(&gone);
    assert!(!account.may_act(NOW) && account.may_come_back(NOW));
    assert_eq!(account.deactivate(user(2), false), Ok(None), "they are gone");
    let reason = "because".to_owned();
    let suspension = Suspended { user: user(2), until: Some(LATER), reason, operator: None };
    account.apply(&AccountEvent::Suspended(suspension));
    assert!(!account.may_come_back(NOW) && account.may_come_back(LATER));
    account.apply(&account.reactivate(user(2)).unwrap());
    assert!(!account.may_act(NOW) && account.may_act(LATER), "coming back ends no suspension");
}

#[test]
fn everybody_may_erase_themselves_and_admins_others_with_a_reason() {
    let mut account = Account::default();
    let own = Actor::User(user(2), User);
    let by_oneself = Case { reason: "", ..case(&own, User, &account) }.erase(false).unwrap().unwrap();
    assert_eq!(
        by_oneself,
        AccountEvent::Erased(Erased { user: user(2), reason: String::new(), operator: None })
    );
    assert_eq!(case(&own, Admin, &account).erase(false), Err(Rejection::LastAdmin));
    let refused = |by: &Actor, role, reason| {
        let case = Case { reason, ..case(by, role, &account) };
        case.erase(true).err().map(|rejection| rejection.code())
    };
    for (by, role, reason, expected) in [
        (actor(User), User, "because", Some("forbidden")),
        (actor(Moderator), User, "because", Some("forbidden")),
        (actor(Admin), User, " ", Some("size")),
        (actor(Admin), Moderator, "because", None),
        (actor(Admin), Admin, "because", Some("account-outranks")),
        (operator(), Admin, "because", None),
        (operator(), User, "", Some("size")),
    ] {
        assert_eq!(refused(&by, role, reason), expected, "{by:?} erases {role:?} because {reason:?}");
    }
    account.apply(&by_oneself);
    assert_eq!(case(&operator(), User, &account).erase(true), Ok(None), "they are");
}

#[test]
fn whoever_was_erased_never_acts_again() {
    let mut account = Account::default();
    account.apply(&account.deactivate(user(2), false).unwrap().unwrap());
    account.apply(&case(&operator(), User, &account).erase(true).unwrap().unwrap());
    assert!(!account.may_act(NOW) && !account.may_come_back(NOW));
    account.apply(&AccountEvent::Reactivated(Reactivated { user: user(2) }));
    assert!(!account.may_act(NOW));
}
