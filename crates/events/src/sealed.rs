//! Texts that only some may read: what somebody said, and what is personal.
//!
//! A fact holds them sealed, as bytes that mean something to `chasqui-crypto` only. Facts from before texts were
//! sealed hold them as they were typed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

/// Sealed bytes, written as base64url without padding (RFC 4648 §5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// These bytes, as `chasqui-crypto` made them.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

struct SealedVisitor;

impl de::Visitor<'_> for SealedVisitor {
    type Value = Sealed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64url without padding")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Sealed, E> {
        URL_SAFE_NO_PAD.decode(text).map(Sealed).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SealedVisitor)
    }
}

/// A text as a fact holds it: `{"sealed": "…"}`, or the text itself in facts from before texts were sealed.
#[derive(Clone, PartialEq, Eq)]
pub enum Text {
    /// As it was typed.
    Plain(String),
    /// Readable to whoever has the keys.
    Sealed(Sealed),
}

impl Text {
    /// No text at all, which needs no seal.
    pub const EMPTY: Self = Self::Plain(String::new());

    /// Whether this is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(text) if text.is_empty())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Never shows the text.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "Plain({} bytes)", text.len()),
            Self::Sealed(sealed) => fmt::Debug::fmt(sealed, f),
        }
    }
}

const FIELD: &str = "sealed";

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Sealed(sealed) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(FIELD, sealed)?;
                map.end()
            }
        }
    }
}

struct TextVisitor;

impl<'de> de::Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or {\"sealed\": base64url}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Plain(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text::Plain(text))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        match map.next_key::<String>()?.as_deref() {
            Some(FIELD) => {}
            Some(other) => return Err(de::Error::unknown_field(other, &[FIELD])),
            None => return Err(de::Error::missing_field(FIELD)),
        }
        let sealed = map.next_value()?;
        match map.next_key::<String>()? {
            None => Ok(Text::Sealed(sealed)),
            Some(other) => Err(de::Error::unknown_field(&other, &[FIELD])),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_back_what_it_writes_and_is_never_shown() {
        for (text, json) in [
            (Text::Plain("ñan".to_owned()), r#""ñan""#),
            (Text::Sealed(Sealed::new(vec![1, 255, 62])), r#"{"sealed":"Af8-"}"#),
        ] {
            assert_eq!(serde_json::to_string(&text).unwrap(), json);
            assert_eq!(serde_json::from_str::<Text>(json).unwrap(), text);
            assert!(!format!("{text:?}").contains("ñan"));
        }
    }

    #[test]
    fn what_is_neither_text_nor_sealed_is_refused() {
        for json in ["1", "{}", r#"{"sealed":"=="}"#, r#"{"sealed":"Af8-","x":1}"#, r#"{"open":"Af8-"}"#] {
            assert!(serde_json::from_str::<Text>(json).is_err(), "{json}");
        }
    }
}
