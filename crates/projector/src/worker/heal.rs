//! Folding again what was parked, by a program that may be able to read it by now.

use chasqui_bus::log::Stored;
use chasqui_events::{Fact, Seq};
use chasqui_read_model::{
    fold::{Batch, LogFact},
    view::parked::{Aggregate, Parked},
};

use super::{End, commit::Folded, pipeline::Life};
use crate::decode;

/// So many facts in one transaction, or fewer where the store has refused a size.
const CHUNK: usize = 200;

impl Life<'_> {
    /// Tries everything that is parked. Runs before the first new fact is folded.
    pub(super) async fn heal(&mut self) -> Result<(), End> {
        let parked: Vec<Parked> = self.fold.parked().cloned().collect();
        for parked in parked {
            if self.readable_now(&parked).await? {
                self.refold(parked).await?;
            }
        }
        Ok(())
    }

    async fn readable_now(&self, parked: &Parked) -> Result<bool, End> {
        let stream = self.worker.sign.stream.to_string();
        let stored = self.worker.log.get(&stream, parked.at).await?;
        Ok(stored.is_some_and(|stored| stored.decode::<Fact>().is_ok()))
    }

    async fn refold(&mut self, parked: Parked) -> Result<(), End> {
        let mut next = parked.at;
        loop {
            let (facts, rest) = self.held_facts(&parked.aggregate, next).await?;
            let mut batch = Batch::new();
            self.prepare(&facts).await?;
            if self.fold.parked().any(|now| now.aggregate == parked.aggregate && now.at == next) {
                self.fold.release(&mut batch, &parked.aggregate);
                // With the room open, what its facts need can be told.
                self.prepare(&facts).await?;
            }
            for fact in &facts {
                self.step(&mut batch, fact).await?;
            }
            if let Some(rest) = rest
                && !self.fold.is_parked(&parked.aggregate)
            {
                self.fold.pause(&mut batch, parked.clone(), rest);
            }
            self.alarm(&batch);
            let plan = self.fold.finish(batch);
            let folded =
                Folded { plan, prev: self.folded.pos, to: self.folded, facts: facts.len(), pending: 0 };
            self.write_now(&folded).await?;
            match rest {
                Some(rest) => next = rest,
                None => break,
            }
        }
        if !self.fold.is_parked(&parked.aggregate) {
            tracing::info!(parked = %parked.aggregate, at = parked.at, "healed: folded up to the checkpoint again");
        }
        Ok(())
    }

    async fn write_now(&mut self, folded: &Folded) -> Result<(), End> {
        let Some(hands) = self.hands.as_mut() else {
            return Err(End::Trouble("the last batch is still being written".to_owned()));
        };
        hands.write(folded).await.map_err(|error| End::of_commit(error, folded.facts))?;
        self.fold.committed(folded.to.pos);
        Ok(())
    }

    /// The facts of one room or subject from a place up to the checkpoint, and where the rest begins.
    async fn held_facts(&self, aggregate: &Aggregate, from: Seq) -> Result<(Vec<LogFact>, Option<Seq>), End> {
        let stream = self.worker.sign.stream.to_string();
        let filter = match aggregate {
            Aggregate::Room(room) => format!("chat.{}.room.{room}.*", room.partition()),
            Aggregate::Subject(subject) => subject.clone(),
        };
        let mut facts = vec![];
        let mut next = from;
        while let Some(stored) = self.worker.log.next(&stream, next, &filter).await? {
            let Stored { seq, .. } = stored;
            if seq > self.folded.pos {
                break;
            }
            if facts.len() == CHUNK.min(self.worker.batch) {
                return Ok((facts, Some(seq)));
            }
            facts.push(decode::log_fact(&stored));
            next = seq + 1;
        }
        Ok((facts, None))
    }
}
