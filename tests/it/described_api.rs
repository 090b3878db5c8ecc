//! The HTTP API does what its own description says, whatever it is sent (reliability: bad input at every entrance).
//!
//! Schemathesis reads `/openapi.json` of the real program and sends each operation what the description allows, and what
//! it forbids. Nothing may be answered with a status of 500 and above, with a status, a type or a body that the description
//! does not tell, or be accepted although it is forbidden. The description has no `default`, which would allow everything.
//!
//! Seen to catch: a 404 that is not told, and a 410.

use std::{process::Command, time::Duration};

use chasqui_auth::operator::FromOperator;
use chasqui_backends::Preparation;
use chasqui_bus::{BusRole, command::request_as_operator};
use chasqui_events::{RoomId, UserId, account::Operator};
use chasqui_protocol::Accepted;
use chasqui_testkit::{Layout, PATIENCE, Person, Role, SmtpSink, Stack};
use serde_json::{Value, json};

/// What ends the session that it is asked with: everything after it would be refused.
const ENDS_THE_SESSION: &str =
    "/(logout|revoke_(all_|other_)?sessions?|change_password|change_name|deactivate|erase_user)$";

/// Cases per operation in a suite; `CHASQUI_TEST_API_CASES` asks for more by hand.
const CASES: &str = "20";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_a_documented_one() {
    let sink = SmtpSink::start().await;
    let layout = Layout::one_process()
        .set("auth.access_ttl_s", 3600)
        .set("auth.public_url", "https://chat.example")
        .set("smtp.url", sink.url())
        .set("smtp.from", "chasqui@chat.example");
    let stack = Stack::with(layout).await;
    let described_at = stack.url(Role::QueryApi, "/openapi.json");
    let somebody = stack.user("somebody").await;
    let other = stack.user("other").await;
    let room = somebody.room_with("Plaza", &[&other]).await;
    somebody.says(room, "hola").await;
    let erased = somebody.room_with("Market", &[&other]).await;
    somebody.client.erase_room(erased, "Market".to_owned(), None).await.unwrap();
    let token = admin_token(&stack, &somebody).await;
    let mut described: Value = stack.http().get(&described_at).send().await.unwrap().json().await.unwrap();
    narrow(&mut described, &Known { room, erased, user: other.id });
    let narrowed = stack.folder().join("openapi.json");
    std::fs::write(&narrowed, described.to_string()).unwrap();
    let tool = tokio::task::spawn_blocking(|| Preparation::default().schemathesis()).await.unwrap().unwrap();
    let cases = std::env::var("CHASQUI_TEST_API_CASES").unwrap_or_else(|_| CASES.to_owned());
    let report = stack.folder().join("schemathesis.txt");

    let mut command = Command::new("python3");
    command
        .args(["-m", "schemathesis.cli", "run", &narrowed.to_string_lossy(), "--no-color"])
        .args(["--url", described_at.trim_end_matches("/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", &cases, "--workers", "1"])
        .args(["--seed", "7", "--generation-database", "none", "--request-timeout", "30"])
        .args(["--exclude-path-regex", ENDS_THE_SESSION])
        .args(["--suppress-health-check", "all", "--continue-on-failure"])
        .env("PYTHONPATH", tool)
        .current_dir(stack.folder())
        .stdout(std::fs::File::create(&report).unwrap());
    let status = tokio::task::spawn_blocking(move || command.status().unwrap());
    let status = tokio::time::timeout(Duration::from_mins(10), status).await.unwrap().unwrap();
    let told = std::fs::read_to_string(&report).unwrap();
    assert!(status.success(), "{told}");
    assert!(told.contains("generated"), "it tried nothing:\n{told}");
}

/// What there is: nothing that is made up at random would be found.
struct Known {
    room: RoomId,
    erased: RoomId,
    user: UserId,
}

/// Where a request takes an id, the ids of what there is and of what there is not; everything else stays.
fn narrow(described: &mut Value, known: &Known) {
    let mut bodies = Vec::new();
    for operation in operations(described) {
        if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
            for parameter in parameters {
                let name = parameter["name"].as_str().unwrap().to_owned();
                narrow_id(&name, &mut parameter["schema"], known);
            }
        }
        let body = operation.pointer("/requestBody/content/application~1json/schema/$ref");
        bodies.extend(body.and_then(Value::as_str).map(|place| place.trim_start_matches('#').to_owned()));
    }
    assert!(!bodies.is_empty(), "requests have bodies");
    for place in bodies {
        let body = described.pointer_mut(&place).unwrap();
        for (name, schema) in body["properties"].as_object_mut().into_iter().flatten() {
            narrow_id(name, schema, known);
        }
    }
}

fn operations(described: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = described["paths"].as_object_mut().unwrap();
    paths.values_mut().flat_map(|path| path.as_object_mut().unwrap().values_mut())
}

fn narrow_id(name: &str, schema: &mut Value, known: &Known) {
    if schema.get("format").is_none_or(|format| format != "uuid") {
        return;
    }
    let nothing = "01939e0b-3100-7002-8456-a2b6e0c1d2e6";
    match name {
        "room" => schema["enum"] = json!([known.room, known.erased, nothing]),
        "user" | "author" => schema["enum"] = json!([known.user, nothing]),
        // Ids of commands that were made some time before now.
        "id" => {
            schema["pattern"] =
                json!("^01[0-8][0-9a-f]{5}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
        }
        _ => {}
    }
}

async fn admin_token(stack: &Stack, person: &Person) -> String {
    let bus = stack.bus(BusRole::Admin).await;
    let operator = Operator { user: "quilla".to_owned(), host: "cusco".to_owned() };
    let command =
        json!({"id": person.client.new_id(), "user": person.id, "role": "admin", "reason": "a test"});
    let asked = FromOperator { operator, command };
    request_as_operator::<Accepted>(&bus, "change_global_role", PATIENCE, &asked).await.unwrap();
    // The role is in the tokens that are made from now on.
    let session = stack.accounts().login(&person.name, &Person::password(), "a test").await.unwrap();
    session.tokens().await.access_token
}
