//! `/password`.

use super::{
    super::{terminal::Lines, wording},
    Session,
};

impl Session {
    /// Asks for the old password and a new one, twice. Nothing of it is shown.
    pub(super) async fn change_password(&mut self, lines: &mut Lines) {
        let Some(old) = lines.secret("Password until now: ").await else { return };
        let Some(new) = lines.secret("New password: ").await else { return };
        let Some(again) = lines.secret("New password, again: ").await else { return };
        if secrecy::ExposeSecret::expose_secret(&new) != secrecy::ExposeSecret::expose_secret(&again) {
            self.screen.show("The two are not the same; nothing was changed.");
            return;
        }
        match self.login.change_password(&old, &new).await {
            Ok(()) => self.screen.show("Your password is changed, and your other sessions have ended."),
            Err(error) => {
                let why = error.problem().map_or_else(|| error.to_string(), |problem| problem.detail.clone());
                self.screen.show(&format!("Not changed: {}.", wording::safe(&why)));
            }
        }
    }
}
