//! What differs between a stream's file and the stream, and what of it would lose facts. Pure.

use serde_json::{Map, Value};

use super::plan::Difference;

/// Compares a file with the configuration that the server tells.
pub(super) fn differences(wanted: &Map<String, Value>, actual: &Map<String, Value>) -> Vec<Difference> {
    let mut fields: Vec<&String> = wanted.keys().chain(actual.keys()).collect();
    fields.sort();
    fields.dedup();
    fields
        .into_iter()
        .filter_map(|field| {
            let from = actual.get(field).map_or(Value::Null, |value| plain(field, value));
            let to = wanted.get(field).map_or(Value::Null, |value| plain(field, value));
            (from != to).then(|| Difference { loss: loss(field, &from, &to), field: field.clone(), from, to })
        })
        .collect()
}

/// A value as it is compared: what means nothing, or what a server says by itself, is nothing.
fn plain(field: &str, value: &Value) -> Value {
    let by_itself = match (field, value) {
        ("metadata", Value::Object(metadata)) => {
            let own: Map<String, Value> = metadata
                .iter()
                .filter(|(key, _)| !key.starts_with("_nats."))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            return if own.is_empty() { Value::Null } else { Value::Object(own) };
        }
        ("max_msgs" | "max_bytes" | "max_msgs_per_subject" | "max_msg_size" | "max_consumers", number) => {
            number.as_i64() == Some(-1)
        }
        ("num_replicas", number) => number.as_i64() == Some(1),
        ("retention", text) => text == "limits",
        ("discard", text) => text == "old",
        ("storage", text) => text == "file",
        ("compression", text) => text == "none",
        _ => false,
    };
    if by_itself || is_nothing(value) { Value::Null } else { value.clone() }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

/// Why a change loses facts, or protection against losing them.
fn loss(field: &str, from: &Value, to: &Value) -> Option<&'static str> {
    match field {
        "storage" => Some("the stream is deleted and made again, its facts are lost"),
        "retention" => Some("facts would be removed once they are read"),
        "sealed" => Some("a sealed stream takes no fact and cannot be opened again"),
        "max_msgs" | "max_bytes" | "max_msgs_per_subject" | "max_age" if tightens(from, to) => {
            Some("the oldest facts beyond the limit are removed")
        }
        "num_replicas" if number(to) < number(from) => Some("fewer servers keep each fact"),
        "subjects" if !covers(to, from) => Some("facts on the missing subjects are not stored any more"),
        "deny_delete" | "deny_purge" if to.is_null() => Some("facts could be removed"),
        _ => None,
    }
}

/// A limit that is lower than before; no limit is nothing.
fn tightens(from: &Value, to: &Value) -> bool {
    match (from.as_i64(), to.as_i64()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(from), Some(to)) => to < from,
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(1)
}

fn covers(new: &Value, old: &Value) -> bool {
    let list = |value: &Value| -> Vec<String> {
        let subjects = value.as_array().into_iter().flatten();
        subjects.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let new = list(new);
    list(old).iter().all(|old| new.iter().any(|new| subject_covers(new, old)))
}

/// Whether every subject that `narrow` matches is matched by `wide`.
fn subject_covers(wide: &str, narrow: &str) -> bool {
    let mut narrow = narrow.split('.');
    for token in wide.split('.') {
        match (token, narrow.next()) {
            (">", Some(_)) => return true,
            ("*", Some(other)) if other != ">" => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    narrow.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn diff(wanted: Value, actual: Value) -> Vec<(String, bool)> {
        let (Value::Object(wanted), Value::Object(actual)) = (wanted, actual) else { panic!("objects") };
        differences(&wanted, &actual).into_iter().map(|d| (d.field, d.loss.is_some())).collect()
    }

    #[test]
    fn what_a_server_says_by_itself_is_no_difference() {
        let wanted = json!({"name": "X", "subjects": ["x.>"], "deny_delete": true});
        let actual = json!({
            "name": "X", "subjects": ["x.>"], "deny_delete": true, "retention": "limits", "storage": "file",
            "max_msgs": -1, "max_age": 0, "num_replicas": 1, "consumer_limits": {}, "discard": "old",
            "metadata": {"_nats.level": "1"}, "allow_direct": false, "compression": "none"
        });
        assert_eq!(diff(wanted, actual), []);
    }

    #[test]
    fn losses_are_seen() {
        for (wanted, actual, loses) in [
            (json!({"max_msgs": 10}), json!({"max_msgs": -1}), true),
            (json!({"max_msgs": 10}), json!({"max_msgs": 20}), true),
            (json!({"max_msgs": -1}), json!({"max_msgs": 20}), false),
            (json!({"max_age": 5}), json!({"max_age": 0}), true),
            (json!({"storage": "memory"}), json!({"storage": "file"}), true),
            (json!({"subjects": ["a.b"]}), json!({"subjects": ["a.>"]}), true),
            (json!({"subjects": ["a.>", "b"]}), json!({"subjects": ["a.b", "a.*.c"]}), false),
            (json!({"subjects": ["a.*"]}), json!({"subjects": ["a.>"]}), true),
            (json!({"num_replicas": 3}), json!({"num_replicas": 1}), false),
            (json!({"num_replicas": 1}), json!({"num_replicas": 3}), true),
            (json!({}), json!({"deny_purge": true}), true),
            (json!({"duplicate_window": 7}), json!({"duplicate_window": 9}), false),
        ] {
            let found = diff(wanted.clone(), actual.clone());
            assert_eq!(found.len(), 1, "{wanted} {actual}");
            assert_eq!(found[0].1, loses, "{wanted} {actual}");
        }
    }
}
