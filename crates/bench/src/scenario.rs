//! What is measured. Each scenario starts a stack of its own, so that none pays for what another left behind, and
//! takes the raw costs before it, while nothing else runs.

mod baseline;
mod cut;
mod direct;
mod fanout;
mod highest;
mod history;
mod idle;
mod login;
mod measured;
mod projector;
mod raw;
mod seal;
mod token;

use chasqui_protocol::Codec;
use clap::ValueEnum;

use crate::{progress::Progress, report::Section, stack::Layout};
use baseline::Baselines;

/// A scenario's name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Only the raw costs: bare NATS, bare WebSocket relay, bare MongoDB server.
    Raw,
    /// 200 pairs at fixed rates, with both receipts, for both modes of durability.
    Direct,
    /// The highest rate that is sustained.
    Highest,
    /// Memory of an idle connection.
    Idle,
    /// A room of 1,000.
    Fanout,
    /// 1,000 sockets cut at once.
    Cut,
    /// The newest 50 of 100,000.
    History,
    /// The projections built anew from the log.
    Projector,
    /// Sealing and opening what is said.
    Seal,
    /// Checking access tokens.
    Token,
    /// Logins at the configured cost of passwords.
    Login,
}

impl Scenario {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 11] = [
        Self::Raw,
        Self::Direct,
        Self::Highest,
        Self::Idle,
        Self::Fanout,
        Self::Cut,
        Self::History,
        Self::Projector,
        Self::Seal,
        Self::Token,
        Self::Login,
    ];
}

/// How a run is to be made, and the raw costs that it has taken already.
#[derive(Debug)]
pub struct Run {
    /// Shorter and smaller: for finding mistakes, not for comparing.
    pub quick: bool,
    /// What clients speak.
    pub codec: Codec,
    /// How Chasqui's roles are spread over processes.
    pub layout: Layout,
    /// Rates of `direct`, in messages per second.
    pub rates: Vec<f64>,
    /// Who is told how far it is.
    pub progress: Progress,
    baselines: Baselines,
}

impl Run {
    /// A run that has measured nothing yet.
    #[must_use]
    pub fn new(quick: bool, codec: Codec, layout: Layout, rates: Vec<f64>, progress: Progress) -> Self {
        Self { quick, codec, layout, rates, progress, baselines: Baselines::default() }
    }

    /// Runs one scenario.
    pub async fn scenario(&mut self, scenario: Scenario) -> anyhow::Result<Vec<Section>> {
        match scenario {
            Scenario::Raw => raw::run(self).await,
            Scenario::Direct => direct::run(self).await,
            Scenario::Highest => highest::run(self).await,
            Scenario::Idle => idle::run(self).await,
            Scenario::Fanout => fanout::run(self).await,
            Scenario::Cut => cut::run(self).await,
            Scenario::History => history::run(self).await,
            Scenario::Projector => projector::run(self).await,
            Scenario::Seal => seal::run(self).await,
            Scenario::Token => token::run(self).await,
            Scenario::Login => login::run(self).await,
        }
    }

    /// One of two values: the quick one, or the full one.
    fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}
