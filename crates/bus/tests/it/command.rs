//! Commands over the bus.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chasqui_bus::{
    Bus, BusRole,
    command::{self, Call, CommandError, Reply, Serve},
    subject,
};
use chasqui_protocol::{Code, Problem};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::harness::{Nats, soon};

fn call(name: &str) -> Call<'_> {
    Call {
        name,
        token: Some("token"),
        address: Some([192, 0, 2, 7].into()),
        trace: Some("00-1-2-01"),
        timeout: Duration::from_secs(5),
    }
}

fn what(concurrency: usize) -> Serve<'static> {
    Serve { names: &["send", "join"], group: subject::COMMAND_API_GROUP, concurrency }
}

/// Until what was subscribed has reached the server.
async fn settled(bus: &Bus) {
    chasqui_bus::Log::new(bus.clone()).head("CHAT_0").await.unwrap();
}

#[tokio::test]
async fn a_command_is_answered_with_what_the_handler_says() {
    let nats = Nats::start().await;
    let api = nats.bus(BusRole::CommandApi).await;
    let edge = nats.bus(BusRole::WsEdge).await;
    let server = command::serve(&api, what(8)).await.unwrap();
    settled(&api).await;
    tokio::spawn(server.run(
        |incoming| async move {
            let body: Value = serde_json::from_slice(&incoming.body).unwrap();
            let answer = if incoming.name == "join" {
                Err(Problem::new(Code::RoomNotFound, "no"))
            } else {
                let command::Incoming { token, address, trace, .. } = incoming;
                Ok(json!({ "body": body, "token": token, "address": address, "trace": trace }))
            };
            Reply::from(answer).encode()
        },
        std::future::pending(),
    ));
    let answer: Value = command::request(&edge, call("send"), &json!({"n": 1})).await.unwrap();
    let expected = json!({"body": {"n": 1}, "token": "token", "address": "192.0.2.7", "trace": "00-1-2-01"});
    assert_eq!(answer, expected);
    let problem = command::request::<Value>(&edge, call("join"), &json!({})).await.unwrap_err();
    assert!(matches!(problem, CommandError::Problem(problem) if problem.code == Code::RoomNotFound));
    let nobody = command::request::<Value>(&edge, call("login"), &json!({})).await.unwrap_err();
    assert!(matches!(nobody, CommandError::Unavailable(_)), "{nobody}");
}

#[tokio::test]
async fn each_command_goes_to_one_of_a_group() {
    let nats = Nats::start().await;
    let handled: Vec<Arc<AtomicUsize>> = (0..2).map(|_| Arc::default()).collect();
    for count in &handled {
        let api = nats.bus(BusRole::CommandApi).await;
        let server = command::serve(&api, what(8)).await.unwrap();
        settled(&api).await;
        let count = Arc::clone(count);
        let answer = move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Reply::Ok(()).encode() }
        };
        tokio::spawn(server.run(answer, std::future::pending()));
    }
    let edge = nats.bus(BusRole::WsEdge).await;
    for _ in 0..200 {
        command::request::<()>(&edge, call("send"), &()).await.unwrap();
    }
    let counts: Vec<usize> = handled.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert_eq!(counts.iter().sum::<usize>(), 200);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test]
async fn what_has_arrived_is_finished_before_the_end() {
    let nats = Nats::start().await;
    let api = nats.bus(BusRole::CommandApi).await;
    let edge = nats.bus(BusRole::WsEdge).await;
    let server = command::serve(&api, what(2)).await.unwrap();
    settled(&api).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (gate, running, most) = (Arc::clone(&gate), Arc::clone(&running), Arc::clone(&most));
        move |_| {
            let (gate, running, most) = (Arc::clone(&gate), Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                Reply::Ok(()).encode()
            }
        }
    };
    let serving = tokio::spawn(server.run(handler, async move { drop(stopped.await) }));
    let asked: Vec<_> = (0..6)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { command::request::<()>(&edge, call("send"), &()).await })
        })
        .collect();
    crate::harness::until("two are being handled", || async { running.load(Ordering::SeqCst) == 2 }).await;
    settled(&edge).await;
    stop.send(()).unwrap();
    gate.add_permits(6);
    for one in asked {
        soon("an answer", one).await.unwrap().unwrap();
    }
    soon("the server to end", serving).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2, "the bound holds");
    let late = command::request::<()>(&edge, call("send"), &()).await.unwrap_err();
    assert!(matches!(late, CommandError::Unavailable(_)), "{late}");
}

#[tokio::test]
async fn more_than_may_wait_is_refused_at_once() {
    let nats = Nats::start().await;
    let api = nats.bus(BusRole::CommandApi).await;
    let server = command::serve(&api, what(2)).await.unwrap();
    settled(&api).await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let handler = {
        let gate = Arc::clone(&gate);
        move |_| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Reply::Ok(()).encode()
            }
        }
    };
    tokio::spawn(server.run(handler, std::future::pending()));
    let edge = nats.bus(BusRole::WsEdge).await;
    let asked: Vec<_> = (0..30)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { command::request::<()>(&edge, call("send"), &()).await })
        })
        .collect();
    // Twelve are refused while nothing moves; then the eighteen that wait are answered.
    crate::harness::until("the refusals", || async {
        asked.iter().filter(|one| one.is_finished()).count() == 12
    })
    .await;
    gate.add_permits(30);
    let (mut taken, mut refused) = (0, 0);
    for one in asked {
        match soon("an answer", one).await.unwrap() {
            Ok(()) => taken += 1,
            Err(CommandError::Problem(problem)) if problem.code == Code::TooMany => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((taken, refused), (18, 12));
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let nats = Nats::start().await;
    let api = nats.bus(BusRole::CommandApi).await;
    let server = command::serve(&api, what(2)).await.unwrap();
    settled(&api).await;
    tokio::spawn(server.run(|_| std::future::pending(), std::future::pending()));
    let edge = nats.bus(BusRole::WsEdge).await;
    let call = Call { timeout: Duration::from_millis(200), ..call("send") };
    let error = command::request::<()>(&edge, call, &()).await.unwrap_err();
    assert!(matches!(error, CommandError::Timeout(_)), "{error}");
}
