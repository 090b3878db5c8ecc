//! What proves who somebody is: the documents of the bucket `CREDENTIALS`, one per user.
//!
//! A document is JSON with a version; older ones are read. It is changed by compare-and-set on its revision, so that
//! of two changes at once none is lost.

use bytes::Bytes;
use chasqui_bus::kv::KvError;
use chasqui_events::{CommandId, Seq, Timestamp, UserId};
use chasqui_protocol::{Code, Problem};
use serde::{Deserialize, Serialize};

use crate::{password::Factors, refusal, second_factor::SecondFactors, service::Inner};

/// The version that is written.
const VERSION: u32 = 2;
/// How often a lost race for a document is tried again.
const ATTEMPTS: usize = 8;

/// What is kept of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credential {
    /// The document's shape. The first one did not say.
    #[serde(default = "first", rename = "v")]
    pub(crate) version: u32,
    /// The password's hash, a PHC string.
    pub(crate) password: String,
    /// The claim token of the user's name. It is written before the first name is claimed, so that one whose name never
    /// was can be told; and after a later one is.
    pub(crate) name: String,
    /// Where that name's claim stands in the log; 0 for the first one.
    #[serde(default)]
    pub(crate) name_seq: Seq,
    /// When it was made, in unix milliseconds.
    pub(crate) created_at: Timestamp,
    /// The command that changed the password last, to answer its repetition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_changed_by: Option<CommandId>,
    /// What a login asks for beside the password.
    #[serde(default)]
    pub(crate) factors: SecondFactors,
    /// The verified e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

/// How a name that somebody holds stands to the one that they go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is that one.
    Current,
    /// It was claimed after that one, and the document does not know yet.
    Newer,
    /// They went by it once. It stays theirs, so that nobody else can go by it.
    Former,
}

const fn first() -> u32 {
    1
}

impl Credential {
    /// What a new user has.
    pub(crate) fn new(password: String, name: String, created_at: Timestamp) -> Self {
        Self {
            version: VERSION,
            password,
            name,
            name_seq: 0,
            created_at,
            password_changed_by: None,
            factors: SecondFactors::default(),
            email: None,
        }
    }

    /// How a name of this user stands, by its claim token and the place of its claim.
    pub(crate) fn standing(&self, name: &str, claimed_at: Seq) -> Standing {
        if self.name == name {
            Standing::Current
        } else if claimed_at > self.name_seq {
            Standing::Newer
        } else {
            Standing::Former
        }
    }

    /// What a login asks for.
    pub(crate) const fn asked(&self) -> Factors {
        if self.factors.any() { Factors::Second } else { Factors::PasswordOnly }
    }

    fn encode(&self) -> Bytes {
        let written = Self { version: VERSION, ..self.clone() };
        serde_json::to_vec(&written).unwrap_or_default().into()
    }
}

/// A document and its revision.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) credential: Credential,
    revision: Seq,
}

/// Reads a user's document; `None` for nobody, and for authors that were imported.
pub(crate) async fn load(auth: &Inner, user: UserId) -> Result<Option<Kept>, Problem> {
    let entry = auth.credentials.get(&user.to_string()).await.map_err(|error| refusal::not_kept(&error))?;
    let Some(entry) = entry else { return Ok(None) };
    let credential: Credential = serde_json::from_slice(&entry.value)
        .map_err(|error| refusal::unreadable("the credential of this user", &error))?;
    if credential.version > VERSION {
        tracing::error!(user.id = %user, credential.version, "a newer program wrote this credential");
        return Err(Problem::new(
            Code::Internal,
            "the credential of this user was written by a newer program",
        ));
    }
    Ok(Some(Kept { credential, revision: entry.revision }))
}

/// Writes the document of a new user.
pub(crate) async fn create(auth: &Inner, user: UserId, credential: &Credential) -> Result<(), Problem> {
    let created = auth.credentials.create(&user.to_string(), credential.encode()).await;
    created.map(drop).map_err(|error| refusal::not_kept(&error))
}

/// Writes a document over the one that was read. False when somebody else changed it in between.
pub(crate) async fn replace(
    auth: &Inner,
    user: UserId,
    read: &Kept,
    credential: &Credential,
) -> Result<bool, Problem> {
    match auth.credentials.update(&user.to_string(), credential.encode(), read.revision).await {
        Ok(_) => Ok(true),
        Err(KvError::Conflict) => Ok(false),
        Err(error) => Err(refusal::not_kept(&error)),
    }
}

/// Changes a user's document, again where somebody else was faster. `None` from `decide` leaves it as it is.
///
/// # Errors
/// What `decide` refuses; `user-not-found` for whoever has none.
pub(crate) async fn change<T>(
    auth: &Inner,
    user: UserId,
    decide: impl Fn(&Credential) -> Result<(Option<Credential>, T), Problem>,
) -> Result<T, Problem> {
    for _ in 0..ATTEMPTS {
        let kept = load(auth, user).await?;
        let kept = kept.ok_or_else(|| Problem::new(Code::UserNotFound, "this account has no credential"))?;
        let (changed, outcome) = decide(&kept.credential)?;
        let done = match changed {
            Some(changed) => replace(auth, user, &kept, &changed).await?,
            None => true,
        };
        if done {
            return Ok(outcome);
        }
    }
    Err(refusal::busy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_current_newer_or_former_by_the_order_of_the_log() {
        let mut credential = Credential::new("hash".to_owned(), "first".to_owned(), Timestamp(0));
        assert_eq!(credential.standing("first", 10), Standing::Current);
        assert_eq!(credential.standing("second", 20), Standing::Newer);
        (credential.name, credential.name_seq) = ("second".to_owned(), 20);
        assert_eq!(credential.standing("second", 20), Standing::Current);
        assert_eq!(credential.standing("first", 10), Standing::Former);
        assert_eq!(credential.standing("first", 30), Standing::Newer, "claimed back");
    }

    #[test]
    fn a_document_of_the_first_version_has_no_factors() {
        let text = r#"{"password":"$argon2id$","name":"00","created_at":5}"#;
        let credential: Credential = serde_json::from_str(text).unwrap();
        assert_eq!((credential.version, credential.asked()), (1, Factors::PasswordOnly));
        let written: Credential = serde_json::from_slice(&credential.encode()).unwrap();
        assert_eq!(written.version, VERSION);
    }
}
