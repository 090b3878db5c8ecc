//! `message.posted` 1 → 2: a message could answer one other (`reply_to`); now it can answer several
//! (`replies_to`), as lines in an imported log do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct V1 {
    body: String,
    #[serde(default)]
    reply_to: Option<Value>,
}

#[derive(Serialize)]
struct V2 {
    body: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replies_to: Vec<Value>,
}

pub(super) fn to_2(data: Value) -> Result<Value, serde_json::Error> {
    let V1 { body, reply_to } = serde_json::from_value(data)?;
    serde_json::to_value(V2 { body, replies_to: reply_to.into_iter().collect() })
}
