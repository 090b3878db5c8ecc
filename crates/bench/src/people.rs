//! Who takes part: accounts, tokens and rooms, all made through the same doors that clients use.

use anyhow::Context;
use chasqui_events::{Position, RoomId, UserId, room::Kind};
use chasqui_protocol::{
    Accepted,
    command::{CreateRoom, Join, Login, OpenDirect, Register, Tokens},
    query::Conversation,
};
use futures::{Stream, StreamExt, stream};
use rand::RngExt;

use crate::{api::Api, caller::new_id, progress::Progress, socket::Endpoint};

pub(crate) const PASSWORD: &str = "a password of the bench";
/// Requests at once.
const PARALLEL: usize = 16;
/// Joins at once: they all append to one lane, where each must know the place of the one before.
const JOINING: usize = 4;

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
    /// So many direct conversations, of two people each who are in no other. Returns when the projections know.
    pub async fn of_pairs(endpoint: &Endpoint, pairs: usize, progress: &Progress) -> anyhow::Result<Self> {
        let api = Api::new(&endpoint.api)?;
        let people = register(&api, pairs * 2, progress).await?;
        progress.count(format!("opening {pairs} direct conversations"), pairs);
        let opening =
            stream::iter(people.chunks_exact(2).map(|pair| open_direct(&api, pair))).buffered(PARALLEL);
        let ids = all(opening, progress).await?;
        let room = |(pair, id): (usize, RoomId)| Room { id, members: vec![pair * 2, pair * 2 + 1] };
        let rooms = ids.into_iter().enumerate().map(room).collect();
        Ok(Self { people, rooms })
    }

    /// One public room in which everybody is. Returns when the projections know.
    pub async fn of_one_room(
        endpoint: &Endpoint,
        members: usize,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let api = Api::new(&endpoint.api)?;
        let people = register(&api, members, progress).await?;
        let owner = people.first().context("a room needs somebody")?;
        let id = new_id();
        let create = CreateRoom { id, kind: Kind::Public, name: format!("bench {id}") };
        let created: Accepted = api.command("create_room", Some(&owner.token), &create).await?;
        let room = created.room.context("a created room has an id")?;
        progress.count(format!("{members} join a room"), members);
        let joining = stream::iter(people.iter().skip(1).map(|person| join(&api, person, room)));
        let places = all(joining.buffered(JOINING), progress).await?;
        let last = places.into_iter().flatten().max_by_key(|place| place.seq);
        wait_for(&api, owner, room, last).await?;
        let members = (0..people.len()).collect();
        Ok(Self { people, rooms: vec![Room { id: room, members }] })
    }
}

/// Registers and logs in so many people with new names.
async fn register(api: &Api, count: usize, progress: &Progress) -> anyhow::Result<Vec<Person>> {
    let prefix: u32 = rand::rng().random();
    progress.count(format!("registering {count} people and logging them in"), count);
    let arriving = stream::iter((0..count).map(|index| arrive(api, format!("bench-{prefix:08x}-{index}"))));
    all(arriving.buffered(PARALLEL), progress).await
}

/// Registers so many people; their names.
pub(crate) async fn named(api: &Api, count: usize, progress: &Progress) -> anyhow::Result<Vec<String>> {
    let prefix: u32 = rand::rng().random();
    progress.count(format!("registering {count} people"), count);
    let names = (0..count).map(|index| format!("bench-{prefix:08x}-{index}"));
    let arriving = stream::iter(names.map(async |name| {
        arrive(api, name.clone()).await?;
        anyhow::Ok(name)
    }));
    all(arriving.buffered(2), progress).await
}

async fn arrive(api: &Api, name: String) -> anyhow::Result<Person> {
    let password = PASSWORD.to_owned();
    let register = Register {
        id: new_id(),
        name: name.clone(),
        display_name: String::new(),
        password: password.clone(),
        email: None,
    };
    let _: Accepted = api.command("register", None, &register).await?;
    let login = Login { name, password, device: "bench".to_owned(), reactivate: false };
    let tokens: Tokens = api.command("login", None, &login).await?;
    Ok(Person { user: tokens.user, token: tokens.access_token })
}

/// The first of the pair opens.
async fn open_direct(api: &Api, pair: &[Person]) -> anyhow::Result<RoomId> {
    let [one, other] = pair else { anyhow::bail!("a pair is two") };
    let open = OpenDirect { id: new_id(), user: other.user };
    let accepted: Accepted = api.command("open_direct", Some(&one.token), &open).await?;
    let room = accepted.room.context("an opened conversation has a room")?;
    wait_for(api, one, room, accepted.position).await?;
    Ok(room)
}

async fn join(api: &Api, person: &Person, room: RoomId) -> anyhow::Result<Option<Position>> {
    let join = Join { id: new_id(), room, on_behalf: None };
    let accepted: Accepted = api.command("join", Some(&person.token), &join).await?;
    Ok(accepted.position)
}

/// Until the projections have a place, everything where none is given.
async fn wait_for(api: &Api, who: &Person, room: RoomId, place: Option<Position>) -> anyhow::Result<()> {
    let fresh = place.map_or("latest=true".to_owned(), |place| format!("at_least={place}"));
    let _: Conversation = api.get(&format!("/v1/conversations/{room}?{fresh}"), &who.token).await?;
    Ok(())
}

async fn all<T>(doing: impl Stream<Item = anyhow::Result<T>>, progress: &Progress) -> anyhow::Result<Vec<T>> {
    let mut doing = std::pin::pin!(doing);
    let mut done = Vec::new();
    while let Some(one) = doing.next().await {
        done.push(one?);
        progress.done(done.len());
    }
    Ok(done)
}
