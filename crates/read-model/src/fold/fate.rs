//! Whether a fact stands.

use chasqui_domain::{Verdict, VoidReason, judgement};
use chasqui_events::{
    Envelope, Event as _, Fact, RoomId, Seq, message, message::MessageEvent, receipts::ReceiptEvent,
    room::RoomEvent,
};

use super::{Fold, Lane, LogFact, Missing, room::RoomRecord};
use crate::view::members;

/// What becomes of a fact.
pub(super) enum Fate<'a> {
    Applies(&'a Envelope<Fact>),
    Void,
    Poison(String),
}

impl Fold {
    /// Whether a fact stands; nothing is changed by asking.
    pub(super) fn fate<'a>(
        &self,
        record: &RoomRecord,
        fact: &'a LogFact,
        room: RoomId,
        lane: Lane,
    ) -> Result<Fate<'a>, Missing> {
        let envelope = match &fact.body {
            Ok(envelope) => envelope,
            Err(undecodable) => return Ok(Fate::Poison(undecodable.to_string())),
        };
        let misplaced = || Fate::Poison(format!("{} on the {lane:?} lane", envelope.event.type_name()));
        match (&envelope.event, lane) {
            (Fact::Room(event), Lane::State) => {
                let created = matches!(event, RoomEvent::Created(_));
                if created == record.doc.kind.is_some() {
                    return Ok(Fate::Poison("a room is created by its first fact, and once".to_owned()));
                }
                for user in members::touched(event) {
                    if !record.known.contains_key(&user) {
                        return Err(Missing::Member(room, user));
                    }
                }
                Ok(Fate::Applies(envelope))
            }
            (Fact::Message(MessageEvent::Posted(_)), Lane::Msg) => {
                if record.doc.kind.is_none() {
                    return Ok(Fate::Poison("a message in a room that was not created".to_owned()));
                }
                Ok(self
                    .judge(record, fact.seq, room, envelope)?
                    .map_or(Fate::Applies(envelope), |_| Fate::Void))
            }
            (Fact::Receipt(ReceiptEvent::Moved(_)), Lane::Rcpt) => Ok(Fate::Applies(envelope)),
            (
                Fact::Room(_) | Fact::Message(_) | Fact::Receipt(_) | Fact::Identity(_) | Fact::Account(_),
                _,
            ) => Ok(misplaced()),
        }
    }

    fn judge(
        &self,
        record: &RoomRecord,
        seq: Seq,
        room: RoomId,
        envelope: &Envelope<Fact>,
    ) -> Result<Option<VoidReason>, Missing> {
        let Envelope { by, basis, id, .. } = envelope;
        let verdict = match record.trail.verdict(*by, *basis, envelope.recorded_at(), seq) {
            Verdict::Unknown => match &record.lane {
                Some(lane) if lane.after <= *basis && seq <= lane.before => {
                    let facts = lane.facts.iter().map(|(seq, event)| (*seq, event));
                    judgement::verdict_from(facts, *by, *basis, envelope.recorded_at(), seq)
                }
                _ => return Err(Missing::Lane { room, after: *basis, before: seq }),
            },
            known => known,
        };
        if let Verdict::Void(reason) = verdict {
            return Ok(Some(reason));
        }
        let key = (room, *by, *id);
        if self.uncommitted.get(&key).is_some_and(|earlier| *earlier < seq) {
            return Ok(Some(VoidReason::Repeated));
        }
        if self.suspicious || message::may_repeat(*id, envelope.recorded_at()) {
            let earlier = record.ids.get(&(*by, *id)).ok_or(Missing::Id(room, *by, *id))?;
            if earlier.is_some_and(|earlier| earlier < seq) {
                return Ok(Some(VoidReason::Repeated));
            }
        }
        Ok(None)
    }
}
