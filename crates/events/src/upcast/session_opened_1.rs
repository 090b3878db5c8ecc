//! `session.opened` 1 → 2: the name of the device is sealed from now on. What was recorded before stays as it was typed, and is a text
//! of the new shape already.

use serde_json::Value;

#[expect(clippy::unnecessary_wraps, reason = "a step may fail; this one has nothing to look at")]
pub(super) fn to_2(data: Value) -> Result<Value, serde_json::Error> {
    Ok(data)
}
