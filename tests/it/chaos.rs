//! Servers and roles are killed while people talk; afterwards everything is compared.
//!
//! What counts as a failure is said in the testkit's checker: an acknowledged message that is missing, doubled or out
//! of order, in the log, in a view, or on a screen.

mod backends;
mod roles;

use std::time::Duration;

use chasqui_client::Endpoint;
use chasqui_events::RoomId;
use chasqui_testkit::{Checker, Layout, Load, Person, Report, Stack};

/// Six people in three direct conversations and one room of all.
struct Town {
    stack: Stack,
    people: Vec<Person>,
    talks: Vec<(usize, RoomId)>,
}

impl Town {
    /// The people are spread over these edges.
    async fn found(layout: Layout, edges: &[&str]) -> Self {
        const NAMES: [&str; 6] = ["ana", "beto", "carla", "dino", "elsa", "fito"];
        let stack = Stack::with(layout.alone()).await;
        let mut people = Vec::new();
        for (name, edge) in NAMES.iter().zip(edges.iter().cycle()) {
            let endpoint: Endpoint = stack.process(edge).endpoint();
            people.push(stack.user_at(name, endpoint, Person::options()).await);
        }
        let mut talks = Vec::new();
        for (one, other) in [(0, 1), (2, 3), (4, 5)] {
            let room = people[one].direct_with(&people[other]).await;
            talks.extend([(one, room), (other, room)]);
        }
        let others: Vec<&Person> = people[1..].iter().collect();
        let plaza = people[0].room_with("plaza", &others).await;
        talks.extend((0..people.len()).step_by(2).map(|talker| (talker, plaza)));
        Self { stack, people, talks }
    }

    /// Everybody talks; `hurt` happens several times meanwhile, each time after some messages got through again.
    async fn lives_through(&self, times: usize, mut hurt: impl AsyncFnMut(&Stack, usize)) -> Report {
        let talkers: Vec<(&Person, RoomId)> =
            self.talks.iter().map(|(person, room)| (&self.people[*person], *room)).collect();
        let load = Load::start(&talkers, Duration::from_millis(25));
        for time in 0..times {
            load.acked_further(60).await;
            hurt(&self.stack, time).await;
        }
        load.acked_further(120).await;
        let sent = load.stop().await;
        let everybody: Vec<&Person> = self.people.iter().collect();
        let report = Checker::new().sent(sent).seen_by(&everybody).check(&self.stack).await;
        assert_eq!(report.standing + report.void, report.acked, "the client repeats until it is answered");
        report
    }
}
