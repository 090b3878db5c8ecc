//! Any fact of any family, for readers of whole streams.

use serde::Serializer;
use serde_json::value::RawValue;

use crate::{
    DecodeError, Event, account::AccountEvent, identity::IdentityEvent, message::MessageEvent,
    receipts::ReceiptEvent, room::RoomEvent,
};

/// An event of any family. Every reader names every family, so that a new one makes the compiler ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// On a room's state lane.
    Room(RoomEvent),
    /// On a room's message lane.
    Message(MessageEvent),
    /// On a room's receipt lane.
    Receipt(ReceiptEvent),
    /// On the stream `IDENT`.
    Identity(IdentityEvent),
    /// On the stream `IDENT`, about an account.
    Account(AccountEvent),
}

impl Fact {
    /// The wire name and the current version of every event there is.
    pub fn types() -> impl Iterator<Item = (&'static str, u32)> {
        [
            RoomEvent::TYPES,
            MessageEvent::TYPES,
            ReceiptEvent::TYPES,
            IdentityEvent::TYPES,
            AccountEvent::TYPES,
        ]
        .into_iter()
        .flatten()
        .copied()
    }
}

impl Event for Fact {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Room(event) => event.type_name(),
            Self::Message(event) => event.type_name(),
            Self::Receipt(event) => event.type_name(),
            Self::Identity(event) => event.type_name(),
            Self::Account(event) => event.type_name(),
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::Room(event) => event.version(),
            Self::Message(event) => event.version(),
            Self::Receipt(event) => event.version(),
            Self::Identity(event) => event.version(),
            Self::Account(event) => event.version(),
        }
    }

    fn serialize_data<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Room(event) => event.serialize_data(serializer),
            Self::Message(event) => event.serialize_data(serializer),
            Self::Receipt(event) => event.serialize_data(serializer),
            Self::Identity(event) => event.serialize_data(serializer),
            Self::Account(event) => event.serialize_data(serializer),
        }
    }

    fn deserialize_data(type_name: &str, data: &RawValue) -> Result<Self, DecodeError> {
        match type_name.split_once('.').map(|(family, _)| family) {
            Some("message") => MessageEvent::deserialize_data(type_name, data).map(Self::Message),
            Some("receipts") => ReceiptEvent::deserialize_data(type_name, data).map(Self::Receipt),
            Some("room") => RoomEvent::deserialize_data(type_name, data).map(Self::Room),
            _ if AccountEvent::current_version(type_name).is_some() => {
                AccountEvent::deserialize_data(type_name, data).map(Self::Account)
            }
            _ => IdentityEvent::deserialize_data(type_name, data).map(Self::Identity),
        }
    }

    fn current_version(type_name: &str) -> Option<u32> {
        MessageEvent::current_version(type_name)
            .or_else(|| ReceiptEvent::current_version(type_name))
            .or_else(|| RoomEvent::current_version(type_name))
            .or_else(|| IdentityEvent::current_version(type_name))
            .or_else(|| AccountEvent::current_version(type_name))
    }
}
