//! `GET /v1/ws`: from an HTTP request to a connection.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chasqui_http::{ClientAddress, Presence, Refusal, is_of_ours};
use chasqui_protocol::{CloseCode, Code, Codec, Problem};

use crate::{edge::Edge, session::Session, socket};

/// The address of the WebSocket.
pub(crate) const PATH: &str = "/v1/ws";

/// Small buffers: an idle connection costs little more than these.
const BUFFER: usize = 4096;

pub(crate) fn router(edge: Arc<Edge>) -> Router {
    Router::new().route(PATH, get(accept)).with_state(edge)
}

async fn accept(
    State(edge): State<Arc<Edge>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let detail =
                format!("this address takes WebSocket upgrades (RFC 6455) only: {}", rejection.body_text());
            return refuse(rejection.status(), &Problem::new(Code::Malformed, detail));
        }
    };
    if edge.is_draining() {
        let problem =
            Problem::new(Code::Unavailable, "this server is going away; connect again").retry_after_ms(1_000);
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &problem);
    }
    if !is_of_ours(&edge.settings.allowed_origins, &headers) {
        let detail = "pages of this origin may not connect; see http.allowed_origins";
        return refuse(StatusCode::FORBIDDEN, &Problem::new(Code::Forbidden, detail));
    }
    if let Err(problem) = edge.rates.connect(address) {
        return Refusal(problem).into_response();
    }
    let Some(codec) = codec_of(&headers) else {
        let names = Codec::ALL.map(Codec::subprotocol).join(", ");
        let detail = format!("none of the subprotocols asked for is known; known are {names}");
        return refuse(StatusCode::BAD_REQUEST, &Problem::new(Code::Malformed, detail));
    };
    let (token, presence) = (token_of(&headers), address.map(|address| edge.crowd.enter(address)));
    let limit = edge.settings.max_frame_bytes;
    upgrade
        .protocols([codec.subprotocol()])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(limit.max(edge.settings.outbox_bytes) + BUFFER)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |ws| {
            // On its own task: the one of the upgrade is as large as the handshake needed it.
            match presence.map_or(Some(None), |entered| entered.map(Some)) {
                Some(presence) => serve(edge, ws, Peer { address, token, presence }, codec),
                None => turn_away(&edge, ws, codec),
            }
            std::future::ready(())
        })
}

/// Who has connected, as far as the request tells.
pub(crate) struct Peer {
    pub(crate) address: Option<IpAddr>,
    pub(crate) token: Option<String>,
    /// Their place among the connections of their address.
    pub(crate) presence: Option<Presence>,
}

fn serve(edge: Arc<Edge>, ws: WebSocket, peer: Peer, codec: Codec) {
    if !edge.hub.take_place(edge.settings.max_connections) {
        return turn_away(&edge, ws, codec);
    }
    let now = edge.clock.now();
    let mut session = session(&edge, codec);
    if edge.is_draining() {
        session.close(CloseCode::GoingAway, now);
    }
    tokio::spawn(socket::serve(edge, ws, peer, session));
}

fn session(edge: &Edge, codec: Codec) -> Session {
    Session::new(codec, edge.settings.outbox_bytes, edge.settings.timing, edge.clock.now())
}

/// Tells a client that there are too many connections: here, or of its address.
fn turn_away(edge: &Edge, ws: WebSocket, codec: Codec) {
    let mut session = session(edge, codec);
    session.close(CloseCode::TooManyConnections, edge.clock.now());
    tokio::spawn(refuse_connection(ws, session));
}

/// Says why, without a place among the connections.
async fn refuse_connection(mut ws: WebSocket, mut session: Session) {
    let patience = std::time::Duration::from_secs(1);
    let saying = async {
        while let Some(frame) = session.next_frame() {
            ws.send(frame.into_message()).await?;
        }
        let code = CloseCode::TooManyConnections;
        let close = axum::extract::ws::CloseFrame { code: code.code(), reason: code.reason().into() };
        ws.send(axum::extract::ws::Message::Close(Some(close))).await
    };
    if !matches!(tokio::time::timeout(patience, saying).await, Ok(Ok(()))) {
        tracing::debug!("a connection beyond the limit was gone before it was told");
    }
    crate::meters::Meters::closed(CloseCode::TooManyConnections);
}

fn refuse(status: StatusCode, problem: &Problem) -> Response {
    let status_of_problem = StatusCode::from_u16(problem.status).unwrap_or(status);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    (status_of_problem, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

/// The codec that the client asks for; JSON when it asks for none, `None` when it asks only for others.
fn codec_of(headers: &HeaderMap) -> Option<Codec> {
    let mut asked = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .peekable();
    if asked.peek().is_none() {
        return Some(Codec::default());
    }
    asked.find_map(Codec::from_subprotocol)
}

/// The token of the request itself. A page's cookie has become one at the door of the server.
fn token_of(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_first_known_subprotocol_is_taken() {
        let asking = |names| codec_of(&headers(&[("sec-websocket-protocol", names)]));
        assert_eq!(codec_of(&headers(&[])), Some(Codec::Json));
        assert_eq!(asking("chasqui.v9.x, chasqui.v1.msgpack, chasqui.v1.json"), Some(Codec::MessagePack));
        assert_eq!(asking("graphql-ws"), None);
    }

    #[test]
    fn other_origins_are_refused() {
        let from = |origin| {
            is_of_ours(
                &["https://app.example".to_owned()],
                &headers(&[("host", "chat.example"), ("origin", origin)]),
            )
        };
        assert!(is_of_ours(&[], &headers(&[("host", "chat.example")])), "not a browser");
        assert!(from("https://chat.example"));
        assert!(from("https://app.example"));
        assert!(!from("https://evil.example"));
        assert!(!from("null"));
    }
}
