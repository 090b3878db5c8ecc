//! A NATS server with the real configuration, permissions and topology, and the roles `auth` and `command-api`.

use std::path::Path;

use chasqui_auth::{Auth, secrets};
use chasqui_backends::{NatsOptions, NatsServer};
use chasqui_bus::{
    Bus, BusRole, Log, NatsSettings,
    command::{Incoming, Reply},
    subject::{self, Lane},
    topology::{self, Topology},
};
use chasqui_command_api::CommandApi;
use chasqui_events::{CommandId, Envelope, Event, RoomId, Timestamp, UserId};
use chasqui_limiter::Rates;
use chasqui_protocol::{Accepted, Problem, command::Tokens};
use chasqui_runtime::{
    clock::id_parts,
    config::{Config, SecretUrl},
};
use chasqui_testkit::LossyNats;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Installation {
    pub(crate) nats: NatsServer,
    pub(crate) config: Config,
    pub(crate) auth: Auth,
    pub(crate) api: CommandApi,
    _secrets: TempDir,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) token: String,
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
        config.auth.importers = vec!["importer".to_owned()];
        let admin = connect(nats.url(), BusRole::Admin).await;
        topology::apply(&admin, &Topology::embedded(config.chat.partitions).unwrap(), false).await.unwrap();
        let auth =
            Auth::build(&config, connect(nats.url(), BusRole::Auth).await, Rates::none()).await.unwrap();
        let api = CommandApi::build(&config, connect(nats.url(), BusRole::CommandApi).await, Rates::none())
            .await
            .unwrap();
        Self { nats, config, auth, api, _secrets: secrets }
    }

    pub(crate) async fn bus(&self, role: BusRole) -> Bus {
        connect(self.nats.url(), role).await
    }

    /// Another process of the role.
    pub(crate) async fn another_api(&self) -> CommandApi {
        CommandApi::build(&self.config, self.bus(BusRole::CommandApi).await, Rates::none()).await.unwrap()
    }

    /// A process of the role with the limits that are configured, held by itself.
    pub(crate) async fn limited_api(&self) -> CommandApi {
        let rates = Rates::local(&self.config);
        CommandApi::build(&self.config, self.bus(BusRole::CommandApi).await, rates).await.unwrap()
    }

    /// A process of the role behind a network that loses what one wants.
    pub(crate) async fn api_behind(&self, network: &LossyNats) -> CommandApi {
        let bus = connect(&network.url(), BusRole::CommandApi).await;
        CommandApi::build(&self.config, bus, Rates::none()).await.unwrap()
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        let body = json!({"id": new_id(), "name": name, "password": "quipu-knots-7-llamas"});
        let accepted: Accepted = answer(self.auth.answer(incoming("register", body, None)).await).unwrap();
        let body = json!({"name": name, "password": "quipu-knots-7-llamas"});
        let tokens: Tokens = answer(self.auth.answer(incoming("login", body, None)).await).unwrap();
        Person { user: accepted.user.unwrap(), token: tokens.access_token }
    }

    pub(crate) async fn ask(&self, person: &Person, name: &str, body: Value) -> Result<Accepted, Problem> {
        ask(&self.api, person, name, body).await
    }

    pub(crate) async fn room(&self, owner: &Person, kind: &str) -> RoomId {
        let body = json!({"id": new_id(), "kind": kind, "name": "Plaza"});
        self.ask(owner, "create_room", body).await.unwrap().room.unwrap()
    }

    /// The facts of one lane of a room.
    pub(crate) async fn lane<E: Event>(&self, room: RoomId, lane: Lane) -> Vec<Envelope<E>> {
        let log = Log::new(self.bus(BusRole::CommandApi).await);
        let facts = log.lane_range(&subject::room(room, lane), 1, u64::MAX, 1000).await.unwrap();
        facts.iter().map(|fact| fact.decode().unwrap()).collect()
    }
}

/// Asks a command as it comes over NATS.
pub(crate) async fn ask(
    api: &CommandApi,
    person: &Person,
    name: &str,
    body: Value,
) -> Result<Accepted, Problem> {
    answer(api.answer(incoming(name, body, Some(&person.token))).await)
}

pub(crate) fn incoming(name: &str, body: Value, token: Option<&str>) -> Incoming {
    Incoming {
        name: name.to_owned(),
        body: body.to_string().into(),
        token: token.map(str::to_owned),
        address: None,
        trace: None,
    }
}

fn answer<R: DeserializeOwned>(bytes: impl AsRef<[u8]>) -> Result<R, Problem> {
    match serde_json::from_slice(bytes.as_ref()).unwrap() {
        Reply::Ok(result) => Ok(result),
        Reply::Problem(problem) => Err(problem),
    }
}

pub(crate) fn new_id() -> CommandId {
    let (at, random) = id_parts();
    CommandId::new(Timestamp(at), random)
}

async fn connect(url: &str, role: BusRole) -> Bus {
    Bus::connect(NatsSettings::new(url, role, SecretString::from(password(role)))).await.unwrap()
}

fn password(role: BusRole) -> String {
    format!("p-{role}")
}
