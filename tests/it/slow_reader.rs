//! A reader that does not read (reliability: bytes held ≤ its budget, closed with the documented code, neighbours
//! unharmed).

use std::time::Duration;

use chasqui_client::{Connection, Options, SocketLimits};
use chasqui_events::RoomId;
use chasqui_protocol::{ClientFrame, CloseCode, Codec, ServerFrame};
use chasqui_testkit::{ChaosProxy, Checker, Direction, Layout, Message, Person, Stack, within};
use pretty_assertions::assert_eq;

const OUTBOX: u32 = 64 * 1024;
const CLOSED: &str = "chasqui_edge_closes_total";

/// One of three members stops reading. The others go on as if nothing was; the slow one is closed with 4100 once its
/// budget is full, comes back with its cursor, and gets the rest once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_told_and_back() {
    let stack = Stack::with(Layout::one_process().set("edge.outbox_bytes", OUTBOX)).await;
    let proxy = ChaosProxy::start(stack.edge_port()).await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    carla.client.close().await;
    let limits = SocketLimits { max_frame: 1 << 20, ..SocketLimits::default() };
    let mut slow = Connection::open(&proxy.endpoint(), Codec::Json, limits).await.unwrap();
    slow.hello(&carla.token().await, carla.client.cursor().as_deref(), Some("slow")).await.unwrap();
    let mut seen = Reader { items: Vec::new(), cursor: carla.client.cursor() };
    seen.read_until(&mut slow, |frame| matches!(frame, ServerFrame::CaughtUp {})).await;

    proxy.stall(Direction::Down, true);
    let edge = stack.role(chasqui_testkit::Role::WsEdge);
    let filler = "x".repeat(15_000);
    let mut said = 0;
    // The buffers of the kernel on the way fill up first; they are some megabytes.
    while edge.metric_of(CLOSED, "4100").await < 1.0 {
        assert!(said < 4_000, "the slow reader was not closed after {} MB", said * filler.len() / 1_000_000);
        for _ in 0..20 {
            ana.says(room, &format!("{said} {filler}")).await;
            said += 1;
        }
        let held = edge.metric("chasqui_edge_outbox_bytes").await;
        assert!(held <= f64::from(4 * OUTBOX), "{held} bytes are held");
        // The neighbour keeps up all the time.
        beto.sees_message(room, &format!("{} {filler}", said - 1)).await;
    }
    proxy.stall(Direction::Down, false);
    let code = seen.read_to_the_end(&mut slow).await;
    assert!(
        matches!(code, None | Some(CloseCode::SlowReader)),
        "the slow reader was told {code:?} instead of 4100",
    );

    let cursor = seen.cursor.clone().expect("a connected client has a cursor");
    let mut again = Connection::open(&proxy.endpoint(), Codec::Json, limits).await.unwrap();
    let welcome = again.hello(&carla.token().await, Some(&cursor), Some("slow")).await.unwrap();
    assert!(welcome.resumed, "the cursor of a slow reader is good");
    let last = ana.says(room, "the end").await.position.unwrap().seq;
    seen.read_until(&mut again, |frame| matches!(frame, ServerFrame::Item(item) if item.seq == last)).await;
    let expected: Vec<Message> = ana.messages(room);
    assert_eq!(seen.messages(room).len(), expected.len());
    assert!(seen.messages(room) == expected, "what the slow reader saw is not what was said");
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Reads frames as a client does: keeps the cursor, drops what it has, acknowledges.
struct Reader {
    items: Vec<chasqui_protocol::Item>,
    cursor: Option<String>,
}

impl Reader {
    async fn read_until(&mut self, connection: &mut Connection, end: impl Fn(&ServerFrame) -> bool) {
        within("what a slow reader waits for", async {
            loop {
                let frame = connection.next().await.unwrap();
                let done = end(&frame);
                if let Some(ack) = self.take(frame) {
                    connection.send(&ack).await.unwrap();
                }
                if done {
                    return;
                }
            }
        })
        .await;
    }

    async fn read_to_the_end(&mut self, connection: &mut Connection) -> Option<CloseCode> {
        within("the end of a slow connection", async {
            loop {
                match connection.next().await {
                    Ok(frame) => drop(self.take(frame)),
                    Err(error) => return error.close_code(),
                }
            }
        })
        .await
    }

    fn take(&mut self, frame: ServerFrame) -> Option<ClientFrame> {
        match frame {
            ServerFrame::Cursor { cursor } => self.cursor = Some(cursor),
            ServerFrame::Item(item) => {
                let (room, seq) = (item.room, item.seq);
                if self.items.iter().filter(|known| known.room == room).all(|known| known.seq < seq) {
                    self.items.push(item);
                }
                return Some(ClientFrame::Ack { room, seq });
            }
            _ => {}
        }
        None
    }

    fn messages(&self, room: RoomId) -> Vec<Message> {
        self.items.iter().filter(|item| item.room == room).filter_map(Message::of).collect()
    }
}

/// An application that does not take its events: the client holds a bounded number of them, and the rest comes when
/// it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_is_behind() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    beto.client.close().await;
    let options = Options { event_capacity: 16, cursor: beto.client.cursor(), ..Person::options() };
    let (client, mut events) = chasqui_client::Client::connect(stack.edge(), beto.session.clone(), options);
    for number in 0..300 {
        ana.says(room, &format!("number {number}")).await;
    }
    let mut bodies = Vec::new();
    while bodies.last().is_none_or(|last| last != "number 299") {
        match within("the rest of the messages", events.next()).await.unwrap() {
            chasqui_client::Event::Item(item) => {
                bodies.extend(Message::of(&item).map(|message| message.body));
            }
            chasqui_client::Event::Reset { reason } => panic!("started over: {reason:?}"),
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    let expected: Vec<String> = (0..300).map(|number| format!("number {number}")).collect();
    assert_eq!(bodies, expected);
    client.close().await;
}
