//! Every command with every role, against the real system: what happens is what the table of permissions says.
//!
//! One room per global and room role, in which somebody of these roles tries everything, in the order of the table.
//! A command that the table covers and this story does not know makes it fail.

use chasqui_auth::{GlobalRole, operator::FromOperator};
use chasqui_bus::{BusRole, command::request_as_operator};
use chasqui_client::Ids;
use chasqui_domain::{
    Permission,
    permission::{Needs, Programs, Row, Scope, role_outside},
};
use chasqui_events::{RoomId, Seq, UserId, account::Operator, room::Kind, room::Role};
use chasqui_protocol::{
    Accepted, ClientFrame,
    command::{ChangeRole, IssuedToken},
};
use chasqui_testkit::{Person, Role as Process, Stack};
use futures::future::join_all;
use pretty_assertions::assert_eq;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Somebody who tries everything.
struct Subject {
    person: Person,
    token: String,
    global: GlobalRole,
    /// Their role in their room; `None` for somebody outside.
    standing: Option<Role>,
    room: RoomId,
    /// A message in it.
    seq: Seq,
    /// Another room, to be erased.
    spare: RoomId,
}

/// Those whom things are done to.
struct Others {
    /// Is removed and banned.
    outcast: Person,
    /// Is muted, and stays.
    guest: Person,
    /// Is in no room.
    bystander: Person,
    /// A program.
    service: UserId,
}

const GLOBAL: [GlobalRole; 3] = [GlobalRole::User, GlobalRole::Moderator, GlobalRole::Admin];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_may_do_what_the_table_says_and_nothing_else() {
    let stack = Stack::start().await;
    let (founder, outcast) = (stack.user("founder").await, stack.user("outcast").await);
    let (guest, bystander) = (stack.user("guest").await, stack.user("bystander").await);
    let others = Others { outcast, guest, bystander, service: service(&stack).await };
    let mut subjects = Vec::new();
    for global in GLOBAL {
        for standing in [None].into_iter().chain(Role::ALL.map(Some)) {
            subjects.push(subject(&stack, &founder, &others, global, standing).await);
        }
    }
    let mut commands: Vec<(&Row, &str)> =
        Permission::TABLE.iter().flat_map(|row| row.commands.iter().map(move |name| (row, *name))).collect();
    // What changes who one is comes last.
    let at_last = ["join", "leave", "revoke_all_sessions", "logout"];
    commands
        .sort_by_key(|(_, name)| at_last.iter().position(|last| last == name).map_or(0, |place| place + 1));
    let mut wrong = Vec::new();
    for (row, name) in commands {
        let tried = subjects.iter().map(|subject| attempt(&stack, subject, &others, name));
        for (subject, happened) in subjects.iter().zip(join_all(tried).await) {
            let expected = expected(row, subject);
            if happened != expected {
                let (global, standing) = (subject.global.as_str(), subject.standing);
                wrong
                    .push(format!("{name} by {global}, {standing:?}: {happened}, the table says {expected}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A program with one scope may what the table gives to that scope, and nothing else, whatever its role in the room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_may_what_its_scope_allows() {
    let stack = Stack::start().await;
    let founder = stack.user("founder").await;
    let room = founder.client.create_room(Kind::Public, "Plaza").await.unwrap();
    let seq = founder.says(room, "hola").await.position.unwrap().seq;
    let station = service(&stack).await;
    let (outcast, guest) = (stack.user("outcast").await, stack.user("guest").await);
    for person in [&outcast, &guest] {
        person.client.join(room).await.unwrap();
    }
    let others = Others { outcast, guest, bystander: stack.user("bystander").await, service: station };
    let mut programs = Vec::new();
    for scope in Scope::ALL {
        let scopes = [scope.as_str()];
        let command =
            json!({"id": id(), "user": station, "name": "x", "scopes": scopes, "reason": "the matrix"});
        let issued: IssuedToken = as_operator(&stack, "issue_token", command).await;
        let login = json!({"token": issued.secret});
        let session = post(&stack, Process::Auth, "service_login", None, &login).await.unwrap();
        programs.push((*scope, session["access_token"].as_str().unwrap().to_owned()));
    }
    // The program enters by the one that may, and is made an owner.
    let (_, rooms) = programs.iter().find(|(scope, _)| *scope == Scope::Rooms).unwrap();
    post(&stack, Process::CommandApi, "join", Some(rooms), &json!({"id": id(), "room": room})).await.unwrap();
    let (command, role) = (founder.client.new_id(), Role::Owner);
    let owner = ChangeRole { id: command, room, user: station, role };
    founder.client.command(ClientFrame::ChangeRole(owner)).await.unwrap();
    let mut wrong = Vec::new();
    let mut lines: Vec<(&Row, &str)> =
        Permission::TABLE.iter().flat_map(|row| row.commands.iter().map(move |name| (row, *name))).collect();
    lines.sort_by_key(|(_, name)| ["leave", "logout"].iter().position(|last| last == name));
    for (row, name) in lines {
        for (scope, token) in &programs {
            let person = founder.clone();
            let (global, standing) = (GlobalRole::Service, Some(Role::Owner));
            let subject = Subject { person, token: token.clone(), global, standing, room, seq, spare: room };
            let may = row.programs == Programs::All || row.programs == Programs::With(*scope);
            let expected = if may { "ok" } else { "forbidden" };
            let happened = attempt(&stack, &subject, &others, name).await;
            if happened != expected {
                wrong.push(format!("{name} with {scope:?}: {happened}, the table says {expected}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Nothing that takes somebody is missing in the table, and nothing is in it that takes nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_knows_every_command_that_takes_a_caller() {
    let stack = Stack::start().await;
    let described = stack.http().get(stack.url(Process::QueryApi, "/openapi.json")).send().await.unwrap();
    let described: Value = described.json().await.unwrap();
    let mut wrong = Vec::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        let Some(name) = path.strip_prefix("/v1/commands/") else { continue };
        let takes_a_caller = item["post"]["security"].as_array().is_some_and(|all| !all.is_empty());
        if takes_a_caller != Permission::of(name).is_some() {
            wrong.push(name.to_owned());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What the table says: `ok`, or the code of the refusal.
fn expected(row: &Row, subject: &Subject) -> &'static str {
    match row.needs {
        Needs::Account => "ok",
        Needs::InRoom { role: needed, from_outside } => {
            let outside = role_outside(subject.global).filter(|_| from_outside);
            match subject.standing.max(outside) {
                Some(role) if role >= needed => "ok",
                Some(_) => "role-too-low",
                None => "not-a-member",
            }
        }
        Needs::Globally(needed) if subject.global.rank() >= needed.rank() => "ok",
        Needs::Globally(_) | Needs::Grant => "forbidden",
    }
}

async fn subject(
    stack: &Stack,
    founder: &Person,
    others: &Others,
    global: GlobalRole,
    standing: Option<Role>,
) -> Subject {
    let name = format!("{}-{}", global.as_str(), standing.map_or("outside", Role::as_str));
    let person = stack.user(&name).await;
    if global != GlobalRole::User {
        appoint(stack, person.id, global).await;
    }
    let room = founder.client.create_room(Kind::Public, &name).await.unwrap();
    others.guest.client.join(room).await.unwrap();
    others.outcast.client.join(room).await.unwrap();
    for guest in [&others.guest, &others.outcast] {
        let (id, user, role) = (founder.client.new_id(), guest.id, Role::Guest);
        founder.client.command(ClientFrame::ChangeRole(ChangeRole { id, room, user, role })).await.unwrap();
    }
    let spare = founder.client.create_room(Kind::Public, "spare").await.unwrap();
    for room in [room, spare] {
        let Some(role) = standing else { break };
        person.client.join(room).await.unwrap();
        if role != Role::Member {
            let (id, user) = (founder.client.new_id(), person.id);
            let change = ChangeRole { id, room, user, role };
            founder.client.command(ClientFrame::ChangeRole(change)).await.unwrap();
        }
    }
    let seq = founder.says(room, "hola").await.position.unwrap().seq;
    // The role is in the tokens that are made from now on.
    let login = json!({"name": name, "password": Person::PASSWORD});
    let tokens = post(stack, Process::Auth, "login", None, &login).await.unwrap();
    let token = tokens["access_token"].as_str().unwrap().to_owned();
    Subject { person, token, global, standing, room, seq, spare }
}

async fn appoint(stack: &Stack, user: UserId, role: GlobalRole) {
    let command = json!({"id": id(), "user": user, "role": role, "reason": "the matrix"});
    as_operator::<Accepted>(stack, "change_global_role", command).await;
}

async fn service(stack: &Stack) -> UserId {
    let command = json!({"id": id(), "name": "station", "reason": "the matrix"});
    as_operator::<Accepted>(stack, "create_service", command).await.user.unwrap()
}

async fn as_operator<R: DeserializeOwned>(stack: &Stack, name: &str, command: Value) -> R {
    let bus = stack.bus(BusRole::Admin).await;
    let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
    let asked = FromOperator { operator, command };
    request_as_operator(&bus, name, chasqui_testkit::PATIENCE, &asked).await.unwrap()
}

fn id_of_nothing() -> &'static str {
    "01939e0b-3100-7123-8456-a2b6e0c1d2e6"
}

async fn attempt(stack: &Stack, subject: &Subject, others: &Others, name: &str) -> String {
    let Subject { room, seq, spare, token, .. } = subject;
    let (outcast, guest, bystander) = (others.outcast.id, others.guest.id, others.bystander.id);
    let (id, reason) = (id(), "the matrix");
    let (process, body) = match name {
        "change_profile" => (Process::Auth, json!({"id": id, "display_name": "Somebody"})),
        "sessions" | "factors" | "export" => {
            let path = if name == "export" { "export/account" } else { name };
            return get(stack, Process::Auth, &format!("/v1/me/{path}"), token).await;
        }
        "logout" | "revoke_other_sessions" | "revoke_all_sessions" => (Process::Auth, json!({})),
        own if Permission::of(own) == Some(Permission::OwnAccount) => {
            // What it lacks is told after who may: a password, a code, a passkey.
            let wrong = json!({"id": id, "password": "not this one"});
            let let_through = ["malformed", "wrong-credentials", "not-configured"];
            return match post(stack, Process::Auth, name, Some(token), &wrong).await {
                Err(refused) if !let_through.contains(&refused.as_str()) => refused,
                Ok(_) | Err(_) => "ok".to_owned(),
            };
        }
        "create_room" => (Process::CommandApi, json!({"id": id, "kind": "private", "name": "a hut"})),
        "open_direct" => (Process::CommandApi, json!({"id": id, "user": bystander})),
        "join" | "leave" => (Process::CommandApi, json!({"id": id, "room": room})),
        "read" | "delivered" => (Process::CommandApi, json!({"room": room, "seq": seq})),
        "send" => (Process::CommandApi, json!({"id": id, "room": room, "body": "me too"})),
        "invite" => (Process::CommandApi, json!({"id": id, "room": room, "user": bystander})),
        "remove" | "ban" | "unban" => (Process::CommandApi, json!({"id": id, "room": room, "user": outcast})),
        "mute" | "unmute" => (Process::CommandApi, json!({"id": id, "room": room, "user": guest})),
        "set_slow_mode" => (Process::CommandApi, json!({"id": id, "room": room, "seconds": 0})),
        "rename_room" => (Process::CommandApi, json!({"id": id, "room": room, "name": "another"})),
        "erase_room" => {
            (Process::CommandApi, json!({"id": id, "room": spare, "name": "spare", "reason": reason}))
        }
        "change_role" => {
            (Process::CommandApi, json!({"id": id, "room": room, "user": guest, "role": "guest"}))
        }
        "register_imported" => {
            (Process::Auth, json!({"id": id, "name": format!("old-{}", subject.person.name)}))
        }
        "suspend" | "reinstate" | "end_sessions" | "erase_user" => {
            (Process::Auth, json!({"id": id, "user": bystander, "reason": reason}))
        }
        "change_global_role" => {
            (Process::Auth, json!({"id": id, "user": bystander, "role": "user", "reason": reason}))
        }
        "bans" => return get(stack, Process::QueryApi, &format!("/v1/rooms/{room}/bans"), token).await,
        "account" => return get(stack, Process::Auth, &format!("/v1/admin/users/{bystander}"), token).await,
        "audit" => return get(stack, Process::QueryApi, "/v1/admin/audit", token).await,
        "create_service" => {
            let name = format!("service-{}", subject.person.name);
            (Process::Auth, json!({"id": id, "name": name, "reason": reason}))
        }
        "issue_token" => {
            let scopes = ["read"];
            (
                Process::Auth,
                json!({"id": id, "user": others.service, "name": "x", "scopes": scopes, "reason": reason}),
            )
        }
        "revoke_token" => (
            Process::Auth,
            json!({"id": id, "user": others.service, "token": id_of_nothing(), "reason": reason}),
        ),
        "tokens" => {
            let path = format!("/v1/admin/users/{}/tokens", others.service);
            return get(stack, Process::Auth, &path, token).await;
        }
        unknown => panic!("the table has a command that this story does not try: {unknown}"),
    };
    match post(stack, process, name, Some(token), &body).await {
        Ok(_) => "ok".to_owned(),
        Err(code) => code,
    }
}

fn id() -> String {
    Ids::default().command().to_string()
}

/// The answer, or the code of the problem.
async fn post(
    stack: &Stack,
    process: Process,
    name: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<Value, String> {
    let mut request = stack.http().post(stack.url(process, &format!("/v1/commands/{name}"))).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    outcome(answer).await
}

async fn get(stack: &Stack, process: Process, path: &str, token: &str) -> String {
    let answer = stack.http().get(stack.url(process, path)).bearer_auth(token).send().await.unwrap();
    outcome(answer).await.map_or_else(|code| code, |_| "ok".to_owned())
}

async fn outcome(answer: reqwest::Response) -> Result<Value, String> {
    let good = answer.status().is_success();
    let answer: Value = answer.json().await.unwrap();
    if good { Ok(answer) } else { Err(answer["code"].as_str().unwrap().to_owned()) }
}
