//! Where a server is: one address for the WebSocket and for HTTP.

use std::{fmt, str::FromStr};

/// The text is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEndpoint {
    /// The address asks for TLS, which this client does not speak by itself.
    #[error(
        "{0:?} asks for TLS, which this client does not speak: connect to a proxy that adds it, by ws:// or http://"
    )]
    Tls(String),
    /// Not an address at all.
    #[error("{0:?} is not a server's address; one looks like ws://127.0.0.1:8080")]
    Malformed(String),
}

/// A server: `ws://host:port` or `http://host:port`, which mean the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// The path of the WebSocket.
    pub const WEBSOCKET_PATH: &'static str = "/v1/ws";

    /// The server at this host (a name, or an address; IPv6 without brackets) and port.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// `host:port`, as it stands in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The address of the WebSocket.
    #[must_use]
    pub fn websocket_url(&self) -> String {
        format!("ws://{}{}", self.authority(), Self::WEBSOCKET_PATH)
    }

    /// The address of the HTTP API, without a slash at its end.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// What to connect a TCP socket to.
    pub(crate) fn tcp(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}", self.authority())
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let malformed = || NotAnEndpoint::Malformed(text.to_owned());
        let rest = match text.split_once("://") {
            Some(("ws" | "http", rest)) => rest,
            Some(("wss" | "https", _)) => return Err(NotAnEndpoint::Tls(text.to_owned())),
            Some(_) => return Err(malformed()),
            None => text,
        };
        let rest = rest.strip_suffix(Self::WEBSOCKET_PATH).unwrap_or(rest);
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') || host.starts_with('[') => {
                (host, port.parse().map_err(|_| malformed())?)
            }
            _ => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(malformed());
        }
        Ok(Self::new(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_a_server_mean_the_same() {
        let expected = Endpoint::new("127.0.0.1", 8080);
        for text in
            ["ws://127.0.0.1:8080", "http://127.0.0.1:8080/", "127.0.0.1:8080", "ws://127.0.0.1:8080/v1/ws"]
        {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
        }
        assert_eq!(expected.websocket_url(), "ws://127.0.0.1:8080/v1/ws");
        let v6: Endpoint = "ws://[::1]:9000".parse().unwrap();
        assert_eq!(v6, Endpoint::new("::1", 9000));
        assert_eq!(v6.http_url(), "http://[::1]:9000");
        assert_eq!("chat.example".parse(), Ok(Endpoint::new("chat.example", 80)));
    }

    #[test]
    fn a_bad_address_says_what_a_good_one_looks_like() {
        for text in ["", "ws://", "ftp://x:1", "ws://h:port", "ws://a/b:1", "ws://h:99999", "a b"] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.to_string().contains("ws://127.0.0.1:8080"), "{text}: {error}");
        }
        assert!(matches!("wss://h".parse::<Endpoint>(), Err(NotAnEndpoint::Tls(_))));
    }
}
