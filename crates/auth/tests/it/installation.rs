//! A NATS server with the real configuration, permissions and topology, and the role `auth` on it.

use std::{net::IpAddr, path::Path};

use chasqui_auth::{Auth, secrets};
use chasqui_backends::{NatsOptions, NatsServer};
use chasqui_bus::{
    Bus, BusRole, Log, NatsSettings,
    command::{Incoming, Reply},
    kv::{Bucket, Name},
    subject,
    topology::{self, Topology},
};
use chasqui_crypto::{Opened, Place, Spot};
use chasqui_events::{CommandId, Text, Timestamp, UserId, identity::IdentityEvent};
use chasqui_limiter::Rates;
use chasqui_protocol::Problem;
use chasqui_runtime::{
    clock::id_parts,
    config::{Config, SecretUrl},
};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "quipu-knots-7-llamas";

pub(crate) struct Installation {
    nats: NatsServer,
    pub(crate) config: Config,
    _secrets: TempDir,
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let options = NatsOptions {
            config: Some(root.join("nats/server.conf")),
            passwords: BusRole::ALL.map(|role| (role.user().to_owned(), password(role))).to_vec(),
            ..NatsOptions::default()
        };
        let nats =
            tokio::task::spawn_blocking(move || NatsServer::start_own(&options)).await.unwrap().unwrap();
        let secrets = tempfile::tempdir().unwrap();
        secrets::init(secrets.path()).unwrap();
        let mut config = Config::default();
        config.nats.url = SecretUrl::new(nats.url());
        config.auth.argon2_memory_kib = 64;
        config.auth.argon2_iterations = 1;
        config.auth.name_key_file = Some(secrets.path().join(secrets::NAME_KEY));
        config.crypto.kek_file = Some(secrets.path().join(secrets::KEK));
        config.auth.importers = vec!["Importer".to_owned()];
        let installation = Self { nats, config, _secrets: secrets };
        let admin = installation.bus(BusRole::Admin).await;
        topology::apply(&admin, &Topology::embedded(1).unwrap(), false).await.unwrap();
        installation
    }

    pub(crate) async fn bus(&self, role: BusRole) -> Bus {
        let password = SecretString::from(password(role));
        Bus::connect(NatsSettings::new(self.nats.url(), role, password)).await.unwrap()
    }

    pub(crate) async fn auth(&self) -> Auth {
        Auth::build(&self.config, self.bus(BusRole::Auth).await, Rates::none()).await.unwrap()
    }

    /// The role with the limits that are configured, held by itself.
    pub(crate) async fn limited_auth(&self) -> Auth {
        Auth::build(&self.config, self.bus(BusRole::Auth).await, Rates::local(&self.config)).await.unwrap()
    }

    /// Removes everything that is only kept for a while.
    pub(crate) async fn forget_challenges(&self) {
        let challenges = Bucket::open(self.bus(BusRole::Auth).await, Name::Challenges);
        for key in challenges.keys().await.unwrap() {
            challenges.delete(&key).await.unwrap();
        }
    }

    /// Something personal, opened; panics when it was not sealed.
    pub(crate) async fn opened(&self, spot: Spot, text: &Text) -> String {
        let Text::Sealed(sealed) = text else { panic!("{text:?} is not sealed") };
        let keyring = chasqui_auth::keyring(&self.config, self.bus(BusRole::QueryApi).await).unwrap();
        match keyring.open(&Place::Personal(spot), sealed).await.unwrap() {
            Opened::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// What happened to a user, in order.
    pub(crate) async fn life_of(&self, user: UserId) -> Vec<IdentityEvent> {
        let log = Log::new(self.bus(BusRole::Auth).await);
        let facts = log.lane_range(&subject::ident_user(user), 1, u64::MAX, 100).await.unwrap();
        facts.iter().map(|fact| fact.decode::<IdentityEvent>().unwrap().event).collect()
    }
}

fn password(role: BusRole) -> String {
    format!("p-{role}")
}

pub(crate) fn new_id() -> CommandId {
    let (at, random) = id_parts();
    CommandId::new(Timestamp(at), random)
}

/// Asks a command as it comes over NATS.
pub(crate) async fn ask<R: DeserializeOwned>(
    auth: &Auth,
    name: &str,
    body: Value,
    token: Option<&str>,
) -> Result<R, Problem> {
    ask_of(auth, name, body, token, None).await
}

/// The same from an address, by somebody without a login.
pub(crate) async fn ask_from<R: DeserializeOwned>(
    auth: &Auth,
    address: &str,
    name: &str,
    body: Value,
) -> Result<R, Problem> {
    ask_of(auth, name, body, None, Some(address.parse().unwrap())).await
}

async fn ask_of<R: DeserializeOwned>(
    auth: &Auth,
    name: &str,
    body: Value,
    token: Option<&str>,
    address: Option<IpAddr>,
) -> Result<R, Problem> {
    let incoming = Incoming {
        name: name.to_owned(),
        body: body.to_string().into(),
        token: token.map(str::to_owned),
        address,
        trace: None,
    };
    match serde_json::from_slice(&auth.answer(incoming).await).unwrap() {
        Reply::Ok(result) => Ok(result),
        Reply::Problem(problem) => Err(problem),
    }
}

pub(crate) async fn register(auth: &Auth, name: &str) -> Result<UserId, Problem> {
    let body = json!({"id": new_id(), "name": name, "password": PASSWORD});
    let accepted: chasqui_protocol::Accepted = ask(auth, "register", body, None).await?;
    Ok(accepted.user.unwrap())
}

pub(crate) async fn login(auth: &Auth, name: &str) -> chasqui_protocol::command::Tokens {
    ask(auth, "login", json!({"name": name, "password": PASSWORD}), None).await.unwrap()
}
