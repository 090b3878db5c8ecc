//! Who exists: whoever has a fact on their own subject. The log is asked once per user.

use chasqui_auth::refusal;
use chasqui_bus::{Log, subject};
use chasqui_events::UserId;
use chasqui_protocol::{Code, Problem};

/// How many users are remembered to exist.
const REMEMBERED: u64 = 100_000;

/// The users that are known to exist; users never cease to.
#[derive(Debug)]
pub(crate) struct Users {
    log: Log,
    known: moka::sync::Cache<UserId, ()>,
}

impl Users {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, known: moka::sync::Cache::new(REMEMBERED) }
    }

    /// Refuses a user who does not exist.
    pub(crate) async fn must_exist(&self, user: UserId) -> Result<(), Problem> {
        if self.known.contains_key(&user) {
            return Ok(());
        }
        let fact = self.log.last(&subject::ident_user(user)).await;
        if fact.map_err(|error| refusal::not_read(&error))?.is_none() {
            let detail = format!("there is no user {user}; look the id up by name");
            return Err(Problem::new(Code::UserNotFound, detail));
        }
        self.known.insert(user, ());
        Ok(())
    }
}
