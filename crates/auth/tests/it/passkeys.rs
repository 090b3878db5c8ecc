//! Passkeys, with an authenticator in software that signs for real.

use axum::Router;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_events::{
    UserId,
    identity::{CredentialChange, CredentialPart, IdentityEvent},
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use webauthn_authenticator_rs::{
    WebauthnAuthenticator as _,
    prelude::{CreationChallengeResponse, RequestChallengeResponse, Url},
    softpasskey::SoftPasskey,
};

use crate::{
    installation::{Installation, PASSWORD, login, new_id, register},
    over_http::{self, ask},
};

const ORIGIN: &str = "https://chat.example.org";

/// Somebody with an authenticator.
struct Owner {
    user: UserId,
    token: String,
    device: SoftPasskey,
}

struct Place {
    installation: Installation,
    app: Router,
    auth: chasqui_auth::Auth,
}

impl Place {
    async fn new() -> Self {
        let mut installation = Installation::start().await;
        ORIGIN.clone_into(&mut installation.config.auth.public_url);
        let auth = installation.auth().await;
        let app = over_http::served(&installation, &auth);
        Self { installation, app, auth }
    }

    async fn somebody(&self, name: &str) -> Owner {
        let user = register(&self.auth, name).await.unwrap();
        let token = login(&self.auth, name).await.access_token;
        Owner { user, token, device: SoftPasskey::new(true) }
    }

    async fn post(&self, name: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        ask(&self.app, "POST", &format!("/v1/commands/{name}"), token, Some(body)).await
    }

    async fn factors(&self, owner: &Owner) -> Value {
        ask(&self.app, "GET", "/v1/me/factors", Some(&owner.token), None).await.1
    }

    /// Adds a passkey. Its id, and the recovery codes.
    async fn enrols(&self, owner: &mut Owner, name: &str) -> (String, Vec<Value>) {
        let (status, asked) = self.post("enrol_passkey", Some(&owner.token), json!({})).await;
        assert_eq!(status, 200, "{asked}");
        let selection = &asked["options"]["publicKey"]["authenticatorSelection"];
        assert_eq!(
            (&selection["residentKey"], &selection["userVerification"]),
            (&json!("preferred"), &json!("required"))
        );
        let credential = created(&mut owner.device, &asked["options"]);
        let body = json!({"id": new_id(), "handle": asked["handle"], "credential": credential, "name": name});
        let (status, codes) = self.post("confirm_passkey", Some(&owner.token), body).await;
        assert_eq!(status, 200, "{codes}");
        (credential["id"].as_str().unwrap().to_owned(), codes["recovery_codes"].as_array().unwrap().clone())
    }

    /// The first step of a login by password.
    async fn begins(&self, name: &str, password: &str) -> Value {
        let (status, answer) = self.post("login", None, json!({"name": name, "password": password})).await;
        assert_eq!(status, 200, "{answer}");
        answer["second_factor"].clone()
    }

    async fn finishes(&self, handle: &Value, answer: &Value) -> (u16, Value) {
        let body = json!({"handle": handle, "proof": {"passkey": answer}});
        self.post("login_second_factor", None, body).await
    }

    /// A login by passkey alone is begun.
    async fn asks_anybody(&self) -> Value {
        let (status, asked) = self.post("login_passkey_begin", None, json!({})).await;
        assert_eq!(status, 200, "{asked}");
        asked
    }

    async fn shows(&self, handle: &Value, answer: &Value) -> (u16, Value) {
        self.post("login_passkey", None, json!({"handle": handle, "credential": answer, "device": "phone"}))
            .await
    }
}

fn created(device: &mut SoftPasskey, options: &Value) -> Value {
    let options: CreationChallengeResponse = serde_json::from_value(options.clone()).unwrap();
    let answer = device.do_registration(Url::parse(ORIGIN).unwrap(), options).unwrap();
    serde_json::to_value(answer).unwrap()
}

fn signed_at(origin: &str, device: &mut SoftPasskey, options: &Value) -> Value {
    let options: RequestChallengeResponse = serde_json::from_value(options.clone()).unwrap();
    let answer = device.do_authentication(Url::parse(origin).unwrap(), options).unwrap();
    serde_json::to_value(answer).unwrap()
}

fn signed(device: &mut SoftPasskey, options: &Value) -> Value {
    signed_at(ORIGIN, device, options)
}

/// As an authenticator that finds the passkey by itself answers: it names the user.
fn found(device: &mut SoftPasskey, options: &Value, passkey: &str, user: UserId) -> Value {
    let mut options = options.clone();
    options["publicKey"]["allowCredentials"] = json!([{"type": "public-key", "id": passkey}]);
    let mut answer = signed(device, &options);
    answer["response"]["userHandle"] = json!(URL_SAFE_NO_PAD.encode(user.as_uuid().as_bytes()));
    answer
}

#[tokio::test]
async fn a_passkey_is_a_second_factor() {
    let place = Place::new().await;
    let mut ana = place.somebody("Ana").await;
    let (id, codes) = place.enrols(&mut ana, "laptop").await;
    assert_eq!(codes.len(), 10, "with the first factor");
    let asked = place.begins("Ana", PASSWORD).await;
    assert_eq!(asked["kinds"], json!(["passkey", "recovery_code"]));
    let answer = signed(&mut ana.device, &asked["passkey"]);
    let (status, tokens) = place.finishes(&asked["handle"], &answer).await;
    assert_eq!((status, &tokens["user"]), (200, &json!(ana.user)));
    assert_eq!(place.finishes(&asked["handle"], &answer).await.0, 401, "a handle is good once");
    let again = place.begins("Ana", PASSWORD).await;
    let (status, problem) = place.finishes(&again["handle"], &answer).await;
    assert_eq!((status, &problem["code"]), (401, &json!("wrong-code")), "an answer is for one challenge");
    let (status, _) = place.finishes(&again["handle"], &signed(&mut ana.device, &again["passkey"])).await;
    assert_eq!(status, 200, "a wrong one may be followed by a right one");

    let rename = json!({"passkey": id, "name": "old laptop"});
    assert_eq!(place.post("rename_passkey", Some(&ana.token), rename).await.0, 200);
    let factors = place.factors(&ana).await;
    assert_eq!(
        (&factors["passkeys"][0]["id"], &factors["passkeys"][0]["name"]),
        (&json!(id), &json!("old laptop"))
    );
    assert!(factors["passkeys"][0]["used_at"].is_i64(), "{factors}");
    assert_eq!(place.enrols(&mut ana, "phone").await.1, Vec::<Value>::new(), "there are codes already");
    assert_eq!(place.factors(&ana).await["passkeys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_last_factor_is_not_removed_under_a_short_password() {
    let place = Place::new().await;
    let mut ana = place.somebody("Ana").await;
    let (id, _) = place.enrols(&mut ana, "laptop").await;
    let change = |old: &str, new: &str| json!({"id": new_id(), "old_password": old, "new_password": new});
    let short = "rk7-wuvq-2mzx";
    let (status, problem) = place.post("change_password", Some(&ana.token), change(PASSWORD, short)).await;
    assert_eq!(status, 200, "shorter beside a factor: {problem}");
    let remove = |password: &str| json!({"id": new_id(), "passkey": id, "password": password});
    let (status, problem) = place.post("remove_passkey", Some(&ana.token), remove(short)).await;
    assert_eq!((status, &problem["code"]), (400, &json!("weak-password")));
    assert_eq!(place.post("remove_passkey", Some(&ana.token), remove(PASSWORD)).await.0, 401);
    assert_eq!(place.post("change_password", Some(&ana.token), change(short, PASSWORD)).await.0, 200);
    assert_eq!(place.post("remove_passkey", Some(&ana.token), remove(PASSWORD)).await.0, 200);
    let (status, problem) = place.post("remove_passkey", Some(&ana.token), remove(PASSWORD)).await;
    assert_eq!((status, &problem["code"]), (404, &json!("passkey-not-found")));
    assert_eq!(place.begins("Ana", PASSWORD).await, Value::Null, "nothing more is asked for");
    let factors = place.factors(&ana).await;
    assert_eq!((&factors["passkeys"], &factors["recovery_codes_left"]), (&json!([]), &json!(0)));
    let changes = place.installation.life_of(ana.user).await.into_iter().filter_map(|event| match event {
        IdentityEvent::CredentialChanged(changed) if changed.what == CredentialPart::Passkey => {
            Some(changed.how)
        }
        _ => None,
    });
    assert_eq!(changes.collect::<Vec<_>>(), [CredentialChange::Added, CredentialChange::Removed]);
}

#[tokio::test]
async fn a_passkey_opens_a_session_alone_and_tells_nothing_of_who_exists() {
    let place = Place::new().await;
    let mut ana = place.somebody("Ana").await;
    let (id, _) = place.enrols(&mut ana, "laptop").await;
    let asked = place.asks_anybody().await;
    assert_eq!(asked["options"].get("mediation"), None);
    let answer = found(&mut ana.device, &asked["options"], &id, ana.user);
    let (status, tokens) = place.shows(&asked["handle"], &answer).await;
    assert_eq!((status, &tokens["user"]), (200, &json!(ana.user)));
    let (status, problem) = place.shows(&asked["handle"], &answer).await;
    assert_eq!((status, &problem["code"]), (401, &json!("challenge-expired")), "once");

    // Nobody's; somebody's who has none; a wrong signature; of somebody who has gone: all the same.
    let nobody = UserId::new(chasqui_events::Timestamp(1), [1; 10]);
    let ben = place.somebody("Ben").await;
    let mut refusals = Vec::new();
    for user in [nobody, ben.user] {
        let asked = place.asks_anybody().await;
        let answer = found(&mut ana.device, &asked["options"], &id, user);
        refusals.push(place.shows(&asked["handle"], &answer).await);
    }
    let asked = place.asks_anybody().await;
    refusals.push(place.shows(&asked["handle"], &answer).await);
    let asked = place.asks_anybody().await;
    let elsewhere = {
        let mut options = asked["options"].clone();
        options["publicKey"]["allowCredentials"] = json!([{"type": "public-key", "id": id}]);
        let mut answer = signed_at("https://other.chat.example.org", &mut ana.device, &options);
        answer["response"]["userHandle"] = json!(URL_SAFE_NO_PAD.encode(ana.user.as_uuid().as_bytes()));
        answer
    };
    refusals.push(place.shows(&asked["handle"], &elsewhere).await);
    let leave = json!({"id": new_id(), "password": PASSWORD});
    assert_eq!(place.post("deactivate", Some(&ana.token), leave).await.0, 200);
    let asked = place.asks_anybody().await;
    let answer = found(&mut ana.device, &asked["options"], &id, ana.user);
    refusals.push(place.shows(&asked["handle"], &answer).await);
    assert_eq!(refusals[0].0, 401);
    assert_eq!(refusals[0].1["code"], "wrong-credentials");
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:#?}");

    let asked = place.asks_anybody().await;
    let credential = found(&mut ana.device, &asked["options"], &id, ana.user);
    let back = json!({"handle": asked["handle"], "credential": credential, "reactivate": true});
    assert_eq!(place.post("login_passkey", None, back).await.0, 200);
}

/// Two answers of which the later was seen first: somebody else has the key, too.
#[tokio::test]
async fn a_copy_is_noticed_by_its_counter() {
    let place = Place::new().await;
    let mut ana = place.somebody("Ana").await;
    let (id, _) = place.enrols(&mut ana, "laptop").await;
    let (one, other) = (place.begins("Ana", PASSWORD).await, place.begins("Ana", PASSWORD).await);
    let earlier = signed(&mut ana.device, &one["passkey"]);
    let later = signed(&mut ana.device, &other["passkey"]);
    assert_eq!(place.finishes(&other["handle"], &later).await.0, 200);
    let (status, problem) = place.finishes(&one["handle"], &earlier).await;
    assert_eq!((status, &problem["code"]), (401, &json!("wrong-code")));

    let (one, other) = (place.asks_anybody().await, place.asks_anybody().await);
    let earlier = found(&mut ana.device, &one["options"], &id, ana.user);
    let later = found(&mut ana.device, &other["options"], &id, ana.user);
    assert_eq!(place.shows(&other["handle"], &later).await.0, 200);
    assert_eq!(place.shows(&one["handle"], &earlier).await.0, 401);
}

#[tokio::test]
async fn an_authenticator_that_has_not_verified_its_user_is_refused() {
    let place = Place::new().await;
    let mut ana = place.somebody("Ana").await;
    let (id, _) = place.enrols(&mut ana, "laptop").await;
    let mut asked = place.begins("Ana", PASSWORD).await;
    asked["passkey"]["publicKey"]["userVerification"] = json!("discouraged");
    let answer = signed(&mut ana.device, &asked["passkey"]);
    assert_eq!(place.finishes(&asked["handle"], &answer).await.0, 401);
    let mut asked = place.asks_anybody().await;
    asked["options"]["publicKey"]["userVerification"] = json!("discouraged");
    let answer = found(&mut ana.device, &asked["options"], &id, ana.user);
    assert_eq!(place.shows(&asked["handle"], &answer).await.0, 401);
}

#[tokio::test]
async fn a_passkey_is_added_by_who_asked_for_it_and_with_proof() {
    let place = Place::new().await;
    let (mut ana, ben) = (place.somebody("Ana").await, place.somebody("Ben").await);
    let (_, asked) = place.post("enrol_passkey", Some(&ana.token), json!({})).await;
    let credential = created(&mut ana.device, &asked["options"]);
    let confirm = |credential: &Value, name: &str| json!({"id": new_id(), "handle": asked["handle"], "credential": credential, "name": name});
    let (status, problem) = place.post("confirm_passkey", Some(&ben.token), confirm(&credential, "x")).await;
    assert_eq!((status, &problem["code"]), (401, &json!("challenge-expired")));
    let (status, problem) = place.post("confirm_passkey", Some(&ana.token), confirm(&json!({}), "x")).await;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")));
    let (status, problem) = place.post("confirm_passkey", Some(&ana.token), confirm(&credential, " ")).await;
    assert_eq!((status, &problem["code"]), (400, &json!("size")));

    let mut strict = Installation::start().await;
    ORIGIN.clone_into(&mut strict.config.auth.public_url);
    strict.config.auth.proof_max_age_s = std::time::Duration::ZERO;
    let auth = strict.auth().await;
    let app = over_http::served(&strict, &auth);
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    let enrol = async |body| ask(&app, "POST", "/v1/commands/enrol_passkey", Some(&token), Some(body)).await;
    let (status, problem) = enrol(json!({})).await;
    assert_eq!((status, &problem["code"]), (403, &json!("proof-needed")));
    assert_eq!(enrol(json!({"password": PASSWORD})).await.0, 200);
}

#[tokio::test]
async fn without_a_domain_it_is_said_so() {
    let installation = Installation::start().await;
    let (auth, app) = (installation.auth().await, over_http::app(&installation).await);
    register(&auth, "Ana").await.unwrap();
    let token = login(&auth, "Ana").await.access_token;
    for name in ["enrol_passkey", "login_passkey_begin"] {
        let (status, problem) =
            ask(&app, "POST", &format!("/v1/commands/{name}"), Some(&token), Some(json!({}))).await;
        assert_eq!((status, &problem["code"]), (501, &json!("not-configured")), "{name}");
    }
}

/// What somebody calls their device is nobody else's business: it lies sealed, and is shown to them as they wrote it.
#[tokio::test]
async fn the_name_of_a_passkey_is_kept_sealed() {
    let place = Place::new().await;
    let mut ana = place.somebody("Ana").await;
    place.enrols(&mut ana, "Ana's llama phone").await;
    let bucket = Bucket::open(place.installation.bus(BusRole::Auth).await, Name::Credentials);
    let kept = bucket.get(&ana.user.to_string()).await.unwrap().unwrap().value;
    assert!(!String::from_utf8_lossy(&kept).contains("llama"));
    assert_eq!(place.factors(&ana).await["passkeys"][0]["name"], "Ana's llama phone");
}
