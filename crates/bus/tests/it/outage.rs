//! Servers that die, stop, or answer into the void.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chasqui_bus::{
    Bus, BusEvent, BusRole, Log,
    log::{Append, AppendError, Appended},
    subject::{self, Lane},
};
use chasqui_events::{CommandId, RoomId, Seq};

use crate::{
    harness::{Nats, everything, post, room, soon},
    proxy::Proxy,
};

/// Appends until the outcome is known, as a client does, and says where.
async fn insist(log: &Log, append: &Append<'static>) -> Appended {
    loop {
        match log.append(append.clone()).await {
            Ok(appended) => return appended,
            Err(AppendError::Unknown(_) | AppendError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Posts to its own room until told to stop; half of the rooms append on condition.
async fn writer(log: Log, room: RoomId, conditional: bool, stop: Arc<AtomicBool>) -> HashMap<CommandId, Seq> {
    let mut acked = HashMap::new();
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        let append = Append { expected: conditional.then_some(last), ..post(room, "hola") };
        last = insist(&log, &append).await.seq;
        acked.insert(append.id, last);
    }
    acked
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_every_acked_fact_is_in_the_log_once() {
    let nats = Arc::new(Nats::start().await);
    let log = nats.log().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..16).map(|n| tokio::spawn(writer(log.clone(), room(), n % 2 == 0, Arc::clone(&stop)))).collect();
    for _ in 0..3 {
        // Some load between the kills; the length of it decides nothing.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let nats = Arc::clone(&nats);
        tokio::task::spawn_blocking(move || {
            nats.server.kill_9().unwrap();
            nats.server.restart().unwrap();
        })
        .await
        .unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acked = HashMap::new();
    for writer in writers {
        acked.extend(soon("the writers", writer).await.unwrap());
    }
    let stored = everything(&log, "CHAT_1", ">").await;
    println!("{} acked, {} stored", acked.len(), stored.len());
    assert!(acked.len() > 100, "no load worth the name: {}", acked.len());
    assert_eq!(stored.len(), acked.len(), "each once, and nothing else");
    for fact in stored {
        assert_eq!(acked.get(&fact.msg_id.unwrap()), Some(&fact.seq));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_an_error_soon_and_nothing_is_doubled() {
    let nats = Nats::start().await;
    let (log, room) = (nats.log().await, room());
    log.append(post(room, "before")).await.unwrap();
    let mut events = log.bus().events();

    nats.server.pause().unwrap();
    let (plain, conditional) =
        (post(room, "plain"), Append { expected: Some(0), ..post(self::room(), "first") });
    let began = Instant::now();
    let (one, other) = tokio::join!(log.append(plain.clone()), log.append(conditional.clone()));
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(5), "{took:?}");
    for outcome in [one, other] {
        assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    }
    assert_eq!(soon("the loss to be noticed", events.recv()).await, Ok(BusEvent::Disconnected));
    let began = Instant::now();
    let (unsent, unread) = tokio::join!(log.append(post(room, "never sent")), log.last(&plain.subject));
    assert!(matches!(unsent, Err(AppendError::Unavailable(_))), "{unsent:?}");
    assert!(unread.is_err());
    assert!(began.elapsed() <= Duration::from_secs(5));

    nats.server.resume().unwrap();
    let began = Instant::now();
    for append in [&plain, &conditional] {
        insist(&log, append).await;
    }
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    let stored = everything(&log, "CHAT_1", ">").await;
    assert_eq!(stored.len(), 3);
    for append in [&plain, &conditional] {
        assert_eq!(stored.iter().filter(|fact| fact.msg_id == Some(append.id)).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_that_are_lost_double_nothing() {
    let nats = Nats::start().await;
    let direct = nats.log().await;
    let proxy = Proxy::before(nats.server.address()).await;
    let mut settings = nats.settings(BusRole::CommandApi);
    settings.url.clone_from(&proxy.url);
    let log = Log::new(Bus::connect(settings).await.unwrap());
    let room = room();
    let mut last = 0;
    for n in 0..6 {
        let conditional = n % 2 == 0;
        let append = Append { expected: conditional.then_some(last), ..post(room, &n.to_string()) };
        proxy.swallow_answers(true);
        let appending = tokio::spawn({
            let (log, append) = (log.clone(), append.clone());
            async move { log.append(append).await }
        });
        // It is stored, and its ack is lost.
        let subject = subject::room(room, Lane::Msg);
        crate::harness::until("it is stored", || async {
            direct.last(&subject).await.unwrap().is_some_and(|fact| fact.msg_id == Some(append.id))
        })
        .await;
        proxy.swallow_answers(false);
        proxy.cut_all();
        let appended = appending.await.unwrap().unwrap();
        assert!(appended.duplicate);
        last = appended.seq;
    }
    let stored = everything(&direct, "CHAT_1", ">").await;
    assert_eq!(stored.len(), 6);
    assert_eq!(stored.last().unwrap().seq, last);
}

#[tokio::test]
async fn wrong_credentials_and_no_server_are_said_clearly() {
    let nats = Nats::bare().await;
    let mut settings = nats.settings(BusRole::WsEdge);
    settings.password = "wrong".into();
    let error = Bus::connect(settings).await.unwrap_err().to_string();
    assert!(error.contains("ws-edge") && error.contains("authorization"), "{error}");
    let mut settings = nats.settings(BusRole::WsEdge);
    nats.server.stop().unwrap();
    settings.connect_timeout = Duration::from_millis(500);
    let error = Bus::connect(settings).await.unwrap_err().to_string();
    assert!(error.contains("cannot connect to NATS as ws-edge"), "{error}");
}
