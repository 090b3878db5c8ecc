//! `/export`.

use chasqui_client::ExportError;
use chasqui_protocol::Code;
use tokio::fs::OpenOptions;

use super::{super::wording, Session};

impl Session {
    /// Writes everything into a new file. One that is there already is left alone.
    pub(super) async fn export(&self, file: &str) {
        let shown = wording::safe(file);
        let mut created = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).await {
            Ok(created) => created,
            Err(error) => return self.screen.show(&format!("{shown} cannot be made: {error}.")),
        };
        self.screen.show("This may take a while.");
        match self.login.export(&mut created).await {
            Ok(end) => {
                let (rooms, messages) = (end.rooms, end.messages);
                self.screen.show(&format!("{shown} holds {messages} messages of {rooms} conversations."));
            }
            Err(error) => {
                self.screen.show(&wording::safe(&told(&error)));
                // Nothing, or a part that looks like the whole.
                if let Err(error) = tokio::fs::remove_file(file).await {
                    self.screen.show(&format!("{shown} is incomplete, and cannot be removed: {error}."));
                }
            }
        }
    }
}

fn told(error: &ExportError) -> String {
    match error {
        ExportError::Api(error) if error.code() == Some(Code::ProofNeeded) => {
            "An export is for whoever has just logged in: /quit, come back, and ask again at once.".to_owned()
        }
        other => format!("There is no export: {other}."),
    }
}
