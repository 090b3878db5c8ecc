//! Redis by TLS: a server that cannot show who it is is told nothing.

use std::{path::PathBuf, time::Duration};

use chasqui_limiter::{Limit, Limiter, RedisSettings};
use chasqui_testkit::{Authority, TlsProxy};
use pretty_assertions::assert_eq;

use crate::redis;

/// How many of one may pass in two processes together: one when they share Redis, two when neither talks to it.
async fn passed(proxy: &TlsProxy, ca_file: PathBuf, key: &str) -> usize {
    let limit = Limit::new("test", Some("1, 1/d".parse().unwrap()));
    let mut passed = 0;
    for _ in 0..2 {
        let url = format!("rediss://{}", proxy.address());
        let settings = RedisSettings {
            url: url.into(),
            ca_file: Some(ca_file.clone()),
            timeout: Duration::from_secs(5),
        };
        let limiter = Limiter::shared(&settings).unwrap();
        passed += usize::from(limiter.check(limit, key).await.is_ok());
    }
    passed
}

#[tokio::test]
async fn only_a_server_with_the_right_authority_and_the_right_name_is_talked_to() {
    let redis = redis().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let port = redis.port().unwrap();
    let honest = TlsProxy::start(port, &authority.issue("127.0.0.1")).await;
    assert_eq!(passed(&honest, authority.file(), "right").await, 1);
    assert_eq!(passed(&honest, stranger.file(), "another authority").await, 2);
    let misnamed = TlsProxy::start(port, &authority.issue("elsewhere.example")).await;
    assert_eq!(passed(&misnamed, authority.file(), "another name").await, 2);
}
