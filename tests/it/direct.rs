//! A direct conversation, from nothing to the read receipt.

use chasqui_client::Event;
use chasqui_protocol::query::{Freshness, Page};
use chasqui_testkit::{Checker, Layout, Message, Stack};
use pretty_assertions::assert_eq;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_registering_to_the_read_receipt() {
    tell_it(Layout::one_process()).await;
}

/// The same with nothing shared but the backends: no role leans on another's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_role_in_its_own_process() {
    tell_it(Layout::process_per_role(1)).await;
}

async fn tell_it(layout: Layout) {
    let stack = Stack::with(layout).await;
    let (ana, beto) = (stack.user("Ana").await, stack.user("beto").await);
    let found = beto.client.user_by_name("ANA").await.unwrap();
    assert_eq!((found.user, found.name.as_str()), (ana.id, "Ana"), "a name is found in any case");

    let room = ana.direct_with(&beto).await;
    let position = ana.says(room, "hola, beto").await.position.unwrap();
    let got = beto.sees_message(room, "hola, beto").await;
    assert_eq!((got.by, got.seq), (ana.id, position.seq), "an answer names the place that all others see");
    assert_eq!(ana.sees_message(room, "hola, beto").await, got, "an author sees it as others do");

    // The client acknowledges by itself; reading is said.
    ana.delivered(room, beto.id, got.seq).await;
    assert_eq!(ana.marks(room, beto.id).read, 0, "nobody has said that it was read");
    let fresh = Freshness::AtLeast(position);
    let before = beto.client.conversation(room, fresh).await.unwrap();
    assert_eq!((before.unread, before.peer), (1, Some(ana.id)));
    assert_eq!(before.last.unwrap().preview, "hola, beto");

    beto.client.read(room, got.seq).await.unwrap();
    ana.read(room, beto.id, got.seq).await;
    let after = beto.client.conversation(room, Freshness::Latest).await.unwrap();
    assert_eq!((after.unread, after.read), (0, got.seq));
    let receipts = ana.client.receipts(room, got.seq, Freshness::Latest).await.unwrap();
    assert!(receipts.delivered.contains(&beto.id) && receipts.read.contains(&beto.id), "{receipts:?}");

    let answered = beto.says(room, "hola, ana").await.position.unwrap();
    ana.sees_message(room, "hola, ana").await;
    let history = ana.client.history(room, Page::Newest, None, Freshness::AtLeast(answered)).await.unwrap();
    let said: Vec<String> =
        history.items.iter().filter_map(Message::of).map(|message| message.body).collect();
    assert_eq!(said, ["hola, beto", "hola, ana"]);
    assert!(!history.older && !history.newer, "{history:?}");

    let report = Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!((report.standing, report.void, report.repeated), (2, 0, 0));
}

/// Typing is shown to the other side, and to nobody's own device.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_is_seen_by_the_other_side() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    // Hints are for those who have caught up with the room.
    ana.says(room, "listen").await;
    beto.sees_message(room, "listen").await;
    beto.fence().await;
    ana.client.typing(room, true).await.unwrap();
    let typing = |event: &Event| matches!(event, Event::Typing { room: of, user, on: true } if (*of, *user) == (room, ana.id));
    beto.after(0, "ana typing", typing).await;
    ana.fence().await;
    assert!(!ana.events().iter().any(typing), "ana was told that she herself is typing");
}
