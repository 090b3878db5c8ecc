//! Second factors: an authenticator application and recovery codes.

use std::time::Duration;

use axum::Router;
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_crypto::Spot;
use chasqui_events::Text;
use chasqui_protocol::command::Tokens;
use chasqui_runtime::clock::now_ms;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::{
    installation::{Installation, PASSWORD, login, new_id, register},
    over_http::{app, ask},
};

/// Somebody with an authenticator application, and the step up to which its codes were shown.
struct Somebody {
    app: Router,
    token: String,
    clock: Totp,
    step: u64,
    recovery_codes: Vec<String>,
}

async fn command(app: &Router, name: &str, token: Option<&str>, body: Value) -> (u16, Value) {
    ask(app, "POST", &format!("/v1/commands/{name}"), token, Some(body)).await
}

fn is(answer: &(u16, Value), status: u16, code: &str) {
    assert_eq!((answer.0, &answer.1["code"]), (status, &json!(code)), "{}", answer.1);
}

/// The step of now.
fn now_step() -> u64 {
    u64::try_from(now_ms()).unwrap() / 1000 / 30
}

impl Somebody {
    async fn enrols(installation: &Installation) -> Self {
        let (auth, app) = (installation.auth().await, app(installation).await);
        register(&auth, "Ana").await.unwrap();
        let token = login(&auth, "Ana").await.access_token;
        let (status, enrolment) = command(&app, "enrol_totp", Some(&token), json!({})).await;
        assert_eq!(status, 200, "{enrolment}");
        let secret = enrolment["secret"].as_str().unwrap();
        let url = enrolment["url"].as_str().unwrap();
        assert!(url.starts_with("otpauth://totp/Chasqui:Ana?secret=") && url.contains(secret), "{url}");
        let clock = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build_noncompliant();
        let mut somebody = Self { app, token, clock, step: now_step() - 2, recovery_codes: vec![] };
        let code = somebody.next_code();
        let body = json!({"id": new_id(), "code": code});
        let (status, codes) = command(&somebody.app, "confirm_totp", Some(&somebody.token), body).await;
        assert_eq!(status, 200, "{codes}");
        somebody.recovery_codes = serde_json::from_value(codes["recovery_codes"].clone()).unwrap();
        assert_eq!(somebody.recovery_codes.len(), 10);
        somebody
    }

    /// A code that was not shown yet: the clock's drift allows for three at once.
    fn next_code(&mut self) -> String {
        self.step += 1;
        assert!(self.step <= now_step() + 1, "there is no code left that is good now");
        self.clock.generate(self.step * 30).to_string()
    }

    /// Logs in with the password; the question for the second factor.
    async fn begins(&self) -> Value {
        let body = json!({"name": "Ana", "password": PASSWORD});
        let (status, answer) = command(&self.app, "login", None, body).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.get("access_token").is_none(), "no tokens before the second factor: {answer}");
        answer["second_factor"].clone()
    }

    async fn shows(&self, asked: &Value, proof: Value) -> (u16, Value) {
        command(&self.app, "login_second_factor", None, json!({"handle": asked["handle"], "proof": proof}))
            .await
    }
}

#[tokio::test]
async fn a_login_asks_for_a_code_and_takes_each_one_once() {
    let installation = Installation::start().await;
    let mut ana = Somebody::enrols(&installation).await;
    let asked = ana.begins().await;
    assert_eq!(asked["kinds"], json!(["totp", "recovery_code"]));
    is(&ana.shows(&asked, json!({"code": "000000"})).await, 401, "wrong-code");
    let code = ana.next_code();
    let (status, tokens) = ana.shows(&asked, json!({"code": code})).await;
    assert_eq!(status, 200, "{tokens}");
    serde_json::from_value::<Tokens>(tokens).unwrap();
    is(
        &ana.shows(&asked, json!({"code": ana.clock.generate(ana.step * 30).to_string()})).await,
        401,
        "challenge-expired",
    );
    let again = ana.begins().await;
    is(&ana.shows(&again, json!({"code": code})).await, 401, "wrong-code");
}

#[tokio::test]
async fn a_handle_takes_five_attempts_also_at_once_and_ends_with_its_time() {
    let mut installation = Installation::start().await;
    let ana = Somebody::enrols(&installation).await;
    let asked = ana.begins().await;
    let attempts = (0..12).map(|_| ana.shows(&asked, json!({"code": "000000"})));
    let answers = futures::future::join_all(attempts).await;
    let wrong = answers.iter().filter(|(_, problem)| problem["code"] == "wrong-code").count();
    assert!(wrong <= 5, "{wrong} codes were looked at");
    is(&ana.shows(&asked, json!({"recovery_code": ana.recovery_codes[0]})).await, 401, "challenge-expired");
    installation.config.auth.second_factor_timeout_s = Duration::ZERO;
    let ana = Somebody { app: app(&installation).await, ..ana };
    let asked = ana.begins().await;
    is(&ana.shows(&asked, json!({"recovery_code": ana.recovery_codes[0]})).await, 401, "challenge-expired");
    is(&ana.shows(&json!({"handle": "made up"}), json!({"code": "000000"})).await, 401, "challenge-expired");
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_new_ones_end_the_old() {
    let installation = Installation::start().await;
    let ana = Somebody::enrols(&installation).await;
    let proof = |code: &str| json!({"recovery_code": code});
    let first = &ana.recovery_codes[0];
    assert_eq!(ana.shows(&ana.begins().await, proof(&first.to_uppercase())).await.0, 200);
    is(&ana.shows(&ana.begins().await, proof(first)).await, 401, "wrong-code");
    let (_, factors) = ask(&ana.app, "GET", "/v1/me/factors", Some(&ana.token), None).await;
    assert_eq!(factors, json!({"totp": true, "passkeys": [], "recovery_codes_left": 9}));
    let (status, codes) =
        command(&ana.app, "renew_recovery_codes", Some(&ana.token), json!({"id": new_id()})).await;
    assert_eq!(status, 200, "{codes}");
    is(&ana.shows(&ana.begins().await, proof(&ana.recovery_codes[1])).await, 401, "wrong-code");
    let new = codes["recovery_codes"][1].as_str().unwrap();
    assert_eq!(ana.shows(&ana.begins().await, proof(new)).await.0, 200);
}

#[tokio::test]
async fn with_a_second_factor_the_password_may_be_shorter_and_then_the_factor_stays() {
    let installation = Installation::start().await;
    let ana = Somebody::enrols(&installation).await;
    let token = Some(ana.token.as_str());
    let short = "quipu-wool-42";
    let body = json!({"id": new_id(), "old_password": PASSWORD, "new_password": short});
    assert_eq!(command(&ana.app, "change_password", token, body).await.0, 200);
    let remove = |password: &str| json!({"id": new_id(), "password": password});
    is(&command(&ana.app, "remove_totp", token, remove(PASSWORD)).await, 401, "wrong-credentials");
    let refused = command(&ana.app, "remove_totp", token, remove(short)).await;
    is(&refused, 400, "weak-password");
    assert!(refused.1["detail"].as_str().unwrap().contains("longer one first"), "{}", refused.1);
    let long = "seven llamas cross a ridge";
    let body = json!({"id": new_id(), "old_password": short, "new_password": long});
    assert_eq!(command(&ana.app, "change_password", token, body).await.0, 200);
    assert_eq!(command(&ana.app, "remove_totp", token, remove(long)).await.0, 200);
    let body = json!({"name": "Ana", "password": long});
    let (_, answer) = command(&ana.app, "login", None, body).await;
    assert!(answer["access_token"].is_string(), "no second factor is asked for: {answer}");
    is(&command(&ana.app, "renew_recovery_codes", token, json!({"id": new_id()})).await, 403, "forbidden");
}

#[tokio::test]
async fn an_old_session_needs_the_password_for_what_changes_logins() {
    let mut installation = Installation::start().await;
    let auth = installation.auth().await;
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    installation.config.auth.proof_max_age_s = Duration::ZERO;
    let app = app(&installation).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    is(&command(&app, "enrol_totp", Some(&token), json!({})).await, 403, "proof-needed");
    is(&command(&app, "enrol_totp", Some(&token), json!({"password": "x"})).await, 401, "wrong-credentials");
    assert_eq!(command(&app, "enrol_totp", Some(&token), json!({"password": PASSWORD})).await.0, 200);
    let body = json!({"id": new_id(), "code": "000000"});
    is(&command(&app, "confirm_totp", Some(&token), body).await, 401, "wrong-code");
}

/// The secret lies sealed where it is kept; one from before that is taken, and sealed with the next change.
#[tokio::test]
async fn an_applications_secret_is_sealed_for_its_place() {
    let installation = Installation::start().await;
    let mut ana = Somebody::enrols(&installation).await;
    let bucket = Bucket::open(installation.bus(BusRole::Auth).await, Name::Credentials);
    let key = bucket.keys().await.unwrap().remove(0);
    let document = async || {
        let entry = bucket.get(&key).await.unwrap().unwrap();
        serde_json::from_slice::<Value>(&entry.value).unwrap()
    };
    let keep = async |document: &Value| bucket.put(&key, document.to_string().into()).await.unwrap();
    let sealed = document().await["factors"]["totp"]["secret"].clone();
    let text: Text = serde_json::from_value(sealed.clone()).unwrap();
    let secret = installation.opened(Spot::totp(key.parse().unwrap()), &text).await;

    let mut from_before = document().await;
    from_before["factors"]["totp"]["secret"] = json!(secret);
    from_before["v"] = json!(2);
    keep(&from_before).await;
    let asked = ana.begins().await;
    let code = ana.next_code();
    let (status, tokens) = ana.shows(&asked, json!({"code": code})).await;
    assert_eq!(status, 200, "{tokens}");
    let now = document().await;
    assert!(!now.to_string().contains(&secret), "{now}");
    assert!(now["factors"]["totp"]["secret"]["sealed"].is_string(), "{now}");

    let mut moved = now;
    moved["email"] = sealed;
    keep(&moved).await;
    let body = json!({"name": "Ana", "password": PASSWORD});
    is(&command(&ana.app, "login", None, body).await, 500, "internal");
}

/// Somebody knows the password and waits at the second factor while its owner changes it.
#[tokio::test]
async fn a_login_that_waits_ends_with_the_password_that_it_knew() {
    let installation = Installation::start().await;
    let ana = Somebody::enrols(&installation).await;
    let asked = ana.begins().await;
    let change =
        json!({"id": new_id(), "old_password": PASSWORD, "new_password": "another llama on the bridge"});
    let (status, problem) = command(&ana.app, "change_password", Some(&ana.token), change).await;
    assert_eq!(status, 200, "{problem}");
    is(&ana.shows(&asked, json!({"recovery_code": ana.recovery_codes[0]})).await, 401, "challenge-expired");
}
