//! The measurements: an open-loop load driver that cannot hide waiting (it is safe from coordinated omission),
//! a checker that holds every message against loss, doubling and order at every receiver, and the scenarios made
//! with both, each beside the raw cost of the same work on the bare backends.
//!
//! Pure parts first: [`schedule`] (when each message is to be sent), [`plan`] (by whom and where), [`tag`] (how
//! a message is known again), [`checker`] and [`receipts`] (what arrived), [`latency`], [`search`] (the highest
//! rate), [`figure`], [`report`] and [`table`] (what is told). Then what moves bytes: [`pacer`], [`socket`],
//! [`caller`], [`api`], [`people`], [`driver`], [`stack`], [`raw`], [`scenario`] and [`check`].

pub mod api;
pub mod caller;
pub mod check;
pub mod checker;
pub mod driver;
pub mod figure;
pub mod latency;
pub mod pacer;
pub mod people;
pub mod plan;
pub mod procfs;
pub mod progress;
pub mod raw;
pub mod receipts;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod search;
pub mod socket;
pub mod stack;
pub mod table;
pub mod tag;
