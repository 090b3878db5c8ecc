//! Tokens: what is shown before it is known by whom.

use std::sync::LazyLock;

use chasqui_auth::strangers::{self, AccessTokens};

static TOKENS: LazyLock<AccessTokens> = LazyLock::new(|| AccessTokens::new().expect("a key can be made"));

/// Whatever lets somebody in was issued: nothing else is signed.
pub(crate) fn access(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(identity) = TOKENS.check(text) {
        assert_eq!(identity, TOKENS.identity());
    }
}

pub(crate) fn access_tokens() -> Vec<Vec<u8>> {
    let good = TOKENS.issue().expect("a token can be made");
    assert_eq!(TOKENS.check(&good), Some(TOKENS.identity()));
    vec![good.into_bytes()]
}

/// What is read as a refresh token is written as one that reads the same.
pub(crate) fn refresh(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(again) = strangers::refresh_token(text) {
        assert_eq!(strangers::refresh_token(&again).as_ref(), Some(&again));
    }
}

/// So does a program's.
pub(crate) fn service(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(again) = strangers::service_token(text) {
        assert_eq!(strangers::service_token(&again).as_ref(), Some(&again));
    }
}

pub(crate) fn other_tokens() -> Vec<Vec<u8>> {
    strangers::good_tokens().map(String::into_bytes).into()
}
