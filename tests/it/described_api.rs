//! The HTTP API does what its own description says, whatever it is sent (reliability: bad input at every entrance).
//!
//! Schemathesis reads `/openapi.json` of the real program and sends each operation what the description allows, and what
//! it forbids. Nothing may be answered with a status of 500 and above, with a status, a type or a body that the description
//! does not tell, or be accepted although it is forbidden.

use std::{process::Command, time::Duration};

use chasqui_backends::Preparation;
use chasqui_testkit::{Layout, Role, SmtpSink, Stack};

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
    let somebody = stack.user("somebody").await;
    somebody.room_with("Plaza", &[]).await;
    let token = somebody.token().await;
    let tool = tokio::task::spawn_blocking(|| Preparation::default().schemathesis()).await.unwrap().unwrap();
    let cases = std::env::var("CHASQUI_TEST_API_CASES").unwrap_or_else(|_| CASES.to_owned());
    let report = stack.folder().join("schemathesis.txt");

    let mut command = Command::new("python3");
    command
        .args(["-m", "schemathesis.cli", "run", &stack.url(Role::QueryApi, "/openapi.json"), "--no-color"])
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
