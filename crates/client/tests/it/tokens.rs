//! Tokens that are refused, expire, or cannot be had.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chasqui_client::{AccessToken, Event, Options, TokenError, TokenSource};
use chasqui_protocol::{
    ClientFrame, CloseCode, Code, Problem, ServerFrame,
    close::Reconnect,
    frame::{ErrorFrame, Renew},
};
use futures::future::{BoxFuture, FutureExt, ready};
use pretty_assertions::assert_eq;
use secrecy::{ExposeSecret, SecretString};

use crate::server::{Server, disconnected, event, options, soon, welcome};

/// Gives "1", and for every stale one the next number; fails as often as it is told to.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    given: u32,
    lasts: Option<Duration>,
    failures: Vec<TokenError>,
}

impl Counting {
    fn failing(failures: &[TokenError]) -> Self {
        Self(Arc::new(Mutex::new(State { failures: failures.to_vec(), ..State::default() })))
    }

    fn lasting(lasts: Duration) -> Self {
        Self(Arc::new(Mutex::new(State { lasts: Some(lasts), ..State::default() })))
    }
}

impl TokenSource for Counting {
    fn access_token<'a>(
        &'a self,
        stale: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<AccessToken, TokenError>> {
        let mut source = self.0.lock().unwrap();
        if let Some(failure) = source.failures.pop() {
            return ready(Err(failure)).boxed();
        }
        if source.given == 0 || stale.is_some_and(|stale| stale.expose_secret() == source.given.to_string()) {
            source.given += 1;
        }
        let token = AccessToken { token: source.given.to_string().into(), lasts: source.lasts };
        ready(Ok(token)).boxed()
    }
}

fn resuming() -> Options {
    Options { cursor: Some("c".to_owned()), ..options() }
}

#[tokio::test]
async fn a_refused_token_is_exchanged() {
    let server = Server::start().await;
    let (_client, mut events) = server.client_of(Counting::default(), resuming());
    let mut visit = server.hello().await;
    assert_eq!(visit.hello.token, "1");
    let problem = Problem::new(Code::Unauthorized, "not valid");
    visit.say(ServerFrame::Error(ErrorFrame { id: None, reference: None, problem })).await;
    disconnected(&mut events).await;
    let mut token = 2;
    let with_new_token =
        CloseCode::ALL.iter().copied().filter(|code| code.reconnect() == Reconnect::WithNewToken);
    for code in with_new_token {
        let visit = server.visit().await;
        assert_eq!(visit.hello.token, token.to_string());
        event(&mut events).await;
        visit.bye(code, 0).await;
        disconnected(&mut events).await;
        token += 1;
    }
    assert_eq!(token, 4, "the table has two such codes");
    // Another end is no reason for another token.
    drop(server.visit().await);
    event(&mut events).await;
    disconnected(&mut events).await;
    assert_eq!(server.visit().await.hello.token, "4");
}

#[tokio::test]
async fn one_that_cannot_be_renewed_is_the_end() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(resuming());
    let visit = server.visit().await;
    event(&mut events).await;
    visit.bye(CloseCode::TokenExpired, 0).await;
    disconnected(&mut events).await;
    let stopped = event(&mut events).await;
    assert!(
        matches!(&stopped, Event::Stopped { code: None, why } if why.contains("log in again")),
        "{stopped:?}"
    );
    assert_eq!(soon("the end", events.next()).await, None);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_yet_is_asked_for_again() {
    let server = Server::start().await;
    let later = TokenError::Temporary("the server is away".to_owned());
    let tokens = Counting::failing(&[later.clone(), later]);
    let (_client, mut events) = server.client_of(tokens, resuming());
    for _ in 0..2 {
        let (why, _) = disconnected(&mut events).await;
        assert!(why.contains("the server is away"), "{why}");
    }
    assert_eq!(server.visit().await.hello.token, "1");
}

#[tokio::test]
async fn it_is_renewed_on_the_open_connection_before_it_expires() {
    let server = Server::start().await;
    let tokens = Counting::lasting(Duration::from_millis(400));
    let (_client, mut events) = server.client_of(tokens, resuming());
    let mut visit = server.visit().await;
    assert_eq!(visit.hello.token, "1");
    for token in ["2", "3"] {
        assert_eq!(visit.hears().await, ClientFrame::Renew(Renew { token: token.to_owned() }));
        // A second welcome answers it, and is no reconnect.
        visit.welcome(welcome()).await;
    }
    visit.ping(b"alive").await;
    drop(visit);
    assert!(matches!(event(&mut events).await, Event::Connected(_)));
    disconnected(&mut events).await;
    assert_eq!(server.visit().await.hello.token, "3");
}
