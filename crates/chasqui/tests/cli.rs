//! The program as people meet it, without a server: what it prints, and what it says when something is wrong.

use std::{
    fs,
    process::{Command, Output},
};

use pretty_assertions::assert_eq;

/// The program in an environment of its own.
fn chasqui(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chasqui"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs")
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_in_force_is_printed_without_secrets() {
    let environment = [("CHASQUI_CHAT_PARTITIONS", "7"), ("CHASQUI_NATS_PASSWORD_AUTH", "canary-word")];
    let (code, out, err) = said(&chasqui(&["config"], &environment));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("chat.partitions") && out.contains("CHASQUI_CHAT_PARTITIONS"), "{out}");
    assert!(!out.contains("canary-word"), "{out}");
}

#[test]
fn bad_configuration_is_told_at_once_all_of_it() {
    let environment = [("CHASQUI_CHAT_PARTITONS", "7"), ("CHASQUI_HTTP_LISTEN", "nowhere")];
    for command in [&["config"][..], &["serve"], &["health"], &["admin", "topology", "plan"]] {
        let (code, _, err) = said(&chasqui(command, &environment));
        assert_eq!(code, 1, "{command:?}");
        assert!(err.contains("CHASQUI_CHAT_PARTITIONS") && err.contains("http.listen"), "{command:?}: {err}");
    }
}

#[test]
fn a_command_line_that_is_wrong_names_what_is_right() {
    for (arguments, expected) in [
        (&["serv"][..], "serve"),
        (&["serve", "--role", "king"], "command-api"),
        (&["admin", "secrets", "init"], "--dir"),
        (&["admin", "projections", "switch", "x"], "version"),
    ] {
        let (code, _, err) = said(&chasqui(arguments, &[]));
        assert_eq!(code, 2, "{arguments:?}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn secrets_are_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("secrets");
    let arguments = ["admin", "secrets", "init", "--dir", directory.to_str().expect("a path")];
    let (code, out, _) = said(&chasqui(&arguments, &[]));
    assert_eq!((code, out.matches("made").count()), (0, 3), "{out}");
    let key = fs::read(directory.join("name.key")).expect("a key");
    let (code, out, _) = said(&chasqui(&arguments, &[]));
    assert_eq!((code, out.matches("kept").count()), (0, 3), "{out}");
    assert_eq!(fs::read(directory.join("name.key")).expect("a key"), key);
}

#[test]
fn a_role_without_its_password_says_where_it_comes_from() {
    let environment = [("CHASQUI_HTTP_LISTEN", "127.0.0.1:0"), ("CHASQUI_OPS_LISTEN", "127.0.0.1:0")];
    let (code, _, err) = said(&chasqui(&["serve", "--role", "command-api"], &environment));
    assert_eq!(code, 1);
    for expected in ["command-api", "CHASQUI_NATS_PASSWORD_COMMAND_API", "admin secrets init"] {
        assert!(err.contains(expected), "{expected}: {err}");
    }
}

#[test]
fn health_fails_where_nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let free = free.expect("a port").to_string();
    let (code, _, err) = said(&chasqui(&["health"], &[("CHASQUI_OPS_LISTEN", &free)]));
    assert_eq!(code, 1);
    assert!(err.contains(&free) && err.contains("ops.listen"), "{err}");
}
