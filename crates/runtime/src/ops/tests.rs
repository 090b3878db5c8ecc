use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::lifecycle::Lifecycle;
use crate::metrics::names;

/// Status and body of a GET over a real connection.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn the_port_tells_life_readiness_with_its_reason_and_metrics_until_the_very_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let life = Lifecycle::new(Duration::from_secs(30));
    let (tasks, shutdown, registry) = (life.tasks(), life.shutdown(), Registry::new());
    let ops =
        Ops { registry: registry.clone(), metrics: Metrics::install().unwrap(), shutdown: shutdown.clone() };
    tasks.spawn_service("ops", serve_ops(listener, ops));
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    tasks.spawn("slow work", async move { Ok(finished.await?) });

    assert_eq!(get(address, "/health/live").await.0, 200);
    let check = registry.register("projector.0");
    let (status, body) = get(address, "/health/ready").await;
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &report["ready"]), (503, &serde_json::json!(false)));
    assert_eq!(report["checks"][0]["name"], "projector.0");
    assert_eq!(report["checks"][0]["reason"], "starting");
    assert!(report["checks"][0]["since"].as_str().unwrap().ends_with('Z'));

    check.set_ready();
    let (status, body) = get(address, "/health/ready").await;
    assert_eq!((status, body.contains("\"ready\":true")), (200, true), "{body}");

    metrics::gauge!(names::EDGE_ROOMS).set(3.0);
    let (status, body) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("chasqui_edge_rooms 3") && body.contains("process_open_fds"), "{body}");

    let ending = tokio::spawn(life.wait());
    shutdown.request();
    let (status, body) = get(address, "/health/ready").await;
    assert_eq!((status, body.contains("shutting down")), (503, true), "{body}");
    assert_eq!(get(address, "/health/live").await.0, 200);

    finish.send(()).unwrap();
    ending.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed when the process has ended");
}
