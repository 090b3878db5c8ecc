//! Checked and admitted.

use std::{sync::Arc, time::Duration};

use chasqui_backends::RedisServer;
use chasqui_limiter::{Limit, Limiter, RedisSettings};
use pretty_assertions::assert_eq;
use tokio::sync::Notify;

use crate::{limiter, redis};

/// So slow that nothing comes back during a test.
fn three_a_day() -> Limit {
    Limit::new("test", Some("3, 1/d".parse().unwrap()))
}

async fn passed(limiter: &Limiter, key: &str, times: usize) -> usize {
    let mut passed = 0;
    for _ in 0..times {
        passed += usize::from(limiter.check(three_a_day(), key).await.is_ok());
    }
    passed
}

/// One command of the server, behind everybody's back.
async fn tell(redis: &RedisServer, command: &str) -> String {
    let mut connection =
        redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let answer: redis::Value = redis::cmd(command).query_async(&mut connection).await.unwrap();
    format!("{answer:?}")
}

#[tokio::test]
async fn what_one_process_takes_another_does_not_have() {
    let redis = redis().await;
    let (one, other) = (limiter(&redis), limiter(&redis));
    assert_eq!(passed(&one, "ana", 2).await, 2);
    assert_eq!(passed(&other, "ana", 2).await, 1);
    let limited = one.check(three_a_day(), "ana").await.unwrap_err();
    assert_eq!(limited.limit, "test");
    assert!(limited.retry_after > Duration::from_hours(23), "{:?}", limited.retry_after);
    assert_eq!(passed(&one, "beto", 4).await, 3, "another key has its own");
}

#[tokio::test]
async fn two_processes_racing_for_the_last_ones_get_them_once() {
    let redis = redis().await;
    let limiters = [limiter(&redis), limiter(&redis)];
    let races = (0..40).map(|n| {
        let limiter = limiters[n % 2].clone();
        tokio::spawn(async move { limiter.check(three_a_day(), "ana").await.is_ok() })
    });
    let mut passed = 0;
    for race in races.collect::<Vec<_>>() {
        passed += usize::from(race.await.unwrap());
    }
    assert_eq!(passed, 3);
}

#[tokio::test]
async fn neither_names_nor_addresses_lie_in_redis() {
    let redis = redis().await;
    let limiter = limiter(&redis);
    limiter.check(three_a_day(), "192.0.2.77").await.unwrap();
    let keys = {
        let client = redis::Client::open(redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        keys
    };
    assert_eq!(keys.len(), 1);
    assert!(keys[0].starts_with("limit:test:") && !keys[0].contains("192.0.2.77"), "{keys:?}");
}

#[tokio::test]
async fn a_process_still_holds_its_own_part_when_redis_forgets() {
    let redis = redis().await;
    let (one, other) = (limiter(&redis), limiter(&redis));
    assert_eq!(passed(&one, "ana", 3).await, 3);
    tell(&redis, "FLUSHALL").await;
    assert_eq!(passed(&one, "ana", 2).await, 0, "it remembers what it gave away");
    assert_eq!(passed(&other, "ana", 4).await, 3, "another one never knew: a burst per process and FLUSHALL");
}

#[tokio::test]
async fn without_redis_each_process_holds_the_limit_alone_and_with_it_again_together() {
    let redis = redis().await;
    let limiters = [limiter(&redis), limiter(&redis)];
    redis.kill_9().unwrap();
    for limiter in &limiters {
        assert_eq!(passed(limiter, "ana", 5).await, 3);
    }
    let restarted = tokio::task::spawn_blocking(move || {
        redis.restart().unwrap();
        redis
    });
    let redis = restarted.await.unwrap();
    // The rest after failures passes; then what one takes the other does not have.
    let mut keys = 0..;
    loop {
        let key = format!("key {}", keys.next().unwrap());
        if passed(&limiters[0], &key, 3).await == 3 && passed(&limiters[1], &key, 1).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(redis);
}

#[tokio::test]
async fn a_redis_that_is_silent_costs_its_timeout_once_and_not_every_request() {
    let redis = redis().await;
    let settings =
        RedisSettings { url: redis.url().into(), ca_file: None, timeout: Duration::from_millis(300) };
    let limiter = Limiter::shared(&settings).unwrap();
    redis.pause().unwrap();
    let begun = std::time::Instant::now();
    for n in 0..200 {
        limiter.check(three_a_day(), format!("{n}")).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    redis.resume().unwrap();
}

#[tokio::test]
async fn what_is_admitted_here_is_refused_elsewhere_after_it_is_settled() {
    let redis = redis().await;
    let (one, other) = (limiter(&redis), limiter(&redis));
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let running = one.clone();
    let run = tokio::spawn(async move { running.run(stopped.notified()).await });
    for _ in 0..3 {
        one.admit(three_a_day(), "ana").unwrap();
    }
    assert!(one.admit(three_a_day(), "ana").is_err(), "a process never gives away more than the burst");
    // The end of the run settles what is left.
    stop.notify_one();
    run.await.unwrap();
    assert_eq!(passed(&other, "ana", 2).await, 0);
    // The other one's own word: given away before it knew, then told to wait.
    let fresh = limiter(&redis);
    fresh.admit(three_a_day(), "ana").unwrap();
    fresh.run(std::future::ready(())).await;
    let limited = fresh.admit(three_a_day(), "ana").unwrap_err();
    assert!(limited.retry_after > Duration::from_hours(24), "the debt is waited for, too: {limited:?}");
}
