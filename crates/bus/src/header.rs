//! The names of the headers on the bus.

use async_nats::{HeaderMap, HeaderName, HeaderValue};

/// The command that caused a fact.
pub(crate) const MSG_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");
/// The condition of an append.
pub(crate) const EXPECTED: HeaderName = HeaderName::from_static("Nats-Expected-Last-Subject-Sequence");
/// A republished fact's place.
pub(crate) const SEQUENCE: HeaderName = HeaderName::from_static("Nats-Sequence");
/// The place of the fact before it on its subject.
pub(crate) const LAST_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Last-Sequence");
/// When it was stored.
pub(crate) const TIME_STAMP: HeaderName = HeaderName::from_static("Nats-Time-Stamp");
/// How many messages of a pull request were not sent.
pub(crate) const PENDING_MESSAGES: HeaderName = HeaderName::from_static("Nats-Pending-Messages");
/// Replaces what a subject holds.
pub(crate) const ROLLUP: HeaderName = HeaderName::from_static("Nats-Rollup");
/// After so many seconds the server removes the message.
pub(crate) const TTL: HeaderName = HeaderName::from_static("Nats-TTL");
/// What a bucket's message means, when it is no value.
pub(crate) const KV_OPERATION: HeaderName = HeaderName::from_static("KV-Operation");
/// An event's wire name.
pub(crate) const TYPE: HeaderName = HeaderName::from_static("Chasqui-Type");
/// Its payload's version.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("Chasqui-Version");
/// Which fact of its aggregate it is.
pub(crate) const AGGREGATE_SEQ: HeaderName = HeaderName::from_static("Chasqui-Aggregate-Seq");
/// The caller's access token, on a command.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("Chasqui-Token");
/// The address that a command's client connects from.
pub(crate) const ADDRESS: HeaderName = HeaderName::from_static("Chasqui-Address");
/// W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The value of a header.
pub(crate) fn get(headers: Option<&HeaderMap>, name: HeaderName) -> Option<&str> {
    headers?.get(name).map(HeaderValue::as_str)
}

/// The value of a header in the text form in which the API returns stored ones.
pub(crate) fn get_raw<'a>(headers: &'a str, name: &HeaderName) -> Option<&'a str> {
    let name: &str = name.as_ref();
    headers.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Adds a header, unless its value could not be one.
pub(crate) fn add(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| value.parse::<HeaderValue>().ok()) {
        headers.insert(name, value);
    }
}
