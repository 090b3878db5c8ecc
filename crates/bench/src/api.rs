//! The HTTP API, for setting the scene: accounts, rooms, members.

use std::time::Duration;

use anyhow::{Context, bail};
use chasqui_protocol::Problem;
use serde::{Serialize, de::DeserializeOwned};

const TIMEOUT: Duration = Duration::from_secs(20);
/// How often a request is made again that failed for a passing reason.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// One server's API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    client: reqwest::Client,
    base: String,
}

impl Api {
    /// The API at a host and port.
    pub fn new(address: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).timeout(TIMEOUT).build()?;
        Ok(Self { client, base: format!("http://{address}") })
    }

    /// `POST /v1/commands/<name>`, made again, as it is, while the refusal is a passing one.
    pub async fn command<R: DeserializeOwned>(
        &self,
        name: &str,
        token: Option<&str>,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<R> {
        let url = format!("{}/v1/commands/{name}", self.base);
        let body = serde_json::to_vec(body)?;
        self.until_answered(|| {
            let request =
                self.client.post(&url).header("content-type", "application/json").body(body.clone());
            with_token(request, token)
        })
        .await
        .with_context(|| format!("the command {name}"))
    }

    /// `GET` of a path with its query, such as `/v1/conversations?latest=true`.
    pub async fn get<R: DeserializeOwned>(&self, path: &str, token: &str) -> anyhow::Result<R> {
        let url = format!("{}{path}", self.base);
        self.until_answered(|| with_token(self.client.get(&url), Some(token)))
            .await
            .with_context(|| format!("GET {path}"))
    }

    async fn until_answered<R: DeserializeOwned>(
        &self,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> anyhow::Result<R> {
        let mut last = None;
        for _ in 0..TRIES {
            match request().send().await {
                Ok(answer) if answer.status().is_success() => {
                    return Ok(serde_json::from_slice(&answer.bytes().await?)?);
                }
                Ok(answer) => {
                    let status = answer.status();
                    let body = answer.bytes().await?;
                    let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
                        bail!("{status}, and no problem document");
                    };
                    if !problem.code.worth_a_retry() {
                        return Err(problem.into());
                    }
                    last = Some(anyhow::Error::from(problem));
                }
                Err(error) => last = Some(error.into()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(last.context("never tried")?).with_context(|| format!("{TRIES} tries"))
    }
}

fn with_token(request: reqwest::RequestBuilder, token: Option<&str>) -> reqwest::RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}
