//! Who sees what of a room.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::installation::{Installation, Person, new_id, texts};

async fn outcome(installation: &Installation, person: &Person, path: &str) -> (u16, Value) {
    let (status, body) = installation.get(Some(person), path).await;
    (status, body["code"].clone())
}

#[tokio::test]
async fn a_private_room_is_seen_from_the_join_on_and_by_nobody_else() {
    let installation = Installation::start().await;
    let (ana, ben) = (installation.person("ana").await, installation.person("ben").await);
    let stranger = installation.person("stranger").await;
    let room = installation.room(&ana, "private").await;
    let early = installation.say(&ana, room, "before").await;
    let invite = json!({"id": new_id(), "room": room, "user": ben.user});
    installation.ask(&ana, "invite", invite).await;
    let history = format!("/v1/rooms/{room}/messages?latest=true");
    assert_eq!(outcome(&installation, &ben, &history).await, (403, json!("not-a-member")), "invited only");
    installation.ask(&ben, "join", json!({"id": new_id(), "room": room})).await;
    installation.say(&ana, room, "after").await;
    let (_, page) = installation.get(Some(&ana), &history).await;
    assert_eq!(texts(&page), ["before", "after"]);
    let (_, page) = installation.get(Some(&ben), &history).await;
    assert_eq!((texts(&page), &page["older"]), (vec!["after"], &json!(false)));
    let receipts = format!("/v1/rooms/{room}/messages/{early}/receipts?latest=true");
    assert_eq!(outcome(&installation, &ben, &receipts).await, (404, json!("message-not-found")));
    for path in ["messages", "members", "messages/1/receipts"] {
        let path = format!("/v1/rooms/{room}/{path}");
        assert_eq!(outcome(&installation, &stranger, &path).await, (404, json!("room-not-found")), "{path}");
    }
    let own = format!("/v1/conversations/{room}");
    assert_eq!(outcome(&installation, &stranger, &own).await, (404, json!("room-not-found")));
    installation.ask(&ben, "leave", json!({"id": new_id(), "room": room})).await;
    assert_eq!(outcome(&installation, &ben, &history).await, (404, json!("room-not-found")), "gone");
}

#[tokio::test]
async fn a_public_room_is_open_but_for_its_receipts() {
    let installation = Installation::start().await;
    let (ana, stranger) = (installation.person("ana").await, installation.person("stranger").await);
    let room = installation.room(&ana, "public").await;
    let seq = installation.say(&ana, room, "hola").await;
    let path = format!("/v1/rooms/{room}/messages?latest=true");
    let (status, page) = installation.get(Some(&stranger), &path).await;
    assert_eq!((status, texts(&page)), (200, vec!["hola"]));
    let (status, rooms) = installation.get(Some(&stranger), "/v1/rooms?name=Pla").await;
    assert_eq!((status, &rooms["rooms"][0]["name"]), (200, &json!("Plaza")));
    let receipts = format!("/v1/rooms/{room}/messages/{seq}/receipts");
    assert_eq!(outcome(&installation, &stranger, &receipts).await, (403, json!("not-a-member")));
    let (status, answer) = installation.get(Some(&ana), &receipts).await;
    assert_eq!((status, &answer["marks"][0]["u"]), (200, &json!(ana.user)));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_doubling() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let room = installation.room(&ana, "private").await;
    let mut seqs = Vec::new();
    for n in 0..45 {
        seqs.push(installation.say(&ana, room, &n.to_string()).await);
    }
    let page = async |query: String| {
        let path = format!("/v1/rooms/{room}/messages?latest=true&{query}");
        let (status, page) = installation.get(Some(&ana), &path).await;
        assert_eq!(status, 200, "{page}");
        page
    };
    let mut back = Vec::new();
    let mut query = "limit=999".to_owned();
    loop {
        let page = page(query).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 20, "a page is bounded");
        back.splice(0..0, texts(&page).into_iter().map(str::to_owned));
        query = format!("limit=999&before={}", items[0]["seq"]);
        if page["older"] == json!(false) {
            break;
        }
    }
    let expected: Vec<String> = (0..45).map(|n| n.to_string()).collect();
    assert_eq!(back, expected);
    let around = page(format!("around={}&limit=5", seqs[20])).await;
    assert!(texts(&around).contains(&"20"));
    let forth = page(format!("after={}&limit=3", seqs[40])).await;
    assert_eq!((texts(&forth), &forth["newer"]), (vec!["41", "42", "43"], &json!(true)));
}
