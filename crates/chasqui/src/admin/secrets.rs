//! `chasqui admin secrets`.

use std::path::Path;

use chasqui_auth::secrets::{self, Outcome};

use crate::output;

pub(super) fn init(directory: &Path) -> anyhow::Result<()> {
    let lines: Vec<String> = secrets::init(directory)?
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Created(file) => format!("made  {}", file.display()),
            Outcome::Kept(file) => format!("kept  {}", file.display()),
        })
        .collect();
    output::say(&lines.join("\n"))?;
    Ok(())
}
