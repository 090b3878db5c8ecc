//! Making a server as the files say.

use std::fs;

use chasqui_bus::{
    BusRole,
    kv::Name,
    topology::{self, ApplyError, Change, Topology},
};
use serde_json::{Value, json};

use crate::harness::{Nats, files, post, room};

/// A copy of the files with one of them changed.
fn changed(file: &str, change: impl Fn(&mut Value)) -> Topology {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["streams", "buckets"] {
        fs::create_dir(folder.path().join(kind)).unwrap();
        for entry in fs::read_dir(files().join(kind)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(kind).join(entry.file_name())).unwrap();
        }
    }
    let path = folder.path().join(file);
    let mut value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
    Topology::from_dir(folder.path(), 2).unwrap()
}

#[tokio::test]
async fn applied_once_there_is_nothing_more_to_do() {
    let nats = Nats::bare().await;
    let admin = nats.bus(BusRole::Admin).await;
    let topology = Topology::embedded(2).unwrap();
    let plan = topology::plan(&admin, &topology).await.unwrap();
    // Two partitions, the identities, and the buckets.
    let streams = 3 + Name::ALL.len();
    assert_eq!(plan.changes.len(), streams);
    assert!(plan.changes.iter().all(|change| matches!(change, Change::Create { .. })), "{plan}");
    assert!(!plan.is_empty() && !plan.is_destructive());
    assert_eq!(topology::apply(&admin, &topology, false).await.unwrap(), plan);

    let after = topology::plan(&admin, &topology).await.unwrap();
    assert!(after.is_empty() && after.unchanged == streams, "{after}");
    assert!(topology::apply(&admin, &topology, false).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_harmless_change_is_made_and_shown() {
    let nats = Nats::start().await;
    let admin = nats.bus(BusRole::Admin).await;
    let longer = changed("streams/IDENT.json", |file| file["duplicate_window"] = json!(240_000_000_000_u64));
    let plan = topology::plan(&admin, &longer).await.unwrap();
    let text = plan.to_string();
    assert!(text.contains("update   IDENT  duplicate_window  120000000000 -> 240000000000"), "{text}");
    topology::apply(&admin, &longer, false).await.unwrap();
    assert!(topology::plan(&admin, &longer).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_loses_facts_needs_a_word() {
    let nats = Nats::start().await;
    let admin = nats.bus(BusRole::Admin).await;
    let log = nats.log().await;
    for n in 0..5 {
        log.append(post(room(), &n.to_string())).await.unwrap();
    }
    let facts = async || log.head("CHAT_1").await.unwrap();
    for (change, field) in [
        (json!({"max_msgs": 2}), "max_msgs"),
        (json!({"max_age": 1_000_000_000}), "max_age"),
        (json!({"subjects": ["chat.{p}.room.*.msg"]}), "subjects"),
        (json!({"storage": "memory"}), "storage"),
    ] {
        let less = changed("streams/CHAT.json", |file| {
            for (key, value) in change.as_object().unwrap() {
                file[key] = value.clone();
            }
        });
        let refused = topology::apply(&admin, &less, false).await.unwrap_err();
        let ApplyError::Destructive(plan) = &refused else { panic!("{refused}") };
        assert!(plan.is_destructive());
        assert!(
            refused.to_string().contains(field) && refused.to_string().contains("DESTRUCTIVE"),
            "{refused}"
        );
        assert_eq!(facts().await.first_seq, 1, "nothing was changed");
    }
    let before = facts().await;
    let memory = changed("streams/CHAT.json", |file| file["storage"] = json!("memory"));
    topology::apply(&admin, &memory, true).await.unwrap();
    assert!(topology::plan(&admin, &memory).await.unwrap().is_empty());
    let after = facts().await;
    assert_eq!(after.last_seq, 0, "with the word, it is done");
    assert_ne!(after.incarnation, before.incarnation, "and it is another stream");
}

#[tokio::test]
async fn partitions_that_are_too_many_are_left_and_reported() {
    let nats = Nats::start().await;
    let admin = nats.bus(BusRole::Admin).await;
    nats.log().await.append(post(room(), "kept")).await.unwrap();
    let fewer = Topology::embedded(1).unwrap();
    let plan = topology::apply(&admin, &fewer, true).await.unwrap();
    assert_eq!(plan.changes, [Change::Unknown { stream: "CHAT_1".to_owned(), facts: 1 }]);
    assert!(plan.is_empty() && plan.to_string().contains("unknown  CHAT_1"), "{plan}");
    assert_eq!(nats.log().await.head("CHAT_1").await.unwrap().last_seq, 1);
    let more = Topology::embedded(3).unwrap();
    topology::apply(&admin, &more, false).await.unwrap();
    nats.log().await.head("CHAT_2").await.unwrap();
}

#[tokio::test]
async fn only_an_administrator_may() {
    let nats = Nats::bare().await;
    let mut settings = nats.settings(BusRole::CommandApi);
    settings.read_for = std::time::Duration::from_millis(300);
    let bus = chasqui_bus::Bus::connect(settings).await.unwrap();
    assert!(topology::apply(&bus, &Topology::embedded(1).unwrap(), true).await.is_err());
}
