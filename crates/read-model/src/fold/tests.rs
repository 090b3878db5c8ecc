//! Any schedule of batches, crashes and late commits gives the state of one clean fold; and that state is what a
//! naive reading of the log gives.

mod history;
mod memory;
mod naive;

use std::collections::VecDeque;

use chasqui_events::{Partition, Seq, room::RoomEvent};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::{Batch, Fold, Lane, Loaded, LogFact, Missing, Source};
use crate::{Stream, plan::Plan};
use history::Op;
use memory::Memory;

const STREAM: Stream = Stream::Chat(Partition::from_low_bits(3));

/// Folds these facts with the store that there is, as a worker does.
fn fold(fold: &mut Fold, store: &Memory, log: &[LogFact], facts: &[LogFact]) -> Plan {
    for wants in [Fold::wants_rooms, Fold::wants] {
        let wants = wants(fold, facts);
        fold.admit(store.load(&wants));
    }
    let mut batch = Batch::new();
    for fact in facts {
        while let Err(missing) = fold.step(&mut batch, fact) {
            fold.admit(find(store, log, missing));
        }
    }
    fold.finish(batch)
}

fn find(store: &Memory, log: &[LogFact], missing: Missing) -> Loaded {
    match (Fold::wants_for(missing), missing) {
        (Some(wants), _) => store.load(&wants),
        (None, Missing::Lane { room, after, before }) => {
            let between = log.iter().filter(|fact| {
                fact.source == Source::Room(room, Lane::State) && fact.seq > after && fact.seq < before
            });
            let facts = between.filter_map(state_event).collect();
            Loaded::lane(room, after, before, facts)
        }
        (None, other) => panic!("{other:?}"),
    }
}

fn state_event(fact: &LogFact) -> Option<(Seq, RoomEvent)> {
    match &fact.body.as_ref().ok()?.event {
        chasqui_events::Fact::Room(event) => Some((fact.seq, event.clone())),
        _ => None,
    }
}

/// All facts in one batch.
fn clean(log: &[LogFact]) -> Memory {
    let mut store = Memory::default();
    let plan = fold(&mut Fold::new(STREAM, 0, vec![], 100), &store, log, log);
    store.commit(&plan, log.last().map_or(0, |fact| fact.seq));
    store
}

#[derive(Clone, Copy, Debug)]
enum Move {
    /// Fold the next facts, so many.
    Fold(usize),
    /// The oldest folded batch is committed.
    Commit,
    /// The worker dies, and another begins from the checkpoint.
    Crash,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (1usize..12).prop_map(Move::Fold),
        5 => Just(Move::Commit),
        1 => Just(Move::Crash),
    ];
    proptest::collection::vec(one, 0..60)
}

/// Follows the schedule, then works on until everything is folded. At most two batches are under way.
fn scheduled(log: &[LogFact], moves: Vec<Move>, rooms: usize) -> Memory {
    let mut store = Memory::default();
    let mut state = Fold::new(STREAM, 0, vec![], rooms);
    let mut folded = 0;
    let mut waiting: VecDeque<(Plan, Seq)> = VecDeque::new();
    let rest = std::iter::repeat_n([Move::Fold(7), Move::Commit], log.len() + 2).flatten();
    for step in moves.into_iter().chain(rest) {
        match step {
            Move::Fold(count) if waiting.len() < 2 => {
                let next = &log[folded..log.len().min(folded + count)];
                if let Some(last) = next.last() {
                    waiting.push_back((fold(&mut state, &store, log, next), last.seq));
                    folded += next.len();
                }
            }
            Move::Fold(_) => {}
            Move::Commit => {
                if let Some((plan, pos)) = waiting.pop_front() {
                    store.commit(&plan, pos);
                    state.committed(pos);
                }
            }
            Move::Crash => {
                waiting.clear();
                folded = log.partition_point(|fact| fact.seq <= store.pos);
                state = Fold::new(STREAM, store.pos, store.parked(), rooms);
            }
        }
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_gives_the_state_of_one_clean_fold(
        ops in proptest::collection::vec(any::<Op>(), 0..120), moves in moves(), rooms in 0usize..4,
    ) {
        let log = history::log(&ops);
        let store = scheduled(&log, moves, rooms);
        store.check_unique();
        assert_eq!(store, clean(&log));
    }

    #[test]
    fn a_clean_fold_is_what_the_log_says(ops in proptest::collection::vec(any::<Op>(), 0..120)) {
        let log = history::log(&ops);
        naive::check(&log, &clean(&log));
    }

    /// A program that can read what another could not makes of it what a clean fold makes.
    #[test]
    fn healing_gives_the_state_of_one_clean_fold(
        ops in proptest::collection::vec(any::<Op>(), 0..120), chunk in 1usize..20,
    ) {
        let log = history::log(&ops);
        let mut store = clean(&log);
        let readable = history::readable(&log);
        heal(&mut store, &readable, chunk);
        assert_eq!(store.content(), clean(&readable).content());
        assert_eq!(store.parked(), vec![]);
    }
}

/// As the worker does it.
fn heal(store: &mut Memory, log: &[LogFact], chunk: usize) {
    let mut state = Fold::new(STREAM, store.pos, store.parked(), 100);
    for parked in store.parked() {
        let mut held: VecDeque<&LogFact> = log
            .iter()
            .filter(|fact| fact.seq >= parked.at && fact.source.aggregate() == parked.aggregate)
            .collect();
        while !held.is_empty() {
            let facts: Vec<LogFact> = held.drain(..chunk.min(held.len())).cloned().collect();
            state.admit(store.load(&state.wants_rooms(&facts)));
            let mut batch = Batch::new();
            state.release(&mut batch, &parked.aggregate);
            for fact in &facts {
                while let Err(missing) = state.step(&mut batch, fact) {
                    state.admit(find(store, log, missing));
                }
            }
            if let Some(next) = held.front() {
                state.pause(&mut batch, parked.clone(), next.seq);
            }
            let plan = state.finish(batch);
            store.commit(&plan, store.pos);
            state.committed(store.pos);
        }
    }
}
