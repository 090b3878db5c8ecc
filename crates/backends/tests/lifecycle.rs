//! Each real backend through its whole life: started, hurt, restarted, stopped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use chasqui_backends::{
    Durability, Error, MongoOptions, MongoServer, NatsOptions, NatsServer, Place, RedisOptions, RedisServer,
};

/// The same life for every backend, which is what a test that hurts one relies on.
macro_rules! live_through {
    ($server:expr) => {{
        let server = $server;
        assert!(!server.is_external());
        server.probe().unwrap();
        let first = server.pid().unwrap();

        server.kill_9().unwrap();
        assert_eq!(server.pid(), None);
        assert!(server.probe().is_err());
        assert!(matches!(server.kill_9(), Err(Error::NotRunning { .. })));

        server.restart().unwrap();
        server.probe().unwrap();
        let second = server.pid().unwrap();
        assert_ne!(first, second);

        server.pause().unwrap();
        assert!(server.probe().is_err(), "a paused server answered");
        server.resume().unwrap();
        server.wait_ready(Duration::from_secs(10)).unwrap();
        assert_eq!(server.pid(), Some(second));

        server.stop().unwrap();
        assert_eq!(server.pid(), None);
        server.stop().unwrap();
        server.restart().unwrap();

        // A server that ends by itself is noticed, and named with the end of its log.
        let pid = server.pid().unwrap();
        assert!(server.died().is_none());
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        let died = loop {
            if let Some(died) = server.died() {
                break died;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(died.to_string().contains("signal: 9"), "{died}");

        server.restart().unwrap();
        let (folder, pid) = (server.data().unwrap().parent().unwrap().to_owned(), server.pid().unwrap());
        drop(server);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "dropped, and still running");
        assert!(!folder.exists(), "a temporary folder was left behind");
    }};
}

#[test]
fn nats() {
    live_through!(NatsServer::start_own(&NatsOptions::default()).unwrap());
}

#[test]
fn mongo() {
    live_through!(MongoServer::start_own(&MongoOptions::default()).unwrap());
}

#[test]
fn redis() {
    live_through!(RedisServer::start_own(&RedisOptions::default()).unwrap());
}

#[test]
fn nats_reads_its_durability_and_monitor_port() {
    let options = NatsOptions { durability: Durability::Always, ..NatsOptions::default() };
    let server = NatsServer::start_own(&options).unwrap();
    let monitor = server.monitor_url().unwrap();
    let authority = monitor.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET /varz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"sync_always\": true"), "{answer}");
}

#[test]
fn data_in_a_given_folder_survives() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { data: Some(folder.path().join("redis")), ..Place::default() };
    let options = RedisOptions { place, append_only: true };
    let server = RedisServer::start_own(&options).unwrap();
    assert_eq!(ask(&server, "SET greeting hello"), "+OK");
    server.stop().unwrap();
    drop(server);

    let again = RedisServer::start_own(&options).unwrap();
    assert_eq!(ask(&again, "STRLEN greeting"), ":5");
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let server = RedisServer::start_own(&RedisOptions::default()).unwrap();
    let place = Place { port: server.port(), ..Place::default() };
    let error = RedisServer::start_own(&RedisOptions { place, append_only: false }).unwrap_err();
    assert!(matches!(error, Error::PortInUse { port } if Some(port) == server.port()), "{error}");
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let options = NatsOptions { config: Some("no-such-file.conf".into()), ..NatsOptions::default() };
    let error = NatsServer::start_own(&options).unwrap_err();
    assert!(matches!(error, Error::Died { .. }), "{error}");
    assert!(error.to_string().contains("no-such-file.conf"), "{error}");
}

fn ask(server: &RedisServer, command: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "{command}\r\n").unwrap();
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).trim_end().to_owned()
}

/// The test below runs this one as another process; by itself it does nothing.
#[test]
fn a_parent_to_be_killed() {
    if std::env::var_os("CHASQUI_TEST_PARENT").is_none() {
        return;
    }
    let server = std::thread::spawn(|| RedisServer::start_own(&RedisOptions::default()).unwrap());
    // The thread that started it has ended when this line is printed, and the server must still live.
    let server = server.join().unwrap();
    server.probe().unwrap();
    println!("server {} in {}", server.pid().unwrap(), server.data().unwrap().display());
    std::thread::park();
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_does_not_outlive_a_killed_parent() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_parent_to_be_killed", "--nocapture"])
        .env("CHASQUI_TEST_PARENT", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("server ")).unwrap();
    let (_, line) = line.split_once("server ").unwrap();
    let (pid, data) = line.split_once(" in ").unwrap();
    let process = format!("/proc/{pid}");
    assert!(Path::new(&process).exists());

    parent.kill().unwrap();
    parent.wait().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while Path::new(&process).exists() {
        assert!(std::time::Instant::now() < deadline, "the server outlives its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
    // A killed process cannot tidy its temporary folder away.
    std::fs::remove_dir_all(Path::new(data).parent().unwrap()).unwrap();
}
