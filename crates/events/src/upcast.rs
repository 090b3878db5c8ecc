//! From an older version of a payload to today's, one step at a time.
//!
//! A step is a pure function from the JSON of version `n` to that of `n + 1`, in a file of its own. A step is
//! never changed once a fact of its version exists; `golden/` holds such facts.

mod message_posted_1;
mod message_posted_2;
mod session_opened_1;
mod user_profile_changed_1;
mod user_registered_1;
mod user_renamed_1;

use serde_json::{Value, value::RawValue};

use crate::DecodeError;

type Step = fn(Value) -> Result<Value, serde_json::Error>;

/// The steps: from which version of which type, and how.
const STEPS: &[(&str, u32, Step)] = &[
    ("message.posted", 1, message_posted_1::to_2),
    ("message.posted", 2, message_posted_2::to_3),
    ("session.opened", 1, session_opened_1::to_2),
    ("user.profile_changed", 1, user_profile_changed_1::to_2),
    ("user.registered", 1, user_registered_1::to_2),
    ("user.renamed", 1, user_renamed_1::to_2),
];

/// Lifts a payload from version `from` to version `to`.
pub(crate) fn lift(
    type_name: &str,
    from: u32,
    to: u32,
    data: &RawValue,
) -> Result<Box<RawValue>, DecodeError> {
    let unknown = || DecodeError::UnknownVersion { type_name: type_name.to_owned(), version: from };
    if from == 0 || from > to {
        return Err(unknown());
    }
    let mut value: Value = serde_json::from_str(data.get())?;
    for version in from..to {
        let (.., step) = STEPS
            .iter()
            .find(|(name, step_from, _)| *name == type_name && *step_from == version)
            .ok_or_else(unknown)?;
        value = step(value)?;
    }
    Ok(serde_json::value::to_raw_value(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fact;

    #[test]
    fn every_version_has_a_step_to_the_next() {
        for (name, current) in Fact::types() {
            for version in 1..current {
                assert!(
                    STEPS.iter().any(|(step, from, _)| *step == name && *from == version),
                    "{name} has no step from version {version}"
                );
            }
        }
    }
}
