//! The scripts against what they are to agree with, under a clock of the test's own.

use std::{cell::RefCell, time::Duration};

use chasqui_backends::{RedisOptions, RedisServer};
use pretty_assertions::assert_eq;
use proptest::{prelude::*, test_runner::TestRunner};
use redis::{Connection, Script};

use super::{BEGIN, SETTLE, SUCCEED, TAKE, micros, text};
use crate::attempts::{AttemptRule, MOST_ORIGINS, Record};

/// The script with the time, in microseconds, as one more argument.
fn timed(script: &str) -> Script {
    let timed = script.replace("redis.call('TIME')", "{ 0, ARGV[#ARGV] }");
    assert_ne!(timed, script);
    Script::new(&timed)
}

/// The same, with keys that outlive any test: the test's time runs on while the server's does not, and the other way.
fn lasting(script: &str) -> Script {
    let lasting = script.replace("math.ceil((after - now) / 1000)", "3600000");
    assert_ne!(lasting, script);
    timed(&lasting)
}

fn redis() -> (RedisServer, Connection) {
    let server = RedisServer::start_own(&RedisOptions::default()).unwrap();
    let connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    (server, connection)
}

fn flush(connection: &mut Connection) {
    redis::cmd("FLUSHALL").exec(connection).unwrap();
}

/// Some moment, as Redis would tell it.
const START: u64 = 1_800_000_000_000_000;

#[test]
fn in_no_window_do_more_pass_than_the_burst_and_what_comes_back_in_it() {
    let (_server, connection) = redis();
    let connection = RefCell::new(connection);
    let take = lasting(TAKE);
    let steps = prop::collection::vec(0_u64..40_000, 1..150);
    let scenario = (1_u64..8, 1_u64..50_000, steps);
    let run = |(burst, interval, steps): (u64, u64, Vec<u64>)| {
        let connection = &mut *connection.borrow_mut();
        flush(connection);
        let mut take =
            |now: u64| -> u64 { take.key("k").arg(interval).arg(burst).arg(now).invoke(connection).unwrap() };
        let (mut now, mut passed) = (START, Vec::new());
        for step in steps {
            now += step;
            let wait = take(now);
            if wait > 0 {
                // What it says to wait is exact: not a moment less, and then it passes.
                prop_assert_eq!(take(now + wait - 1), 1);
                now += wait;
                prop_assert_eq!(take(now), 0);
            }
            passed.push(now);
        }
        for (from, at) in passed.iter().enumerate() {
            for (to, until) in passed.iter().enumerate().skip(from) {
                let most = burst + (until - at) / interval;
                prop_assert!(((to - from) as u64) < most, "{passed:?}");
            }
        }
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(48)).run(&scenario, run).unwrap();
}

#[test]
fn a_key_lives_as_long_as_it_says_something_and_a_clock_set_back_costs_a_burst_at_the_most() {
    let (_server, mut connection) = redis();
    let (take, settle) = (timed(TAKE), timed(SETTLE));
    let second = 1_000_000_u64;
    let take = |now: u64, connection: &mut Connection| -> u64 {
        take.key("k").arg(second).arg(3).arg(now).invoke(connection).unwrap()
    };
    assert_eq!(take(START, &mut connection), 0);
    let alive: u64 = redis::cmd("PTTL").arg("k").query(&mut connection).unwrap();
    assert!((900..=1000).contains(&alive), "{alive} ms");
    let day = 86_400 * second;
    assert_eq!(
        take(START - day, &mut connection),
        4 * second,
        "twice the burst ahead, less what it may be ahead"
    );
    flush(&mut connection);
    let settled: u64 =
        settle.key("k").arg(second).arg(3).arg(1000).arg(START).invoke(&mut connection).unwrap();
    assert_eq!(settled, 4 * second, "a thousand given away too much are waited for like one burst");
    assert_eq!(take(START + 4 * second, &mut connection), 0);
}

#[test]
fn failures_are_counted_in_redis_as_they_are_here() {
    const RULE: AttemptRule = AttemptRule {
        name: "a",
        free: 2,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(10),
        most: 10,
        rest: Duration::from_mins(1),
    };
    let (_server, connection) = redis();
    let connection = RefCell::new(connection);
    let (begin, succeed) = (timed(BEGIN), timed(SUCCEED));
    // Seconds that pass, who comes (nobody known at 0), and whether it goes well.
    let steps = prop::collection::vec((0_u64..70, 0_u8..12, prop::bool::weighted(0.15)), 1..60);
    let run = |steps: Vec<(u64, u8, bool)>| {
        let connection = &mut *connection.borrow_mut();
        flush(connection);
        let (mut record, mut now) = (Record::default(), START);
        for (passed, who, success) in steps {
            // Long pauses are rare, so that rows grow.
            now += if passed < 60 { passed / 10 } else { passed } * 1_000_000;
            let origin = (who > 0).then_some([who; 16]);
            let here = record.begin(&RULE, origin, Duration::from_micros(now));
            let mut call = begin.key("k");
            call.arg(RULE.free).arg(micros(RULE.first_wait)).arg(micros(RULE.longest_wait));
            call.arg(RULE.strangers()).arg(RULE.most).arg(micros(RULE.rest));
            let (wait, failures): (u64, u32) =
                call.arg(text(origin)).arg(0).arg(now).invoke(connection).unwrap();
            prop_assert_eq!(Duration::from_micros(wait), here.err().unwrap_or_default());
            prop_assert_eq!(failures, record.failures(&RULE, Duration::from_micros(now)));
            prop_assert!(failures <= RULE.most);
            if success && wait == 0 {
                record.succeed(origin, Duration::from_micros(now));
                let mut call = succeed.key("k");
                call.arg(text(origin)).arg(MOST_ORIGINS).arg(1_000_000).arg(now);
                let _: u64 = call.invoke(connection).unwrap();
                // A microsecond later, so that there is an oldest one.
                now += 1;
            }
        }
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(48)).run(&steps, run).unwrap();
}
