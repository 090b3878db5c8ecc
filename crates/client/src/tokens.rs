//! Where access tokens come from.

use std::{fmt, time::Duration};

use futures::future::{BoxFuture, FutureExt, ready};
use secrecy::{ExposeSecret, SecretString};

#[cfg(feature = "http")]
mod session;
#[cfg(feature = "http")]
pub use session::Session;

/// A token to show to the server.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token itself.
    pub token: SecretString,
    /// How long it still lasts, if that is known.
    pub lasts: Option<Duration>,
}

/// There is no token to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It may work later: the server cannot be reached, or is overloaded.
    #[error("no new token yet: {0}")]
    Temporary(String),
    /// The user has to log in again.
    #[error("log in again: {0}")]
    Final(String),
}

/// Gives access tokens to a [`crate::Client`], and new ones when they run out.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// A token, other than `stale` if that is given: it is about to expire, or was refused.
    fn access_token<'a>(
        &'a self,
        stale: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<AccessToken, TokenError>>;
}

/// One token that cannot be renewed.
impl TokenSource for SecretString {
    fn access_token<'a>(
        &'a self,
        stale: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<AccessToken, TokenError>> {
        let same = stale.is_some_and(|stale| stale.expose_secret() == self.expose_secret());
        let token = if same {
            Err(TokenError::Final(
                "the token is not good any more and there is no way to renew it".to_owned(),
            ))
        } else {
            Ok(AccessToken { token: self.clone(), lasts: None })
        };
        ready(token).boxed()
    }
}
