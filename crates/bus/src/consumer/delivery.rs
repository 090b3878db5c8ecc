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
    redelivered: bool,
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
        let [count, stream_seq, consumer_seq, nanos, pending, ..] = place else { return None };
        Some(Self {
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
            time: log::from_nanos(nanos.parse().ok()?)?,
            stream_seq: stream_seq.parse().ok()?,
            consumer_seq: consumer_seq.parse().ok()?,
            redelivered: *count != "1",
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

    /// `None` for what has arrived before. The consumer numbers its deliveries without holes, so that one shows
    /// that something was lost, also where the stream's own sequences have holes.
    pub(super) fn admit(&mut self, delivery: &Delivery) -> Result<Option<Stored>, ConsumerError> {
        let continues = delivery.consumer_seq == self.consumer_seq + 1;
        let known = delivery.stream_seq <= self.stream_seq;
        if continues {
            self.consumer_seq = delivery.consumer_seq;
        } else if !(known || delivery.redelivered && delivery.stream_seq == self.stream_seq + 1) {
            return Err(ConsumerError::Lost { after: self.stream_seq, found: delivery.stream_seq });
        } else {
            self.consumer_seq = self.consumer_seq.max(delivery.consumer_seq);
        }
        if known {
            return Ok(None);
        }
        self.stream_seq = delivery.stream_seq;
        Ok(Some(delivery.stored()))
    }
}
