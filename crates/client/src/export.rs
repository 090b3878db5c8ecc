//! Everything that somebody has, written down as it comes.

use std::{io, time::Duration};

use chasqui_protocol::export::{ExportEnd, ExportLine};
use reqwest::Response;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{Api, ApiError};

/// The longest that an export may take.
const PATIENCE: Duration = Duration::from_hours(1);

/// An export did not come to its end. What was written until then is good as far as it goes.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The server refused it, or was lost.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It could not be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The server stopped in the middle.
    #[error("the export was cut off; try again")]
    CutOff,
}

impl Api {
    /// Writes everything that the caller has as lines of JSON (see [`chasqui_protocol::export`]). Needs a young login.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub async fn export<W: AsyncWrite + Unpin>(
        &self,
        access_token: &SecretString,
        into: &mut W,
    ) -> Result<ExportEnd, ExportError> {
        let mut last = LastLine::default();
        for path in ["/v1/me/export/account", "/v1/me/export"] {
            let mut response = self.begin_export(path, access_token).await?;
            while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
                into.write_all(&chunk).await?;
                last.take(&chunk);
            }
        }
        into.flush().await?;
        last.end().ok_or(ExportError::CutOff)
    }

    async fn begin_export(&self, path: &str, token: &SecretString) -> Result<Response, ApiError> {
        let request = self.http().get(format!("{}{path}", self.endpoint().http_url())).timeout(PATIENCE);
        let response = request.bearer_auth(token.expose_secret()).send().await;
        let response = response.map_err(|source| self.unreachable(source))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }
}

/// The line that is not ended yet, and the one before it.
#[derive(Default)]
struct LastLine {
    open: Vec<u8>,
    ended: Vec<u8>,
}

impl LastLine {
    fn take(&mut self, chunk: &[u8]) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.ended = std::mem::take(&mut self.open);
            }
        }
    }

    fn end(&self) -> Option<ExportEnd> {
        match serde_json::from_slice(&self.ended) {
            Ok(ExportLine::End(end)) if self.open.is_empty() => Some(end),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_seen_however_the_lines_are_cut() {
        let whole = b"{\"profile\":{\"user\":1}}\n{\"end\":{\"rooms\":2,\"messages\":3}}\n";
        for cut in 0..whole.len() {
            let mut last = LastLine::default();
            let (one, other) = whole.split_at(cut);
            last.take(one);
            assert_eq!(last.end(), None, "before the end");
            last.take(other);
            assert_eq!(last.end(), Some(ExportEnd { rooms: 2, messages: 3 }), "cut at {cut}");
        }
    }
}
