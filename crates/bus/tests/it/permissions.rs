//! Who may publish and subscribe what, asked of the server with the real credentials.
//!
//! Spoken in NATS's own text protocol, because an answer to `PING` proves that the server has judged what came
//! before it. Each row names the roles that may; every other role must be refused.

use chasqui_bus::{
    BusRole::{self, Admin, Analytics, Auth, CommandApi, Projector, QueryApi, WsEdge},
    Log,
    subject::{self, Lane},
    topology::Topology,
};
use chasqui_events::{Partition, RoomId};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::harness::{self, Nats, password};

struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    async fn connect(nats: &Nats, role: BusRole) -> Self {
        let stream = TcpStream::connect(nats.server.address()).await.unwrap();
        let mut raw = Self { stream: BufReader::new(stream) };
        let connect = serde_json::json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "user": role.user(), "pass": password(role), "lang": "test", "version": "0",
        });
        assert_eq!(raw.say(&format!("CONNECT {connect}\r\n")).await, None);
        raw
    }

    /// Says something; what the server objects, if anything.
    async fn say(&mut self, what: &str) -> Option<String> {
        self.stream.get_mut().write_all(format!("{what}PING\r\n").as_bytes()).await.unwrap();
        let mut objection = None;
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).await.unwrap(), 0, "hung up after {what:?}");
            match line.trim_end() {
                "PONG" => return objection,
                line if line.starts_with("-ERR") => objection = Some(line.to_owned()),
                _ => {}
            }
        }
    }

    async fn may_publish(&mut self, subject: &str) -> bool {
        let objection = self.say(&format!("PUB {subject} 0\r\n\r\n")).await;
        assert!(
            objection.iter().all(|text| text.contains("Permissions Violation for Publish")),
            "{objection:?}"
        );
        objection.is_none()
    }

    async fn may_subscribe(&mut self, subject: &str) -> bool {
        let objection = self.say(&format!("SUB {subject} 7\r\n")).await;
        self.say("UNSUB 7\r\n").await;
        assert!(
            objection.iter().all(|text| text.contains("Permissions Violation for Subscription")),
            "{objection:?}"
        );
        objection.is_none()
    }
}

const R: &str = "01939e0b-2c7a-7001-b5f1-a2b6e0c1d2e3";

fn publishing() -> Vec<(String, Vec<BusRole>)> {
    let rows: &[(&str, &[BusRole])] = &[
        ("chat.0.room.{id}.state", &[CommandApi]),
        ("chat.0.room.{id}.msg", &[CommandApi]),
        ("chat.1.room.{id}.rcpt", &[CommandApi]),
        ("chat.0.room.{id}.other", &[]),
        ("chat.0.elsewhere", &[]),
        ("ident.name.00ff", &[Auth]),
        ("ident.user.{id}", &[Auth]),
        ("ident.account.{id}", &[Auth]),
        ("ident.account.{id}.more", &[]),
        ("ident.roles", &[Auth]),
        ("ident.audit.operator", &[Admin]),
        ("ident.audit.other", &[]),
        ("ident.direct.{id}.{id}", &[CommandApi]),
        ("live.0.room.{id}.msg", &[]),
        ("live.0.room.{id}.state", &[]),
        ("notify.user.{id}", &[Projector]),
        ("eph.room.{id}.typing", &[WsEdge]),
        ("eph.user.{id}.presence", &[WsEdge]),
        ("cmd.v1.send", &[WsEdge]),
        ("cmd.v1.receipts", &[WsEdge]),
        ("cmd.v1.login", &[WsEdge]),
        ("ops.v1.suspend", &[Admin]),
        ("ops.v1.change_global_role", &[Admin]),
        ("ops.v1.rotate_signing_key", &[Admin]),
        ("$KV.CREDENTIALS.{id}", &[Auth]),
        ("$KV.REFRESH.{id}", &[Auth]),
        ("$KV.REVOKED.{id}", &[Auth]),
        ("$KV.CHALLENGES.{id}", &[Auth]),
        ("$KV.EMAILS.{id}", &[Auth]),
        ("$KV.SERVICE_TOKENS.{id}", &[Auth]),
        ("$KV.JWKS.{id}", &[Auth]),
        ("$KV.SIGNING_KEYS.set", &[Auth]),
        ("$KV.SNAPSHOTS.{id}", &[CommandApi]),
        ("$KV.ROOM_KEYS.{id}", &[CommandApi]),
        ("$KV.USER_KEYS.{id}", &[Auth]),
        ("$KV.ERASURES.user.{id}", &[Auth]),
        ("$KV.ERASURES.room.{id}", &[CommandApi]),
        ("$JS.API.STREAM.MSG.GET.KV_ERASURES", &[Admin, Auth, CommandApi]),
        ("$JS.API.STREAM.INFO.KV_ERASURES", &[Admin, Auth, CommandApi]),
        ("$JS.API.INFO", &[Admin]),
        ("$JS.API.STREAM.CREATE.X", &[Admin]),
        ("$JS.API.STREAM.UPDATE.CHAT_0", &[Admin]),
        ("$JS.API.STREAM.PURGE.KV_SNAPSHOTS", &[Admin]),
        ("$JS.API.STREAM.MSG.DELETE.CHAT_0", &[Admin]),
        ("$JS.API.STREAM.LIST", &[Admin]),
        ("$JS.API.STREAM.INFO.CHAT_0", &[Admin, CommandApi, QueryApi, Projector, WsEdge]),
        ("$JS.API.STREAM.INFO.IDENT", &[Admin, Auth, CommandApi, QueryApi, Projector, WsEdge]),
        ("$JS.API.STREAM.INFO.KV_REFRESH", &[Admin, Auth]),
        ("$JS.API.STREAM.INFO.KV_JWKS", &[Admin, Auth, CommandApi, QueryApi, Projector, WsEdge]),
        ("$JS.API.STREAM.INFO.KV_REVOKED", &[Admin, Auth, CommandApi, QueryApi, Projector, WsEdge]),
        ("$JS.API.STREAM.MSG.GET.KV_REVOKED", &[Admin, Auth, CommandApi, QueryApi, Projector, WsEdge]),
        ("$JS.API.CONSUMER.MSG.NEXT.KV_REVOKED.analytics", &[Admin, Projector]),
        ("$JS.API.STREAM.MSG.GET.CHAT_0", &[Admin, CommandApi, Projector, WsEdge]),
        ("$JS.API.STREAM.MSG.GET.IDENT", &[Admin, Auth, CommandApi, Projector, WsEdge]),
        ("$JS.API.STREAM.MSG.GET.KV_JWKS", &[Admin, Auth, CommandApi, QueryApi, Projector, WsEdge]),
        ("$JS.API.STREAM.MSG.GET.KV_SNAPSHOTS", &[Admin, CommandApi, Projector]),
        ("$JS.API.STREAM.MSG.GET.KV_CREDENTIALS", &[Admin, Auth]),
        ("$JS.API.STREAM.MSG.GET.KV_REFRESH", &[Admin, Auth]),
        ("$JS.API.STREAM.MSG.GET.KV_SIGNING_KEYS", &[Auth]),
        ("$JS.API.STREAM.INFO.KV_SIGNING_KEYS", &[Admin, Auth]),
        ("$JS.API.STREAM.MSG.DELETE.KV_SIGNING_KEYS", &[]),
        ("$JS.API.STREAM.PURGE.KV_SIGNING_KEYS", &[]),
        ("$JS.API.CONSUMER.DURABLE.CREATE.KV_SIGNING_KEYS.x", &[]),
        ("$JS.API.STREAM.MSG.GET.KV_ROOM_KEYS", &[CommandApi, QueryApi, WsEdge]),
        ("$JS.API.STREAM.MSG.GET.KV_USER_KEYS", &[Auth, CommandApi, QueryApi, WsEdge]),
        ("$JS.API.STREAM.MSG.DELETE.KV_ROOM_KEYS", &[CommandApi]),
        ("$JS.API.STREAM.MSG.DELETE.KV_USER_KEYS", &[Auth]),
        ("$JS.API.STREAM.INFO.KV_ROOM_KEYS", &[Admin, CommandApi]),
        ("$JS.API.STREAM.INFO.KV_USER_KEYS", &[Admin, Auth]),
        ("$JS.API.STREAM.UPDATE.KV_ROOM_KEYS", &[Admin]),
        ("$JS.API.STREAM.PURGE.KV_ROOM_KEYS", &[]),
        ("$JS.API.CONSUMER.DURABLE.CREATE.KV_USER_KEYS.x", &[]),
        ("$JS.API.STREAM.MSG.GET.KV_SERVICE_TOKENS", &[Admin, Auth]),
        ("$JS.API.DIRECT.GET.CHAT_0", &[Admin]),
        ("$JS.API.DIRECT.GET.KV_REFRESH", &[Admin]),
        ("$JS.API.CONSUMER.CREATE.CHAT_0", &[Admin]),
        ("$JS.API.CONSUMER.CREATE.CHAT_0.x", &[Admin, Projector]),
        ("$JS.API.CONSUMER.CREATE.CHAT_0.x.chat.>", &[]),
        ("$JS.API.CONSUMER.CREATE.KV_REFRESH.x", &[Admin]),
        ("$JS.API.CONSUMER.CREATE.KV_CREDENTIALS.x.y", &[Admin]),
        ("$JS.API.CONSUMER.DURABLE.CREATE.CHAT_0.x", &[Admin]),
        ("$JS.API.CONSUMER.DELETE.CHAT_0.x", &[Admin, Projector]),
        ("$JS.API.CONSUMER.INFO.CHAT_0.x", &[Admin, Projector]),
        ("$JS.API.CONSUMER.MSG.NEXT.CHAT_0.projector_v1", &[Admin, Projector]),
        ("$JS.API.CONSUMER.MSG.NEXT.CHAT_0.analytics", &[Admin, Projector, Analytics]),
        ("$JS.API.CONSUMER.MSG.NEXT.IDENT.analytics", &[Admin, Projector]),
        ("$JS.API.CONSUMER.MSG.NEXT.KV_REFRESH.analytics", &[Admin]),
        ("$JS.ACK.CHAT_0.projector_v1.1.1.1.1.1", &[Projector]),
        ("$JS.ACK.CHAT_0.analytics.1.1.1.1.1", &[Projector, Analytics]),
        ("_INBOX_ws_edge.x.y", &[]),
        ("_INBOX_auth.x.y", &[]),
        ("anything", &[]),
    ];
    rows.iter()
        .filter(|(subject, _)| !subject.ends_with('>'))
        .map(|(subject, roles)| (subject.replace("{id}", R), roles.to_vec()))
        .collect()
}

fn subscribing() -> Vec<(&'static str, Vec<BusRole>)> {
    vec![
        ("live.0.room.x.*", vec![WsEdge]),
        ("live.*.room.*.*", vec![WsEdge]),
        ("live.*.room.*.state", vec![CommandApi, WsEdge]),
        ("live.>", vec![]),
        ("notify.user.*", vec![QueryApi, WsEdge]),
        ("notify.>", vec![]),
        ("eph.room.x.*", vec![WsEdge]),
        ("eph.user.*.*", vec![WsEdge]),
        ("chat.>", vec![]),
        ("chat.0.room.x.msg", vec![]),
        ("ident.>", vec![]),
        ("$KV.>", vec![]),
        ("$JS.>", vec![]),
        ("$JS.ACK.>", vec![]),
        ("$JS.API.STREAM.MSG.GET.CHAT_0", vec![]),
        (">", vec![]),
        ("*", vec![]),
        ("_INBOX.>", vec![]),
        ("_INBOX_admin.>", vec![Admin]),
        ("_INBOX_auth.>", vec![Auth]),
        ("_INBOX_command_api.>", vec![CommandApi]),
        ("_INBOX_query_api.>", vec![QueryApi]),
        ("_INBOX_projector.>", vec![Projector]),
        ("_INBOX_ws_edge.>", vec![WsEdge]),
        ("_INBOX_analytics.>", vec![Analytics]),
        ("cmd.>", vec![]),
        ("cmd.v1.*", vec![]),
        ("cmd.v1.login", vec![]),
        ("cmd.v1.login auth", vec![Auth]),
        ("cmd.v1.login_second_factor auth", vec![Auth]),
        ("cmd.v1.login command-api", vec![]),
        ("cmd.v1.register auth", vec![Auth]),
        ("cmd.v1.register_imported auth", vec![Auth]),
        ("cmd.v1.refresh auth", vec![Auth]),
        ("cmd.v1.logout auth", vec![Auth]),
        ("cmd.v1.change_profile auth", vec![Auth]),
        ("cmd.v1.erase_user auth", vec![Auth]),
        ("ops.>", vec![]),
        ("ops.v1.*", vec![]),
        ("ops.v1.suspend", vec![]),
        ("ops.v1.suspend auth", vec![Auth]),
        ("ops.v1.reinstate auth", vec![Auth]),
        ("ops.v1.end_sessions auth", vec![Auth]),
        ("ops.v1.change_global_role auth", vec![Auth]),
        ("ops.v1.account auth", vec![Auth]),
        ("ops.v1.create_service auth", vec![Auth]),
        ("ops.v1.issue_token auth", vec![Auth]),
        ("ops.v1.revoke_token auth", vec![Auth]),
        ("ops.v1.tokens auth", vec![Auth]),
        ("ops.v1.erase_user auth", vec![Auth]),
        ("ops.v1.rotate_signing_key auth", vec![Auth]),
        ("ops.v1.end_all_sessions auth", vec![Auth]),
        ("cmd.v1.send command-api", vec![CommandApi]),
        ("cmd.v1.erase_room command-api", vec![CommandApi]),
        ("cmd.v1.send", vec![]),
        ("cmd.v1.receipts command-api", vec![CommandApi]),
        ("cmd.v1.create_room command-api", vec![CommandApi]),
        ("cmd.v1.open_direct command-api", vec![CommandApi]),
        ("cmd.v1.rename_room command-api", vec![CommandApi]),
        ("cmd.v1.join command-api", vec![CommandApi]),
        ("cmd.v1.leave command-api", vec![CommandApi]),
        ("cmd.v1.invite command-api", vec![CommandApi]),
        ("cmd.v1.remove command-api", vec![CommandApi]),
        ("cmd.v1.change_role command-api", vec![CommandApi]),
        ("cmd.v1.ban command-api", vec![CommandApi]),
        ("cmd.v1.unban command-api", vec![CommandApi]),
        ("cmd.v1.mute command-api", vec![CommandApi]),
        ("cmd.v1.unmute command-api", vec![CommandApi]),
        ("cmd.v1.set_slow_mode command-api", vec![CommandApi]),
        ("cmd.v1.read command-api", vec![CommandApi]),
        ("cmd.v1.delivered command-api", vec![CommandApi]),
    ]
}

#[tokio::test]
async fn each_role_may_what_it_must_and_nothing_else() {
    let nats = Nats::bare().await;
    let mut wrong = Vec::new();
    for role in BusRole::ALL {
        let mut raw = Raw::connect(&nats, role).await;
        for (subject, allowed) in publishing() {
            if raw.may_publish(&subject).await != allowed.contains(&role) {
                wrong.push(format!("{role} publish {subject}: expected {}", allowed.contains(&role)));
            }
        }
        for (subject, allowed) in subscribing() {
            if raw.may_subscribe(subject).await != allowed.contains(&role) {
                wrong.push(format!("{role} subscribe {subject}: expected {}", allowed.contains(&role)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A bucket that may not be read by everybody who may read streams is named wherever streams are allowed by
/// wildcard: so nobody forgets to deny a new one.
#[tokio::test]
async fn nobody_else_reads_a_secret_bucket() {
    let nats = Nats::bare().await;
    let open = ["KV_JWKS", "KV_REVOKED", "KV_SNAPSHOTS"];
    let secret = Topology::embedded(1).unwrap().streams.into_iter().map(|stream| stream.name);
    let secret: Vec<String> =
        secret.filter(|name| name.starts_with("KV_") && !open.contains(&name.as_str())).collect();
    assert_eq!(secret.len(), 9);
    for role in BusRole::ALL {
        let mut raw = Raw::connect(&nats, role).await;
        for bucket in &secret {
            for api in [
                format!("$JS.API.STREAM.MSG.GET.{bucket}"),
                format!("$JS.API.STREAM.INFO.{bucket}"),
                format!("$JS.API.DIRECT.GET.{bucket}"),
                format!("$JS.API.CONSUMER.CREATE.{bucket}.x"),
                format!("$JS.API.CONSUMER.MSG.NEXT.{bucket}.x"),
                format!("$JS.API.STREAM.SNAPSHOT.{bucket}"),
            ] {
                let may = raw.may_publish(&api).await;
                assert!(!may || may_read(role, bucket, &api), "{role} {api}");
            }
        }
    }
}

fn may_read(role: BusRole, bucket: &str, api: &str) -> bool {
    let (one_by_one, all) = (api.contains(".STREAM.MSG.GET."), api.contains(".STREAM.INFO."));
    match bucket {
        // Who opens what is sealed reads keys that it knows of; only who keeps them may list them.
        "KV_ROOM_KEYS" => match role {
            CommandApi => one_by_one || all,
            QueryApi | WsEdge => one_by_one,
            Admin => all,
            Auth | Projector | Analytics => false,
        },
        // What makes tokens is read by whoever makes tokens.
        "KV_SIGNING_KEYS" => match role {
            Auth => one_by_one || all,
            Admin => all,
            CommandApi | QueryApi | Projector | WsEdge | Analytics => false,
        },
        "KV_USER_KEYS" => match role {
            Auth => one_by_one || all,
            CommandApi | QueryApi | WsEdge => one_by_one,
            Admin => all,
            Projector | Analytics => false,
        },
        "KV_ERASURES" => matches!(role, Admin | Auth | CommandApi),
        _ => matches!(role, Admin | Auth),
    }
}

/// A reply may go where it was asked for, once, and nowhere else.
#[tokio::test]
async fn answers_are_allowed_only_to_who_asked() {
    let nats = Nats::bare().await;
    let mut api = Raw::connect(&nats, CommandApi).await;
    let mut edge = Raw::connect(&nats, WsEdge).await;
    assert!(!api.may_publish("_INBOX_ws_edge.a.b").await, "nobody asked");
    assert_eq!(api.say("SUB cmd.v1.send command-api 1\r\n").await, None);
    assert_eq!(edge.say("PUB cmd.v1.send _INBOX_ws_edge.a.b 0\r\n\r\n").await, None);
    // Has been delivered when this is answered.
    assert_eq!(api.say("").await, None);
    assert!(!api.may_publish("_INBOX_ws_edge.a.c").await, "not there");
    assert!(api.may_publish("_INBOX_ws_edge.a.b").await, "the answer");
    assert!(!api.may_publish("_INBOX_ws_edge.a.b").await, "once");
}

/// What SECURITY.md says of the role `projector`: the server asks whether it may make a consumer, not whether it may say
/// something where the consumer delivers to. So a copy of a message comes into a stream where it may store nothing, under the
/// subject that the message had. When this fails, the server has begun to ask, and SECURITY.md may promise more.
#[tokio::test]
async fn whoever_makes_consumers_brings_copies_into_any_stream() {
    let nats = Nats::start().await;
    let room = RoomId::new(Partition::new(0).unwrap(), harness::now(), harness::bytes());
    nats.log().await.append(harness::post(room, "hola")).await.unwrap();
    let elsewhere = "ident.roles";
    assert!(!Raw::connect(&nats, Projector).await.may_publish(elsewhere).await, "not by itself");
    let options = async_nats::ConnectOptions::with_user_and_password("projector".into(), password(Projector));
    let options = options.custom_inbox_prefix("_INBOX_projector");
    let client = options.connect(nats.server.url()).await.unwrap();
    let config = serde_json::json!({"stream_name": "CHAT_0", "action": "create", "config": {
        "name": "copies", "durable_name": "copies", "deliver_subject": elsewhere, "ack_policy": "none", "deliver_policy": "all",
    }});
    let made =
        client.request("$JS.API.CONSUMER.CREATE.CHAT_0.copies", config.to_string().into()).await.unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.payload).unwrap();
    assert!(made["error"].is_null(), "{made}");
    let log = Log::new(nats.bus(Auth).await);
    let first = async || log.next("IDENT", 1, ">").await.unwrap();
    harness::until("a copy lies in another stream", || async { first().await.is_some() }).await;
    assert_eq!(first().await.unwrap().subject, subject::room(room, Lane::Msg));
    assert!(log.last(elsewhere).await.unwrap().is_none(), "not as if it had been said there");
}
