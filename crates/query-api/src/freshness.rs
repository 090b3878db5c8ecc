//! How fresh an answer must be: a bounded wait for the projection.

use std::time::Duration;

use chasqui_auth::refusal;
use chasqui_bus::subject;
use chasqui_events::{Partition, Position, RoomId, Seq};
use chasqui_protocol::{Code, Problem, query::Freshness};
use chasqui_read_model::{Stream, WaitError};
use chasqui_runtime::metrics::names;
use futures::future::try_join_all;

use crate::reader::{Reader, not_read};

impl Reader {
    /// Waits for what a query about one room demands.
    pub(crate) async fn fresh_room(&self, room: RoomId, fresh: Freshness) -> Result<(), Problem> {
        self.fresh(fresh, [Stream::Chat(room.partition())]).await
    }

    /// Waits for what a query about people demands.
    pub(crate) async fn fresh_people(&self, fresh: Freshness) -> Result<(), Problem> {
        self.fresh(fresh, [Stream::Ident]).await
    }

    /// Waits for what a query about many rooms demands.
    pub(crate) async fn fresh_rooms(&self, fresh: Freshness) -> Result<(), Problem> {
        self.fresh(fresh, Partition::first(self.bounds().partitions).map(Stream::Chat)).await
    }

    async fn fresh(
        &self,
        fresh: Freshness,
        streams: impl IntoIterator<Item = Stream>,
    ) -> Result<(), Problem> {
        match fresh {
            Freshness::Any => Ok(()),
            Freshness::AtLeast(position) => self.at_least(position).await,
            Freshness::Latest => {
                let waits = streams.into_iter().map(|stream| self.latest(stream));
                try_join_all(waits).await.map(drop)
            }
        }
    }

    /// A position of a partition that there is not will never be projected.
    fn stream_of(&self, position: Position) -> Result<Stream, Problem> {
        if position.partition.number() < self.bounds().partitions {
            return Ok(Stream::Chat(position.partition));
        }
        let detail =
            format!("there is no partition {}; give back the position of an answer", position.partition);
        Err(Problem::new(Code::Malformed, detail))
    }

    async fn at_least(&self, position: Position) -> Result<(), Problem> {
        let (stream, seq) = (self.stream_of(position)?, position.seq);
        if self.model().wait_for(stream, seq, Duration::ZERO).await.is_err() {
            self.is_in_the_log(position).await?;
        }
        self.reached(stream, seq).await
    }

    /// Nor will one beyond the end of the log: it is no position of an answer, or the log is another one since.
    async fn is_in_the_log(&self, position: Position) -> Result<(), Problem> {
        let Position { partition, seq } = position;
        let head = self.log().partition_head(partition).await.map_err(|error| refusal::not_read(&error))?;
        if seq <= head.last_seq {
            return Ok(());
        }
        let last = head.last_seq;
        let detail =
            format!("the log of partition {partition} ends at {last}; give back the position of an answer");
        Err(Problem::new(Code::Malformed, detail))
    }

    async fn latest(&self, stream: Stream) -> Result<(), Problem> {
        let name = match stream {
            Stream::Chat(partition) => subject::stream(partition),
            Stream::Ident => subject::IDENT.to_owned(),
        };
        let head = self.log().head(&name).await.map_err(|error| refusal::not_read(&error))?;
        self.reached(stream, head.last_seq).await
    }

    async fn reached(&self, stream: Stream, seq: Seq) -> Result<(), Problem> {
        if seq == 0 {
            return Ok(());
        }
        let outcome = self.model().wait_for(stream, seq, self.bounds().wait).await;
        let label = if outcome.is_ok() { "met" } else { "timeout" };
        metrics::counter!(names::QUERY_BARRIER_TOTAL, "outcome" => label).increment(1);
        match outcome {
            Ok(_) => Ok(()),
            Err(WaitError::NotYet { at }) => {
                let detail = format!("the projection of {stream} is at {at}, {seq} was demanded; ask again");
                Err(Problem::new(Code::NotYetProjected, detail).retry_after_ms(500))
            }
            Err(WaitError::Read(error)) => Err(not_read(&error)),
        }
    }
}
