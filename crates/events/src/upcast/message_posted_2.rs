//! `message.posted` 2 → 3: the body is sealed from now on, and its length stands beside it. What was recorded before
//! stays as it was typed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct V2 {
    body: String,
    #[serde(default)]
    replies_to: Vec<Value>,
}

#[derive(Serialize)]
struct V3 {
    body: String,
    size: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replies_to: Vec<Value>,
}

pub(super) fn to_3(data: Value) -> Result<Value, serde_json::Error> {
    let V2 { body, replies_to } = serde_json::from_value(data)?;
    serde_json::to_value(V3 { size: body.len(), body, replies_to })
}
