//! Who takes part: accounts, tokens and rooms, all made through the same doors that clients use.

use anyhow::Context;
use chasqui_events::{RoomId, UserId, room::Kind};
use chasqui_protocol::{
    ClientFrame,
    command::{CreateRoom, Join, Login, OpenDirect, Register},
    frame::Request,
    query::{Freshness, Query},
};
use futures::{StreamExt, TryStreamExt, stream};
use rand::RngExt;

use crate::{
    caller::{Caller, new_id},
    progress::Progress,
    socket::Endpoint,
};

const PASSWORD: &str = "a password of the bench";
/// Commands at once on one connection.
const WINDOW: usize = 16;
/// Connections at once.
const PARALLEL: usize = 16;

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// An access token.
    pub token: String,
}

/// A room and who is in it.
#[derive(Clone, Debug)]
pub struct Room {
    /// Which.
    pub id: RoomId,
    /// Its members, as indices of people.
    pub members: Vec<usize>,
}

/// Everybody, and all rooms.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Each has one connection.
    pub people: Vec<Person>,
    /// The rooms.
    pub rooms: Vec<Room>,
}

impl World {
    /// So many direct conversations, of two people each who are in no other.
    pub async fn of_pairs(endpoint: &Endpoint, pairs: usize, progress: &Progress) -> anyhow::Result<Self> {
        let people = register(endpoint, pairs * 2, progress).await?;
        progress.count(format!("opening {pairs} direct conversations"), pairs);
        let opened = stream::iter(people.chunks_exact(2).map(|pair| open_direct(endpoint, pair)))
            .buffered(PARALLEL)
            .enumerate()
            .map(|(done, id)| {
                progress.done(done + 1);
                id.map(|id| Room { id, members: vec![done * 2, done * 2 + 1] })
            });
        let rooms = opened.try_collect().await?;
        Ok(Self { people, rooms })
    }

    /// One public room in which everybody is.
    pub async fn of_one_room(
        endpoint: &Endpoint,
        members: usize,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let people = register(endpoint, members, progress).await?;
        let owner = people.first().context("a room needs somebody")?;
        let mut caller = Caller::connect(endpoint).await?;
        caller.hello(&owner.token, None).await?;
        let (id, name) = (new_id(), format!("bench {}", new_id()));
        let create = ClientFrame::CreateRoom(CreateRoom { id, kind: Kind::Public, name });
        let room = caller.call(id, create).await?.accepted()?.room.context("a created room has an id")?;
        progress.count(format!("{members} join a room"), members);
        // They all append to one lane, where each must know the place of the one before: few at once.
        let mut joining = stream::iter(people.iter().skip(1).map(|person| join(endpoint, person, room)))
            .buffer_unordered(4);
        let mut done = 1;
        while let Some(joined) = joining.next().await {
            joined?;
            done += 1;
            progress.done(done);
        }
        drop(joining);
        caller.ask(Query::Conversation { room }, Freshness::Latest).await?;
        let members = (0..people.len()).collect();
        Ok(Self { people, rooms: vec![Room { id: room, members }] })
    }
}

/// Registers and logs in so many people with new names.
pub async fn register(endpoint: &Endpoint, count: usize, progress: &Progress) -> anyhow::Result<Vec<Person>> {
    let prefix: u32 = rand::rng().random();
    let name = |index: usize| format!("bench-{prefix:08x}-{index}");
    progress.count(format!("registering {count} people"), count);
    let register = |index| {
        let id = new_id();
        let (display_name, password) = (String::new(), PASSWORD.to_owned());
        (id, ClientFrame::Register(Register { id, name: name(index), display_name, password }))
    };
    let mut caller = Caller::connect(endpoint).await?;
    caller.call_all((0..count).map(register).collect(), WINDOW, |done| progress.done(done)).await?;
    progress.count(format!("logging {count} people in"), count);
    let login = |index| {
        let id = new_id();
        let (password, device) = (PASSWORD.to_owned(), "bench".to_owned());
        (id, ClientFrame::Login(Request { id, body: Login { name: name(index), password, device } }))
    };
    let tokens = caller.call_all((0..count).map(login).collect(), WINDOW, |done| progress.done(done)).await?;
    let person = |answer: crate::caller::Answer| {
        answer.tokens().map(|tokens| Person { user: tokens.user, token: tokens.access_token })
    };
    tokens.into_iter().map(person).collect()
}

/// The first of the pair opens; returns when the projections know.
async fn open_direct(endpoint: &Endpoint, pair: &[Person]) -> anyhow::Result<RoomId> {
    let [one, other] = pair else { anyhow::bail!("a pair is two") };
    let mut caller = Caller::connect(endpoint).await?;
    caller.hello(&one.token, None).await?;
    let id = new_id();
    let open = ClientFrame::OpenDirect(OpenDirect { id, user: other.user });
    let accepted = caller.call(id, open).await?.accepted()?;
    let room = accepted.room.context("an opened conversation has a room")?;
    let fresh = accepted.position.map_or(Freshness::Latest, Freshness::AtLeast);
    caller.ask(Query::Conversation { room }, fresh).await?;
    Ok(room)
}

async fn join(endpoint: &Endpoint, person: &Person, room: RoomId) -> anyhow::Result<()> {
    let mut caller = Caller::connect(endpoint).await?;
    caller.hello(&person.token, None).await?;
    let id = new_id();
    caller.call(id, ClientFrame::Join(Join { id, room, on_behalf: None })).await?;
    Ok(())
}
