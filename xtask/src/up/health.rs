//! `GET /health/ready`, spoken by hand: one request does not need an HTTP library.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// What the process says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Health {
    Ready,
    NotReady(String),
}

const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn ask(ops: SocketAddr) -> Health {
    match answer(reachable(ops)) {
        Ok(answer) => judge(&answer),
        Err(error) => Health::NotReady(format!("it does not answer yet ({error})")),
    }
}

fn answer(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn judge(answer: &str) -> Health {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" { Health::Ready } else { Health::NotReady(reasons(status, body)) }
}

/// The checks that are not met, out of `{"checks": [{"name", "ready", "reason"}]}`.
fn reasons(status: &str, body: &str) -> String {
    let report: serde_json::Value = serde_json::from_str(body.trim()).unwrap_or_default();
    let checks = report.get("checks").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |check: &serde_json::Value, name: &str| {
        check.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let unmet: Vec<String> = checks
        .iter()
        .filter(|check| check.get("ready").and_then(serde_json::Value::as_bool) == Some(false))
        .map(|check| format!("{}: {}", text(check, "name"), text(check, "reason")))
        .collect();
    if unmet.is_empty() { format!("it answers {status}") } else { unmet.join("; ") }
}

/// An address to connect to, for one to listen on.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_ready() {
        assert_eq!(judge("HTTP/1.1 200 OK\r\n\r\n{}"), Health::Ready);
        let body = r#"{"ready":false,"checks":[{"name":"nats","ready":true},{"name":"projector","ready":false,"reason":"starting"}]}"#;
        let answer = format!("HTTP/1.1 503 Service Unavailable\r\n\r\n{body}");
        assert_eq!(judge(&answer), Health::NotReady("projector: starting".into()));
        assert_eq!(judge("SSH-2.0-x"), Health::NotReady("it answers ".into()));
    }
}
