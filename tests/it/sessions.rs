//! Sessions that end (reliability: revoked families, expired tokens, removed rights: nothing is delivered after the
//! bound).

use std::time::{Duration, Instant};

use chasqui_client::{Connection, ConnectionError, Event, SocketLimits};
use chasqui_protocol::{CloseCode, Code, Codec, ServerFrame, command::Tokens};
use chasqui_testkit::{Layout, Person, Role, Rule, Stack, within};
use pretty_assertions::assert_eq;
use secrecy::SecretString;

/// What is promised for the sockets of a revoked session.
const BOUND: Duration = Duration::from_secs(5);

async fn connected(stack: &Stack, process: &str, token: &str) -> Connection {
    let endpoint = stack.process(process).endpoint();
    let mut connection = Connection::open(&endpoint, Codec::Json, SocketLimits::default()).await.unwrap();
    connection.hello(token, None, None).await.unwrap();
    connection
}

/// Reads until the server closes; tells how, and whether an entry came on the way.
async fn end_of(mut connection: Connection) -> (ConnectionError, usize) {
    let mut items = 0;
    loop {
        match connection.next().await {
            Ok(ServerFrame::Item(_)) => items += 1,
            Ok(_) => {}
            Err(end) => return (end, items),
        }
    }
}

/// Logging out ends the session's sockets on every edge, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_ends_its_sockets() {
    let stack = Stack::with(Layout::core_and_edges(2)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let phone = stack.accounts().login("beto", &Person::password(), "phone").await.unwrap();
    let token = phone.tokens().await.access_token;
    let sockets = [connected(&stack, "edge-1", &token).await, connected(&stack, "edge-2", &token).await];

    let asked = Instant::now();
    phone.logout().await.unwrap();
    for socket in sockets {
        let (end, _) = within("the end of a socket whose session was logged out", end_of(socket)).await;
        assert_eq!(end.close_code(), Some(CloseCode::SessionRevoked), "{end}");
    }
    assert!(asked.elapsed() < BOUND, "after {:?}", asked.elapsed());
    let refused = stack.accounts().refresh(&phone.tokens().await.refresh_token.into()).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::RefreshRejected));

    // The other session of the same person goes on.
    ana.says(room, "still there?").await;
    beto.sees_message(room, "still there?").await;
    beto.says(room, "yes").await;
    assert!(!beto.events().iter().any(|event| matches!(event, Event::Disconnected { .. })));
}

/// A refresh token that is used again after its grace ends the whole family, its sockets included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_refresh_token_ends_the_family() {
    let stack = Stack::with(Layout::core_and_edges(2).set("auth.refresh_grace_s", 0)).await;
    let ana = stack.user("ana").await;
    let accounts = stack.accounts();
    let stolen: SecretString = ana.session.tokens().await.refresh_token.into();
    let second: Tokens = accounts.refresh(&stolen).await.unwrap();
    let third: Tokens = accounts.refresh(&second.refresh_token.into()).await.unwrap();
    let socket = connected(&stack, "edge-2", &third.access_token).await;

    let since = Instant::now();
    let again = accounts.refresh(&stolen).await.unwrap_err();
    assert_eq!(again.code(), Some(Code::RefreshRejected));
    let refused = accounts.refresh(&third.refresh_token.into()).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::RefreshRejected), "the newest one of the family still works");
    let (end, _) = within("the end of a socket of the family", end_of(socket)).await;
    assert_eq!(end.close_code(), Some(CloseCode::SessionRevoked), "{end}");
    assert!(since.elapsed() < BOUND, "after {:?}", since.elapsed());
}

/// A socket ends with its token, unless it has shown a new one; nothing is delivered afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_ends_with_its_token() {
    const LIFE: u64 = 5;
    let stack = Stack::with(Layout::core_and_edges(1).set("auth.access_ttl_s", LIFE)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let token = beto.token().await;
    let shown = Instant::now();
    let lazy = connected(&stack, "edge-1", &token).await;
    let (end, _) = within("the end of an expired token", end_of(lazy)).await;
    assert_eq!(end.close_code(), Some(CloseCode::TokenExpired), "{end}");
    assert!(shown.elapsed() < Duration::from_secs(LIFE + 3), "after {:?}", shown.elapsed());
    // The clients have renewed theirs on the open connection.
    ana.says(room, "still there?").await;
    beto.sees_message(room, "still there?").await;
    assert!(
        !beto.events().iter().any(|event| matches!(event, Event::Disconnected { .. })),
        "beto did not renew"
    );
    let mut late = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
    assert!(within("an answer", late.hello(&token, None, None)).await.is_err(), "an expired token was taken");
}

/// The push is lost: the edge finds the end of the session by itself, in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_notice_of_the_end_is_made_good() {
    // The tick has nothing to do with it.
    let layout =
        Layout::core_and_edges(2).lossy_nats("edge-1").lossy_nats("edge-2").set("edge.tick_ms", 60_000);
    let stack = Stack::with(layout).await;
    let ana = stack.user("ana").await;
    for edge in ["edge-1", "edge-2"] {
        stack.lossy(edge).lose(Rule::new(|message| message.subject.starts_with("notify.user.")));
    }
    for round in 0..3 {
        let phone = stack.accounts().login("ana", &Person::password(), "phone").await.unwrap();
        let token = phone.tokens().await.access_token;
        let sockets = [connected(&stack, "edge-1", &token).await, connected(&stack, "edge-2", &token).await];
        let asked = Instant::now();
        phone.logout().await.unwrap();
        for socket in sockets {
            let (end, _) = within("the end of a socket whose notice was lost", end_of(socket)).await;
            assert_eq!(end.close_code(), Some(CloseCode::SessionRevoked), "{end}");
        }
        assert!(asked.elapsed() < BOUND, "after {:?}", asked.elapsed());
        println!("round {round}: after {:?}", asked.elapsed());
    }
    assert!(!stack.lossy("edge-1").lost().is_empty(), "nothing was lost");
    assert!(!ana.events().iter().any(|event| matches!(event, Event::Disconnected { .. })), "another session");
}

/// Access tokens of an ended session are refused over HTTP, too, by a process that was told nothing; and where that
/// process cannot read who was revoked, it refuses everybody after a while, until it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_dies_with_its_session_everywhere() {
    const STALE: Duration = Duration::from_secs(3);
    let layout = Layout::empty()
        .process("core", &[Role::Auth, Role::CommandApi, Role::Projector])
        .process("reading", &[Role::QueryApi])
        .lossy_nats("reading")
        .edges(1)
        .set("auth.revocations_stale_s", STALE.as_secs());
    let stack = Stack::with(layout).await;
    let ana = stack.user("ana").await;
    let status = async |token: &str| {
        let asked = stack.http().get(stack.url(Role::QueryApi, "/v1/conversations")).bearer_auth(token);
        asked.send().await.unwrap().status().as_u16()
    };
    let until = async |token: &str, expected: u16| {
        let since = Instant::now();
        let answered = async {
            while status(token).await != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(&format!("an answer with {expected}"), answered).await;
        since.elapsed()
    };

    let phone = stack.accounts().login("ana", &Person::password(), "phone").await.unwrap();
    let token = phone.tokens().await.access_token;
    assert_eq!(status(&token).await, 200);
    phone.logout().await.unwrap();
    let after = until(&token, 401).await;
    assert!(after < Duration::from_secs(2), "after {after:?}");
    let good = ana.token().await;
    assert_eq!(status(&good).await, 200, "her other session");

    // Now its questions about the bucket are not answered.
    stack.lossy("reading").lose(Rule::new(|message| message.holds("KV_REVOKED")));
    let blind = until(&good, 503).await;
    assert!(blind > STALE / 2 && blind < STALE * 3, "after {blind:?}");
    stack.lossy("reading").lose(Rule::none());
    until(&good, 200).await;
}
