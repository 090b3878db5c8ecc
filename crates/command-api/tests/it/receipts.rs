//! Watermarks: members' only, never beyond the log.

use chasqui_bus::{
    command::{Incoming, Reply},
    subject::Lane,
};
use chasqui_events::{
    RoomId,
    receipts::{Mark, Moved, ReceiptEvent},
};
use chasqui_protocol::{Accepted, Code};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{self, Installation, Person, new_id};

impl Installation {
    async fn as_an_edge(&self, room: RoomId, marks: &[Mark]) -> Accepted {
        let body = json!({"id": new_id(), "room": room, "marks": marks});
        let incoming = Incoming {
            name: "receipts".to_owned(),
            body: body.to_string().into(),
            token: None,
            address: None,
            trace: None,
        };
        match serde_json::from_slice(&self.api.answer(incoming).await).unwrap() {
            Reply::Ok(accepted) => accepted,
            Reply::Problem(problem) => panic!("{problem}"),
        }
    }

    async fn said(&self, person: &Person, room: RoomId) -> u64 {
        let say = json!({"id": new_id(), "room": room, "body": "hola"});
        self.ask(person, "send", say).await.unwrap().position.unwrap().seq
    }

    async fn marks(&self, room: RoomId) -> Vec<Vec<Mark>> {
        let facts = self.lane::<ReceiptEvent>(room, Lane::Rcpt).await;
        facts
            .into_iter()
            .map(|fact| match fact.event {
                ReceiptEvent::Moved(Moved { marks }) => marks,
            })
            .collect()
    }
}

#[tokio::test]
async fn an_edge_moves_the_marks_of_members_in_one_fact() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let stranger = installation.person("stranger").await;
    let room = installation.room(&ana, "public").await;
    installation.ask(&ben, "join", json!({"id": new_id(), "room": room})).await.unwrap();
    let say = json!({"id": new_id(), "room": room, "body": "hola"});
    let seq = installation.ask(&ana, "send", say).await.unwrap().position.unwrap().seq;
    let mark = |user, delivered, read| Mark { user, delivered, read };
    let marks = [mark(ana.user, seq, 0), mark(stranger.user, seq, seq), mark(ben.user, seq, seq)];
    let accepted = installation.as_an_edge(room, &marks).await;
    assert!(accepted.position.unwrap().seq > seq);
    assert_eq!(installation.as_an_edge(room, &[mark(stranger.user, seq, 0)]).await, Accepted::default());
    let beyond = installation.as_an_edge(room, &[mark(ana.user, seq + 1000, 0)]).await;
    assert_eq!(beyond, Accepted::default());
    assert_eq!(installation.marks(room).await, [vec![marks[0], marks[2]]]);
}

#[tokio::test]
async fn a_client_says_what_it_has_read_and_cannot_say_more() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let room = installation.room(&ana, "public").await;
    let say = json!({"id": new_id(), "room": room, "body": "hola"});
    let seq = installation.ask(&ana, "send", say).await.unwrap().position.unwrap().seq;
    for (person, name, seq, expected) in [
        (&ana, "delivered", seq, None),
        (&ana, "read", seq, None),
        (&ben, "read", seq, Some(Code::NotAMember)),
        (&ana, "read", seq + 1000, Some(Code::MessageNotFound)),
        (&ana, "delivered", u64::MAX, Some(Code::MessageNotFound)),
    ] {
        let answer = installation.ask(person, name, json!({"room": room, "seq": seq})).await;
        assert_eq!(answer.err().map(|problem| problem.code), expected, "{name} {seq}");
    }
    let expected =
        [Mark { user: ana.user, delivered: seq, read: 0 }, Mark { user: ana.user, delivered: 0, read: seq }];
    assert_eq!(installation.marks(room).await, expected.map(|mark| vec![mark]));
}

#[tokio::test]
async fn what_another_process_appended_counts_as_reached() {
    let installation = Installation::start().await;
    let other = installation.another_api().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let say = json!({"id": new_id(), "room": room, "body": "hola"});
    let seq = crate::installation::ask(&other, &ana, "send", say).await.unwrap().position.unwrap().seq;
    installation.ask(&ana, "read", json!({"room": room, "seq": seq})).await.unwrap();
}

/// Each mark is a fact for ever, so that nobody adds them without end: neither new ones nor the same again.
#[tokio::test]
async fn marks_are_limited_and_one_that_does_not_rise_is_no_fact() {
    let mut installation = Installation::start().await;
    installation.config.rate.mark_account = Some("6, 1/d".parse().unwrap());
    let limited = installation.limited_api().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "public").await;
    let (first, second) = (installation.said(&ana, room).await, installation.said(&ana, room).await);
    let mark = async |name: &str, seq: u64| {
        let answer = installation::ask(&limited, &ana, name, json!({"room": room, "seq": seq})).await;
        answer.map(|accepted| accepted.position.unwrap()).map_err(|problem| problem.code)
    };
    let recorded = mark("read", second).await.unwrap();
    for (name, seq) in [("read", second), ("read", first), ("delivered", second)] {
        assert_eq!(mark(name, seq).await, Ok(recorded), "{name} {seq}");
    }
    let expected = Mark { user: ana.user, delivered: 0, read: second };
    assert_eq!(installation.marks(room).await, [vec![expected]]);
    let ben = installation.person("ben").await;
    let join = json!({"id": new_id(), "room": room});
    installation::ask(&limited, &ben, "join", join).await.unwrap();
    assert_ne!(mark("read", second).await, Ok(recorded), "the room has changed: perhaps she had left it");
    let third = installation.said(&ana, room).await;
    mark("delivered", third).await.unwrap();
    for name in ["delivered", "read"] {
        assert_eq!(mark(name, third).await, Err(Code::TooMany), "{name}");
    }
    assert_eq!(installation.marks(room).await.len(), 3);
}
