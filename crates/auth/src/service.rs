//! The role `auth`: what its commands work with.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chasqui_bus::{
    Bus, Log,
    kv::{Bucket, Name},
    log::{Append, AppendError, Appended},
    subject,
};
use chasqui_crypto::{KeyError, Keyring, Opened, Owner, OwnerKind, Place, SealError, Sealer, Spot};
use chasqui_domain::Limits;
use chasqui_events::{
    CommandId, Envelope, Import, Seq, SessionId, Text, Timestamp, UserId,
    identity::{CredentialChange, CredentialChanged, CredentialPart, IdentityEvent},
};
use chasqui_limiter::Rates;
use chasqui_protocol::{Code, Problem, command::Tokens};
use chasqui_runtime::{
    clock::{id_parts, now_ms, random_bytes},
    config::{self, Config},
    telemetry::TraceContext,
};
use uuid::Uuid;

use crate::{
    account::KnownRoles,
    errand::Errand,
    family::{Lifetimes, RefreshToken},
    identity::{Identity, Scope, Scopes},
    keys::{KeysError, keyring},
    ledger::Ledger,
    mail::{BadMail, Change, Mailer},
    name_key::{NameKey, NameKeyError},
    passkey::{BadRelyingParty, RelyingParty},
    password::{Passwords, Unusable},
    refusal,
    signing::{
        SigningKey,
        keeper::{SigningError, SigningKeys},
        set::{KeySet, Schedule},
    },
    token::{self, Parties},
    verifier::Verifier,
};

/// Accounts, sessions and tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) log: Log,
    pub(crate) credentials: Bucket,
    pub(crate) families: Bucket,
    pub(crate) revoked: Bucket,
    pub(crate) challenges: Bucket,
    pub(crate) emails: Bucket,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) erasures: Ledger,
    pub(crate) jwks: Bucket,
    pub(crate) service_tokens: Bucket,
    pub(crate) passwords: Passwords,
    /// Absent where no domain is known.
    pub(crate) passkeys: Option<RelyingParty>,
    pub(crate) name_key: NameKey,
    pub(crate) sealer: Sealer,
    pub(crate) verifier: Verifier,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) roles: KnownRoles,
    /// How many sessions a user may have.
    pub(crate) sessions_per_user: usize,
    /// How old a login may be to stand for the password.
    pub(crate) proof_max_age: Duration,
    pub(crate) second_factor_timeout: Duration,
    pub(crate) signing_keys: SigningKeys,
    parties: Parties,
    pub(crate) access_ttl: Duration,
    /// The claim tokens of the names whose logins may import.
    importers: HashSet<String>,
}

/// The role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The name key cannot be used.
    #[error(transparent)]
    NameKey(#[from] NameKeyError),
    /// Nothing can be sealed.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Passwords cannot be taken as configured.
    #[error(transparent)]
    Passwords(#[from] Unusable),
    /// Passkeys cannot be used as configured.
    #[error(transparent)]
    Passkeys(#[from] BadRelyingParty),
    /// Mail cannot be sent as configured.
    #[error(transparent)]
    Mail(#[from] BadMail),
    /// There is no key that signs access tokens.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

impl Auth {
    /// Reads the keys, makes and publishes those that are not there yet, and is ready to serve.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn build(config: &Config, bus: Bus, rates: Rates) -> Result<Self, StartError> {
        let auth = &config.auth;
        let name_key = NameKey::configured(auth)?;
        let passwords = Passwords::new(auth)?;
        let jwks = Bucket::open(bus.clone(), Name::Jwks);
        let keyring = keyring(config, bus.clone())?;
        let signing_keys = SigningKeys::open(
            Bucket::open(bus.clone(), Name::SigningKeys),
            jwks.clone(),
            Arc::clone(keyring.kek()),
            schedule(auth),
            Timestamp(now_ms()),
        )
        .await?;
        Ok(Self(Arc::new(Inner {
            sealer: Sealer::new(keyring, config.crypto.seals_per_epoch),
            importers: auth.importers.iter().map(|name| name_key.token(name)).collect(),
            log: Log::new(bus.clone()),
            credentials: Bucket::open(bus.clone(), Name::Credentials),
            families: Bucket::open(bus.clone(), Name::Refresh),
            verifier: Verifier::new(auth, &bus),
            service_tokens: Bucket::open(bus.clone(), Name::ServiceTokens),
            revoked: Bucket::open(bus.clone(), Name::Revoked),
            challenges: Bucket::open(bus.clone(), Name::Challenges),
            emails: Bucket::open(bus.clone(), Name::Emails),
            mailer: Mailer::new(config)?,
            erasures: Ledger::open(bus, OwnerKind::User),
            passkeys: RelyingParty::configured(auth)?,
            proof_max_age: auth.proof_max_age_s,
            second_factor_timeout: auth.second_factor_timeout_s,
            jwks,
            passwords,
            name_key,
            limits: limits(config),
            rates,
            lifetimes: Lifetimes {
                idle: auth.refresh_idle_s,
                absolute: auth.refresh_absolute_s,
                grace: auth.refresh_grace_s,
            },
            roles: KnownRoles::default(),
            sessions_per_user: auth.sessions_per_user,
            signing_keys,
            parties: Parties { issuer: auth.issuer.clone(), audience: auth.audience.clone() },
            access_ttl: auth.access_ttl_s,
        })))
    }

    /// The keys that this role seals with.
    #[must_use]
    pub fn keyring(&self) -> &Arc<Keyring> {
        self.0.sealer.keyring()
    }

    /// Does what is due with the keys that sign access tokens, and learns what other processes did with them.
    ///
    /// # Errors
    /// When they cannot be read or written. Tokens are signed with what was read last.
    pub async fn tend_signing_keys(&self, now: Timestamp) -> Result<(), SigningError> {
        self.0.signing_keys.tend(now).await.map(|_: KeySet| ())
    }

    /// The verifier that this role uses itself.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }
}

/// How keys that sign access tokens are exchanged, as configured.
fn schedule(auth: &config::Auth) -> Schedule {
    let days = auth.signing_rotate_days;
    Schedule {
        rotate_after: (days > 0).then(|| Duration::from_hours(24 * u64::from(days))),
        overlap: auth.signing_overlap_s,
        token_life: auth.access_ttl_s,
    }
}

/// The bounds of decisions, as configured.
#[must_use]
pub fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        body_bytes: limits.body_bytes,
        room_name_chars: limits.room_name_chars,
        name_chars: limits.name_chars,
        room_members: limits.room_members,
        replies: limits.replies,
    }
}

/// Who holds a name, by the last claim of it.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// The command that claimed it.
    pub(crate) claimed_by: CommandId,
    /// Where the claim stands in the log.
    pub(crate) seq: Seq,
    pub(crate) user: UserId,
    /// The name as typed.
    pub(crate) name: Text,
    /// What was to be shown instead, when this was a registration.
    pub(crate) display_name: Text,
}

/// A fact about a user that is to be recorded.
pub(crate) struct Record<'a> {
    pub(crate) subject: String,
    pub(crate) id: CommandId,
    pub(crate) by: UserId,
    pub(crate) import: Option<Import>,
    pub(crate) event: IdentityEvent,
    /// The subject must hold nothing yet.
    pub(crate) first: bool,
    pub(crate) trace: &'a TraceContext,
}

impl Inner {
    /// Who holds a name, by its claim token.
    pub(crate) async fn holder(&self, name: &str) -> Result<Option<Holder>, Problem> {
        let subject = subject::ident_name(name);
        let Some(stored) = self.log.last(&subject).await.map_err(|error| refusal::not_read(&error))? else {
            return Ok(None);
        };
        let fact = stored.decode::<IdentityEvent>();
        let fact = fact.map_err(|error| refusal::unreadable("the claim of this name", &error))?;
        let (user, name, display_name) = match fact.event {
            IdentityEvent::Registered(registered) => {
                (registered.user, registered.name, registered.display_name)
            }
            IdentityEvent::Renamed(renamed) => (renamed.user, renamed.name, Text::EMPTY),
            IdentityEvent::ProfileChanged(_)
            | IdentityEvent::CredentialChanged(_)
            | IdentityEvent::SessionOpened(_)
            | IdentityEvent::SessionRevoked(_)
            | IdentityEvent::DirectClaimed(_) => return Ok(None),
        };
        Ok(Some(Holder { claimed_by: fact.id, seq: stored.seq, user, name, display_name }))
    }

    /// Makes a user's key, unless there is one. It comes before the claim of the name: whoever exists has a key.
    pub(crate) async fn make_key(&self, user: UserId) -> Result<(), Problem> {
        let made = self.sealer.keyring().ensure(Owner::User(user), Timestamp(now_ms())).await;
        made.map(drop).map_err(|error| refusal::no_key(&error))
    }

    /// Destroys a user's key.
    pub(crate) async fn destroy_key(&self, user: UserId) -> Result<(), Problem> {
        let destroyed = self.sealer.keyring().destroy(Owner::User(user), Timestamp(now_ms())).await;
        destroyed.map_err(|error| refusal::no_key(&error))
    }

    /// Opens something personal; nothing when it was erased.
    pub(crate) async fn opened(&self, spot: Spot, text: Text) -> Result<String, Problem> {
        match self.sealer.keyring().open_text(&Place::Personal(spot), text).await {
            Ok(Opened::Text(text)) => Ok(text),
            Ok(Opened::Erased | Opened::Damaged) => Ok(String::new()),
            Err(error) => Err(refusal::no_key(&error)),
        }
    }

    /// Seals something personal. Who registered before anything was sealed gets a key now.
    pub(crate) async fn seal(&self, spot: Spot, text: &str) -> Result<Text, Problem> {
        let place = Place::Personal(spot);
        let mut sealed = self.sealer.seal_text(&place, text, Timestamp(now_ms())).await;
        if let Err(SealError::Key(KeyError::Absent(_))) = sealed {
            self.make_key(spot.user).await?;
            sealed = self.sealer.seal_text(&place, text, Timestamp(now_ms())).await;
        }
        sealed.map_err(|error| refusal::not_sealed(&error))
    }

    /// Appends a fact to the stream `IDENT`.
    pub(crate) async fn record(&self, record: Record<'_>) -> Result<Appended, AppendError> {
        let Record { subject, id, by, import, event, first, trace } = record;
        let at = Timestamp(now_ms());
        let envelope = Envelope { id, at, by, basis: 0, import, event };
        let traceparent = trace.child(random_bytes()).header_value();
        let append = Append {
            expected: first.then_some(0),
            aggregate_seq: first.then_some(1),
            trace: Some(&traceparent),
            ..Append::fact(subject, &envelope)
        };
        self.log.append(append).await
    }

    /// Records that somebody changed how they log in.
    pub(crate) async fn record_credential_change(
        &self,
        user: UserId,
        trace: &TraceContext,
        id: CommandId,
        what: CredentialPart,
        how: CredentialChange,
    ) -> Result<(), Problem> {
        let event = IdentityEvent::CredentialChanged(CredentialChanged { what, how });
        let subject = subject::ident_user(user);
        let record = Record { subject, id, by: user, import: None, event, first: false, trace };
        self.record(record).await.map(drop).map_err(|error| refusal::not_appended(&error))
    }

    /// Tells somebody of a change by mail, where there is an address and a way. A notice that finds the queue full is
    /// dropped, and counted: what it tells is in the log.
    pub(crate) fn notice(&self, address: Option<String>, what: CredentialPart, how: CredentialChange) {
        self.tell(address, Change::Credential(what, how));
    }

    /// The same of any change.
    pub(crate) fn tell(&self, address: Option<String>, change: Change) {
        if let (Some(address), Some(mailer)) = (address, &self.mailer) {
            mailer.queue(Errand::Notice { address, change }).ok();
        }
    }

    /// The rights that come with a name, by its claim token.
    pub(crate) fn scopes(&self, name: &str) -> Scopes {
        if self.importers.contains(name) { Scopes::NONE.with(Scope::Import) } else { Scopes::NONE }
    }

    /// What a login or a refresh gives.
    pub(crate) fn tokens(&self, user: UserId, name: &str, refresh: &RefreshToken) -> Result<Tokens, Problem> {
        let now = Timestamp(now_ms());
        let ttl = i64::try_from(self.access_ttl.as_millis()).unwrap_or(i64::MAX);
        let key = self.signing_key(now)?;
        let identity = Identity {
            user,
            session: refresh.session,
            expires_at: now.plus_millis(ttl),
            // Whoever opens or continues a session has just read the account.
            role: self.roles.of(user),
            scopes: self.scopes(name),
            signed_by: key.id(),
        };
        Ok(Tokens {
            user,
            session: identity.session,
            access_token: self.access_token(&key, &identity, now)?,
            expires_in: self.access_ttl.as_secs(),
            refresh_token: refresh.to_string(),
        })
    }

    /// The key that signs access tokens now.
    pub(crate) fn signing_key(&self, now: Timestamp) -> Result<Arc<SigningKey>, Problem> {
        self.signing_keys.current(now).ok_or_else(|| refusal::defect("there is no key to sign access tokens"))
    }

    /// An access token, signed by the key that the identity names.
    pub(crate) fn access_token(
        &self,
        key: &SigningKey,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<String, Problem> {
        let (at, random) = id_parts();
        let jti: Uuid = SessionId::new(Timestamp(at), random).as_uuid();
        token::issue(key, &self.parties, identity, now, jti)
            .map_err(|error| refusal::unreadable("the signing key", &error))
    }
}

/// The right to import, or the problem without it.
pub(crate) fn demand_import(identity: &Identity) -> Result<(), Problem> {
    if identity.may(Scope::Import) {
        return Ok(());
    }
    let detail = "this needs the right to import, which the users named in auth.importers have";
    Err(Problem::new(Code::Forbidden, detail))
}
