//! The accounts of those who speak in a log.

use std::collections::HashMap;

use anyhow::Context;
use chasqui_client::{Api, ApiError, Session};
use chasqui_domain::Limits;
use chasqui_events::{CommandId, Timestamp, UserId};
use chasqui_protocol::Code;
use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::nick::{self, Account, Nick};

/// Registrations on their way at once.
const AT_ONCE: usize = 16;

/// The accounts known so far, and how new ones are made.
pub(crate) struct People {
    api: Api,
    session: Session,
    limits: Limits,
    users: HashMap<Nick, UserId>,
}

impl People {
    /// Nobody yet.
    pub(crate) fn new(api: Api, session: Session) -> Self {
        Self { api, session, limits: Limits::default(), users: HashMap::new() }
    }

    /// The accounts by nick.
    pub(crate) fn users(&self) -> &HashMap<Nick, UserId> {
        &self.users
    }

    /// Makes sure that each of these has an account. Those whose account is refused have none afterwards; they are
    /// returned with the reason.
    pub(crate) async fn register(
        &mut self,
        people: Vec<(Nick, String)>,
        progress: &ProgressBar,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let new: Vec<_> = people.into_iter().filter(|(nick, _)| !self.users.contains_key(nick)).collect();
        progress.set_length(new.len() as u64);
        let registering = futures::stream::iter(new).map(|(nick, typed)| {
            let this = &*self;
            async move {
                let registered = this.register_one(&typed).await;
                progress.inc(1);
                match registered {
                    Ok(user) => Ok((nick, Ok(user))),
                    Err(error) if is_refusal(&error) => Ok((nick, Err((typed, error.to_string())))),
                    Err(error) => Err(error).with_context(|| format!("making an account for {typed}")),
                }
            }
        });
        let registered: Vec<_> = registering.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut refused = Vec::new();
        for (nick, outcome) in registered {
            match outcome {
                Ok(user) => drop(self.users.insert(nick, user)),
                Err(reason) => refused.push(reason),
            }
        }
        Ok(refused)
    }

    async fn register_one(&self, typed: &str) -> Result<UserId, ApiError> {
        let account = nick::account(typed, &self.limits);
        match self.claim(&account).await {
            // Somebody else's: an import puts no words into their mouth.
            Err(error) if error.code() == Some(Code::NameTaken) => {
                self.claim(&nick::account_beside(typed, &self.limits)).await
            }
            outcome => outcome,
        }
    }

    async fn claim(&self, account: &Account) -> Result<UserId, ApiError> {
        let mut pauses = super::pauses();
        loop {
            let token = self.session.access().await.map_err(|error| {
                let problem = chasqui_protocol::Problem::new(Code::Unauthorized, error.to_string());
                ApiError::Problem(problem)
            })?;
            let id = registration_id(account);
            let claimed = self.api.register_imported(&token, id, &account.name, &account.display_name).await;
            match (claimed, pauses.next()) {
                (Err(error), Some(pause)) if error.is_temporary() => {
                    tracing::debug!(%error, "a registration is tried again");
                    tokio::time::sleep(pause).await;
                }
                (claimed, _) => return claimed,
            }
        }
    }
}

/// Whether only this account cannot be, as opposed to all.
fn is_refusal(error: &ApiError) -> bool {
    matches!(error.code(), Some(Code::NameTaken | Code::Size | Code::Characters))
}

/// The same in every run, so that the account that an earlier run made is found again.
fn registration_id(account: &Account) -> CommandId {
    let mut hash = Sha256::new();
    hash.update(b"chasqui import irc account 1\0");
    hash.update(chasqui_domain::name::folded(&account.name).as_bytes());
    let digest = hash.finalize();
    let mut random = [0; 10];
    for (to, from) in random.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    CommandId::new(Timestamp(0), random)
}
