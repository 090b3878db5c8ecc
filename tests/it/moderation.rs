//! Order in a room: bans, mutes and slow mode, as people meet them.

use std::time::{Duration, Instant};

use chasqui_auth::operator::FromOperator;
use chasqui_bus::{
    BusRole, Log,
    command::request_as_operator,
    log::Append,
    subject::{self, Lane},
};
use chasqui_client::Event;
use chasqui_events::{
    Envelope, RoomId, Text,
    account::Operator,
    message::{MessageEvent, Posted},
    room::Kind,
};
use chasqui_protocol::{
    Accepted, Code, Problem,
    query::{Freshness, Members, Query},
    timeline::Happening,
};
use chasqui_testkit::{Checker, Load, PATIENCE, Person, Role, Stack};
use pretty_assertions::assert_eq;
use serde_json::json;

fn code<T: std::fmt::Debug>(refused: Result<T, chasqui_client::ClientError>) -> Code {
    refused.unwrap_err().problem().unwrap().code
}

async fn sees(person: &Person, room: RoomId, what: &str, happened: impl Fn(&Happening) -> bool) {
    let is = |event: &Event| match event {
        Event::Item(item) | Event::Late(item) => item.room == room && happened(&item.what),
        _ => false,
    };
    person.after(0, what, is).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_member_is_out_and_stays_out() {
    let stack = Stack::start().await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.client.create_room(Kind::Public, "Plaza").await.unwrap();
    for guest in [&beto, &carla] {
        guest.client.join(room).await.unwrap();
        guest.entered(room).await;
    }
    assert_eq!(code(carla.client.ban(room, beto.id, None, None).await), Code::RoleTooLow);
    ana.client.ban(room, beto.id, None, Some("spam".to_owned())).await.unwrap();
    sees(&carla, room, "the ban", |what| {
        matches!(what, Happening::Banned { user, reason: Some(reason), .. } if *user == beto.id && reason == "spam")
    })
    .await;
    let left = |event: &Event| matches!(event, Event::RoomLeft { room: of } if *of == room);
    beto.after(0, "being put out", left).await;
    assert_eq!(code(beto.client.join(room).await), Code::Banned);
    assert_eq!(code(ana.client.invite(room, beto.id).await), Code::TargetBanned);
    let bans = ana.client.bans(room, None).await.unwrap().bans;
    assert_eq!((bans.len(), bans[0].user, bans[0].by, bans[0].name.as_str()), (1, beto.id, ana.id, "beto"));
    assert_eq!(code(carla.client.bans(room, None).await), Code::RoleTooLow);
    assert_eq!(code(beto.client.members(room, None).await), Code::Banned);

    ana.client.unban(room, beto.id).await.unwrap();
    let mark = beto.mark();
    beto.client.join(room).await.unwrap();
    let entered = |event: &Event| matches!(event, Event::RoomEntered { room: of, .. } if *of == room);
    beto.after(mark, "coming back", entered).await;
    assert_eq!(ana.client.bans(room, None).await.unwrap().bans, []);
    Checker::new().seen_by(&[&ana, &beto, &carla]).check(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_muted_member_reads_and_does_not_post() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[&beto]).await;
    let until = ana.client.now().plus_millis(1_500);
    ana.client.mute(room, beto.id, Some(until), Some("shouting".to_owned())).await.unwrap();
    assert_eq!(code(beto.client.send(room, "HELLO").await), Code::Muted);
    ana.says(room, "quiet now").await;
    beto.sees_message(room, "quiet now").await;
    let ask = Query::Members { room, after: None, limit: None };
    let members: Members = ana.client.ask_for(ask, Freshness::Latest).await.unwrap();
    let muted = members.members.iter().find(|member| member.user == beto.id).unwrap().muted.unwrap();
    assert_eq!(muted.until, Some(until));
    while beto.client.now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    beto.says(room, "hello").await;
    ana.sees_message(room, "hello").await;

    ana.client.mute(room, beto.id, None, None).await.unwrap();
    assert_eq!(code(beto.client.send(room, "again").await), Code::Muted);
    ana.client.unmute(room, beto.id).await.unwrap();
    beto.says(room, "thank you").await;
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// A message that was decided before the mute and stored after it does not stand, for anybody, and its author is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_from_before_the_mute_that_comes_after_it_is_void() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[&beto]).await;
    let basis = beto.items(room).last().unwrap().seq;
    ana.client.mute(room, beto.id, None, None).await.unwrap();
    let id = beto.client.new_id();
    let event = MessageEvent::Posted(Posted {
        body: Text::Plain("too late".to_owned()),
        size: 8,
        replies_to: vec![],
    });
    let fact = Envelope { id, at: beto.client.now(), by: beto.id, basis, import: None, event };
    let log = Log::new(stack.bus(BusRole::CommandApi).await);
    log.append(Append::fact(subject::room(room, Lane::Msg), &fact)).await.unwrap();
    let told =
        |event: &Event| matches!(event, Event::Void { id: of, reason, .. } if *of == id && reason == "muted");
    beto.after(0, "being told that it does not stand", told).await;
    let shown = ana.client.conversation(room, Freshness::Latest).await.unwrap();
    assert!(shown.last.is_none(), "{shown:?}");
    let report = Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!((report.standing, report.void), (0, 1));
}

/// Somebody posts without pause while being muted and unmuted: each message stands for everybody, or is refused, or is
/// void for everybody and its author is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posting_while_being_muted() {
    const ROUNDS: usize = 6;
    let stack = Stack::start().await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    let load = Load::start(&[(&beto, room), (&carla, room)], Duration::from_millis(3));
    for _ in 0..ROUNDS {
        load.acked_further(8).await;
        ana.client.mute(room, beto.id, None, None).await.unwrap();
        load.acked_further(4).await;
        ana.client.unmute(room, beto.id).await.unwrap();
    }
    let all = load.stop().await;
    assert!(all.iter().any(|sent| sent.outcome.is_err()), "nothing was said while muted");
    let report = Checker::new().sent(all).seen_by(&[&ana, &beto, &carla]).check(&stack).await;
    assert!(report.standing > 0, "{report:?}");
}

/// In slow mode a member posts once in an interval, moderators as they like; a message that is sent again because its
/// answer was lost does not wait, and a client waits by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_wait_in_slow_mode() {
    const INTERVAL: i64 = 3;
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[&beto]).await;
    assert_eq!(code(beto.client.set_slow_mode(room, 3).await), Code::RoleTooLow);
    ana.client.set_slow_mode(room, 3).await.unwrap();
    sees(&beto, room, "slow mode", |what| matches!(what, Happening::SlowModeChanged { seconds: 3 })).await;
    let shown = beto.client.conversation(room, Freshness::Latest).await.unwrap();
    assert_eq!(shown.slow_mode_s, Some(3));
    let token = beto.token().await;
    let send = async |body: &serde_json::Value| {
        let url = stack.url(Role::CommandApi, "/v1/commands/send");
        stack.http().post(url).bearer_auth(&token).json(body).send().await.unwrap()
    };
    let say = |text: &str| json!({"id": beto.client.new_id(), "room": room, "body": text});
    let first = say("first");
    let accepted: Accepted = send(&first).await.json().await.unwrap();
    let again: Accepted = send(&first).await.json().await.unwrap();
    assert_eq!(again.position, accepted.position, "the same message, whose answer may have been lost");
    let refused: Problem = send(&say("second")).await.json().await.unwrap();
    assert_eq!(refused.code, Code::TooMany);
    assert!(refused.retry_after_ms.is_some_and(|ms| ms <= 3000), "{refused:?}");
    for text in ["we", "owners", "hurry"] {
        ana.says(room, text).await;
    }
    let waited = beto.says(room, "second").await;
    let apart = waited.at.unwrap().since(accepted.at.unwrap());
    assert!(apart >= INTERVAL * 1000, "only {apart} ms apart");
    ana.client.set_slow_mode(room, 0).await.unwrap();
    for text in ["as", "before"] {
        beto.says(room, text).await;
    }
    let last = beto.says(room, "!").await;
    assert!(last.at.unwrap().since(waited.at.unwrap()) < INTERVAL * 1000);
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Whoever is suspended is cut off within seconds, on every device, and does not come back until reinstated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_user_is_cut_off() {
    let stack = Stack::start().await;
    let beto = stack.user("beto").await;
    let phone = beto.device(stack.edge(), Person::options()).await;
    let bus = stack.bus(BusRole::Admin).await;
    let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
    let command = json!({"id": beto.client.new_id(), "user": beto.id, "reason": "spam"});
    let asked = FromOperator { operator, command };
    let begun = Instant::now();
    request_as_operator::<Accepted>(&bus, "suspend", PATIENCE, &asked).await.unwrap();
    let stopped = |event: &Event| matches!(event, Event::Stopped { .. });
    for device in [&beto, &phone] {
        device.after(0, "being cut off", stopped).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(stack.accounts().login("beto", &Person::password(), "a test").await.is_err());
}
