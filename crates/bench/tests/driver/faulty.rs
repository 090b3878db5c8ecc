//! As little of a chat server as the driver needs, everything in memory, with one fault built in. It stands in for
//! nothing that Chasqui uses: it is what the checker is checked with.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use chasqui_bench::people::World;
use chasqui_events::{Position, RoomId, SessionId, Timestamp, UserId, receipts::Mark};
use chasqui_protocol::{Accepted, ClientFrame, Codec, Happening, Item, ServerFrame, frame::Welcome};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http::header::SEC_WEBSOCKET_PROTOCOL,
    },
};

/// What it does wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    None,
    /// Every so-many-eth message does not reach the other side.
    LoseEvery(u64),
    /// Every so-many-eth message reaches the other side twice.
    DoubleEvery(u64),
    /// Every so-many-eth message reaches the other side after the next one of its room.
    SwapEvery(u64),
    NoReceipts,
    /// Who comes back is not sent what was missed.
    ForgetOnResume,
    /// Does nothing for so long, once.
    RestOnce(Duration),
}

#[derive(Default)]
struct State {
    rooms: HashMap<RoomId, Vec<UserId>>,
    doors: HashMap<UserId, mpsc::Sender<ServerFrame>>,
    log: Vec<Item>,
    held: HashMap<UserId, ServerFrame>,
    rested: bool,
}

pub(super) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, Arc::clone(&shared), fault));
            }
        });
        Self { address, state, task }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn knows(&self, world: &World) {
        let mut state = self.state.lock();
        for room in &world.rooms {
            let members = room.members.iter().map(|&member| world.people[member].user).collect();
            state.rooms.insert(room.id, members);
        }
    }
}

#[expect(clippy::result_large_err, reason = "the shape is tungstenite's")]
async fn serve(tcp: TcpStream, state: Arc<Mutex<State>>, fault: Fault) {
    let mut codec = Codec::default();
    let choose = |request: &Request, mut response: Response| {
        let name = request.headers().get(SEC_WEBSOCKET_PROTOCOL).unwrap().clone();
        codec = Codec::from_subprotocol(name.to_str().unwrap()).unwrap();
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
        Ok(response)
    };
    let mut socket = accept_hdr_async(tcp, choose).await.unwrap();
    let (door, mut out) = mpsc::channel(10_000);
    let mut me = None;
    loop {
        let frame = tokio::select! {
            Some(frame) = out.recv() => {
                let bytes = codec.encode(&frame).unwrap();
                let message = match codec {
                    Codec::MessagePack => Message::binary(bytes),
                    Codec::Json => Message::text(String::from_utf8(bytes).unwrap()),
                };
                if socket.send(message).await.is_err() {
                    return;
                }
                continue;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => codec.decode_client(&bytes).unwrap(),
                Some(Ok(Message::Text(text))) => codec.decode_client(text.as_bytes()).unwrap(),
                Some(Ok(_)) => continue,
                _ => return,
            },
        };
        if let (Fault::RestOnce(rest), ClientFrame::Send(_)) = (fault, &frame)
            && !std::mem::replace(&mut state.lock().rested, true)
        {
            // The whole server rests, as one does that collects garbage.
            std::thread::sleep(rest);
        }
        handle(frame, &mut me, &door, &mut state.lock(), fault);
    }
}

fn handle(
    frame: ClientFrame,
    me: &mut Option<UserId>,
    door: &mpsc::Sender<ServerFrame>,
    state: &mut State,
    fault: Fault,
) {
    match frame {
        ClientFrame::Hello(hello) => {
            let user: UserId = hello.token.parse().unwrap();
            *me = Some(user);
            welcome(user, hello.cursor.is_some(), door, state, fault);
        }
        ClientFrame::Send(send) => {
            let by = me.unwrap();
            let repeated = state
                .log
                .iter()
                .find(|item| matches!(&item.what, Happening::Message { id, .. } if *id == send.id));
            let seq = repeated.map_or(state.log.len() as u64 + 1, |item| item.seq);
            let is_new = repeated.is_none();
            let position = Some(Position { partition: send.room.partition(), seq });
            door.try_send(ServerFrame::Ok {
                id: send.id,
                accepted: Accepted { position, ..Accepted::default() },
            })
            .ok();
            if is_new {
                let what = Happening::Message {
                    id: send.id,
                    body: send.body,
                    erased: false,
                    damaged: false,
                    replies_to: vec![],
                };
                let item = Item { room: send.room, seq, at: Timestamp(1), by, imported_by: None, what };
                state.log.push(item.clone());
                spread(&item, state, fault);
            }
        }
        ClientFrame::Ack { room, seq } => receipt(me.unwrap(), room, seq, 0, state, fault),
        ClientFrame::Read(read) => receipt(me.unwrap(), read.room, 0, read.seq, state, fault),
        other => panic!("the driver has no reason to send {other:?}"),
    }
}

fn welcome(user: UserId, resumed: bool, door: &mpsc::Sender<ServerFrame>, state: &mut State, fault: Fault) {
    let session = SessionId::new(Timestamp(1), [0; 10]);
    let say = |frame| door.try_send(frame).unwrap();
    say(ServerFrame::Welcome(Welcome {
        user,
        session,
        server_time: Timestamp(1),
        resumed,
        ping_interval_ms: 60_000,
        expires_at: Timestamp(i64::MAX),
    }));
    say(ServerFrame::Cursor { cursor: "0".to_owned() });
    if resumed && !matches!(fault, Fault::ForgetOnResume) {
        for item in &state.log {
            if state.rooms[&item.room].contains(&user) {
                say(ServerFrame::Item(item.clone()));
            }
        }
    }
    say(ServerFrame::CaughtUp {});
    state.doors.insert(user, door.clone());
}

fn spread(item: &Item, state: &mut State, fault: Fault) {
    for user in state.rooms[&item.room].clone() {
        let Some(door) = state.doors.get(&user).cloned() else { continue };
        let frame = ServerFrame::Item(item.clone());
        let other = user != item.by;
        let hit = |every: u64| other && item.seq.is_multiple_of(every);
        match fault {
            Fault::LoseEvery(every) if hit(every) => {}
            Fault::DoubleEvery(every) if hit(every) => {
                door.try_send(frame.clone()).ok();
                door.try_send(frame).ok();
            }
            Fault::SwapEvery(every) if hit(every) => {
                state.held.insert(user, frame);
            }
            _ => {
                door.try_send(frame).ok();
                if let Some(held) = state.held.remove(&user) {
                    door.try_send(held).ok();
                }
            }
        }
    }
}

fn receipt(by: UserId, room: RoomId, delivered: u64, read: u64, state: &State, fault: Fault) {
    if matches!(fault, Fault::NoReceipts) {
        return;
    }
    for user in &state.rooms[&room] {
        if let Some(door) = state.doors.get(user) {
            let marks = vec![Mark { user: by, delivered, read }];
            door.try_send(ServerFrame::Receipts { room, marks }).ok();
        }
    }
}
