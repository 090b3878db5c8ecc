//! Passkeys: the ceremonies of `WebAuthn` (Level 3), as `webauthn-rs` runs them, and what is kept of a passkey.
//!
//! Every ceremony demands that the authenticator has verified its user, so that a passkey is two factors in one and may stand
//! alone. What a ceremony remembers between its two halves is kept with its challenge, which is good once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_events::{Timestamp, UserId};
use chasqui_protocol::{Code, Problem, command::OwnPasskey};
use chasqui_runtime::{clock::now_ms, config};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;
use webauthn_rs::prelude::{
    AuthenticationResult, Credential as StoredKey, DiscoverableAuthentication, DiscoverableKey, Passkey,
    PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn,
    WebauthnBuilder,
};

use crate::{
    credential::{self, Credential},
    refusal,
    service::Inner,
};

/// The party that passkeys are for: this installation.
#[derive(Clone, Debug)]
pub(crate) struct RelyingParty(Webauthn);

/// Passkeys cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum BadRelyingParty {
    /// The origin is none.
    #[error("auth.webauthn_origin: {0:?} is not an origin, such as https://chat.example.org")]
    Origin(String),
    /// The two do not go together.
    #[error("auth.webauthn_rp_id: {0:?} is neither the domain of {1} nor one above it")]
    Domain(String, Url),
}

/// A passkey as it is kept: no secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptPasskey {
    /// The credential id, base64url.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used_at: Option<Timestamp>,
    /// The public key and the signature counter, in the library's shape.
    key: Value,
}

/// A ceremony that was begun.
pub(crate) struct Begun {
    /// For the browser.
    pub(crate) options: Value,
    /// For the other half.
    pub(crate) state: Value,
}

impl RelyingParty {
    /// As configured; nothing where no domain is configured and the public address has none.
    ///
    /// # Errors
    /// See [`BadRelyingParty`].
    pub(crate) fn configured(auth: &config::Auth) -> Result<Option<Self>, BadRelyingParty> {
        let given = auth.webauthn_origin.as_ref().unwrap_or(&auth.public_url);
        let origin: Url = given.parse().map_err(|_| BadRelyingParty::Origin(given.clone()))?;
        let domain = auth.webauthn_rp_id.clone().or_else(|| origin.domain().map(str::to_owned));
        let Some(domain) = domain else { return Ok(None) };
        let party =
            WebauthnBuilder::new(&domain, &origin).and_then(|builder| builder.rp_name("Chasqui").build());
        party.map(|party| Some(Self(party))).map_err(|_| BadRelyingParty::Domain(domain, origin))
    }

    /// Begins to add a passkey.
    pub(crate) fn begin_enrolment(
        &self,
        user: UserId,
        name: &str,
        known: &[KeptPasskey],
    ) -> Result<Begun, Problem> {
        let exclude = known.iter().filter_map(|kept| kept.key().map(|key| key.cred_id().clone())).collect();
        let begun = self.0.start_passkey_registration(user.as_uuid(), name, name, Some(exclude));
        let (options, state) = begun.map_err(|error| refusal::unreadable("a new passkey", &error))?;
        let mut begun = Begun { options: value(&options)?, state: value(&state)? };
        // So that it can be found without a name, and stand alone, wherever the authenticator has room for that.
        if let Some(selection) = begun.options.pointer_mut("/publicKey/authenticatorSelection") {
            selection["residentKey"] = json!("preferred");
        }
        Ok(begun)
    }

    /// Finishes adding one.
    ///
    /// # Errors
    /// `wrong-code` when the answer is not what was asked for.
    pub(crate) fn finish_enrolment(
        &self,
        answer: &Value,
        state: &Value,
        name: String,
        now: Timestamp,
    ) -> Result<KeptPasskey, Problem> {
        let state: PasskeyRegistration = remembered(state)?;
        let answer: RegisterPublicKeyCredential = understood(answer)?;
        let key = self.0.finish_passkey_registration(&answer, &state).map_err(|error| {
            tracing::info!(%error, "a passkey was not added");
            Problem::new(Code::WrongCode, "this is not the answer of an authenticator to what was asked")
        })?;
        let id = URL_SAFE_NO_PAD.encode(key.cred_id());
        Ok(KeptPasskey { id, name, created_at: now, used_at: None, key: value(&key)? })
    }

    /// Asks for one of these.
    pub(crate) fn ask(&self, known: &[KeptPasskey]) -> Result<Begun, Problem> {
        let keys: Vec<Passkey> = known.iter().filter_map(KeptPasskey::key).collect();
        let begun = self.0.start_passkey_authentication(&keys);
        let (options, state) = begun.map_err(|error| refusal::unreadable("a passkey", &error))?;
        Ok(Begun { options: value(&options)?, state: value(&state)? })
    }

    /// Judges the answer to [`RelyingParty::ask`]; nothing when it is wrong.
    pub(crate) fn judge(
        &self,
        answer: &Value,
        state: &Value,
    ) -> Result<Option<AuthenticationResult>, Problem> {
        let state: PasskeyAuthentication = remembered(state)?;
        let answer: PublicKeyCredential = understood(answer)?;
        Ok(self.0.finish_passkey_authentication(&answer, &state).ok())
    }

    /// Asks for any passkey.
    pub(crate) fn ask_anybody(&self) -> Result<Begun, Problem> {
        let begun = self.0.start_discoverable_authentication();
        let (options, state) = begun.map_err(|error| refusal::unreadable("a passkey", &error))?;
        let mut begun = Begun { options: value(&options)?, state: value(&state)? };
        // Whether it is offered while a name is typed, or asked for, is the page's choice.
        if let Some(options) = begun.options.as_object_mut() {
            options.remove("mediation");
        }
        Ok(begun)
    }

    /// Judges the answer to [`RelyingParty::ask_anybody`], which names `passkey`; nothing when it is wrong.
    pub(crate) fn judge_found(
        &self,
        answer: &Value,
        state: &Value,
        passkey: &KeptPasskey,
    ) -> Result<Option<AuthenticationResult>, Problem> {
        let state: DiscoverableAuthentication = remembered(state)?;
        let answer: PublicKeyCredential = understood(answer)?;
        let Some(key) = passkey.key() else { return Ok(None) };
        Ok(self.0.finish_discoverable_authentication_v2(&answer, state, DiscoverableKey::from(&key)).ok())
    }
}

/// Whose passkey an answer names, and which; nothing when it names nobody.
pub(crate) fn named(answer: &Value) -> Result<Option<(UserId, String)>, Problem> {
    let answer: PublicKeyCredential = understood(answer)?;
    let user = answer.get_user_unique_id().and_then(|bytes| uuid::Uuid::from_slice(bytes).ok());
    let user = user.and_then(|uuid| uuid.to_string().parse().ok());
    Ok(user.map(|user| (user, URL_SAFE_NO_PAD.encode(answer.get_credential_id()))))
}

impl KeptPasskey {
    /// As it is after it was used; nothing when its signature counter did not rise, which a copy's would not.
    pub(crate) fn used(&self, result: &AuthenticationResult, now: Timestamp) -> Option<Self> {
        let mut key = self.key()?;
        let kept = StoredKey::from(key.clone()).counter;
        let counts = result.counter() > 0 || kept > 0;
        if counts && result.counter() <= kept {
            return None;
        }
        key.update_credential(result)?;
        Some(Self { used_at: Some(now), key: serde_json::to_value(key).ok()?, ..self.clone() })
    }

    /// The same under another name.
    pub(crate) fn called(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// As its owner may see it.
    pub(crate) fn shown(&self) -> OwnPasskey {
        let Self { id, name, created_at, used_at, .. } = self.clone();
        OwnPasskey { id, name, created_at, used_at }
    }

    fn key(&self) -> Option<Passkey> {
        let key = serde_json::from_value(self.key.clone());
        key.inspect_err(|error| tracing::error!(%error, "a passkey that is kept cannot be read")).ok()
    }
}

fn value(part: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(part).map_err(|error| refusal::unreadable("a passkey", &error))
}

fn remembered<T: DeserializeOwned>(state: &Value) -> Result<T, Problem> {
    T::deserialize(state).map_err(|error| refusal::unreadable("the challenge of a passkey", &error))
}

fn understood<T: DeserializeOwned>(answer: &Value) -> Result<T, Problem> {
    T::deserialize(answer).map_err(|_| {
        let detail = "this is not a PublicKeyCredential as JSON; give what `toJSON()` of the browser gives";
        Problem::new(Code::Malformed, detail)
    })
}

/// Notes that a passkey was used; false when it is not there any more, or its counter shows a copy.
pub(crate) async fn use_up(
    auth: &Inner,
    user: UserId,
    result: &AuthenticationResult,
) -> Result<bool, Problem> {
    let id = URL_SAFE_NO_PAD.encode(result.cred_id());
    let note = |credential: &Credential| {
        let now = Timestamp(now_ms());
        let factors = credential.factors.with_changed_passkey(&id, |passkey| passkey.used(result, now));
        let is_used = factors.is_some();
        Ok((factors.map(|factors| Credential { factors, ..credential.clone() }), is_used))
    };
    let is_used = credential::change(auth, user, note).await?;
    if !is_used {
        tracing::warn!(user.id = %user, "a passkey was shown that is gone, or that somebody else holds, too");
    }
    Ok(is_used)
}

/// The passkeys of this installation.
pub(crate) fn needed(party: Option<&RelyingParty>) -> Result<&RelyingParty, Problem> {
    party.ok_or_else(|| {
        let detail = "passkeys need a domain, which the operator has not set up (auth.webauthn_rp_id)";
        Problem::new(Code::NotConfigured, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(public: &str, domain: Option<&str>, origin: Option<&str>) -> Result<bool, String> {
        let mut auth = config::Config::default().auth;
        auth.public_url = public.to_owned();
        auth.webauthn_rp_id = domain.map(str::to_owned);
        auth.webauthn_origin = origin.map(str::to_owned);
        RelyingParty::configured(&auth).map(|party| party.is_some()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_domain_is_that_of_the_public_address_unless_it_is_said() {
        assert_eq!(configured("http://127.0.0.1:8080", None, None), Ok(false));
        assert_eq!(configured("http://localhost:8080", None, None), Ok(true));
        assert_eq!(configured("https://chat.example.org", Some("example.org"), None), Ok(true));
        let elsewhere = Some("https://id.example.org");
        assert_eq!(configured("http://127.0.0.1:8080", Some("example.org"), elsewhere), Ok(true));
        let wrong = configured("https://chat.example.org", Some("example.com"), None).unwrap_err();
        assert!(wrong.contains("auth.webauthn_rp_id"), "{wrong}");
        let wrong = configured("https://chat.example.org", None, Some("chat")).unwrap_err();
        assert!(wrong.contains("auth.webauthn_origin"), "{wrong}");
    }
}
