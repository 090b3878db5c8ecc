//! Somebody is erased for good: whoever may ask, whatever dies meanwhile.

use chasqui_auth::{Auth, erasure::Step};
use chasqui_bus::{
    BusRole, Log,
    kv::{Bucket, Name},
    subject,
};
use chasqui_crypto::Owner;
use chasqui_events::{UserId, account::AccountEvent};
use chasqui_protocol::{Accepted, Code, Problem, command::Tokens};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    accounts::{as_operator, give},
    installation::{Installation, PASSWORD, ask, login, new_id, register},
};

/// Nothing is left of a user, and it is said so once.
async fn is_gone(installation: &Installation, auth: &Auth, user: UserId, name: &str) {
    let bus = installation.bus(BusRole::Auth).await;
    let keyring =
        chasqui_auth::keyring(&installation.config, installation.bus(BusRole::QueryApi).await).unwrap();
    assert!(keyring.ring(Owner::User(user)).await.unwrap().is_destroyed());
    let credentials = Bucket::open(bus.clone(), Name::Credentials);
    assert_eq!(credentials.get(&user.to_string()).await.unwrap(), None);
    let sessions = Bucket::open(bus.clone(), Name::Refresh);
    for key in sessions.key_names_under(&user.to_string()).await.unwrap() {
        assert_eq!(sessions.get(&key).await.unwrap(), None, "devices and addresses");
    }
    let ledger = Bucket::open(bus.clone(), Name::Erasures);
    let entry = ledger.get(&format!("user.{user}")).await.unwrap().unwrap();
    let entry: Value = serde_json::from_slice(&entry.value).unwrap();
    assert!(entry["done_at"].is_i64(), "{entry}");
    let lane = Log::new(bus).lane_range(&subject::ident_account(user), 1, u64::MAX, 10).await.unwrap();
    let erased = lane
        .iter()
        .filter(|fact| matches!(fact.decode::<AccountEvent>().unwrap().event, AccountEvent::Erased(_)));
    assert_eq!(erased.count(), 1);
    let refused = ask::<Tokens>(auth, "login", json!({"name": name, "password": PASSWORD}), None).await;
    assert_eq!(refused.unwrap_err().code, Code::WrongCredentials);
    assert_eq!(register(auth, name).await.unwrap_err().code, Code::NameTaken, "the name stays taken");
}

async fn erase(auth: &Auth, token: &str, mut body: Value) -> Result<Accepted, Problem> {
    body["id"] = json!(new_id());
    ask(auth, "erase_user", body, Some(token)).await
}

#[tokio::test]
async fn one_erases_oneself_with_the_password() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    for wrong in [json!({}), json!({"password": "wrong"}), json!({"user": user, "password": "wrong"})] {
        let refused = erase(&auth, &tokens.access_token, wrong.clone()).await.unwrap_err();
        assert_eq!(refused.code, Code::WrongCredentials, "{wrong}");
    }
    login(&auth, "Ana").await;
    erase(&auth, &tokens.access_token, json!({"password": PASSWORD})).await.unwrap();
    is_gone(&installation, &auth, user, "Ana").await;
    let refresh = json!({"refresh_token": tokens.refresh_token});
    assert_eq!(ask::<Tokens>(&auth, "refresh", refresh, None).await.unwrap_err().code, Code::RefreshRejected);
    let profile = json!({"id": new_id(), "display_name": "Ana again"});
    let refused = ask::<Accepted>(&auth, "change_profile", profile, Some(&tokens.access_token)).await;
    assert_eq!(
        refused.unwrap_err().code,
        Code::Forbidden,
        "a token that lives on says nothing personal any more"
    );
}

#[tokio::test]
async fn somebody_else_is_erased_by_admins_only_and_with_a_reason() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let [ana, moderator, admin] = ["Ana", "Moderator", "Admin"];
    let user = register(&auth, ana).await.unwrap();
    for (name, role) in [(moderator, "moderator"), (admin, "admin")] {
        let user = register(&auth, name).await.unwrap();
        give(&auth, user, role).await.unwrap();
    }
    let (moderator, admin) = (login(&auth, moderator).await, login(&auth, admin).await);
    let with_reason = json!({"user": user, "reason": "asked for by letter"});
    for (token, body, code) in [
        (&moderator.access_token, with_reason.clone(), Code::Forbidden),
        (&admin.access_token, json!({"user": user}), Code::Size),
        (&admin.access_token, json!({"password": PASSWORD}), Code::LastAdmin),
    ] {
        assert_eq!(erase(&auth, token, body.clone()).await.unwrap_err().code, code, "{body}");
    }
    login(&auth, ana).await;
    erase(&auth, &admin.access_token, with_reason.clone()).await.unwrap();
    erase(&auth, &admin.access_token, with_reason).await.unwrap();
    is_gone(&installation, &auth, user, ana).await;
    let other = register(&auth, "Ben").await.unwrap();
    let command = json!({"id": new_id(), "user": other, "reason": "asked for by letter"});
    as_operator(&auth, "erase_user", command).await.unwrap();
    is_gone(&installation, &auth, other, "Ben").await;
}

/// A copy from before the erasure is restored: the ledger undoes that.
#[tokio::test]
async fn what_a_restored_copy_brings_back_is_erased_again() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let user = register(&auth, "Ana").await.unwrap();
    let tokens = login(&auth, "Ana").await;
    let bus = installation.bus(BusRole::Auth).await;
    let (keys, credentials) =
        (Bucket::open(bus.clone(), Name::UserKeys), Bucket::open(bus, Name::Credentials));
    let name = user.to_string();
    let key = keys.get(&name).await.unwrap().unwrap().value;
    let credential = credentials.get(&name).await.unwrap().unwrap().value;
    erase(&auth, &tokens.access_token, json!({"password": PASSWORD})).await.unwrap();
    is_gone(&installation, &auth, user, "Ana").await;
    assert_eq!(auth.resume_erasures(true).await.unwrap(), 0, "everything is as the ledger says");

    keys.put(&name, key).await.unwrap();
    credentials.put(&name, credential).await.unwrap();
    assert_eq!(auth.resume_erasures(false).await.unwrap(), 0, "it was done");
    assert_eq!(auth.resume_erasures(true).await.unwrap(), 1);
    is_gone(&installation, &auth, user, "Ana").await;
    keys.delete(&name).await.unwrap();
    assert_eq!(
        auth.resume_erasures(true).await.unwrap(),
        1,
        "nobody makes a key for somebody who was erased"
    );
    is_gone(&installation, &auth, user, "Ana").await;
}

/// A process dies after any of the steps: another one finishes what was begun.
#[tokio::test]
async fn a_death_between_any_two_steps_is_made_good() {
    let installation = Installation::start().await;
    let (dying, next) = (installation.auth().await, installation.auth().await);
    let ledger = Bucket::open(installation.bus(BusRole::Auth).await, Name::Erasures);
    let asked = async |name: &str| {
        let user = register(&dying, name).await.unwrap();
        login(&dying, name).await;
        let request = json!({"requested_at": 1, "by": user});
        ledger.create(&format!("user.{user}"), request.to_string().into()).await.unwrap();
        user
    };
    let at_once = asked("Ana0").await;
    assert_eq!(next.resume_erasures(false).await.unwrap(), 1, "died right after the request");
    is_gone(&installation, &next, at_once, "Ana0").await;
    for (number, step) in (1..).zip(Step::ALL) {
        let name = format!("Ana{number}");
        let user = asked(&name).await;
        assert_eq!(dying.resume_erasures_up_to(step, false).await.unwrap(), 1);
        assert_eq!(next.resume_erasures(false).await.unwrap(), usize::from(step != Step::Done), "{step:?}");
        is_gone(&installation, &next, user, &name).await;
    }
}

/// Requests that cannot be read, and somebody whose credential cannot: whoever is behind them in the ledger does not wait.
#[tokio::test]
async fn an_erasure_that_fails_holds_up_no_other() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let bus = installation.bus(BusRole::Auth).await;
    let ledger = Bucket::open(bus.clone(), Name::Erasures);
    let credentials = Bucket::open(bus, Name::Credentials);
    // The ledger has no order: with so many, it is next to certain that some come first.
    for _ in 0..30 {
        ledger.create(&format!("user.{}", new_id()), "not a request".into()).await.unwrap();
    }
    let (ana, ben) = (register(&auth, "Ana").await.unwrap(), register(&auth, "Ben").await.unwrap());
    for user in [ana, ben] {
        let request = json!({"requested_at": 1, "by": user}).to_string();
        ledger.create(&format!("user.{user}"), request.into()).await.unwrap();
    }
    credentials.put(&ana.to_string(), "not a credential".into()).await.unwrap();
    assert_eq!(auth.resume_erasures(false).await.unwrap_err().code, Code::Internal, "it is said");
    is_gone(&installation, &auth, ben, "Ben").await;
    credentials.delete(&ana.to_string()).await.unwrap();
    auth.resume_erasures(false).await.unwrap_err();
    is_gone(&installation, &auth, ana, "Ana").await;
}
