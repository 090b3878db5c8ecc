//! The room as a `cqrs-es` aggregate.
//!
//! `cqrs-es` gives the shape (aggregate, event, store, context) and its test harness; [`Room::decide`] stays
//! pure and synchronous behind it. Its repository traits are not used: a snapshot store of `cqrs-es` 0.5 folds
//! the new events twice, and its `persist` has no room for a stream sequence. The event store is
//! `chasqui_bus::event_store`.

use chasqui_events::room::RoomEvent;
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Decision, Limits, Rejection, Room, RoomCommand, room::Asker};

/// A room event in the form that `cqrs-es` asks for: serializable by itself, as `[type, version, data]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent(pub RoomEvent);

impl Serialize for RecordedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use chasqui_events::Event as _;
        struct Data<'a>(&'a RoomEvent);
        impl Serialize for Data<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize_data(serializer)
            }
        }
        (self.0.type_name(), self.0.version(), Data(&self.0)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use chasqui_events::Event as _;
        let (type_name, _version, data) =
            <(String, u32, Box<serde_json::value::RawValue>)>::deserialize(deserializer)?;
        RoomEvent::deserialize_data(&type_name, &data).map(Self).map_err(D::Error::custom)
    }
}

impl DomainEvent for RecordedEvent {
    fn event_type(&self) -> String {
        use chasqui_events::Event as _;
        self.0.type_name().to_owned()
    }

    fn event_version(&self) -> String {
        use chasqui_events::Event as _;
        self.0.version().to_string()
    }
}

/// A command with its caller: what `cqrs-es` calls a command.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who asks.
    pub asker: Asker,
    /// For what.
    pub command: RoomCommand,
}

impl Aggregate for Room {
    const TYPE: &'static str = "room";
    type Command = Ask;
    type Event = RecordedEvent;
    type Error = Rejection;
    type Services = Limits;

    async fn handle(&mut self, ask: Ask, limits: &Limits, sink: &EventSink<Self>) -> Result<(), Rejection> {
        match self.decide(ask.asker, &ask.command, limits)? {
            Decision::Record(event) => sink.write(RecordedEvent(event), self).await,
            Decision::AlreadySo => {}
        }
        Ok(())
    }

    fn apply(&mut self, event: RecordedEvent) {
        Room::apply(self, &event.0);
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{
        Timestamp, UserId,
        account::GlobalRole,
        room::{Created, FoundingMember, Kind, MemberJoined, Role},
    };
    use cqrs_es::test::TestFramework;

    use super::*;

    #[test]
    fn a_public_room_is_joined() {
        let [owner, guest] = [1, 2].map(|n| UserId::new(Timestamp(1), [n; 10]));
        let created = Created {
            kind: Kind::Public,
            name: "Plaza".to_owned(),
            members: vec![FoundingMember { user: owner, role: Role::Owner }],
        };
        TestFramework::<Room>::with(Limits::default())
            .given(vec![RecordedEvent(RoomEvent::Created(created))])
            .when(Ask {
                asker: Asker { user: guest, role: GlobalRole::User, at: Timestamp(2) },
                command: RoomCommand::Join,
            })
            .then_expect_events(vec![RecordedEvent(RoomEvent::MemberJoined(MemberJoined { user: guest }))]);
    }
}
