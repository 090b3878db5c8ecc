use std::io::Write as _;

use pretty_assertions::assert_eq;
use secrecy::ExposeSecret as _;

use super::*;

type Environment = Vec<(String, String)>;

fn env(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The problems of a file and an environment, without the file's own path.
fn problems(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let file = file(text);
    let error = Config::load(Some(file.path()), env(pairs)).unwrap_err();
    let path = file.path().display().to_string();
    error.problems.iter().map(|problem| problem.to_string().replace(&path, "F")).collect()
}

#[test]
fn every_default_fits_its_key_and_every_rule() {
    let config = Config::load(None, env(&[])).unwrap();
    assert_eq!(config.chat.partitions, 4);
    assert_eq!(config.durability, Durability::Interval);
    assert_eq!(config.edge.tick_ms.as_millis(), 1000);
    assert_eq!(config.auth.access_ttl_s.as_secs(), 600);
    assert_eq!(config.nats.url.expose(), "nats://127.0.0.1:4222");
    assert!(config.in_force().all(|row| row.origin == Origin::Default));
}

#[test]
fn defaults_are_shown_as_they_are_documented() {
    for row in Config::default().in_force() {
        match row.key.default {
            "" => assert!(row.value.starts_with('('), "{} shows {}", row.key.name, row.value),
            default => assert_eq!(row.value, default, "{}", row.key.name),
        }
    }
}

#[test]
fn names_are_distinct_in_the_file_and_in_the_environment_and_every_key_is_explained() {
    let mut variables = known_env_keys();
    variables.extend(TOLERATED.iter().map(|(name, _)| (*name).to_owned()));
    let count = variables.len();
    variables.sort_unstable();
    variables.dedup();
    assert_eq!(variables.len(), count);
    for key in known_keys() {
        assert!(!key.meaning.trim().is_empty() && !key.expected().is_empty(), "{}", key.name);
        let shadowed = TOLERATED.iter().filter_map(|(name, _)| name.strip_suffix('*'));
        assert!(!shadowed.into_iter().any(|start| key.env().starts_with(start)), "{}", key.name);
    }
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_default() {
    let file = file("durability = \"always\"\n[chat]\npartitions = 0x10\n[edge]\ntick_ms = 2_000\n");
    let config =
        Config::load(Some(file.path()), env(&[("CHASQUI_EDGE_TICK_MS", "500"), ("PATH", "/bin")])).unwrap();
    assert_eq!(config.durability, Durability::Always);
    assert_eq!(config.chat.partitions, 16);
    assert_eq!(config.edge.tick_ms.as_millis(), 500);
    let origin = |name| config.in_force().find(|row| row.key.name == name).unwrap().origin.to_string();
    assert_eq!(origin("chat.partitions"), format!("file {}:3", file.path().display()));
    assert_eq!(origin("edge.tick_ms"), "environment CHASQUI_EDGE_TICK_MS");
    assert_eq!(origin("edge.outbox_bytes"), "default");
    assert!(config.is_given("edge.tick_ms") && !config.is_given("edge.outbox_bytes"));
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    for key in known_keys() {
        let value = match key.name {
            "mongodb.database" => "other",
            "http.trusted_proxies" => "10.0.0.0/8,::1/128",
            _ if key.default.is_empty() => "https://chat.example.org",
            _ => key.default,
        };
        let variable = key.env();
        // What goes together with it.
        let beside = match key.name {
            "http.tls_cert_file" => ("CHASQUI_HTTP_TLS_KEY_FILE", "key.pem"),
            "http.tls_key_file" => ("CHASQUI_HTTP_TLS_CERT_FILE", "cert.pem"),
            "redis.ca_file" => ("CHASQUI_REDIS_URL", "rediss://127.0.0.1:6379"),
            _ => ("PATH", "/bin"),
        };
        let config = Config::load(None, env(&[(&variable, value), beside])).unwrap();
        let row = config.in_force().find(|row| row.key.name == key.name).unwrap();
        assert_eq!(row.origin, Origin::Environment { variable });
        assert_eq!(row.value, if key.secret && key.default.is_empty() { "***" } else { value });
    }
}

#[test]
fn the_file_may_be_named_by_the_environment_and_an_argument_goes_before_it() {
    let (named, argument) = (file("chat.partitions = 2"), file("chat.partitions = 3"));
    let variables = env(&[("CHASQUI_CONFIG", named.path().to_str().unwrap())]);
    assert_eq!(Config::load(None, variables.clone()).unwrap().chat.partitions, 2);
    assert_eq!(Config::load(Some(argument.path()), variables).unwrap().chat.partitions, 3);
}

#[test]
fn all_problems_are_reported_with_place_value_and_what_is_expected() {
    let text = "\
durabilty = \"always\"
edge = { tick = 5, outbox_bytes = \"many\" }
http = 8080

[chat]
partitions = 5000

[edgy]
tick_ms = 1

[log]
format = \"xml\"
";
    let given =
        [("CHASQUI_PARTITIONS", "4"), ("CHASQUI_MONGODB_URL", "http://x"), ("CHASQUI_EDGE_TICK_MS", "1s")];
    assert_eq!(
        problems(text, &given),
        [
            "file F:1: there is no key `durabilty`; the nearest is `durability`",
            "file F:2: `edge.outbox_bytes` cannot be `\"many\"`; expected a whole number from 4096 to 67108864",
            "file F:2: there is no key `edge.tick`; the nearest is `edge.tick_ms`",
            "file F:3: `http` is a section; write [http] on a line of its own and its keys below",
            "file F:6: `chat.partitions` cannot be `5000`; expected a whole number from 1 to 4096",
            "file F:9: there is no key `edgy.tick_ms`; the nearest is `edge.tick_ms`",
            "file F:12: `log.format` cannot be `xml`; expected `text` or `json`",
            "environment CHASQUI_EDGE_TICK_MS: `edge.tick_ms` cannot be `1s`; expected a whole number of milliseconds \
             from 10 to 60000",
            "environment CHASQUI_MONGODB_URL: the value of `mongodb.url` (not shown, it is secret) does not fit; \
             expected a URL such as mongodb://127.0.0.1:27017",
            "environment CHASQUI_PARTITIONS: there is no key `CHASQUI_PARTITIONS`; the nearest is \
             `CHASQUI_CHAT_PARTITIONS`",
        ]
    );
}

#[test]
fn the_nearest_key_is_the_one_that_was_meant() {
    for (written, meant) in [
        ("egde.tick_ms", "edge.tick_ms"),
        ("edge.tick-ms", "edge.tick_ms"),
        ("edge.partitions", "chat.partitions"),
        ("partitions", "chat.partitions"),
        ("nats.pasword_ws_edge", "nats.password_ws_edge"),
        ("mongo.url", "mongodb.url"),
        ("log.level", "log.filter"),
        ("auth.acess_ttl", "auth.access_ttl_s"),
        ("durability.mode", "durability"),
        ("http.listen_address", "http.listen"),
        ("edge.receipt_window", "edge.receipt_window_ms"),
    ] {
        assert_eq!(nearest::nearest(written).name, meant, "for {written}");
    }
}

#[test]
fn values_that_are_right_alone_must_go_together() {
    let contradictions = problems(
        "[auth]\nrefresh_idle_s = 100\nrefresh_absolute_s = 99\n",
        &[("CHASQUI_OPS_LISTEN", "127.0.0.1:8080")],
    );
    assert_eq!(
        contradictions,
        [
            "file F:2: `auth.refresh_idle_s`: must not exceed auth.refresh_absolute_s",
            "environment CHASQUI_OPS_LISTEN: `ops.listen`: must differ from http.listen, which is for the public",
        ]
    );
}

#[test]
fn always_is_refused_where_the_server_is_told_otherwise() {
    let load = |interval| {
        Config::load(None, env(&[("CHASQUI_DURABILITY", "always"), ("CHASQUI_NATS_SYNC_INTERVAL", interval)]))
    };
    assert!(load("always").is_ok());
    let error = load("2m").unwrap_err().to_string();
    assert!(
        error.contains("`durability`: `always` is not true while CHASQUI_NATS_SYNC_INTERVAL is `2m`"),
        "{error}"
    );
}

#[test]
fn the_pages_example_is_a_configuration() {
    let example = reference::HEAD.split("```").nth(1).unwrap().strip_prefix("toml").unwrap();
    let file = file(example);
    let config = Config::load(Some(file.path()), env(&[])).unwrap();
    assert_eq!(config.durability, Durability::Always);
    assert_eq!(config.http.allowed_origins, ["https://chat.example.org"]);
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_an_error_that_does_not_repeat_its_text() {
    let error = Config::load(Some(Path::new("/nowhere/chasqui.toml")), env(&[])).unwrap_err().to_string();
    assert!(error.contains("/nowhere/chasqui.toml: cannot be read"), "{error}");
    let broken = problems("[nats]\npassword_admin = \"canary\nurl = 1\n", &[]).join("\n");
    assert!(broken.starts_with("file F:2: is not TOML: ") && !broken.contains("canary"), "{broken}");
    let twice =
        problems("[nats]\npassword_admin = \"canary\"\npassword_admin = \"canary\"\n", &[]).join("\n");
    assert!(twice.starts_with("file F:3: ") && !twice.contains("canary"), "{twice}");
}

#[test]
fn tolerated_variables_and_empty_ones_are_no_error() {
    let variables = [
        ("CHASQUI_NATS_SYNC_INTERVAL", "always"),
        ("CHASQUI_BENCH_RATE", "2000"),
        ("CHASQUI_TEST_REWRITE", "0"),
        ("CHASQUI_CHAT_PARTITIONS", ""),
        ("CHASQUIT", "x"),
    ];
    assert_eq!(Config::load(None, env(&variables)).unwrap().chat.partitions, 4);
    assert!(Config::load(None, env(&[("CHASQUI_BENCH", "1")])).is_err());
}

#[test]
fn no_secret_is_printed_in_any_form() {
    let mut secrets: Vec<_> =
        known_keys().iter().filter(|key| key.name.contains("password_") && key.secret).collect();
    assert_eq!(secrets.len(), 7);
    secrets.retain(|key| key.default.is_empty());
    let mut variables: Vec<_> = secrets.iter().map(|key| (key.env(), "canary".to_owned())).collect();
    for (name, scheme) in [("NATS", "nats"), ("MONGODB", "mongodb"), ("REDIS", "redis")] {
        variables.push((format!("CHASQUI_{name}_URL"), format!("{scheme}://user:canary@host")));
    }
    let config = Config::load(None, variables.clone()).unwrap();
    assert_eq!(config.nats.password_ws_edge.as_ref().unwrap().expose_secret(), "canary");
    assert!(config.redis.url.expose().contains("canary"));
    for printed in [config.render_redacted(), format!("{config:?}"), format!("{config:#?}")] {
        assert!(!printed.contains("canary"), "{printed}");
        assert!(printed.contains("user:***@host"));
    }

    // Malformed secrets, and a secret under a misspelt name, are not repeated either.
    for (_, value) in &mut variables {
        value.insert(0, ' ');
    }
    variables.push(("CHASQUI_NATS_PASSWORT_ADMIN".to_owned(), "canary".to_owned()));
    let error = Config::load(None, variables).unwrap_err();
    assert_eq!(error.problems.len(), 11);
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
}

#[test]
fn what_is_in_force_is_printed_in_columns() {
    let config = Config::load(None, env(&[("CHASQUI_CHAT_PARTITIONS", "8")])).unwrap();
    let printed = config.render_redacted();
    let line = printed.lines().find(|line| line.starts_with("chat.partitions")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["chat.partitions", "8", "environment", "CHASQUI_CHAT_PARTITIONS"]
    );
    assert_eq!(printed.lines().count(), known_keys().len());
    let column = line.find(" 8 ").unwrap() + 1;
    assert!(
        printed.lines().all(|line| line.as_bytes()[column - 1] == b' ' && line.as_bytes()[column] != b' ')
    );
}

#[test]
fn the_configuration_page_is_what_the_table_says() {
    assert_page("configuration.md", &reference_markdown());
}

#[test]
fn the_limits_page_is_what_the_table_says() {
    assert_page("limits.md", &limits_markdown());
}

/// A page of `docs/`, which is written when the environment asks for it.
fn assert_page(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if process_environment().iter().any(|(name, value)| name == "CHASQUI_TEST_REWRITE" && value == "1") {
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/{name} is not what the table says; its head tells how to write it again");
}
