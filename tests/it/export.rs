//! Somebody takes along what is theirs: every word that they said is in the export, and nobody else's.
//!
//! Seen to catch: a page of a timeline that begins at the entry after the next; a filter that forgets the author.

use std::collections::BTreeSet;

use chasqui_client::ExportError;
use chasqui_protocol::{
    Code,
    export::{ExportEnd, ExportLine},
};
use chasqui_testkit::{Layout, Person, Role, Stack, within};
use futures::{StreamExt as _, stream};
use pretty_assertions::assert_eq;

async fn export(person: &Person) -> Result<(ExportEnd, String), ExportError> {
    let mut written = Vec::new();
    let end = within("an export", person.session.export(&mut written)).await?;
    Ok((end, String::from_utf8(written).unwrap()))
}

fn lines(text: &str) -> Vec<ExportLine> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_own_message_is_in_it_and_no_other() {
    const MESSAGES: usize = 1_000;
    let stack = Stack::with(Layout::core_and_edges(1)).await;
    let (ana, beto) = (stack.user("Ana").await, stack.user("beto").await);
    let rooms = [ana.direct_with(&beto).await, ana.room_with("quipus", &[&beto]).await];
    let mut own = BTreeSet::new();
    let saying = (0..MESSAGES).map(|number| {
        // Runs of different lengths, longer than a page among them.
        let author = if (number / 7) % 3 == 0 || (300..700).contains(&number) { &ana } else { &beto };
        let text = format!("{} says number {number} \u{1f999}", author.name);
        if author.id == ana.id {
            own.insert(text.clone());
        }
        let room = rooms[number % 2];
        async move { author.client.send(room, &text).await.unwrap() }
    });
    let saying: Vec<_> = saying.collect();
    let said: Vec<_> = stream::iter(saying).buffer_unordered(32).collect().await;
    assert_eq!(said.len(), MESSAGES);
    // Somebody who has gone takes along what they said before.
    beto.client.leave(rooms[1]).await.unwrap();

    let (end, text) = export(&ana).await.unwrap();
    assert!(!text.contains("beto says"), "somebody else's words");
    let told = lines(&text);
    let ExportLine::Account(account) = &told[0] else { panic!("{:?}", told[0]) };
    assert_eq!((account.user, account.email.as_deref(), account.sessions.len()), (ana.id, None, 1));
    let ExportLine::Profile(profile) = &told[1] else { panic!("{:?}", told[1]) };
    assert_eq!(profile.name, "Ana");
    let message = |line: &ExportLine| match line {
        ExportLine::Message(message) => Some((message.room, message.seq, message.body.clone())),
        _ => None,
    };
    let messages: Vec<_> = told.iter().filter_map(message).collect();
    assert_eq!(messages.iter().map(|(.., body)| body.clone()).collect::<BTreeSet<_>>(), own);
    assert_eq!(messages.len(), own.len(), "one of them twice");
    assert!(messages.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1), "out of order");
    assert_eq!(end, ExportEnd { rooms: 2, messages: own.len() as u64 });
    let exported = told.iter().filter_map(|line| match line {
        ExportLine::Room(room) => Some((room.room, room.name.clone(), room.peer)),
        _ => None,
    });
    let exported: BTreeSet<_> = exported.collect();
    let quipus = (rooms[1], Some("quipus".to_owned()), None);
    assert_eq!(exported, BTreeSet::from([(rooms[0], None, Some(beto.id)), quipus]));

    let (end, text) = export(&beto).await.unwrap();
    assert_eq!(end, ExportEnd { rooms: 2, messages: (MESSAGES - own.len()) as u64 });
    let left = lines(&text).into_iter().find_map(|line| match line {
        ExportLine::Room(room) if room.room == rooms[1] => Some((room.standing, room.name)),
        _ => None,
    });
    assert_eq!(left, Some(("left".to_owned(), None)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_for_whoever_has_just_logged_in_and_not_for_ever() {
    let layout = Layout::one_process().set("auth.proof_max_age_s", 0);
    let stack = Stack::with(layout).await;
    let ana = stack.user("ana").await;
    let refused = export(&ana).await.unwrap_err();
    assert!(
        matches!(&refused, ExportError::Api(error) if error.code() == Some(Code::ProofNeeded)),
        "{refused}"
    );
    for (role, part) in [(Role::Auth, "/v1/me/export/account"), (Role::QueryApi, "/v1/me/export")] {
        let asked =
            stack.http().get(stack.url(role, part)).bearer_auth(ana.token().await).send().await.unwrap();
        assert_eq!(asked.status(), 403, "each part asks for it: {part}");
    }
    drop(stack);

    let layout =
        Layout::one_process().set("rate.enforcement", "enforce").set("rate.export_account", "1, 1/d");
    let stack = Stack::with(layout).await;
    let ana = stack.user("ana").await;
    export(&ana).await.unwrap();
    let refused = export(&ana).await.unwrap_err();
    assert!(matches!(&refused, ExportError::Api(error) if error.code() == Some(Code::TooMany)), "{refused}");
}
