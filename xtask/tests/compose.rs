//! `docker-compose.yml` cannot be run everywhere; this holds it against what the programs and the servers
//! really read: the configuration's keys, the variables of `nats/`, the roles.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use chasqui_runtime::config::{Config, known_env_keys};
use serde_yaml_ng::Value;

const PASSWORD: &str = "CHASQUI_NATS_PASSWORD_";

/// A service's variables by name, as written.
type Variables = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn compose() -> Value {
    let text = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let mut compose: Value = serde_yaml_ng::from_str(&text).unwrap();
    compose.apply_merge().unwrap();
    compose
}

fn services(compose: &Value) -> BTreeMap<String, &Value> {
    let services = compose["services"].as_mapping().unwrap();
    services.iter().map(|(name, service)| (name.as_str().unwrap().to_owned(), service)).collect()
}

fn variables(service: &Value) -> Variables {
    let Some(environment) = service["environment"].as_mapping() else { return Variables::new() };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => panic!("compose wants a text, not {other:?}: quote it"),
    };
    environment.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn words(service: &Value, field: &str) -> Vec<String> {
    let words = service[field].as_sequence().map_or(&[][..], Vec::as_slice);
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// What compose puts in for `${NAME:?message}`.
fn resolved(value: &str) -> String {
    match value.strip_prefix("${") {
        Some(_) => "a-secret".to_owned(),
        None => value.to_owned(),
    }
}

/// The roles that can be served: every NATS user but the two that no process of Chasqui is.
fn roles() -> BTreeSet<String> {
    known_env_keys()
        .iter()
        .filter_map(|key| key.strip_prefix(PASSWORD))
        .filter(|role| !["ADMIN", "ANALYTICS"].contains(role))
        .map(|role| role.to_lowercase().replace('_', "-"))
        .collect()
}

/// The services that run our own image.
fn ours(compose: &Value) -> BTreeMap<String, &Value> {
    services(compose).into_iter().filter(|(_, service)| service["image"] == "chasqui").collect()
}

#[test]
fn every_role_is_a_service_that_serves_it() {
    let compose = compose();
    let services = services(&compose);
    let roles = roles();
    assert!(roles.contains("ws-edge") && roles.contains("projector"), "{roles:?}");
    for role in roles {
        let service = services.get(&role).unwrap_or_else(|| panic!("no service {role}"));
        assert_eq!(words(service, "command"), ["serve", "--role", &role]);
        assert_eq!(service["image"], "chasqui");
        assert!(service["healthcheck"]["test"].is_sequence(), "{role} has no health check");
        let after = &service["depends_on"]["topology"]["condition"];
        assert_eq!(after, "service_completed_successfully", "{role} starts before its streams exist");
    }
}

/// The configuration's own reader judges: names, values, contradictions.
#[test]
fn every_service_of_ours_has_a_configuration_that_is_accepted() {
    let compose = compose();
    let sync = variables(services(&compose)["nats"])["CHASQUI_NATS_SYNC_INTERVAL"].clone();
    let ours = ours(&compose);
    assert!(ours.len() > 5);
    for (name, service) in ours {
        let mut environment: Vec<(String, String)> =
            variables(service).into_iter().map(|(name, value)| (name, resolved(&value))).collect();
        for (variable, _) in &environment {
            assert!(known_env_keys().contains(variable), "{name}: {variable} is not a key");
        }
        // What the server is told must be what the program believes about it.
        environment.push(("CHASQUI_NATS_SYNC_INTERVAL".into(), sync.clone()));
        let config = Config::load(None, environment).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            !config.http.listen.ip().is_loopback(),
            "{name} cannot be reached from outside its container"
        );
        assert!(config.nats.url.expose().starts_with("nats://nats:"), "{name}");
    }
}

#[test]
fn a_role_gets_its_own_password_and_no_other() {
    let compose = compose();
    let nats = variables(services(&compose)["nats"]);
    for (name, service) in ours(&compose) {
        let role = if name == "topology" { "admin" } else { &name };
        let own = format!("{PASSWORD}{}", role.to_uppercase().replace('-', "_"));
        let passwords: Vec<(String, String)> =
            variables(service).into_iter().filter(|(name, _)| name.starts_with(PASSWORD)).collect();
        let [(variable, value)] = passwords.as_slice() else { panic!("{name} has {}", passwords.len()) };
        assert_eq!(*variable, own, "{name}");
        for (side, value) in [("its own", value), ("the server's", &nats[variable])] {
            assert!(value.starts_with(&format!("${{{own}:?")), "{name}: {side} password is {value}");
        }
    }
}

#[test]
fn the_nats_service_reads_our_files_and_gets_every_variable_they_name() {
    let compose = compose();
    let nats = services(&compose)["nats"];
    let mount = words(nats, "volumes").into_iter().find(|volume| volume.starts_with("./nats:")).unwrap();
    let folder = mount.split(':').nth(1).unwrap().to_owned();
    let command = words(nats, "command");
    assert!(command.contains(&format!("{folder}/server.conf")), "{command:?}");

    let wanted: BTreeSet<String> =
        ["server.conf", "accounts.conf"].iter().flat_map(|file| variables_in(file)).collect();
    assert!(wanted.contains("CHASQUI_NATS_STORE_DIR") && wanted.contains("CHASQUI_NATS_PASSWORD_ADMIN"));
    let given: BTreeSet<String> = variables(nats).into_keys().collect();
    assert_eq!(given, wanted);
    let store = &variables(nats)["CHASQUI_NATS_STORE_DIR"];
    assert!(words(nats, "volumes").iter().any(|volume| volume.ends_with(&format!(":{store}"))), "{store}");
}

/// `$NAME` in a file of `nats/`, comments aside.
fn variables_in(file: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("nats").join(file)).unwrap();
    let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let pieces = code.flat_map(|line| line.split('$').skip(1).map(str::to_owned).collect::<Vec<_>>());
    let names = pieces.map(|piece| {
        piece.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    });
    names.filter(|name| name.starts_with("CHASQUI_")).collect()
}

/// The front sends to `auth` what `auth` serves, and everything it sends goes to a service.
#[test]
fn the_front_knows_who_serves_what() {
    let compose = compose();
    let caddyfile = fs::read_to_string(root().join("docker/Caddyfile")).unwrap();
    let identity = served_by(&root().join("crates/auth/src"));
    assert!(identity.contains("/v1/commands/login"), "{identity:?}");
    let matcher = caddyfile.lines().find(|line| line.trim().starts_with("@identity path ")).unwrap();
    let sent: BTreeSet<String> = matcher.split_whitespace().skip(2).map(str::to_owned).collect();
    assert_eq!(sent, identity);

    let targets: Vec<&str> =
        caddyfile.lines().filter_map(|line| line.trim().strip_prefix("reverse_proxy ")).collect();
    assert!(targets.len() > 3);
    for target in targets {
        let (service, port) = target.split_once(':').unwrap();
        let service = services(&compose)[service];
        assert!(variables(service)["CHASQUI_HTTP_LISTEN"].ends_with(&format!(":{port}")), "{target}");
    }
}

/// The addresses that the sources of a role describe, with `*` for what differs.
fn served_by(folder: &Path) -> BTreeSet<String> {
    let mut served = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            served.extend(served_by(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let described = text.lines().filter_map(|line| line.split_once(", path = \"")?.1.split_once('"'));
        served.extend(described.map(|(address, _)| match address.split_once('{') {
            Some((before, _)) => format!("{before}*"),
            None => address.to_owned(),
        }));
    }
    served
}

#[test]
fn what_a_service_depends_on_exists_and_reports_its_health() {
    let compose = compose();
    let services = services(&compose);
    for (name, service) in &services {
        let Some(needs) = service["depends_on"].as_mapping() else { continue };
        for (needed, how) in needs {
            let needed = needed.as_str().unwrap();
            let other =
                services.get(needed).unwrap_or_else(|| panic!("{name} needs {needed}, which is none"));
            if how["condition"] == "service_healthy" {
                assert!(
                    other["healthcheck"]["test"].is_sequence(),
                    "{name} waits for the health of {needed}"
                );
            }
        }
    }
}

#[test]
fn every_named_volume_is_declared_and_every_host_path_exists_or_is_made() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for volume in words(service, "volumes") {
            let source = volume.split(':').next().unwrap();
            match source.strip_prefix("./") {
                // Made by the command at the top of the file.
                Some(made) if made == "secrets" || made.starts_with("secrets/") => {}
                Some(path) => assert!(root().join(path).exists(), "{name}: {source}"),
                None => assert!(compose["volumes"].get(source).is_some(), "{name}: {source} is not declared"),
            }
        }
    }
}
