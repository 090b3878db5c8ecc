//! The projector ends between two of its steps, at every pair of them (reliability: no double effect, no hole). The
//! steps of a batch: the checkpoint, the documents of each view, the commit, Redis, the notices, the consumer's
//! acknowledgement.
//!
//! What must hold: while it is dead, readers see a batch as a whole or not at all; after the next one has begun, what is
//! read is the log, from either store, and the views are those of one clean fold.

use std::time::Duration;

use chasqui_events::{
    Seq, UserId,
    room::{Renamed, RoomEvent},
};
use chasqui_projector::Settings;
use chasqui_read_model::ReadModel;
use futures::future::join_all;
use pretty_assertions::assert_eq;

use crate::{
    chaos::same_as_a_clean_fold,
    failpoint::{At, Failpoint},
    harness::{LONG, Room, STREAM, Servers, settings, settled, until},
};

/// A command of MongoDB on a collection, as it begins on the wire: the first element of its document.
fn command(name: &str, collection: &str) -> Vec<u8> {
    let length = i32::try_from(collection.len() + 1).unwrap().to_le_bytes();
    [b"\x02", name.as_bytes(), b"\0", &length, collection.as_bytes(), b"\0"].concat()
}

/// What stands between the projector and each of its servers.
struct Wires {
    nats: Failpoint,
    mongo: Failpoint,
    redis: Failpoint,
}

/// A room with its whole timeline, as the log has it.
struct Told {
    room: Room,
    bob: UserId,
    timeline: Vec<Seq>,
}

impl Told {
    async fn begin(servers: &Servers) -> Self {
        let mut room = Room::create(&servers.log().await).await;
        let mut timeline = vec![room.basis];
        let bob = room.join().await;
        timeline.push(room.basis);
        let mut told = Self { room, bob, timeline };
        told.go_on().await;
        told
    }

    /// Facts of all lanes: documents are made, changed, and raised.
    async fn go_on(&mut self) {
        for n in 0..6 {
            let by = if n % 2 == 0 { self.bob } else { self.room.owner };
            self.timeline.push(self.room.post(by, &n.to_string()).await);
        }
        self.room.join().await;
        self.timeline.push(self.room.basis);
        let name = format!("after {}", self.room.basis);
        self.timeline.push(self.room.state(self.room.owner, RoomEvent::Renamed(Renamed { name })).await);
        let last = self.room.post(self.room.owner, "and so on").await;
        self.timeline.push(last);
        self.room.receipt(self.bob, last, last - 1).await;
    }

    async fn read(&self, model: &ReadModel) -> Vec<Seq> {
        let slice = model.timeline_after(self.room.id, 0, 1000).await.unwrap();
        assert!(slice.complete && slice.held_at.is_none());
        slice.items.iter().map(|item| item.seq).collect()
    }
}

/// All facts that are written at once come in one batch.
fn in_one_batch() -> Settings {
    Settings { batch_wait: Duration::from_millis(400), ..settings() }
}

async fn hot_reaches(servers: &Servers, seq: Seq) {
    until("the hot set reaches the end", async || {
        servers.redis().await.say("HGET v1:{1}:meta pos").await.contains(&seq.to_string())
    })
    .await;
}

async fn head(servers: &Servers) -> Seq {
    servers.log().await.head(&STREAM.to_string()).await.unwrap().last_seq
}

/// Ends the projector at a step of its second batch, and looks before and after the next one takes over. The first batch
/// makes sure that connections, scripts and documents are there.
async fn dies_at(wire: fn(&Wires) -> &Failpoint, at: At, step: &[u8], committed: bool) {
    let servers = Servers::start().await;
    let wires = Wires {
        nats: Failpoint::before(servers.nats.address()).await,
        mongo: Failpoint::before(servers.mongo.address()).await,
        redis: Failpoint::before(servers.redis.address()).await,
    };
    wires.nats.arm(At::Passing, b"$JS.ACK.CHAT_1.");
    let mut stores = servers.store_settings();
    stores.mongodb_url = wires.mongo.url(servers.mongo.url(), servers.mongo.address()).into();
    stores.redis_url = wires.redis.url(servers.redis.url(), servers.redis.address()).into();
    // A projector that waits at the step must not give up and go on.
    stores.redis_timeout = LONG;
    let nats = wires.nats.url(servers.nats.url(), servers.nats.address());
    let mut told: Vec<Told> = join_all((0..3).map(|_| Told::begin(&servers))).await;
    let dying = Servers::runtime_with(nats, stores, in_one_batch());
    wires.nats.reached().await;
    let (model, before) = (servers.model().await, head(&servers).await);
    assert_eq!(model.stored_checkpoint(STREAM).await.unwrap().unwrap().pos, before, "the first batch is one");

    wire(&wires).arm(at, step);
    join_all(told.iter_mut().map(Told::go_on)).await;
    let after = head(&servers).await;
    wire(&wires).reached().await;
    let stopped_at = if committed { after } else { before };
    let look = async || {
        // Whoever knows of no position may be told of an older one, but of no half of a batch.
        let unknowing = servers.model().await;
        for told in &told {
            let whole = |at: Seq| told.timeline.iter().copied().filter(|seq| *seq <= at).collect::<Vec<_>>();
            let seen = told.read(&unknowing).await;
            assert!(seen == whole(before) || seen == whole(stopped_at), "{seen:?} is half of a batch");
        }
        assert_eq!(model.stored_checkpoint(STREAM).await.unwrap().unwrap().pos, stopped_at);
        for told in &told {
            let seen = told.read(&model).await;
            let whole: Vec<Seq> = told.timeline.iter().copied().filter(|seq| *seq <= stopped_at).collect();
            assert_eq!(seen, whole, "not the fold up to the checkpoint");
        }
    };
    look().await;
    dying.cut_off();
    look().await;

    let next = servers.projector().await;
    let (log, model) = (servers.log().await, servers.model().await);
    settled(&model, &log).await;
    for told in &told {
        assert_eq!(told.read(&model).await, told.timeline);
    }
    // What comes next must not hide what the hot set may have missed.
    let last = told[0].room.post(told[0].bob, "afterwards").await;
    told[0].timeline.push(last);
    settled(&model, &log).await;
    hot_reaches(&servers, last).await;
    for told in &told {
        assert_eq!(told.read(&model).await, told.timeline, "with the hot set");
    }
    servers.redis().await.say("FLUSHALL").await;
    for told in &told {
        assert_eq!(told.read(&model).await, told.timeline, "without it");
    }
    same_as_a_clean_fold(&servers).await;
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_transaction() {
    dies_at(|wires| &wires.mongo, At::Request, &command("update", "v1_checkpoints"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_the_checkpoint_and_the_documents() {
    dies_at(|wires| &wires.mongo, At::Request, &command("insert", "v1_timeline"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_the_documents() {
    dies_at(|wires| &wires.mongo, At::Request, &command("update", "v1_rooms"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_last_documents() {
    dies_at(|wires| &wires.mongo, At::Request, &command("update", "v1_members"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_commit() {
    dies_at(|wires| &wires.mongo, At::Request, b"\x10commitTransaction\0", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_commit_and_before_it_is_known() {
    dies_at(|wires| &wires.mongo, At::Answer, b"\x10commitTransaction\0", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_the_commit_and_redis() {
    dies_at(|wires| &wires.redis, At::Request, b"EVALSHA", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_and_before_it_is_known() {
    dies_at(|wires| &wires.redis, At::Answer, b"EVALSHA", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_redis_and_the_notices() {
    dies_at(|wires| &wires.nats, At::Request, b"notify.user.", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_the_notices_and_the_acknowledgement() {
    dies_at(|wires| &wires.nats, At::Request, b"$JS.ACK.CHAT_1.", true).await;
}
