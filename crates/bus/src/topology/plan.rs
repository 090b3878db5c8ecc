//! What would have to be done.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Topology, difference};
use crate::{ApiError, Bus, jetstream};

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its name in JetStream's API.
    pub field: String,
    /// What the server has; null for nothing.
    pub from: Value,
    /// What the file says; null for nothing.
    pub to: Value,
    /// Set when the change loses facts, or what protects them: how.
    pub loss: Option<&'static str>,
}

/// What is to be done about one stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is not there.
    Create {
        /// Its name.
        stream: String,
    },
    /// It is there, but not as the file says.
    Update {
        /// Its name.
        stream: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// A partition that the topology does not know. Nothing is done about it: lower partition counts than before
    /// leave rooms behind.
    Unknown {
        /// Its name.
        stream: String,
        /// How many facts it holds.
        facts: u64,
    },
}

impl Change {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        match self {
            Self::Create { stream } | Self::Update { stream, .. } | Self::Unknown { stream, .. } => stream,
        }
    }

    /// Whether facts, or what protects them, would be lost.
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        match self {
            Self::Update { differences, .. } => differences.iter().any(|field| field.loss.is_some()),
            Self::Create { .. } | Self::Unknown { .. } => false,
        }
    }
}

/// Everything that differs between the files and the server. Its text is lined up for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order of the files.
    pub changes: Vec<Change>,
    /// How many streams are as the files say.
    pub unchanged: usize,
}

impl Plan {
    /// Nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.changes.iter().any(|change| matches!(change, Change::Create { .. } | Change::Update { .. }))
    }

    /// Something would be lost.
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        self.changes.iter().any(Change::is_destructive)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.changes.iter().map(|change| change.stream().len()).max().unwrap_or(0);
        for change in &self.changes {
            match change {
                Change::Create { stream } => writeln!(f, "create   {stream}")?,
                Change::Update { stream, differences } => {
                    let fields = differences.iter().map(|one| one.field.len()).max().unwrap_or(0);
                    for Difference { field, from, to, loss } in differences {
                        write!(f, "update   {stream:width$}  {field:fields$}  {from} -> {to}")?;
                        match loss {
                            Some(loss) => writeln!(f, "  DESTRUCTIVE: {loss}")?,
                            None => writeln!(f)?,
                        }
                    }
                }
                Change::Unknown { stream, facts } => {
                    writeln!(f, "unknown  {stream:width$}  left as it is, with {facts} facts")?;
                }
            }
        }
        if self.is_empty() {
            writeln!(f, "nothing to do: {} streams are as the files say", self.unchanged)
        } else {
            writeln!(f, "{} more are as the files say", self.unchanged)
        }
    }
}

#[derive(Deserialize)]
struct Info {
    config: Map<String, Value>,
}

#[derive(Deserialize)]
struct Page {
    total: usize,
    #[serde(default)]
    streams: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    config: Named,
    state: State,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct State {
    messages: u64,
}

/// Compares the files with the server. Needs a connection of the role `admin`.
///
/// # Errors
/// When JetStream does not answer, or refuses.
pub async fn plan(bus: &Bus, topology: &Topology) -> Result<Plan, ApiError> {
    let mut plan = Plan::default();
    for file in &topology.streams {
        let stream = file.name.clone();
        match jetstream::request::<Info>(bus, &format!("STREAM.INFO.{stream}"), &()).await {
            Ok(info) => {
                let differences = difference::differences(&file.config, &info.config);
                if differences.is_empty() {
                    plan.unchanged += 1;
                } else {
                    plan.changes.push(Change::Update { stream, differences });
                }
            }
            Err(ApiError::Refused { code: jetstream::NO_STREAM, .. }) => {
                plan.changes.push(Change::Create { stream });
            }
            Err(error) => return Err(error),
        }
    }
    plan.changes.extend(unknown(bus, topology).await?);
    Ok(plan)
}

async fn unknown(bus: &Bus, topology: &Topology) -> Result<Vec<Change>, ApiError> {
    let mut found = Vec::new();
    let mut seen = 0;
    loop {
        let wanted = serde_json::json!({ "offset": seen });
        let page: Page = jetstream::request(bus, "STREAM.LIST", &wanted).await?;
        let streams = page.streams.unwrap_or_default();
        seen += streams.len();
        let last = streams.is_empty() || seen >= page.total;
        let strange = streams.into_iter().filter(|one| {
            let name = &one.config.name;
            name.starts_with("CHAT_") && !topology.streams.iter().any(|file| file.name == *name)
        });
        found.extend(
            strange.map(|one| Change::Unknown { stream: one.config.name, facts: one.state.messages }),
        );
        if last {
            return Ok(found);
        }
    }
}
