//! What one delivery says about its place, and whether it is the one that must come next. Pure.

use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use chasqui_events::{Seq, Timestamp};

use super::ConsumerError;
use crate::{
    header,
    log::{self, Stored},
};

/// A message of a consumer.
#[derive(Debug)]
pub(super) struct Delivery {
    subject: Subject,
    headers: Option<HeaderMap>,
    payload: Bytes,
    time: Timestamp,
    stream_seq: Seq,
    consumer_seq: u64,
    /// How many are behind it.
    pub(super) pending: u64,
    /// Where to acknowledge it.
    pub(super) ack: Subject,
}

impl Delivery {
    /// Reads the place from the reply subject (ADR-15 of NATS): `$JS.ACK.<stream>.<consumer>.<delivered>.
    /// <stream seq>.<consumer seq>.<time>.<pending>`, with domain and account before the stream in its longer form.
    pub(super) fn from_message(message: Message) -> Option<Self> {
        let ack = message.reply?;
        let tokens: Vec<&str> = ack.split('.').collect();
        let place = match tokens.as_slice() {
            ["$JS", "ACK", _, _, place @ ..] if place.len() == 5 => place,
            ["$JS", "ACK", _, _, _, _, place @ ..] if place.len() >= 5 => place,
            _ => return None,
        };
        let [_, stream_seq, consumer_seq, nanos, pending, ..] = place else { return None };
        Some(Self {
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
            time: log::from_nanos(nanos.parse().ok()?)?,
            stream_seq: stream_seq.parse().ok()?,
            consumer_seq: consumer_seq.parse().ok()?,
            pending: pending.parse().ok()?,
            ack: ack.clone(),
        })
    }

    fn stored(&self) -> Stored {
        let headers = self.headers.as_ref();
        Stored {
            subject: self.subject.as_str().to_owned(),
            seq: self.stream_seq,
            msg_id: header::get(headers, header::MSG_ID).and_then(|id| id.parse().ok()),
            time: self.time,
            payload: self.payload.clone(),
            trace: header::get(headers, header::TRACEPARENT).map(str::to_owned),
        }
    }
}

/// What has arrived: everything up to a sequence, by so many deliveries.
#[derive(Debug)]
pub(super) struct Order {
    stream_seq: Seq,
    consumer_seq: u64,
}

impl Order {
    pub(super) fn after(stream_seq: Seq, consumer_seq: u64) -> Self {
        Self { stream_seq, consumer_seq }
    }

    /// `None` for what has arrived before.
    ///
    /// A fact follows what has arrived when its sequence is the next one, or when it is the consumer's next delivery:
    /// the consumer numbers those without holes, also where the stream has some. Anything else shows that something
    /// was lost on the way. After a crash the server may begin its numbers again from earlier ones; what it then
    /// sends is known, and its numbers hold from there on.
    pub(super) fn admit(&mut self, delivery: &Delivery) -> Result<Option<Stored>, ConsumerError> {
        let known = delivery.stream_seq <= self.stream_seq;
        let next =
            delivery.stream_seq == self.stream_seq + 1 || delivery.consumer_seq == self.consumer_seq + 1;
        if !known && !next {
            return Err(ConsumerError::Lost { after: self.stream_seq, found: delivery.stream_seq });
        }
        self.consumer_seq = delivery.consumer_seq;
        if known {
            return Ok(None);
        }
        self.stream_seq = delivery.stream_seq;
        Ok(Some(delivery.stored()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(reply: &str) -> Option<Delivery> {
        Delivery::from_message(Message {
            subject: "chat.1.room.x.msg".into(),
            reply: Some(reply.into()),
            payload: Bytes::from_static(b"{}"),
            headers: None,
            status: None,
            description: None,
            length: 2,
        })
    }

    fn delivery(stream_seq: Seq, consumer_seq: u64) -> Delivery {
        delivered(&format!("$JS.ACK.CHAT_1.p.1.{stream_seq}.{consumer_seq}.1700000000123456789.5")).unwrap()
    }

    /// What each delivery comes to: its sequence, 0 for one that is known, or what was lost.
    fn outcomes(order: &mut Order, deliveries: &[(Seq, u64)]) -> Vec<Result<Seq, (Seq, Seq)>> {
        let outcome = |(stream_seq, consumer_seq): &(Seq, u64)| match order
            .admit(&delivery(*stream_seq, *consumer_seq))
        {
            Ok(stored) => Ok(stored.map_or(0, |stored| stored.seq)),
            Err(ConsumerError::Lost { after, found }) => Err((after, found)),
            Err(error) => panic!("{error}"),
        };
        deliveries.iter().map(outcome).collect()
    }

    #[test]
    fn facts_come_once_and_in_order() {
        let mut order = Order::after(10, 0);
        let found = outcomes(&mut order, &[(11, 1), (12, 2), (11, 3), (12, 4), (13, 5), (13, 6)]);
        assert_eq!(found, [Ok(11), Ok(12), Ok(0), Ok(0), Ok(13), Ok(0)]);
    }

    #[test]
    fn a_hole_of_the_stream_is_none_in_the_delivery() {
        let mut order = Order::after(0, 0);
        assert_eq!(outcomes(&mut order, &[(5, 1), (9, 2), (10, 3)]), [Ok(5), Ok(9), Ok(10)]);
    }

    #[test]
    fn what_was_lost_is_said() {
        assert_eq!(outcomes(&mut Order::after(0, 0), &[(1, 1), (3, 3)]), [Ok(1), Err((1, 3))]);
        assert_eq!(outcomes(&mut Order::after(7, 40), &[(9, 42)]), [Err((7, 9))]);
    }

    #[test]
    fn a_server_that_counts_again_after_a_crash_is_followed() {
        let mut order = Order::after(200, 250);
        let found = outcomes(&mut order, &[(199, 199), (200, 200), (201, 201), (203, 203)]);
        assert_eq!(found, [Ok(0), Ok(0), Ok(201), Err((201, 203))]);
    }

    #[test]
    fn both_forms_of_a_place_are_read() {
        let short = delivered("$JS.ACK.CHAT_1.projector_v1.1.7.3.1700000000123456789.5").unwrap();
        let long = delivered("$JS.ACK._.hash.CHAT_1.projector_v1.2.7.3.1700000000123456789.5.token").unwrap();
        for place in [short, long] {
            assert_eq!((place.stream_seq, place.consumer_seq, place.pending), (7, 3, 5));
            assert_eq!(place.time, Timestamp(1_700_000_000_123));
        }
        assert!(delivered("_INBOX.x").is_none() && delivered("$JS.ACK.CHAT_1.p.1.x.3.4.5").is_none());
    }
}
