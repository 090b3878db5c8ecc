//! What every fact carries around its event.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::{CommandId, Seq, Timestamp, UserId};

/// One event family: how its events are named, versioned and read.
pub trait Event: Sized {
    /// The stable wire name, `<aggregate>.<what happened>`, for example `message.posted`.
    fn type_name(&self) -> &'static str;

    /// The version of the payload that this program writes, from 1.
    fn version(&self) -> u32;

    /// Writes the payload, in the current version.
    fn serialize_data<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads a payload of the current version.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`] when the family has no such event, [`DecodeError::Json`] when the payload
    /// does not have the event's shape.
    fn deserialize_data(type_name: &str, data: &RawValue) -> Result<Self, DecodeError>;

    /// The version of the payload that this program writes for `type_name`, `None` when the family has no such
    /// event.
    fn current_version(type_name: &str) -> Option<u32>;
}

/// A fact that was brought in from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Who imported it; the envelope's `by` is the original author.
    pub by: UserId,
    /// When it was recorded; the envelope's `at` is the original time.
    pub at: Timestamp,
}

/// One fact: an event with who, when, on what command and on which state it was decided.
///
/// Written as JSON, readable with any NATS tool:
/// `{"id":"…","type":"message.posted","v":2,"at":1732290000000,"by":"…","basis":41,"data":{…}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<E> {
    /// The command that caused it; also its `Nats-Msg-Id`.
    pub id: CommandId,
    /// When the command was accepted, by the server's clock (or the original time of an imported fact).
    pub at: Timestamp,
    /// Who caused it.
    pub by: UserId,
    /// The sequence of the last fact on the room's state lane that the decision had seen; 0 where the append
    /// itself is conditional (state and identity facts). See `chasqui-domain`'s judgement.
    pub basis: Seq,
    /// Set when the fact was imported.
    pub import: Option<Import>,
    /// What happened.
    pub event: E,
}

impl<E> Envelope<E> {
    /// When the fact was written to the log by the server's clock: `at`, or the import's own time.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.import.map_or(self.at, |import| import.at)
    }

    /// The same envelope around another event.
    pub fn map<F>(self, f: impl FnOnce(E) -> F) -> Envelope<F> {
        let Self { id, at, by, basis, import, event } = self;
        Envelope { id, at, by, basis, import, event: f(event) }
    }
}

/// A fact that cannot be read. It is a poison event: its room is parked until a program that knows it is there.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the shape that its type and version promise.
    #[error("the fact is not of the shape that its type and version promise: {0}")]
    Json(#[from] serde_json::Error),
    /// No event of this name is known.
    #[error("the event type {0:?} is not known to this version of Chasqui; a newer one may have written it")]
    UnknownType(String),
    /// The event is known, but not in this version.
    #[error(
        "version {version} of {type_name} is not known to this version of Chasqui; a newer one may have written it"
    )]
    UnknownVersion {
        /// The event's wire name.
        type_name: String,
        /// The version on the wire.
        version: u32,
    },
}

#[derive(Deserialize)]
struct Wire<'a> {
    id: CommandId,
    #[serde(rename = "type")]
    type_name: &'a str,
    v: u32,
    at: Timestamp,
    by: UserId,
    #[serde(default)]
    basis: Seq,
    #[serde(default)]
    import: Option<Import>,
    #[serde(borrow)]
    data: &'a RawValue,
}

struct Data<'a, E>(&'a E);

impl<E: Event> Serialize for Data<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_data(serializer)
    }
}

impl<E: Event> Serialize for Envelope<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("type", self.event.type_name())?;
        map.serialize_entry("v", &self.event.version())?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("by", &self.by)?;
        if self.basis != 0 {
            map.serialize_entry("basis", &self.basis)?;
        }
        if let Some(import) = &self.import {
            map.serialize_entry("import", import)?;
        }
        map.serialize_entry("data", &Data(&self.event))?;
        map.end()
    }
}

impl<E: Event> Envelope<E> {
    /// The fact as it is stored.
    ///
    /// # Panics
    /// Never: the types of events have no map with keys other than text and no failing serializer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        #[expect(
            clippy::expect_used,
            reason = "event payloads are plain structs; serde_json cannot fail on them"
        )]
        serde_json::to_vec(self).expect("an envelope is always JSON")
    }

    /// Reads a stored fact of any version that ever existed.
    ///
    /// # Errors
    /// When it is not JSON of the envelope's shape, or its type or version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire: Wire<'_> = serde_json::from_slice(bytes)?;
        let current = E::current_version(wire.type_name)
            .ok_or_else(|| DecodeError::UnknownType(wire.type_name.to_owned()))?;
        let event = if wire.v == current {
            E::deserialize_data(wire.type_name, wire.data)?
        } else {
            let data = crate::upcast::lift(wire.type_name, wire.v, current, wire.data)?;
            E::deserialize_data(wire.type_name, &data)?
        };
        Ok(Self { id: wire.id, at: wire.at, by: wire.by, basis: wire.basis, import: wire.import, event })
    }
}

/// Declares an event family: an enum with one variant per event, its wire name and its current version.
macro_rules! family {
    ($(#[$doc:meta])* $family:ident { $($(#[$variant_doc:meta])* $variant:ident($payload:ty) = $name:literal v $version:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $family {
            $($(#[$variant_doc])* $variant($payload),)+
        }

        impl $family {
            /// The wire name and the current version of every event of the family.
            pub const TYPES: &'static [(&'static str, u32)] = &[$(($name, $version)),+];
        }

        impl $crate::Event for $family {
            fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            fn version(&self) -> u32 {
                match self { $(Self::$variant(_) => $version,)+ }
            }

            fn serialize_data<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(data) => serde::Serialize::serialize(data, serializer),)+ }
            }

            fn deserialize_data(type_name: &str, data: &serde_json::value::RawValue) -> Result<Self, $crate::DecodeError> {
                match type_name {
                    $($name => Ok(Self::$variant(serde_json::from_str(data.get())?)),)+
                    _ => Err($crate::DecodeError::UnknownType(type_name.to_owned())),
                }
            }

            fn current_version(type_name: &str) -> Option<u32> {
                match type_name { $($name => Some($version),)+ _ => None }
            }
        }
    };
}

pub(crate) use family;
