//! Three servers, each fact on all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chasqui_backends::{NatsCluster, NatsOptions, NatsServer};
use chasqui_bus::{
    Bus, BusRole, Log, NatsSettings,
    log::{Append, AppendError},
    subject::{self, Lane},
    topology::{self, Topology},
};
use chasqui_events::{CommandId, RoomId, Seq};
use futures::future::join_all;
use serde_json::json;

use crate::harness::{everything, files, password, post, room, soon, until};

struct Cluster(NatsCluster);

impl Cluster {
    async fn start() -> Self {
        let options = NatsOptions {
            config: Some(files().join("server.conf")),
            passwords: BusRole::ALL.iter().map(|role| (role.to_string(), password(*role))).collect(),
            ..NatsOptions::default()
        };
        let started = tokio::task::spawn_blocking(move || NatsCluster::start_own(&options, 3));
        let cluster = Self(started.await.unwrap().unwrap());
        let mut topology = Topology::embedded(2).unwrap();
        for stream in &mut topology.streams {
            stream.config.insert("num_replicas".to_owned(), json!(3));
        }
        let admin = cluster.bus(BusRole::Admin).await;
        // They have to find each other first.
        until("the cluster has a leader", || async {
            topology::apply(&admin, &topology, false).await.is_ok()
        })
        .await;
        cluster
    }

    async fn bus(&self, role: BusRole) -> Bus {
        Bus::connect(NatsSettings::new(self.0.url(), role, password(role).into())).await.unwrap()
    }

    /// The server that leads a stream, by the monitoring endpoint.
    async fn leader(&self, stream: &str) -> &NatsServer {
        let server = self.0.servers.iter().find(|server| server.pid().is_some()).unwrap();
        let address = server.monitor_url().unwrap().strip_prefix("http://").unwrap().to_owned();
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request =
            format!("GET /jsz?streams=1&accounts=1 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes()).await.unwrap();
        tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer).await.unwrap();
        let after = answer.split(&format!("\"name\": \"{stream}\"")).nth(1).unwrap();
        let leader = after.split("\"leader\": \"n").nth(1).unwrap();
        &self.0.servers[leader[..1].parse::<usize>().unwrap()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_appends_on_one_position_one_wins_in_a_cluster() {
    let cluster = Cluster::start().await;
    let (log, room) = (Log::new(cluster.bus(BusRole::CommandApi).await), room());
    let mut expected = 0;
    for _ in 0..5 {
        let appends: Vec<_> = (0..100)
            .map(|n: u32| Append { expected: Some(expected), ..post(room, &n.to_string()) })
            .collect();
        let outcomes = join_all(appends.iter().cloned().map(|append| log.append(append))).await;
        let won: Vec<Seq> = outcomes.iter().filter_map(|one| Some(one.as_ref().ok()?.seq)).collect();
        assert_eq!(won.len(), 1);
        for outcome in &outcomes {
            assert!(matches!(outcome, Ok(_) | Err(AppendError::Conflict)), "{outcome:?}");
        }
        // A repetition is the same, whoever of the two answers it.
        let winner = outcomes.iter().position(Result::is_ok).unwrap();
        let again = log.append(appends[winner].clone()).await.unwrap();
        assert_eq!((again.seq, again.duplicate), (won[0], true));
        expected = won[0];
    }
    assert_eq!(everything(&log, "CHAT_1", &subject::room(room, Lane::Msg)).await.len(), 5);
}

/// Posts to its own room until told to stop; half of the rooms append on condition.
async fn writer(log: Log, room: RoomId, conditional: bool, stop: Arc<AtomicBool>) -> HashMap<CommandId, Seq> {
    let mut acked = HashMap::new();
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        let append = Append { expected: conditional.then_some(last), ..post(room, "hola") };
        last = loop {
            match log.append(append.clone()).await {
                Ok(appended) => break appended.seq,
                Err(AppendError::Unknown(_) | AppendError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        };
        acked.insert(append.id, last);
    }
    acked
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_leader_killed_under_load_nothing_acked_is_lost_or_doubled() {
    let cluster = Cluster::start().await;
    let log = Log::new(cluster.bus(BusRole::CommandApi).await);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..16).map(|n| tokio::spawn(writer(log.clone(), room(), n % 2 == 0, Arc::clone(&stop)))).collect();
    until("there is load", || async { log.head("CHAT_1").await.is_ok_and(|head| head.last_seq > 300) }).await;
    let leader = cluster.leader("CHAT_1").await;
    leader.kill_9().unwrap();
    let at_the_kill = log.head("CHAT_1").await.map_or(0, |head| head.last_seq);
    until("it goes on without it", || async {
        log.head("CHAT_1").await.is_ok_and(|head| head.last_seq > at_the_kill + 300)
    })
    .await;
    leader.restart().unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut acked = HashMap::new();
    for writer in writers {
        acked.extend(soon("the writers", writer).await.unwrap());
    }
    let stored = everything(&log, "CHAT_1", ">").await;
    assert_eq!(stored.len(), acked.len(), "each once, and nothing else");
    for fact in stored {
        assert_eq!(acked.get(&fact.msg_id.unwrap()), Some(&fact.seq));
    }
}
