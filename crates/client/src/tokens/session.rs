//! A login that renews itself.

use std::{fmt, sync::Arc, time::Duration};

use chasqui_events::{SessionId, UserId};
use chasqui_protocol::{command::Tokens, export::ExportEnd};
use futures::future::{BoxFuture, FutureExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncWrite, sync::Mutex, time::Instant};

use super::{AccessToken, TokenError, TokenSource};
use crate::{Api, ExportError};

type OnChange = Arc<dyn Fn(&Tokens) + Send + Sync>;

/// A login: its tokens, exchanged for new ones when they run out. Cheap to clone; all clones are one session.
#[derive(Clone)]
pub struct Session {
    api: Api,
    user: UserId,
    id: SessionId,
    held: Arc<Mutex<Held>>,
    on_change: Option<OnChange>,
}

/// Refresh tokens are good for one use, so whoever exchanges one holds the lock until the answer is there.
struct Held {
    tokens: Tokens,
    since: Instant,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Session {
    /// The session of these tokens.
    #[must_use]
    pub fn new(api: Api, tokens: Tokens) -> Self {
        let (user, id) = (tokens.user, tokens.session);
        let held = Arc::new(Mutex::new(Held { tokens, since: Instant::now() }));
        Self { api, user, id, held, on_change: None }
    }

    /// Calls `on_change` with the new tokens after each exchange, to keep them for the next start.
    #[must_use]
    pub fn on_change(mut self, on_change: impl Fn(&Tokens) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Arc::new(on_change));
        self
    }

    /// Who is logged in.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The tokens as they are now. They are secrets.
    pub async fn tokens(&self) -> Tokens {
        self.held.lock().await.tokens.clone()
    }

    /// An access token for the HTTP API.
    pub async fn access(&self) -> Result<SecretString, TokenError> {
        self.current_or_new(None).await.map(|token| token.token)
    }

    /// Writes everything that the user has as lines of JSON; see [`Api::export`].
    ///
    /// # Errors
    /// See [`ExportError`]; a token that cannot be had counts as cut off before the beginning.
    pub async fn export<W: AsyncWrite + Unpin>(&self, into: &mut W) -> Result<ExportEnd, ExportError> {
        let token = self.access().await.map_err(|_| ExportError::CutOff)?;
        self.api.export(&token, into).await
    }

    /// Gives the user another password; this session goes on, all others end.
    pub async fn change_password(
        &self,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), crate::ApiError> {
        let token = SecretString::from(self.held.lock().await.tokens.access_token.clone());
        self.api.change_password(&token, old, new).await
    }

    /// Ends the session on the server.
    pub async fn logout(&self) -> Result<(), crate::ApiError> {
        let token = SecretString::from(self.held.lock().await.tokens.access_token.clone());
        self.api.logout(&token).await
    }

    async fn current_or_new(&self, stale: Option<&SecretString>) -> Result<AccessToken, TokenError> {
        let mut held = self.held.lock().await;
        let is_stale = stale.is_some_and(|stale| stale.expose_secret() == held.tokens.access_token);
        if is_stale || held.lasts().is_zero() {
            let refresh_token = SecretString::from(held.tokens.refresh_token.clone());
            let tokens = self.api.refresh(&refresh_token).await.map_err(|error| {
                if error.is_temporary() {
                    TokenError::Temporary(error.to_string())
                } else {
                    TokenError::Final(error.to_string())
                }
            })?;
            *held = Held { tokens, since: Instant::now() };
            if let Some(on_change) = &self.on_change {
                on_change(&held.tokens);
            }
        }
        let token = SecretString::from(held.tokens.access_token.clone());
        Ok(AccessToken { token, lasts: Some(held.lasts()) })
    }
}

impl Held {
    fn lasts(&self) -> Duration {
        Duration::from_secs(self.tokens.expires_in).saturating_sub(self.since.elapsed())
    }
}

impl TokenSource for Session {
    fn access_token<'a>(
        &'a self,
        stale: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<AccessToken, TokenError>> {
        self.current_or_new(stale).boxed()
    }
}
