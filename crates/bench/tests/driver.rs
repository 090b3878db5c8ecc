//! The driver and its checker against a server that does wrong on purpose: what it does must be what is reported.

#![expect(clippy::unwrap_used, reason = "a test's own steps outside of its function")]

#[path = "driver/faulty.rs"]
mod faulty;

use std::{sync::Arc, time::Duration};

use chasqui_bench::{
    driver::{Acking, Driver, Load, Outcome},
    people::{Person, Room, World},
    progress::Progress,
    schedule::Schedule,
    socket::Endpoint,
};
use chasqui_events::{Partition, RoomId, Timestamp, UserId};
use chasqui_protocol::Codec;
use faulty::{Fault, Server};

const PAIRS: u8 = 4;
const MESSAGES: u32 = 200;

fn world() -> World {
    let person = |index: u8| {
        let user = UserId::new(Timestamp(1), [index; 10]);
        Person { user, token: user.to_string() }
    };
    let room = |pair: u8| {
        let id = RoomId::new(Partition::from_low_bits(u16::from(pair % 2)), Timestamp(1), [pair; 10]);
        Room { id, members: vec![usize::from(pair) * 2, usize::from(pair) * 2 + 1] }
    };
    World { people: (0..PAIRS * 2).map(person).collect(), rooms: (0..PAIRS).map(room).collect() }
}

fn load(server: &Server, codec: Codec) -> Load {
    let world = Arc::new(world());
    server.knows(&world);
    let schedule = Schedule::of_count(500.0, MESSAGES);
    Load {
        warm_up: Duration::ZERO,
        patience: Duration::from_secs(2),
        ..Load::direct(Endpoint::chasqui(server.address(), codec), world, schedule)
    }
}

async fn run(fault: Fault) -> Outcome {
    let server = Server::start(fault).await;
    let driver = Driver::connect(load(&server, Codec::MessagePack), &Progress::silent()).await.unwrap();
    let outcome = driver.run(&Progress::silent()).await.unwrap();
    driver.close().await;
    outcome
}

#[tokio::test]
async fn a_faultless_server_is_found_faultless_with_every_receipt() {
    for codec in Codec::ALL {
        let server = Server::start(Fault::None).await;
        let driver = Driver::connect(load(&server, codec), &Progress::silent()).await.unwrap();
        let outcome = driver.run(&Progress::silent()).await.unwrap();
        driver.close().await;
        assert!(outcome.is_clean(), "{outcome:?}");
        let verdict = outcome.verdict;
        assert_eq!((verdict.sent, verdict.accepted), (200, 200));
        assert_eq!(verdict.delivered, 400, "every message at both sides");
        assert_eq!(outcome.receipts, 400, "both receipts of every message");
        assert_eq!(outcome.to_receive.count, 200, "a latency for each, at the other side");
    }
}

#[tokio::test]
async fn a_lost_entry_is_missed() {
    let outcome = run(Fault::LoseEvery(50)).await;
    assert_eq!(outcome.verdict.missed, 4, "{outcome:?}");
    assert!(!outcome.is_clean());
}

#[tokio::test]
async fn a_doubled_entry_is_doubled() {
    let outcome = run(Fault::DoubleEvery(50)).await;
    assert_eq!((outcome.verdict.doubled, outcome.verdict.missed), (4, 0), "{outcome:?}");
}

#[tokio::test]
async fn swapped_entries_are_out_of_order() {
    let outcome = run(Fault::SwapEvery(60)).await;
    assert!(outcome.verdict.out_of_order > 0, "{outcome:?}");
    assert_eq!(outcome.verdict.missed, 0, "{outcome:?}");
}

#[tokio::test]
async fn receipts_that_do_not_come_are_missing() {
    let outcome = run(Fault::NoReceipts).await;
    assert!(outcome.verdict.is_clean(), "{outcome:?}");
    assert_eq!(outcome.receipts_missing, 400);
    assert!(!outcome.is_clean());
}

#[tokio::test]
async fn a_cut_that_is_resumed_is_clean_and_one_that_is_not_is_seen() {
    for (fault, clean) in [(Fault::None, true), (Fault::ForgetOnResume, false)] {
        let server = Server::start(fault).await;
        let driver = Driver::connect(load(&server, Codec::MessagePack), &Progress::silent()).await.unwrap();
        let running = driver.start(&Progress::silent()).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let back = driver.cut_all(Duration::from_secs(10)).await;
        let outcome = driver.finish(running, &Progress::silent()).await.unwrap();
        driver.close().await;
        assert!(back.is_some(), "everybody comes back");
        assert_eq!(outcome.reconnects, u64::from(PAIRS) * 2);
        assert_eq!(outcome.verdict.unknown, 0, "what had no answer is sent again: {outcome:?}");
        assert_eq!(outcome.verdict.is_clean(), clean, "{fault:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_slow_server_cannot_hide_that_it_is_slow() {
    // It rests for 300 ms once: an honest driver sees it in every message that was due meanwhile.
    let outcome = run(Fault::RestOnce(Duration::from_millis(300))).await;
    assert!(outcome.verdict.is_clean(), "{outcome:?}");
    let slow = outcome.to_receive;
    assert!(slow.max >= 290.0, "{slow:?}");
    assert!(slow.p90 >= 100.0, "one rest of 300 ms in 400 ms of schedule must show in p90: {slow:?}");
}

#[tokio::test]
async fn acknowledging_late_still_brings_every_receipt() {
    let server = Server::start(Fault::None).await;
    let load = Load { acking: Acking::After(Duration::from_millis(50)), ..load(&server, Codec::MessagePack) };
    let driver = Driver::connect(load, &Progress::silent()).await.unwrap();
    let outcome = driver.run(&Progress::silent()).await.unwrap();
    driver.close().await;
    assert!(outcome.is_clean(), "{outcome:?}");
    assert!(outcome.to_delivered.p50 >= 1.0, "{:?}", outcome.to_delivered);
}
