//! A room: opened, entered, talked in, left.

use chasqui_client::Event;
use chasqui_events::room::{Kind, Role};
use chasqui_protocol::{Code, Codec, query::Freshness, timeline::Happening};
use chasqui_testkit::{Checker, Person, Stack};
use pretty_assertions::assert_eq;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_opening_to_receipts() {
    let stack = Stack::start().await;
    let compact = chasqui_client::Options { codec: Codec::MessagePack, ..Person::options() };
    let ana = stack.user("ana").await;
    let beto = stack.user_at("beto", stack.edge(), compact).await;
    let carla = stack.user("carla").await;
    let room = ana.client.create_room(Kind::Private, "the harvest").await.unwrap();

    let refused = beto.client.join(room).await.unwrap_err();
    let code = refused.problem().unwrap().code;
    assert!(matches!(code, Code::InvitationNeeded | Code::RoomNotFound), "{code:?}");
    for guest in [&beto, &carla] {
        ana.client.invite(room, guest.id).await.unwrap();
        let invited = |event: &Event| match event {
            Event::Item(item) => matches!(item.what, Happening::Invited { user } if user == guest.id),
            _ => false,
        };
        guest.after(0, "the invitation", invited).await;
        guest.client.join(room).await.unwrap();
        guest.entered(room).await;
    }
    let position = ana.says(room, "who brings the maize?").await.position.unwrap();
    for guest in [&beto, &carla] {
        assert_eq!(guest.sees_message(room, "who brings the maize?").await.seq, position.seq);
        ana.delivered(room, guest.id, position.seq).await;
    }
    beto.client.read(room, position.seq).await.unwrap();
    ana.read(room, beto.id, position.seq).await;
    assert_eq!(ana.marks(room, carla.id).read, 0);
    let receipts = ana.client.receipts(room, position.seq, Freshness::Latest).await.unwrap();
    assert!(receipts.read.contains(&beto.id) && !receipts.read.contains(&carla.id), "{receipts:?}");

    let members = ana.client.members(room, None).await.unwrap().members;
    let roles: Vec<(&str, Role)> = members.iter().map(|member| (member.name.as_str(), member.role)).collect();
    for expected in [("ana", Role::Owner), ("beto", Role::Member), ("carla", Role::Member)] {
        assert!(roles.contains(&expected), "{roles:?} lacks {expected:?}");
    }
    Checker::new().seen_by(&[&ana, &beto, &carla]).check(&stack).await;
}

/// Anyone finds and enters a public room; who leaves hears nothing more; who comes back hears again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_room_is_entered_left_and_entered_again() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.client.create_room(Kind::Public, "Plaza de armas").await.unwrap();
    ana.says(room, "before").await;
    let found = beto.client.public_rooms("plaza").await.unwrap();
    assert_eq!(found.rooms.iter().map(|found| found.room).collect::<Vec<_>>(), [room]);

    beto.client.join(room).await.unwrap();
    beto.entered(room).await;
    ana.says(room, "inside").await;
    beto.sees_message(room, "inside").await;

    beto.client.leave(room).await.unwrap();
    let left = |event: &Event| matches!(event, Event::RoomLeft { room: of } if *of == room);
    beto.after(0, "leaving", left).await;
    ana.says(room, "without beto").await;
    ana.sees_message(room, "without beto").await;
    beto.fence().await;
    let mark = beto.mark();

    beto.client.join(room).await.unwrap();
    let entered = |event: &Event| matches!(event, Event::RoomEntered { room: of, .. } if *of == room);
    beto.after(mark, "entering again", entered).await;
    ana.says(room, "together").await;
    beto.sees_message(room, "together").await;
    assert_eq!(beto.bodies(room), ["inside", "together"], "pushed is what is said while one is there");
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// What owners may do, members may not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_given_and_held_to() {
    use chasqui_protocol::{
        ClientFrame,
        command::{ChangeRole, RenameRoom},
    };
    let stack = Stack::start().await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("council", &[&beto, &carla]).await;
    let refused = beto.client.remove(room, carla.id).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, Code::RoleTooLow);

    let (id, user, role) = (ana.client.new_id(), beto.id, Role::Moderator);
    ana.client.command(ClientFrame::ChangeRole(ChangeRole { id, room, user, role })).await.unwrap();
    let rename = |id| ClientFrame::RenameRoom(RenameRoom { id, room, name: "assembly".to_owned() });
    let refused = beto.client.command(rename(beto.client.new_id())).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, Code::RoleTooLow);
    ana.client.command(rename(ana.client.new_id())).await.unwrap();
    let accepted = beto.client.remove(room, carla.id).await.unwrap();

    let removed = beto
        .until("the removal", |events| {
            events.iter().find_map(|event| match event {
                Event::Item(item) if matches!(item.what, Happening::Removed { .. }) => Some(item.seq),
                _ => None,
            })
        })
        .await;
    assert_eq!(Some(removed), accepted.position.map(|position| position.seq));
    let shown = ana.client.conversation(room, Freshness::Latest).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.members), ("assembly", 2));
    let last = ana.client.leave(room).await.unwrap_err();
    assert_eq!(last.problem().unwrap().code, Code::LastOwner);
    Checker::new().seen_by(&[&ana, &beto, &carla]).check(&stack).await;
}
