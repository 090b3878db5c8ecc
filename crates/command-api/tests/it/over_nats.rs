//! The commands as an edge asks them.

use std::time::Duration;

use chasqui_bus::{
    BusRole,
    command::{self, Call, CommandError, Serve},
};
use chasqui_command_api::serve::{NAMES, QUEUE_GROUP};
use chasqui_protocol::{Accepted, Code};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, new_id};

#[tokio::test]
async fn an_edge_asks_with_its_callers_token_and_is_answered() {
    let installation = Installation::start().await;
    let ana = installation.person("ana").await;
    let command_side = installation.bus(BusRole::CommandApi).await;
    let what = Serve { names: NAMES, group: QUEUE_GROUP, concurrency: 16 };
    let server = command::serve(&command_side, what).await.unwrap();
    command_side.flush().await.unwrap();
    let (api, stop) = (installation.api.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let running = tokio::spawn(server.run(
        move |incoming| {
            let api = api.clone();
            async move { api.answer(incoming).await }
        },
        stopped.cancelled_owned(),
    ));
    let edge = installation.bus(BusRole::WsEdge).await;
    let call =
        |name, token| Call { name, token, address: None, trace: None, timeout: Duration::from_secs(10) };
    let body = json!({"id": new_id(), "kind": "public", "name": "Plaza"});
    let room = command::request::<Accepted>(&edge, call("create_room", Some(&ana.token)), &body).await;
    let room = room.unwrap().room.unwrap();
    let say = json!({"id": new_id(), "room": room, "body": "hola"});
    let sent = command::request::<Accepted>(&edge, call("send", Some(&ana.token)), &say).await.unwrap();
    let receipts =
        json!({"id": new_id(), "room": room, "marks": [{"u": ana.user, "d": sent.position.unwrap().seq}]});
    command::request::<Accepted>(&edge, call("receipts", None), &receipts).await.unwrap();
    for (token, expected) in [(None, Code::Unauthorized), (Some("not.a.token"), Code::Unauthorized)] {
        let refused = command::request::<Accepted>(&edge, call("send", token), &say).await;
        assert!(
            matches!(&refused, Err(CommandError::Problem(problem)) if problem.code == expected),
            "{refused:?}"
        );
    }
    stop.cancel();
    running.await.unwrap();
}
