//! What proves who somebody is: the documents of the bucket `CREDENTIALS`, one per user.
//!
//! A document is JSON with a version; older ones are read. It is changed by compare-and-set on its revision, so that
//! of two changes at once none is lost. What tells who somebody is, or makes their codes, is sealed with the user's key;
//! in older documents it is not, until they are written the next time.

use bytes::Bytes;
use chasqui_bus::kv::KvError;
use chasqui_crypto::{Opened, Place, Spot};
use chasqui_events::{CommandId, Seq, Text, Timestamp, UserId};
use chasqui_protocol::{Code, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{email, password::Factors, refusal, second_factor::SecondFactors, service::Inner};

/// The version that is written.
const VERSION: u32 = 3;
/// Where what lies in a field belongs, for one user.
type SpotOf = fn(UserId) -> Spot;
/// A place in the document (RFC 6901), and what lies there.
type Field = (String, SpotOf);
/// What is sealed, beside the names of passkeys. A text there is not sealed yet; an object is.
const SEALED: [(&str, SpotOf); 3] = [
    ("/email", Spot::email),
    ("/factors/totp/secret", Spot::totp),
    ("/factors/pending/totp/secret", Spot::totp),
];
/// Beside the document's own fields: the key that the e-mail address is claimed by. Needed when nothing opens any more.
const CLAIM: &str = "email_claim";
/// How often a lost race for a document is tried again.
const ATTEMPTS: usize = 8;

/// What is sealed in this document.
fn sealed_in(document: &Value) -> Vec<Field> {
    let passkeys = document.pointer("/factors/passkeys").and_then(Value::as_array).map_or(0, Vec::len);
    let names = (0..passkeys).map(|at| (format!("/factors/passkeys/{at}/name"), Spot::passkey as _));
    SEALED.map(|(place, spot)| (place.to_owned(), spot)).into_iter().chain(names).collect()
}

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
    /// The challenge that reset the password last, for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_reset_by: Option<String>,
    /// Rises with every change after which nothing may be finished that was begun before: what was mailed, or waits for a
    /// second factor, is good for one generation.
    #[serde(default)]
    pub(crate) generation: u64,
    /// What a login asks for beside the password.
    #[serde(default)]
    pub(crate) factors: SecondFactors,
    /// The verified e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The key that the address before it is claimed by, until that is free again; it stays here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given_up_email: Option<String>,
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
            password_reset_by: None,
            generation: 0,
            factors: SecondFactors::default(),
            email: None,
            given_up_email: None,
        }
    }

    /// The same, so that nothing that was begun before it can be finished.
    pub(crate) fn next(&self) -> Self {
        Self { generation: self.generation.saturating_add(1), ..self.clone() }
    }

    /// The same with another address, or none, and the one before given up.
    pub(crate) fn with_email(&self, auth: &Inner, email: Option<String>) -> Self {
        let claim = |email: &String| auth.name_key.token(&email::as_name(email));
        let (before, now) = (self.email.as_ref().map(claim), email.as_ref().map(claim));
        let given_up_email = before.filter(|before| Some(before) != now.as_ref());
        Self { email, given_up_email, ..self.next() }
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

    /// The document as it is kept: sealed.
    async fn encode(&self, auth: &Inner, user: UserId) -> Result<Bytes, Problem> {
        let unreadable = |error: serde_json::Error| refusal::unreadable("the new credential", &error);
        let mut document =
            serde_json::to_value(Self { version: VERSION, ..self.clone() }).map_err(unreadable)?;
        for (place, spot) in sealed_in(&document) {
            if let Some(field) = document.pointer_mut(&place)
                && let Value::String(text) = &*field
            {
                *field = serde_json::to_value(auth.seal(spot(user), text).await?).map_err(unreadable)?;
            }
        }
        if let (Some(address), Value::Object(fields)) = (&self.email, &mut document) {
            fields.insert(CLAIM.to_owned(), auth.name_key.token(&email::as_name(address)).into());
        }
        Ok(document.to_string().into())
    }
}

/// A document and its revision.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) credential: Credential,
    revision: Seq,
}

/// A document of which nothing was opened yet.
pub(crate) struct Unopened {
    document: Value,
    revision: Seq,
}

impl Unopened {
    /// The password's hash.
    pub(crate) fn password(&self) -> Option<String> {
        self.document.get("password")?.as_str().map(str::to_owned)
    }

    /// The keys that e-mail addresses are, or may still be, claimed by.
    pub(crate) fn email_claims(&self, auth: &Inner) -> Vec<String> {
        let text = |field| self.document.get(field).and_then(Value::as_str);
        let of_plain = || Some(auth.name_key.token(&email::as_name(text("email")?)));
        let current = text(CLAIM).map(str::to_owned).or_else(of_plain);
        current.into_iter().chain(text("given_up_email").map(str::to_owned)).collect()
    }

    /// Opens it; `None` when its user was erased meanwhile.
    pub(crate) async fn open(self, auth: &Inner, user: UserId) -> Result<Option<Kept>, Problem> {
        let Self { mut document, revision } = self;
        let unreadable =
            |error: serde_json::Error| refusal::unreadable("the credential of this user", &error);
        for (place, spot) in sealed_in(&document) {
            let Some(field) = document.pointer_mut(&place).filter(|field| field.is_object()) else {
                continue;
            };
            let text: Text = serde_json::from_value(field.take()).map_err(unreadable)?;
            match auth.sealer.keyring().open_text(&Place::Personal(spot(user)), text).await {
                Ok(Opened::Text(text)) => *field = text.into(),
                Ok(Opened::Erased) => return Ok(None),
                Ok(Opened::Damaged) => return Err(refusal::defect("the credential of this user is damaged")),
                Err(error) => return Err(refusal::no_key(&error)),
            }
        }
        let credential: Credential = serde_json::from_value(document).map_err(unreadable)?;
        if credential.version > VERSION {
            tracing::error!(user.id = %user, credential.version, "a newer program wrote this credential");
            let detail = "the credential of this user was written by a newer program";
            return Err(Problem::new(Code::Internal, detail));
        }
        Ok(Some(Kept { credential, revision }))
    }
}

/// Reads a user's document and opens nothing; `None` for nobody, and for authors that were imported.
pub(crate) async fn look(auth: &Inner, user: UserId) -> Result<Option<Unopened>, Problem> {
    let entry = auth.credentials.get(&user.to_string()).await.map_err(|error| refusal::not_kept(&error))?;
    let Some(entry) = entry else { return Ok(None) };
    let document = serde_json::from_slice(&entry.value)
        .map_err(|error| refusal::unreadable("the credential of this user", &error))?;
    Ok(Some(Unopened { document, revision: entry.revision }))
}

/// Reads a user's document; `None` for nobody, for authors that were imported, and for whoever is being erased.
pub(crate) async fn load(auth: &Inner, user: UserId) -> Result<Option<Kept>, Problem> {
    match look(auth, user).await? {
        Some(unopened) => unopened.open(auth, user).await,
        None => Ok(None),
    }
}

/// Writes the document of a new user.
pub(crate) async fn create(auth: &Inner, user: UserId, credential: &Credential) -> Result<(), Problem> {
    let created = auth.credentials.create(&user.to_string(), credential.encode(auth, user).await?).await;
    created.map(drop).map_err(|error| refusal::not_kept(&error))
}

/// Writes a document over the one that was read. False when somebody else changed it in between.
pub(crate) async fn replace(
    auth: &Inner,
    user: UserId,
    read: &Kept,
    credential: &Credential,
) -> Result<bool, Problem> {
    let document = credential.encode(auth, user).await?;
    match auth.credentials.update(&user.to_string(), document, read.revision).await {
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

/// Lets nothing be finished that was begun before now. Programs, who begin nothing, have no document.
///
/// # Errors
/// When the bucket does not answer.
pub(crate) async fn renounce(auth: &Inner, user: UserId) -> Result<(), Problem> {
    match change(auth, user, |credential| Ok((Some(credential.next()), ()))).await {
        Err(problem) if problem.code == Code::UserNotFound => Ok(()),
        renounced => renounced,
    }
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
    }
}
