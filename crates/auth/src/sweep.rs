//! Hashes that nobody owns: a registration whose process died after writing the hash and before claiming the name
//! leaves one behind. Nobody can log in with it; it is removed all the same, because it is somebody's password.

use std::time::Duration;

use chasqui_events::{Timestamp, UserId};
use chasqui_protocol::Problem;

use crate::{
    credential, refusal,
    service::{Auth, Inner},
};

/// A registration takes seconds. One that is as old as this has succeeded or never will.
pub const SETTLED: Duration = Duration::from_hours(1);

impl Auth {
    /// Removes the hashes of users that were made between two moments and never got their name. Choose `until` at
    /// least [`SETTLED`] ago. Returns how many were removed. Several processes may do this at once.
    ///
    /// # Errors
    /// `unavailable` when the log or the bucket does not answer; what is left is left for the next time.
    pub async fn sweep(&self, since: Timestamp, until: Timestamp) -> Result<usize, Problem> {
        let auth = &*self.0;
        let keys = auth.credentials.key_names().await.map_err(|error| refusal::not_kept(&error))?;
        let mut removed = 0;
        // A user's id tells when it was made, so only the young ones have to be looked at.
        for user in keys.iter().filter_map(|key| key.parse::<UserId>().ok()) {
            if (since..until).contains(&user.timestamp()) && auth.is_orphan(user).await? {
                auth.credentials
                    .delete(&user.to_string())
                    .await
                    .map_err(|error| refusal::not_kept(&error))?;
                auth.destroy_key(user).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Inner {
    async fn is_orphan(&self, user: UserId) -> Result<bool, Problem> {
        let Some(kept) = credential::load(self, user).await? else { return Ok(false) };
        let holder = self.holder(&kept.credential.name).await?;
        Ok(holder.is_none_or(|holder| holder.user != user))
    }
}
