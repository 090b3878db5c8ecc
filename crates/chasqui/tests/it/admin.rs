//! The operator's commands, as they are typed.

use std::process::Output;

use chasqui_testkit::{Person, Role, Stack, eventually};
use serde_json::Value;

fn admin(stack: &Stack, args: &[&str]) -> Output {
    let mut whole = vec!["admin"];
    whole.extend(args);
    stack.command(&whole).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

async fn may_log_in(stack: &Stack, name: &str) -> bool {
    stack.accounts().login(name, &Person::password(), "a test").await.is_ok()
}

/// Nobody is admin by being first; the operator appoints, suspends and reinstates, and all of it is recorded with who
/// and why, as is what they do to the projections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_looks_after_accounts_and_leaves_a_record() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let shown = said(&admin(&stack, &["users", "show", "ana"]));
    assert!(shown.contains("role  user") && shown.contains(&ana.id.to_string()), "{shown}");

    let appointed = said(&admin(&stack, &["users", "grant-admin", "ANA", "--reason", "the first one"]));
    assert!(appointed.contains("role  admin"), "{appointed}");
    let suspended = said(&admin(&stack, &["users", "suspend", "beto", "--reason", "spam", "--for", "7d"]));
    assert!(suspended.contains("suspended until") && suspended.contains("spam"), "{suspended}");
    assert!(!may_log_in(&stack, "beto").await);
    said(&admin(&stack, &["users", "reinstate", "beto", "--reason", "a misunderstanding"]));
    assert!(may_log_in(&stack, "beto").await);
    let laptop = stack.accounts().login("beto", &Person::password(), "a laptop").await.unwrap();
    let token = laptop.tokens().await.access_token;
    said(&admin(&stack, &["users", "end-sessions", "beto", "--reason", "a stolen laptop"]));
    eventually("being logged out", async || {
        let url = stack.url(Role::Auth, "/v1/me/sessions");
        let asked = stack.http().get(url).bearer_auth(&token).send().await.unwrap();
        if asked.status() == 401 { Ok(()) } else { Err(asked.status().to_string()) }
    })
    .await;
    assert!(may_log_in(&stack, "beto").await);
    let phone = stack.accounts().login("beto", &Person::password(), "a phone").await.unwrap();
    let ended = said(&admin(&stack, &["users", "end-all-sessions", "--reason", "a restored copy"]));
    assert!(ended.ends_with("sessions ended\n") && !ended.starts_with('0'), "{ended}");
    let refresh_token = phone.tokens().await.refresh_token;
    assert!(stack.accounts().refresh(&refresh_token.into()).await.is_err(), "a session from before");
    assert!(may_log_in(&stack, "beto").await);
    let erased = said(&admin(&stack, &["users", "erase", "beto", "--reason", "asked for by letter"]));
    assert!(erased.contains("erased"), "{erased}");
    assert!(!may_log_in(&stack, "beto").await);
    said(&admin(&stack, &["projections", "rebuild", "--reason", "to be sure"]));

    let refused = admin(&stack, &["users", "role", "ana", "--role", "user", "--reason", "x"]);
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && complaint.contains("no other admin"), "{complaint}");
    let unknown = admin(&stack, &["users", "show", "nobody-at-all"]);
    assert!(!unknown.status.success(), "{unknown:?}");

    let lines = said(&admin(&stack, &["audit", "--json"]));
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let acts: Vec<(&str, &str)> = entries
        .iter()
        .filter(|entry| entry["act"] != "topology apply")
        .map(|entry| (entry["act"].as_str().unwrap(), entry["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        ("user.role_changed", "the first one"),
        ("user.suspended", "spam"),
        ("user.reinstated", "a misunderstanding"),
        ("user.sessions_ended", "a stolen laptop"),
        ("users end-all-sessions", "a restored copy"),
        ("user.erased", "asked for by letter"),
        ("projections rebuild", "to be sure"),
    ];
    assert_eq!(acts, expected);
    assert_eq!(entries[0]["act"], "topology apply", "{entries:?}");
    assert!(entries.iter().all(|entry| entry["operator"] == true), "{entries:?}");
    let about = said(&admin(&stack, &["audit", "--user", &beto.id.to_string(), "--act", "user.suspended"]));
    assert_eq!(about.lines().count(), 2, "{about}");
    assert!(about.contains("spam"), "{about}");
}
