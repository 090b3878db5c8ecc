//! Accounts over HTTP.

use std::time::Duration;

use chasqui_events::{CommandId, UserId};
use chasqui_protocol::{
    Accepted, Code, Problem,
    command::{
        ChangePassword, FactorProof, LoggedIn, Login, LoginSecondFactor, Logout, Refresh, Register,
        RegisterImported, SecondFactorAsked, Tokens,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Endpoint, Ids, Session};

/// Why a call over HTTP failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server answered with a problem.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The server cannot be reached, or its answer was lost.
    #[error("cannot reach {endpoint}: {}", cause(source))]
    Unreachable {
        /// Which.
        endpoint: Endpoint,
        /// Why.
        source: reqwest::Error,
    },
    /// Something answers there that is not a Chasqui server.
    #[error("{endpoint} answered with status {status} and no problem document; is it a Chasqui server?")]
    Strange {
        /// Which.
        endpoint: Endpoint,
        /// The HTTP status.
        status: u16,
    },
    /// Name and password are right, and the account asks for more: see [`Api::begin_login`].
    #[error("this account has a second factor, which is not asked for here")]
    SecondFactorAsked(SecondFactorAsked),
}

/// What a login comes to.
#[derive(Clone, Debug)]
pub enum LoginStep {
    /// The session is open.
    Open(Session),
    /// A second factor is asked for; [`Api::finish_login`] takes it.
    SecondFactor(SecondFactorAsked),
}

/// The innermost cause: what reqwest says around it names its own layers.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl ApiError {
    /// The problem, when it is one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unreachable { .. } | Self::Strange { .. } | Self::SecondFactorAsked(_) => None,
        }
    }

    /// The code of the problem, when it is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }

    /// Whether the same call can succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.code.worth_a_retry(),
            Self::Unreachable { .. } => true,
            Self::Strange { status, .. } => *status >= 500,
            Self::SecondFactorAsked(_) => false,
        }
    }
}

/// The server's HTTP API, as far as accounts go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    endpoint: Endpoint,
}

impl Api {
    /// The API of a server.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ApiError> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .map_err(|source| ApiError::Unreachable { endpoint: endpoint.clone(), source })?;
        Ok(Self { http, endpoint: endpoint.clone() })
    }

    /// Which server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Creates an account.
    pub async fn register(
        &self,
        name: &str,
        display_name: &str,
        password: &SecretString,
    ) -> Result<Accepted, ApiError> {
        self.register_with_email(name, display_name, password, None).await
    }

    /// Creates an account whose user can be written to, once they have shown the token that is sent to the address.
    pub async fn register_with_email(
        &self,
        name: &str,
        display_name: &str,
        password: &SecretString,
        email: Option<&str>,
    ) -> Result<Accepted, ApiError> {
        let body = Register {
            id: Ids::default().command(),
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            password: password.expose_secret().to_owned(),
            email: email.map(str::to_owned),
        };
        self.post("/v1/commands/register", &body, None).await
    }

    /// Opens a session of an account without a second factor; `device` is what the client calls itself.
    pub async fn login(
        &self,
        name: &str,
        password: &SecretString,
        device: &str,
    ) -> Result<Session, ApiError> {
        match self.begin_login(name, password, device).await? {
            LoginStep::Open(session) => Ok(session),
            LoginStep::SecondFactor(asked) => Err(ApiError::SecondFactorAsked(asked)),
        }
    }

    /// Opens a session, or learns what second factor is asked for.
    pub async fn begin_login(
        &self,
        name: &str,
        password: &SecretString,
        device: &str,
    ) -> Result<LoginStep, ApiError> {
        let body = Login {
            name: name.to_owned(),
            password: password.expose_secret().to_owned(),
            device: device.to_owned(),
            reactivate: false,
        };
        Ok(match self.post("/v1/commands/login", &body, None).await? {
            LoggedIn::Tokens(tokens) => LoginStep::Open(Session::new(self.clone(), tokens)),
            LoggedIn::SecondFactor { second_factor } => LoginStep::SecondFactor(second_factor),
        })
    }

    /// Finishes a login that asks for a second factor. A wrong one may be followed by another, a few times.
    pub async fn finish_login(&self, handle: &str, proof: FactorProof) -> Result<Session, ApiError> {
        let body = LoginSecondFactor { handle: handle.to_owned(), proof };
        let tokens = self.post("/v1/commands/login_second_factor", &body, None).await?;
        Ok(Session::new(self.clone(), tokens))
    }

    /// Gives the caller another password; all other sessions end.
    pub async fn change_password(
        &self,
        access_token: &SecretString,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), ApiError> {
        let body = ChangePassword {
            id: Ids::default().command(),
            old_password: old.expose_secret().to_owned(),
            new_password: new.expose_secret().to_owned(),
        };
        self.post::<_, Accepted>("/v1/commands/change_password", &body, Some(access_token)).await.map(drop)
    }

    /// Exchanges a refresh token, which is good for one use. See [`Session`], which does it in time.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<Tokens, ApiError> {
        let body = Refresh { refresh_token: refresh_token.expose_secret().to_owned() };
        self.post("/v1/commands/refresh", &body, None).await
    }

    /// Ends the session of an access token.
    pub async fn logout(&self, access_token: &SecretString) -> Result<(), ApiError> {
        self.post::<_, serde_json::Value>("/v1/commands/logout", &Logout {}, Some(access_token))
            .await
            .map(drop)
    }

    /// Creates an account for the author of imported messages; needs the right to import.
    pub async fn register_imported(
        &self,
        access_token: &SecretString,
        id: CommandId,
        name: &str,
        display_name: &str,
    ) -> Result<UserId, ApiError> {
        let body = RegisterImported { id, name: name.to_owned(), display_name: display_name.to_owned() };
        let accepted: Accepted =
            self.post("/v1/commands/register_imported", &body, Some(access_token)).await?;
        accepted.user.ok_or_else(|| ApiError::Strange { endpoint: self.endpoint.clone(), status: 200 })
    }

    async fn post<B: Serialize, R: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        token: Option<&SecretString>,
    ) -> Result<R, ApiError> {
        let unreachable = |source| self.unreachable(source);
        let mut request = self.http.post(format!("{}{path}", self.endpoint.http_url())).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(response).await);
        }
        let bytes = response.bytes().await.map_err(unreachable)?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|_| self.strange(status))
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn unreachable(&self, source: reqwest::Error) -> ApiError {
        ApiError::Unreachable { endpoint: self.endpoint.clone(), source }
    }

    /// What an answer that is no success says.
    pub(crate) async fn refused(&self, response: reqwest::Response) -> ApiError {
        let status = response.status();
        match response.bytes().await {
            Err(source) => self.unreachable(source),
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => problem.into(),
                Err(_) => self.strange(status),
            },
        }
    }

    fn strange(&self, status: reqwest::StatusCode) -> ApiError {
        ApiError::Strange { endpoint: self.endpoint.clone(), status: status.as_u16() }
    }
}
