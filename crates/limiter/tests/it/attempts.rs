//! Failures in a row.

use std::time::Duration;

use chasqui_limiter::{AttemptRule, Limiter};
use pretty_assertions::assert_eq;

use crate::{limiter, redis};

/// Without waits that a test would have to sit through.
const RULE: AttemptRule = AttemptRule {
    name: "test_failures",
    free: 100,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(1),
    most: 10,
    rest: Duration::from_hours(24),
};

async fn begun(limiter: &Limiter, origins: impl IntoIterator<Item = u32>) -> usize {
    let mut begun = 0;
    for origin in origins {
        let origin = origin.to_be_bytes();
        begun += usize::from(limiter.begin_attempt(&RULE, "ana", Some(&origin)).await.is_ok());
    }
    begun
}

#[tokio::test]
async fn an_account_is_guessed_at_so_often_whatever_the_number_of_addresses_and_processes() {
    let redis = redis().await;
    let (one, other) = (limiter(&redis), limiter(&redis));
    let alternating = async {
        let mut all = 0;
        for origin in 0..50 {
            all += begun(&one, [origin]).await + begun(&other, [1000 + origin]).await;
        }
        all
    };
    assert_eq!(alternating.await, 8, "four fifths of ten");
}

#[tokio::test]
async fn many_attempts_at_once_are_not_more() {
    let redis = redis().await;
    let limiter = limiter(&redis);
    let attempts = (0..50_u32).map(|n| {
        let limiter = limiter.clone();
        tokio::spawn(async move { begun(&limiter, [n]).await })
    });
    let mut all = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        all += attempt.await.unwrap();
    }
    assert_eq!(all, 8);
}

#[tokio::test]
async fn the_owner_comes_in_from_where_they_came_before_and_ends_the_row() {
    let redis = redis().await;
    let (one, other) = (limiter(&redis), limiter(&redis));
    let home = 7_u32.to_be_bytes();
    one.begin_attempt(&RULE, "ana", Some(&home)).await.unwrap();
    one.succeed(&RULE, "ana", Some(&home)).await;
    assert_eq!(begun(&one, 100..150).await, 8);
    other.begin_attempt(&RULE, "ana", Some(&home)).await.unwrap();
    other.succeed(&RULE, "ana", Some(&home)).await;
    assert_eq!(begun(&one, 100..101).await, 1, "the row has ended, also for who counted it");
}

#[tokio::test]
async fn failures_are_not_forgotten_with_redis_memory_nor_without_redis() {
    let redis = redis().await;
    let limiter = limiter(&redis);
    assert_eq!(begun(&limiter, 0..5).await, 5);
    let mut connection =
        redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    assert_eq!(begun(&limiter, 0..1).await, 1);
    redis.kill_9().unwrap();
    assert_eq!(begun(&limiter, 0..10).await, 2, "eight in all");
}
