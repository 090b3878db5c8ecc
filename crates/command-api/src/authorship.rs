//! In whose name a command is recorded, and when.

use chasqui_auth::{Caller, GlobalRole, Scope};
use chasqui_domain::Asker;
use chasqui_events::{CommandId, Import, Timestamp, UserId, message::MAX_CLOCK_LEAD_MS};
use chasqui_protocol::{Code, Problem, command::OnBehalf};

/// Author and time of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authorship {
    pub(crate) by: UserId,
    pub(crate) at: Timestamp,
    pub(crate) import: Option<Import>,
}

impl Authorship {
    /// Who asks, as the decisions see them: in somebody else's name nobody has a global role.
    pub(crate) fn asker(self, caller: &Caller) -> Asker {
        let Self { by, at, import } = self;
        let role = if import.is_some() { GlobalRole::User } else { caller.identity.role };
        Asker { user: by, role, at: import.map_or(at, |import| import.at) }
    }

    /// The caller, now.
    ///
    /// # Errors
    /// `id-in-future`: readers tell repetitions by the id's time, so it may not lie ahead.
    pub(crate) fn own(caller: &Caller, id: CommandId, now: Timestamp) -> Result<Self, Problem> {
        not_ahead(id, now)?;
        Ok(Self { by: caller.identity.user, at: now, import: None })
    }

    /// The caller, now; or, for importers, the original author and time.
    ///
    /// # Errors
    /// As [`Authorship::own`], and `forbidden` without the right to import.
    pub(crate) fn of(
        caller: &Caller,
        id: CommandId,
        on_behalf: Option<OnBehalf>,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let Some(OnBehalf { user, at }) = on_behalf else { return Self::own(caller, id, now) };
        not_ahead(id, now)?;
        if !caller.identity.may(Scope::Import) {
            let detail = "acting for somebody else needs the right to import";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let import = Import { by: caller.identity.user, at: now };
        Ok(Self { by: user, at, import: Some(import) })
    }
}

fn not_ahead(id: CommandId, now: Timestamp) -> Result<(), Problem> {
    let ahead = id.timestamp().since(now);
    if ahead <= MAX_CLOCK_LEAD_MS {
        return Ok(());
    }
    let detail = format!(
        "the id lies {} s ahead of the server's clock, at most {} s are allowed; set the clock right and make a new id",
        ahead / 1000,
        MAX_CLOCK_LEAD_MS / 1000
    );
    Err(Problem::new(Code::IdInFuture, detail))
}

#[cfg(test)]
mod tests {
    use chasqui_auth::{Identity, KeyId, Scopes};
    use chasqui_events::SessionId;
    use chasqui_runtime::telemetry::TraceContext;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn caller(scopes: Scopes) -> Caller {
        let identity = Identity {
            user: UserId::new(NOW, [1; 10]),
            session: SessionId::new(NOW, [2; 10]),
            role: chasqui_auth::GlobalRole::User,
            expires_at: NOW,
            scopes,
            signed_by: KeyId::default(),
        };
        Caller { identity, trace: TraceContext::root([3; 24]) }
    }

    #[test]
    fn an_id_may_lie_a_minute_ahead_and_as_old_as_it_likes() {
        let own = |lead| {
            Authorship::own(&caller(Scopes::NONE), CommandId::new(NOW.plus_millis(lead), [1; 10]), NOW)
        };
        assert_eq!(own(MAX_CLOCK_LEAD_MS + 1).unwrap_err().code, Code::IdInFuture);
        for lead in [MAX_CLOCK_LEAD_MS, 0, -1_000_000_000] {
            assert_eq!(
                own(lead).unwrap(),
                Authorship { by: UserId::new(NOW, [1; 10]), at: NOW, import: None }
            );
        }
    }

    #[test]
    fn acting_for_somebody_needs_the_right_and_is_recorded_as_such() {
        let id = CommandId::new(NOW, [1; 10]);
        let author = UserId::new(NOW, [9; 10]);
        let on_behalf = Some(OnBehalf { user: author, at: Timestamp(5) });
        let refused = Authorship::of(&caller(Scopes::NONE), id, on_behalf, NOW).unwrap_err();
        assert_eq!(refused.code, Code::Forbidden);
        let importer = caller(Scopes::NONE.with(Scope::Import));
        let import = Import { by: importer.identity.user, at: NOW };
        assert_eq!(
            Authorship::of(&importer, id, on_behalf, NOW).unwrap(),
            Authorship { by: author, at: Timestamp(5), import: Some(import) }
        );
    }
}
