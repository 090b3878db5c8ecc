//! What was decided about accounts, and what operators did, told line by line.

use chasqui_events::{
    Envelope, Event as _, Seq, Timestamp, UserId,
    account::{AccountEvent, GlobalRole, Operator},
};

/// One act, as whoever looks after the installation reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the stream `IDENT`.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: ActorName,
    /// What: the event's wire name, or for an operator what they called.
    pub act: String,
    /// Whom it concerns.
    pub about: Option<UserId>,
    /// More of what was done: the new role, the end of a suspension, arguments.
    pub details: String,
    /// Why.
    pub reason: Option<String>,
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorName {
    /// A user.
    User(UserId),
    /// Somebody with the operator's credential.
    Operator(Operator),
}

impl Entry {
    /// The entry that a fact makes.
    #[must_use]
    pub fn of(seq: Seq, envelope: &Envelope<AccountEvent>) -> Self {
        Self::told(seq, envelope.at, envelope.by, &envelope.event)
    }

    /// The entry that an event makes, from what its envelope says.
    #[must_use]
    pub fn told(seq: Seq, at: Timestamp, by: UserId, event: &AccountEvent) -> Self {
        let name = event.type_name();
        let (operator, act, about, details, reason) = match event {
            AccountEvent::RoleChanged(e) => (
                e.operator.as_ref(),
                name,
                Some(e.user),
                GlobalRole::as_str(e.role).to_owned(),
                Some(&e.reason),
            ),
            AccountEvent::Suspended(e) => {
                let until = e.until.map_or_else(String::new, |until| format!("until {}", until.millis()));
                (e.operator.as_ref(), name, Some(e.user), until, Some(&e.reason))
            }
            AccountEvent::SessionsEnded(e) => {
                (e.operator.as_ref(), name, Some(e.user), String::new(), Some(&e.reason))
            }
            AccountEvent::Reinstated(e) => {
                (e.operator.as_ref(), name, Some(e.user), String::new(), Some(&e.reason))
            }
            AccountEvent::Deactivated(e) => (None, name, Some(e.user), String::new(), None),
            AccountEvent::Reactivated(e) => (None, name, Some(e.user), String::new(), None),
            AccountEvent::ServiceCreated(e) => {
                (e.operator.as_ref(), name, Some(e.user), String::new(), Some(&e.reason))
            }
            AccountEvent::TokenIssued(e) => {
                let details = format!("{} ({}): {}", e.token, e.name, e.scopes.join(" "));
                (e.operator.as_ref(), name, Some(e.user), details, Some(&e.reason))
            }
            AccountEvent::TokenRevoked(e) => {
                (e.operator.as_ref(), name, Some(e.user), e.token.to_string(), Some(&e.reason))
            }
            AccountEvent::Erased(e) => {
                let reason = Some(&e.reason).filter(|reason| !reason.is_empty());
                (e.operator.as_ref(), name, Some(e.user), String::new(), reason)
            }
            AccountEvent::OperatorActed(e) => {
                (Some(&e.operator), e.act.as_str(), None, e.arguments.join(" "), e.reason.as_ref())
            }
        };
        let actor = operator.map_or(ActorName::User(by), |it| ActorName::Operator(it.clone()));
        let (act, reason) = (act.to_owned(), reason.cloned());
        Self { seq, at, actor, act, about, details, reason }
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{
        CommandId,
        account::{OperatorActed, Suspended},
    };
    use pretty_assertions::assert_eq;

    use super::*;

    fn told(event: AccountEvent) -> Entry {
        let (id, by) = (CommandId::new(Timestamp(1), [1; 10]), UserId::new(Timestamp(1), [2; 10]));
        Entry::of(7, &Envelope { id, at: Timestamp(5), by, basis: 0, import: None, event })
    }

    #[test]
    fn an_entry_names_who_did_it_to_whom_and_why() {
        let user = UserId::new(Timestamp(1), [3; 10]);
        let suspended = |operator| {
            AccountEvent::Suspended(Suspended {
                user,
                until: Some(Timestamp(9)),
                reason: "spam".to_owned(),
                operator,
            })
        };
        let entry = told(suspended(None));
        assert_eq!(entry.actor, ActorName::User(UserId::new(Timestamp(1), [2; 10])));
        assert_eq!((entry.act.as_str(), entry.about), ("user.suspended", Some(user)));
        assert_eq!((entry.details.as_str(), entry.reason.as_deref()), ("until 9", Some("spam")));
        let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
        assert_eq!(told(suspended(Some(operator.clone()))).actor, ActorName::Operator(operator.clone()));
        let act = "topology apply".to_owned();
        let acted = OperatorActed { act, arguments: vec![], reason: None, operator: operator.clone() };
        let entry = told(AccountEvent::OperatorActed(acted));
        assert_eq!((entry.actor, entry.about), (ActorName::Operator(operator), None));
    }
}
