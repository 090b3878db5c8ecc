//! What users decide about their own accounts.

use chasqui_bus::log::AppendError;
use chasqui_domain::{Account, Actor, Rejection};
use chasqui_events::{
    CommandId, Timestamp, UserId,
    account::{AccountEvent, GlobalRole},
};
use chasqui_protocol::Problem;
use chasqui_runtime::{clock::now_ms, telemetry::TraceContext};

use super::{ATTEMPTS, Act, By};
use crate::{refusal, service::Inner};

impl Inner {
    /// Decides something about the account of whoever wants it, and records it. `decide` gets the account, and whether
    /// nobody else is an admin who may act.
    pub(crate) async fn change_own_account(
        &self,
        trace: &TraceContext,
        id: CommandId,
        user: UserId,
        decide: impl Fn(&Account, bool) -> Result<Option<AccountEvent>, Rejection>,
    ) -> Result<(), Problem> {
        for _ in 0..ATTEMPTS {
            let loaded = self.account(user).await?;
            let role = loaded.roles.of(user);
            let last_admin = role == GlobalRole::Admin && !self.another_admin(&loaded.roles, user).await?;
            let decided =
                decide(&loaded.account, last_admin).map_err(|rejection| refusal::rejected(&rejection))?;
            let Some(event) = decided else { return Ok(()) };
            let act = Act { actor: By::User(user), trace, id, target: user, reason: "" };
            let actor = Actor::User(user, role);
            match self.append_about(act, &actor, &loaded, event, Timestamp(now_ms())).await {
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(refusal::not_appended(&error)),
                Ok(()) => return Ok(()),
            }
        }
        Err(refusal::busy())
    }
}
