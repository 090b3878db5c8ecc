//! What is said of something that cannot be read.

/// A decoder's message without the values that it quotes: what was sent to the wrong place may be a password, and answers
/// are read by more eyes than requests. Names of fields stay.
#[must_use]
pub fn without_values(message: &str) -> String {
    const EXPECTED: &str = ", expected";
    if message.starts_with("unknown field") || message.starts_with("missing field") {
        return message.to_owned();
    }
    // invalid type: string "…", expected a UUID; unknown variant `…`, expected one of …
    if let Some((found, expected)) = message.rsplit_once(EXPECTED) {
        let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
        return format!("{kind}{EXPECTED}{expected}");
    }
    // Cannot parse `id` with value `…`: …
    if let Some((before, after)) = message.split_once(" with value `") {
        let reason = after.rsplit_once("`: ").map_or("it is not of the right shape", |(_, reason)| reason);
        return format!("{before}: {}", without_values(reason));
    }
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (message.get(..first), message.get(last + 1..));
            format!("{}(not shown){}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::command::{CreateRoom, Login};

    fn said<'a, T: Deserialize<'a>>(json: &'a str) -> String {
        without_values(&serde_json::from_str::<T>(json).map(|_| ()).unwrap_err().to_string())
    }

    #[test]
    fn the_kind_and_the_place_stay() {
        let said = said::<Login>(r#"{"name": 7, "password": "x"}"#);
        assert_eq!(said, "invalid type: integer, expected a string at line 1 column 10");
        assert_eq!(
            without_values("Cannot parse `room` with value `canary`: UUID parsing failed"),
            "Cannot parse `room`: UUID parsing failed"
        );
    }

    proptest! {
        #[test]
        fn no_value_is_repeated(noise in "[ -~]{0,20}") {
            let canary = format!("canary{noise}");
            let text = serde_json::to_string(&canary).unwrap();
            let id = "01939e0b-2c7a-7cc0-b5f1-a2b6e0c1d2e3";
            for json in [
                text.clone(),
                format!(r#"{{"name": [{text}], "password": "x"}}"#),
                format!(r#"{{"name": "x", "password": {{"p": {text}}}}}"#),
                format!(r#"{{"name": "x", "password": {text}"#),
            ] {
                let said = said::<Login>(&json);
                prop_assert!(!said.contains("canary"), "{said}");
            }
            for json in [
                format!(r#"{{"id": "{id}", "kind": {text}, "name": "x"}}"#),
                format!(r#"{{"id": {text}, "kind": "public", "name": "x"}}"#),
            ] {
                let said = said::<CreateRoom>(&json);
                prop_assert!(!said.contains("canary"), "{said}");
            }
        }
    }
}
