//! Where a request comes from: the connection's other end, or whom a trusted proxy there names.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use chasqui_runtime::config::ForwardedHeader;
use ipnet::IpNet;

/// The client's address; `None` where the request did not come over a connection. IPv4 addresses that are written
/// as IPv6 are given as IPv4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// Who is believed when they tell for whom they ask.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The networks that they are in (`http.trusted_proxies`).
    pub trusted: Vec<IpNet>,
    /// The header in which they tell it (`http.forwarded_header`).
    pub header: ForwardedHeader,
}

/// Notes the client's address on a request.
pub(crate) async fn note(State(proxies): State<Arc<Proxies>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let client = peer.map(|peer| proxies.client(peer, request.headers()));
    request.extensions_mut().insert(ClientAddress(client));
    next.run(request).await
}

impl Proxies {
    /// Every proxy appends the address that it was asked from. So the list is read from its end, for as long as
    /// whoever wrote an entry is trusted; what lies before that anybody may have made up.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for told in self.told(headers).into_iter().rev() {
            let Some(address) = told else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Whether somebody at this address is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The addresses in the header, the nearest last; `None` for what is no address.
    fn told(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", node),
            ForwardedHeader::Forwarded => (header::FORWARDED.as_str(), forwarded_for),
        };
        let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
        lines.flat_map(|line| line.split(',')).map(read).collect()
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    node(value.trim().trim_matches('"'))
}

/// An address, perhaps with a port, perhaps in brackets.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address: IpAddr = text.parse().ok().or_else(bare).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(header: ForwardedHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Proxies { trusted, header }.client(peer.parse().unwrap(), &headers).to_string()
    }

    fn x(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        seen(ForwardedHeader::XForwardedFor, peer, &lines)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(x("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(x("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(x("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(x("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_itself_does_not_count() {
        assert_eq!(x("10.0.0.1", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(x("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.2.3.4"]), "198.51.100.1");
        assert_eq!(x("10.0.0.1", &["1.1.1.1, unknown, 10.2.3.4"]), "10.2.3.4");
        assert_eq!(x("10.0.0.1", &["10.9.9.9, 10.2.3.4"]), "10.9.9.9", "all of them are ours");
    }

    #[test]
    fn addresses_are_read_in_every_notation() {
        assert_eq!(x("::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(x("::1", &["198.51.100.1:80"]), "198.51.100.1");
        let rfc = |line| seen(ForwardedHeader::Forwarded, "::1", &[("forwarded", line)]);
        assert_eq!(rfc("for=1.1.1.1, For=\"[2001:db8::1]:4711\";proto=https"), "2001:db8::1");
        assert_eq!(rfc("proto=http;for=192.0.2.60"), "192.0.2.60");
        assert_eq!(rfc("for=_hidden"), "::1");
        let both = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(seen(ForwardedHeader::XForwardedFor, "::1", &both), "198.51.100.1");
    }
}
