//! E-mail: verified addresses, resets and notices, with a real mail server at the other end.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo};
use chasqui_auth::Auth;
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_protocol::{Code, command::Tokens};
use chasqui_runtime::config::Config;
use chasqui_testkit::SmtpSink;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    installation::{self, Installation, PASSWORD, login, new_id, register},
    over_http::{self, Asked, ask, send},
};

const NEW: &str = "seven llamas cross a ridge";

struct Office {
    installation: Installation,
    sink: SmtpSink,
    auth: Auth,
    app: Router,
    errands: JoinHandle<()>,
}

impl Drop for Office {
    fn drop(&mut self) {
        self.errands.abort();
    }
}

impl Office {
    async fn open(queue: usize) -> Self {
        Self::with(|config| config.smtp.queue = queue, false).await
    }

    async fn with(set: impl FnOnce(&mut Config), limited: bool) -> Self {
        let (mut installation, sink) = (Box::pin(Installation::start()).await, SmtpSink::start().await);
        installation.config.smtp.url = Some(sink.url().into());
        installation.config.smtp.retry_ms = Duration::from_millis(10);
        set(&mut installation.config);
        "https://chat.example.org/".clone_into(&mut installation.config.auth.public_url);
        let auth = if limited {
            Box::pin(installation.limited_auth()).await
        } else {
            Box::pin(installation.auth()).await
        };
        let app = over_http::served(&installation, &auth);
        let runner = auth.clone();
        let errands = tokio::spawn(async move { runner.run_errands().await });
        Self { installation, sink, auth, app, errands }
    }

    async fn post(&self, name: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        ask(&self.app, "POST", &format!("/v1/commands/{name}"), token, Some(body)).await
    }

    /// Somebody new; their access token.
    async fn somebody(&self, name: &str) -> String {
        register(&self.auth, name).await.unwrap();
        login(&self.auth, name).await.access_token
    }

    async fn asks_for(&self, token: &str, address: &str) {
        let (status, problem) =
            self.post("change_email", Some(token), json!({"id": new_id(), "email": address})).await;
        assert_eq!(status, 200, "{problem}");
    }

    /// Gives somebody a verified address; `mails` were taken before.
    async fn verifies(&self, token: &str, address: &str, mails: usize) {
        self.asks_for(token, address).await;
        let mail = self.sink.mail(mails + 1).await;
        let (status, problem) = self.post("verify_email", None, json!({"token": mail.token()})).await;
        assert_eq!(status, 200, "{problem}");
    }

    async fn address_of(&self, token: &str) -> Value {
        ask(&self.app, "GET", "/v1/me/factors", Some(token), None).await.1["email"].clone()
    }
}

#[tokio::test]
async fn an_address_counts_once_its_mailbox_has_answered_and_resets_the_password() {
    let office = Office::open(16).await;
    let token = office.somebody("Ana").await;
    office.asks_for(&token, "Ana@Example.org").await;
    let mail = office.sink.mail(1).await;
    assert_eq!(mail.to, ["Ana@Example.org"]);
    assert!(mail.text.contains("https://chat.example.org/verify-email#token="), "{}", mail.text);
    assert_eq!(office.address_of(&token).await, Value::Null, "not yet");
    let verify = json!({"token": mail.token()});
    let reset_by_it = json!({"token": mail.token(), "new_password": NEW});
    assert_eq!(office.post("reset_password", None, reset_by_it).await.0, 401, "a token is for one purpose");
    assert_eq!(office.post("verify_email", None, verify.clone()).await.0, 200);
    assert_eq!(office.address_of(&token).await, "Ana@Example.org");
    let (status, problem) = office.post("verify_email", None, verify).await;
    assert_eq!((status, &problem["code"]), (401, &json!("challenge-expired")), "once");

    let other = login(&office.auth, "Ana").await;
    let asked = office.post("request_password_reset", None, json!({"email": "ana@example.org"})).await;
    let mail = office.sink.mail(2).await;
    let reset = |password: &str| json!({"token": mail.token(), "new_password": password});
    let (status, problem) = office.post("reset_password", None, reset("short")).await;
    assert_eq!((status, &problem["code"]), (400, &json!("weak-password")), "the token is still good");
    assert_eq!(office.post("reset_password", None, reset(NEW)).await.0, 200);
    assert_eq!(office.post("reset_password", None, reset(NEW)).await.0, 401, "once");
    let body = json!({"refresh_token": other.refresh_token});
    let ended = installation::ask::<Tokens>(&office.auth, "refresh", body, None).await.unwrap_err();
    assert_eq!(ended.code, Code::RefreshRejected, "all sessions end");
    let good = async |password: &str| {
        let body = json!({"name": "Ana", "password": password});
        installation::ask::<Tokens>(&office.auth, "login", body, None).await.is_ok()
    };
    assert_eq!((good(PASSWORD).await, good(NEW).await), (false, true));
    assert!(office.sink.mail(3).await.text.contains("The password of your account"), "she is told");

    // Nobody's address: the same answer, and no mail.
    let nobody = office.post("request_password_reset", None, json!({"email": "nobody@example.org"})).await;
    assert_eq!(nobody, asked);
    office.verifies(&office.somebody("Ben").await, "ben@example.org", 3).await;
    assert_eq!(office.sink.mails().len(), 4, "errands are run in order, and that one came to nothing");
}

/// What a registration is answered does not depend on whose the address is, and neither does the mail.
#[tokio::test]
async fn an_address_may_come_with_the_registration() {
    let office = Office::open(16).await;
    let arrives = async |name: &str, address: &str| {
        let body = json!({"id": new_id(), "name": name, "password": PASSWORD, "email": address});
        let (status, mut answer) = office.post("register", None, body).await;
        answer.as_object_mut().unwrap().remove("user");
        (status, answer)
    };
    let first = arrives("Ana", "ana@example.org").await;
    assert_eq!(first.0, 200, "{}", first.1);
    let ana = login(&office.auth, "Ana").await.access_token;
    let mail = office.sink.mail(1).await;
    assert_eq!(
        (mail.to.clone(), office.address_of(&ana).await),
        (vec!["ana@example.org".to_owned()], Value::Null)
    );
    assert_eq!(office.post("verify_email", None, json!({"token": mail.token()})).await.0, 200);
    assert_eq!(office.address_of(&ana).await, "ana@example.org");

    office.installation.forget_challenges().await;
    assert_eq!(arrives("Ben", "ANA@example.org").await, first);
    let mail = office.sink.mail(2).await;
    assert!(mail.text.contains("verify-email#token="), "{}", mail.text);
    let (status, problem) = office.post("verify_email", None, json!({"token": mail.token()})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("email-taken")), "only the mailbox learns of it");
    let (status, problem) = arrives("Caro", "not an address").await;
    assert_eq!((status, &problem["code"]), (400, &json!("characters")));
    register(&office.auth, "Caro").await.unwrap();
}

#[tokio::test]
async fn an_address_is_for_one_account_and_free_again_when_it_is_given_up() {
    let office = Office::open(16).await;
    let (ana, ben) = (office.somebody("Ana").await, office.somebody("Ben").await);
    office.verifies(&ana, "both@example.org", 0).await;
    // The same answer as for any address; only the mailbox learns more. (Written otherwise, for the quiet minute.)
    office.installation.forget_challenges().await;
    office.asks_for(&ben, "BOTH@example.org").await;
    let token = office.sink.mail(2).await.token();
    let (status, problem) = office.post("verify_email", None, json!({"token": token})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("email-taken")));
    assert_eq!(office.post("change_email", Some(&ana), json!({"id": new_id()})).await.0, 200);
    assert!(office.sink.mail(3).await.text.contains("was removed"), "told to the old address");
    assert_eq!(office.post("verify_email", None, json!({"token": token})).await.0, 200, "free again");
    assert_eq!(
        (office.address_of(&ana).await, office.address_of(&ben).await),
        (Value::Null, json!("BOTH@example.org"))
    );
    let erased = office.post("erase_user", Some(&ben), json!({"id": new_id(), "password": PASSWORD})).await;
    assert_eq!(erased.0, 200, "{}", erased.1);
    office.installation.forget_challenges().await;
    office.verifies(&ana, "both@Example.org", 3).await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_one_that_is_silent_fills_the_queue() {
    let office = Office::open(2).await;
    let ana = office.somebody("Ana").await;
    office.sink.refuse(2);
    office.verifies(&ana, "ana@example.org", 0).await;
    office.sink.fall_silent();
    let mut refused = 0;
    for n in 0..20 {
        let body = json!({"id": new_id(), "email": format!("ana{n}@example.org")});
        let (status, problem) = office.post("change_email", Some(&ana), body).await;
        if status == 429 {
            assert_eq!(problem["code"], "too-many");
            refused += 1;
        }
        tokio::task::yield_now().await;
    }
    assert!(refused > 0, "the queue has a bound");
    assert_eq!(office.address_of(&ana).await, "ana@example.org", "nothing else is held up");
}

/// Addresses whose server takes nothing wait aside for their next attempts, and fill no place of a notice.
#[tokio::test]
async fn addresses_that_nobody_takes_mail_for_hold_up_nobody_and_displace_no_notice() {
    let set = |config: &mut Config| {
        config.smtp.queue = 12;
        config.smtp.retry_ms = Duration::from_mins(10);
    };
    let office = Office::with(set, false).await;
    let (ana, ben) = (office.somebody("Ana").await, office.somebody("Ben").await);
    office.sink.refuse_recipients("@dead.example.org", 451);
    for n in 0..6 {
        office.asks_for(&ana, &format!("a{n}@dead.example.org")).await;
    }
    office.sink.turned_away(6).await;
    office.verifies(&ben, "ben@example.org", 0).await;
    let mut refused = 0;
    for n in 0..12 {
        let body = json!({"id": new_id(), "email": format!("b{n}@dead.example.org")});
        refused += usize::from(office.post("change_email", Some(&ana), body).await.0 == 429);
    }
    assert!(refused > 0, "all places for what is asked for are taken");
    let change = json!({"id": new_id(), "old_password": PASSWORD, "new_password": NEW});
    let (status, problem) = office.post("change_password", Some(&ben), change).await;
    assert_eq!(status, 200, "{problem}");
    let notice = office.sink.mail(2).await;
    assert_eq!(notice.to, ["ben@example.org"]);
    assert!(notice.text.contains("The password of your account"), "{}", notice.text);
}

#[tokio::test]
async fn mails_are_limited_by_the_address_of_who_asks_and_by_account() {
    let set = |config: &mut Config| {
        config.rate.reset_address = Some("2, 1/d".parse().unwrap());
        config.rate.mail_account = Some("2, 1/d".parse().unwrap());
    };
    let office = Office::with(set, true).await;
    let asked = async |from: &str| {
        let asked = Asked::post("/v1/commands/request_password_reset", json!({"email": "x@example.org"}));
        let peer: SocketAddr = from.parse().unwrap();
        send(&office.app, asked.extension(ConnectInfo(peer))).await
    };
    let here = "192.0.2.1:1000";
    let statuses = [asked(here).await.0, asked(here).await.0, asked("192.0.2.2:1000").await.0];
    assert_eq!(statuses, [200; 3]);
    let (status, problem) = asked(here).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too-many")));
    let (ana, ben) = (office.somebody("Ana").await, office.somebody("Ben").await);
    for n in 0..2 {
        office.asks_for(&ana, &format!("ana{n}@example.org")).await;
    }
    let body = json!({"id": new_id(), "email": "ana9@example.org"});
    let (status, problem) = office.post("change_email", Some(&ana), body).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too-many")));
    office.asks_for(&ben, "ben@example.org").await;
}

/// Whoever has no login yet is counted by their address, at all these entrances together.
#[tokio::test]
async fn the_entrances_for_strangers_have_one_limit_per_address() {
    const ENTRANCES: [&str; 6] = [
        "login_second_factor",
        "login_passkey",
        "verify_email",
        "reset_password",
        "service_login",
        "refresh",
    ];
    let set = |config: &mut Config| config.rate.entrance_address = Some("6, 1/d".parse().unwrap());
    let office = Office::with(set, true).await;
    let enters = async |name: &str, from: &str| {
        // Not even read: the limit comes before.
        let asked = Asked::post(&format!("/v1/commands/{name}"), json!({}));
        let peer: SocketAddr = from.parse().unwrap();
        send(&office.app, asked.extension(ConnectInfo(peer))).await.0
    };
    for name in ENTRANCES {
        assert_eq!(enters(name, "192.0.2.1:1000").await, 400, "{name}");
    }
    for name in ENTRANCES {
        assert_eq!(enters(name, "192.0.2.1:1001").await, 429, "{name}");
    }
    assert_eq!(enters("refresh", "192.0.2.2:1000").await, 400, "elsewhere");
    let refresh = json!({"refresh_token": "x"});
    let second = json!({"handle": "x", "proof": {"code": "000000"}});
    for (name, body) in [("refresh", refresh), ("login_second_factor", second)] {
        let by_an_edge = installation::ask_from::<Tokens>(&office.auth, "192.0.2.1", name, body).await;
        assert_eq!(by_an_edge.unwrap_err().code, Code::TooMany, "{name}");
    }
}

#[tokio::test]
async fn without_a_mail_server_it_is_said_so() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    let change = json!({"id": new_id(), "email": "ana@example.org"});
    let arrive = json!({"id": new_id(), "name": "Ben", "password": PASSWORD, "email": "ben@example.org"});
    for (name, body) in [
        ("change_email", change),
        ("request_password_reset", json!({"email": "x@example.org"})),
        ("register", arrive),
    ] {
        let path = format!("/v1/commands/{name}");
        let (status, problem) = ask(&app, "POST", &path, Some(&token), Some(body)).await;
        assert_eq!((status, &problem["code"]), (501, &json!("not-configured")), "{name}");
    }
    register(&auth, "Ben").await.unwrap();
}

/// An address lies sealed wherever it is kept; one from before that is read, and freed by an erasure like any other.
#[tokio::test]
async fn an_address_is_kept_sealed() {
    let office = Office::open(16).await;
    let (ana, ben) = (office.somebody("Ana").await, office.somebody("Ben").await);
    let bus = office.installation.bus(BusRole::Auth).await;
    let (challenges, credentials) =
        (Bucket::open(bus.clone(), Name::Challenges), Bucket::open(bus, Name::Credentials));
    let holding = async |bucket: &Bucket| {
        let mut holding = Vec::new();
        for key in bucket.keys().await.unwrap() {
            let text = String::from_utf8(bucket.get(&key).await.unwrap().unwrap().value.to_vec()).unwrap();
            holding.extend(text.to_lowercase().contains("ana@example.org").then_some(text));
        }
        holding
    };
    office.asks_for(&ana, "Ana@example.org").await;
    let token = office.sink.mail(1).await.token();
    assert_eq!(holding(&challenges).await, Vec::<String>::new());
    assert_eq!(office.post("verify_email", None, json!({"token": token})).await.0, 200);
    assert_eq!(holding(&credentials).await, Vec::<String>::new());
    assert_eq!(office.address_of(&ana).await, "Ana@example.org");

    for key in credentials.keys().await.unwrap() {
        let kept = credentials.get(&key).await.unwrap().unwrap();
        let mut document: Value = serde_json::from_slice(&kept.value).unwrap();
        if document["email"].is_object() {
            document["email"] = json!("Ana@example.org");
            document.as_object_mut().unwrap().remove("email_claim");
            credentials.put(&key, document.to_string().into()).await.unwrap();
        }
    }
    assert_eq!(office.address_of(&ana).await, "Ana@example.org", "as an earlier program wrote it");
    let erased = office.post("erase_user", Some(&ana), json!({"id": new_id(), "password": PASSWORD})).await;
    assert_eq!(erased.0, 200, "{}", erased.1);
    office.installation.forget_challenges().await;
    office.verifies(&ben, "ana@example.org", 1).await;
}

/// Somebody who holds a session begins to take the account over. Its owner changes the password: what was mailed until then is
/// good for nothing, wherever it went.
#[tokio::test]
async fn what_was_begun_before_a_change_is_finished_by_nobody() {
    let office = Office::open(16).await;
    let ana = office.somebody("Ana").await;
    office.verifies(&ana, "ana@example.org", 0).await;
    office.asks_for(&ana, "thief@example.org").await;
    let taken_over = office.sink.mail(2).await;
    office.post("request_password_reset", None, json!({"email": "ana@example.org"})).await;
    let reset = office.sink.mail(3).await;
    let change = json!({"id": new_id(), "old_password": PASSWORD, "new_password": NEW});
    assert_eq!(office.post("change_password", Some(&ana), change).await.0, 200);
    for (name, body) in [
        ("verify_email", json!({"token": taken_over.token()})),
        ("reset_password", json!({"token": reset.token(), "new_password": PASSWORD})),
    ] {
        let (status, problem) = office.post(name, None, body).await;
        assert_eq!((status, &problem["code"]), (401, &json!("challenge-expired")), "{name}");
    }
    assert_eq!(office.address_of(&ana).await, "ana@example.org");
    // The one that nobody got is for others to have. Mails to it were sent a moment ago.
    office.installation.forget_challenges().await;
    office.verifies(&office.somebody("Ben").await, "thief@example.org", 4).await;
}

/// Whether an address has an account is not told by what is remembered of mails to it.
#[tokio::test]
async fn that_a_mail_was_sent_is_no_handle() {
    let office = Office::open(16).await;
    let ana = office.somebody("Ana").await;
    office.verifies(&ana, "ana@example.org", 0).await;
    office.post("request_password_reset", None, json!({"email": "ana@example.org"})).await;
    office.sink.mail(2).await;
    let mut answers = Vec::new();
    for address in ["ana@example.org", "nobody@example.org"] {
        let body = json!({"token": format!("reset email:{address}"), "new_password": NEW});
        answers.push(office.post("reset_password", None, body).await);
    }
    assert_eq!(answers[0], answers[1]);
}

/// A process dies after it has set the password, and before the sessions end: the same reset again ends them.
#[tokio::test]
async fn a_reset_that_was_cut_off_is_finished_by_the_same_token() {
    let office = Office::open(16).await;
    let ana = office.somebody("Ana").await;
    office.verifies(&ana, "ana@example.org", 0).await;
    office.post("request_password_reset", None, json!({"email": "ana@example.org"})).await;
    let token = office.sink.mail(2).await.token();
    let challenges = Bucket::open(office.installation.bus(BusRole::Auth).await, Name::Challenges);
    let mut open = Vec::new();
    for key in challenges.keys().await.unwrap() {
        open.push((key.clone(), challenges.get(&key).await.unwrap().unwrap().value));
    }
    let reset = |password: &str| json!({"token": token, "new_password": password});
    assert_eq!(office.post("reset_password", None, reset(NEW)).await.0, 200);
    // As it is when nothing that comes after the new hash was done.
    for (key, value) in open {
        challenges.put(&key, value).await.unwrap();
    }
    let body = json!({"name": "Ana", "password": NEW});
    let left = installation::ask::<Tokens>(&office.auth, "login", body, None).await.unwrap();
    assert_eq!(office.post("reset_password", None, reset("another llama on the bridge")).await.0, 401);
    assert_eq!(office.post("reset_password", None, reset(NEW)).await.0, 200);
    let body = json!({"refresh_token": left.refresh_token});
    let ended = installation::ask::<Tokens>(&office.auth, "refresh", body, None).await.unwrap_err();
    assert_eq!(ended.code, Code::RefreshRejected);
}

/// A process dies after the credential has learned of another address, and before the one before is free.
#[tokio::test]
async fn an_address_that_was_given_up_is_freed_by_the_same_token() {
    let office = Office::open(16).await;
    let ana = office.somebody("Ana").await;
    office.verifies(&ana, "ana@example.org", 0).await;
    office.asks_for(&ana, "coya@example.org").await;
    let token = office.sink.mail(2).await.token();
    let bus = office.installation.bus(BusRole::Auth).await;
    let (challenges, emails) = (Bucket::open(bus.clone(), Name::Challenges), Bucket::open(bus, Name::Emails));
    let as_it_was = async |bucket: &Bucket| {
        let mut all = Vec::new();
        for key in bucket.keys().await.unwrap() {
            all.push((key.clone(), bucket.get(&key).await.unwrap().unwrap().value));
        }
        all
    };
    let before = [as_it_was(&challenges).await, as_it_was(&emails).await];
    let verify = json!({"token": token});
    assert_eq!(office.post("verify_email", None, verify.clone()).await.0, 200);
    for (bucket, entries) in [&challenges, &emails].into_iter().zip(before) {
        for (key, value) in entries {
            bucket.put(&key, value).await.unwrap();
        }
    }
    assert_eq!(office.post("verify_email", None, verify).await.0, 200, "it was not told");
    assert_eq!(office.address_of(&ana).await, "coya@example.org");
    assert_eq!(emails.keys().await.unwrap().len(), 1, "the one before is free");
}

/// The same, and its user goes on to a third one instead of asking for the second again.
#[tokio::test]
async fn an_address_that_was_given_up_is_freed_by_the_next_change() {
    let office = Office::open(16).await;
    let ana = office.somebody("Ana").await;
    office.verifies(&ana, "ana@example.org", 0).await;
    let emails = Bucket::open(office.installation.bus(BusRole::Auth).await, Name::Emails);
    let [first] = emails.keys().await.unwrap().try_into().unwrap();
    let claim = emails.get(&first).await.unwrap().unwrap().value;
    office.verifies(&ana, "coya@example.org", 1).await;
    // A notice to the one before is the third mail.
    office.sink.mail(3).await;
    emails.put(&first, claim).await.unwrap();
    office.verifies(&ana, "inti@example.org", 3).await;
    assert_eq!(emails.keys().await.unwrap().len(), 1, "nobody is kept from the first one");
}
