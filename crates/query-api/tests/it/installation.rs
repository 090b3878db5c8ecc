//! Real servers, and the roles that bring something into the projections and out again.

use std::{path::Path, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use chasqui_auth::{Auth, Verifier, secrets};
use chasqui_backends::{MongoOptions, MongoServer, NatsOptions, NatsServer, RedisOptions, RedisServer};
use chasqui_bus::{
    Bus, BusRole, Log, NatsSettings,
    command::{Incoming, Reply},
    topology::{self, Topology},
};
use chasqui_command_api::CommandApi;
use chasqui_events::{CommandId, RoomId, Seq, Timestamp, UserId};
use chasqui_http::shell;
use chasqui_limiter::Rates;
use chasqui_projector::{Projector, Settings as ProjectorSettings};
use chasqui_protocol::{Accepted, Problem, command::Tokens};
use chasqui_query_api::{Bounds, QueryApi, Reader, Secrets};
use chasqui_read_model::{ReadModel, Settings};
use chasqui_runtime::{
    clock::id_parts,
    config::{Config, SecretUrl},
    health::Registry,
    lifecycle::Shutdown,
};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) struct Installation {
    pub(crate) reader: Reader,
    auth: Auth,
    commands: CommandApi,
    app: Router,
    projector: tokio::task::JoinHandle<anyhow::Result<()>>,
    shutdown: Shutdown,
    _servers: (NatsServer, MongoServer, RedisServer),
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
        Self::waiting(Duration::from_secs(20)).await
    }

    /// With so much patience for the projection.
    pub(crate) async fn waiting(wait: Duration) -> Self {
        let (nats, mongo, redis) = tokio::task::spawn_blocking(servers).await.unwrap();
        let secrets = tempfile::tempdir().unwrap();
        secrets::init(secrets.path()).unwrap();
        let mut config = Config::default();
        config.nats.url = SecretUrl::new(nats.url());
        config.auth.argon2_memory_kib = 64;
        config.auth.argon2_iterations = 1;
        config.auth.name_key_file = Some(secrets.path().join(secrets::NAME_KEY));
        config.crypto.kek_file = Some(secrets.path().join(secrets::KEK));
        config.query.barrier_wait_ms = wait;
        config.query.page_max = 20;
        let bus = async |role| connect(nats.url(), role).await;
        let partitions = config.chat.partitions;
        let topology = Topology::embedded(partitions).unwrap();
        topology::apply(&bus(BusRole::Admin).await, &topology, false).await.unwrap();
        let model = ReadModel::connect(&Settings::new(mongo.url(), "chasqui", redis.url())).await.unwrap();
        let shutdown = Shutdown::new();
        let projector = Projector::new(
            bus(BusRole::Projector).await,
            model.clone(),
            ProjectorSettings::new(partitions),
            Registry::new().register("projector"),
        );
        let query_bus = bus(BusRole::QueryApi).await;
        let opening = Secrets::load(&config, query_bus.clone()).unwrap();
        let reader =
            Reader::new(model, Log::new(query_bus.clone()), opening, Bounds::new(&config), Rates::none());
        let verifier = Verifier::new(&config.auth, &query_bus);
        let routes = QueryApi::new(reader.clone(), verifier).routes();
        let bounds = chasqui_http::Bounds {
            body_bytes: 65_536,
            deadline: Duration::from_secs(30),
            secured: false,
            allowed_origins: vec![],
            proxies: chasqui_http::Proxies::default(),
            cookies: None,
        };
        Self {
            auth: Auth::build(&config, bus(BusRole::Auth).await, Rates::none()).await.unwrap(),
            commands: CommandApi::build(&config, bus(BusRole::CommandApi).await, Rates::none())
                .await
                .unwrap(),
            app: shell(routes, Router::new(), &bounds),
            projector: tokio::spawn(projector.run(shutdown.clone())),
            reader,
            shutdown,
            _servers: (nats, mongo, redis),
            _secrets: secrets,
        }
    }

    /// From now on nothing is projected any more.
    pub(crate) async fn stop_projecting(&mut self) {
        self.shutdown.request();
        (&mut self.projector).await.unwrap().unwrap();
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        let body = json!({"id": new_id(), "name": name, "password": "quipu-knots-7-llamas"});
        let accepted: Accepted = answer(self.auth.answer(incoming("register", body, None)).await).unwrap();
        let body = json!({"name": name, "password": "quipu-knots-7-llamas"});
        let tokens: Tokens = answer(self.auth.answer(incoming("login", body, None)).await).unwrap();
        Person { user: accepted.user.unwrap(), token: tokens.access_token }
    }

    pub(crate) async fn ask(&self, person: &Person, name: &str, body: Value) -> Accepted {
        answer(self.commands.answer(incoming(name, body, Some(&person.token))).await).unwrap()
    }

    pub(crate) async fn room(&self, owner: &Person, kind: &str) -> RoomId {
        let body = json!({"id": new_id(), "kind": kind, "name": "Plaza"});
        self.ask(owner, "create_room", body).await.room.unwrap()
    }

    pub(crate) async fn enter(&self, owner: &Person, guest: &Person, room: RoomId) {
        let invite = json!({"id": new_id(), "room": room, "user": guest.user});
        self.ask(owner, "invite", invite).await;
        self.ask(guest, "join", json!({"id": new_id(), "room": room})).await;
    }

    pub(crate) async fn say(&self, person: &Person, room: RoomId, text: &str) -> Seq {
        let body = json!({"id": new_id(), "room": room, "body": text});
        self.ask(person, "send", body).await.position.unwrap().seq
    }

    /// Status and body of a GET.
    pub(crate) async fn get(&self, person: Option<&Person>, path: &str) -> (u16, Value) {
        let mut request = Request::get(path);
        if let Some(person) = person {
            request = request.header("authorization", format!("Bearer {}", person.token));
        }
        let response = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 22).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}

/// The bodies of the messages of a page.
pub(crate) fn texts(history: &Value) -> Vec<&str> {
    let items = history["items"].as_array().unwrap();
    items.iter().filter_map(|item| item["what"]["message"]["body"].as_str()).collect()
}

fn servers() -> (NatsServer, MongoServer, RedisServer) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let nats = NatsOptions {
        config: Some(root.join("nats/server.conf")),
        passwords: BusRole::ALL.map(|role| (role.user().to_owned(), password(role))).to_vec(),
        ..NatsOptions::default()
    };
    (
        NatsServer::start_own(&nats).unwrap(),
        MongoServer::start_own(&MongoOptions::default()).unwrap(),
        RedisServer::start_own(&RedisOptions::default()).unwrap(),
    )
}

fn incoming(name: &str, body: Value, token: Option<&str>) -> Incoming {
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
