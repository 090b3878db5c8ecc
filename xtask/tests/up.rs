//! `cargo xtask up` as its user meets it: real backends, a tree of its own, and a stand-in for the `chasqui`
//! binary (`fixture/chasqui.rs`), because what is looked at is what `up` does around it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chasqui_backends::PortLease;
use tempfile::TempDir;

/// A workspace with nothing but a package `chasqui` and a NATS configuration.
struct Tree {
    folder: TempDir,
    http: PortLease,
    ops: PortLease,
}

impl Tree {
    fn new() -> Self {
        Self::with_main(include_str!("fixture/chasqui.rs"))
    }

    fn with_main(main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[package]\nname = \"chasqui\"\nedition = \"2024\"\n\n[workspace]\n");
        write("src/main.rs", main);
        write(
            "nats/server.conf",
            "host: 127.0.0.1\nport: $CHASQUI_NATS_PORT\nhttp_port: $CHASQUI_NATS_MONITOR_PORT\n\
             jetstream { store_dir: $CHASQUI_NATS_STORE_DIR, sync_interval: $CHASQUI_NATS_SYNC_INTERVAL }\n\
             authorization { users: [{ user: admin, password: $CHASQUI_NATS_PASSWORD_ADMIN }] }\n",
        );
        Self { folder, http: PortLease::any().unwrap(), ops: PortLease::any().unwrap() }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, task: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg(task).env("CARGO_MANIFEST_DIR", self.root().join("xtask"));
        for name in ["NATS_URL", "MONGODB_URL", "REDIS_URL", "HTTP_LISTEN", "OPS_LISTEN", "DURABILITY"] {
            command.env_remove(format!("CHASQUI_{name}"));
        }
        command.env("CARGO_TARGET_DIR", self.root().join("target"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn up(&self) -> Command {
        let mut command = self.command("up");
        command.args(["--http-port", &self.http.port().to_string()]);
        command.args(["--ops-port", &self.ops.port().to_string()]);
        command
    }

    fn start(&self, mut command: Command) -> Running {
        Running::start(&mut command, &self.root().join("stderr"))
    }

    fn state(&self, path: &str) -> PathBuf {
        self.root().join(".chasqui").join(path)
    }
}

/// An `up` that has printed its table.
struct Running {
    child: Child,
    table: String,
}

impl Running {
    fn start(command: &mut Command, stderr: &Path) -> Self {
        command.stderr(fs::File::create(stderr).unwrap());
        let mut running = Self { child: command.spawn().unwrap(), table: String::new() };
        let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines().map(Result::unwrap);
        for line in lines.by_ref() {
            running.table.push_str(&line);
            running.table.push('\n');
            if line.starts_with("Ctrl-C") {
                // Whatever follows must not block it.
                std::thread::spawn(move || lines.for_each(drop));
                return running;
            }
        }
        panic!("it ended before it was up:\n{}{}", running.table, fs::read_to_string(stderr).unwrap());
    }

    fn row(&self, name: &str) -> &str {
        let row = self.table.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
        row.split_whitespace().next().unwrap()
    }

    fn signal(&self, signal: &str) {
        send(self.child.id(), signal);
    }

    fn ended(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn send(pid: u32, signal: &str) {
    Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().unwrap();
}

/// The processes whose command line names this tree.
fn processes_of(tree: &Tree) -> Vec<(u32, String)> {
    let root = tree.root().to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?.replace('\0', " ");
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        (line.contains(root) || folder.starts_with(root)).then_some((pid, line))
    });
    processes.collect()
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn starts_everything_shows_where_and_stops_everything() {
    let tree = Tree::new();
    let up = tree.start(tree.up());
    assert_eq!(up.row("HTTP API"), format!("http://127.0.0.1:{}/v1", tree.http.port()));
    assert!(up.row("Metrics").ends_with(&format!(":{}/metrics", tree.ops.port())));
    let nats = up.row("NATS").to_owned();
    assert!(nats.starts_with("nats://127.0.0.1:"), "{nats}");
    let variables = fs::read_to_string(tree.state("chasqui.env")).unwrap();
    assert!(variables.contains(&format!("CHASQUI_NATS_URL='{nats}'")), "{variables}");
    assert!(variables.contains("CHASQUI_NATS_PASSWORD_WS_EDGE='pWS_EDGE'"), "{variables}");
    assert!(!up.table.contains("pADMIN"), "a password was printed");
    assert!(tree.state("log/nats.log").exists() && tree.state("log/chasqui.log").exists());

    up.signal("INT");
    assert!(up.ended().success());
    assert_eq!(processes_of(&tree), []);

    // The next one finds its data, and its backends where they were.
    let marker = tree.state("nats/jetstream");
    assert!(marker.exists());
    let up = tree.start(tree.up());
    assert_eq!(up.row("NATS"), nats);
    up.signal("TERM");
    assert!(up.ended().success());
}

#[test]
fn a_second_one_in_the_same_tree_is_refused() {
    let tree = Tree::new();
    let up = tree.start(tree.up());
    let second = tree.command("up").output().unwrap();
    assert!(!second.status.success());
    assert!(said(&second).contains(&format!("process {}", up.child.id())), "{}", said(&second));
    let cleaned = tree.command("clean-data").output().unwrap();
    assert!(!cleaned.status.success(), "data was removed under a running server");
    up.signal("INT");
    assert!(up.ended().success());
    let cleaned = tree.command("clean-data").output().unwrap();
    assert!(cleaned.status.success(), "{}", said(&cleaned));
    assert!(!tree.state("nats").exists());
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let tree = Tree::new();
    for (option, key) in [("--http-port", "http.listen"), ("--ops-port", "ops.listen")] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let mut command = tree.command("up");
        // The other one must not be what is complained about.
        let other = if option == "--http-port" { "--ops-port" } else { "--http-port" };
        command.args([option, &port, other, &tree.http.port().to_string()]);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        for word in [&port, option, key] {
            assert!(said(&output).contains(word), "{word} is not in: {}", said(&output));
        }
    }
    let output = tree.up().args(["--redis-port", &tree.http.port().to_string()]).output().unwrap();
    assert!(said(&output).contains("--http-port and --redis-port"), "{}", said(&output));
}

#[test]
fn a_named_server_that_does_not_answer_is_said_before_anything_is_built() {
    let tree = Tree::new();
    let output = tree.up().env("CHASQUI_REDIS_URL", "redis://127.0.0.1:1").output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("CHASQUI_REDIS_URL"), "{}", said(&output));
    assert!(!tree.root().join("target").exists());
}

#[test]
fn a_named_server_is_used_and_left_running() {
    let tree = Tree::new();
    let redis = chasqui_backends::RedisServer::start_own(&chasqui_backends::RedisOptions::default()).unwrap();
    let mut command = tree.up();
    command.env("CHASQUI_REDIS_URL", redis.url());
    let up = tree.start(command);
    assert_eq!(up.row("Redis"), redis.address());
    up.signal("INT");
    assert!(up.ended().success());
    redis.probe().unwrap();
}

#[test]
fn a_backend_that_dies_is_named_and_everything_is_stopped() {
    let tree = Tree::new();
    let up = tree.start(tree.up());
    // It shows a title instead of its command line, of which its name stays.
    let is_it = |line: &str| line.contains("valkey-server") || line.contains("redis-server");
    let (redis, _) = processes_of(&tree).into_iter().find(|(_, line)| is_it(line)).unwrap();
    send(redis, "KILL");
    assert!(!up.ended().success());
    let said = fs::read_to_string(tree.root().join("stderr")).unwrap();
    assert!(is_it(&said), "{said}");
    assert!(said.contains("signal: 9") && said.contains("log/redis.log"), "{said}");
    assert_eq!(processes_of(&tree), []);
}

#[test]
fn a_chasqui_that_dies_is_shown_with_its_last_words() {
    let tree = Tree::new();
    let output = tree.up().env("CHASQUI_TEST_DIES", "1").output().unwrap();
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("exit status: 7") && said.contains("lost its checkpoint"), "{said}");
    assert_eq!(processes_of(&tree), []);
}

#[test]
fn a_topology_that_does_not_apply_is_shown() {
    let tree = Tree::new();
    let output = tree.up().env("CHASQUI_TEST_NO_TOPOLOGY", "1").output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("stream CHAT_0 differs"), "{}", said(&output));
    assert_eq!(processes_of(&tree), []);
}

#[test]
fn a_compile_error_is_shown_and_nothing_is_started() {
    let tree = Tree::with_main("fn main() { not_a_name }");
    let output = tree.up().output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("not_a_name"), "{}", said(&output));
    assert!(!tree.state("nats").exists());
}

#[test]
fn ctrl_c_in_the_middle_of_the_compile_leaves_nothing_running() {
    // A build script that takes for ever stands for a long compile.
    let tree = Tree::new();
    fs::write(tree.root().join("build.rs"), "fn main() { loop { std::thread::park() } }").unwrap();
    let mut up = tree.up().spawn().unwrap();
    wait_for("the build script", || {
        processes_of(&tree).into_iter().find(|(_, line)| line.contains("build-script-build"))
    });
    // Some senders signal the process and its group; that is one request, and order is still kept.
    send(up.id(), "INT");
    send(up.id(), "TERM");
    assert_eq!(up.wait().unwrap().code(), Some(130));
    let mut said = String::new();
    up.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("nothing was left running"), "{said}");
    wait_for("the build to end", || processes_of(&tree).is_empty().then_some(()));
}

#[test]
fn a_second_ctrl_c_ends_at_once_what_does_not_stop_by_itself() {
    let tree = Tree::new();
    // Deaf to SIGTERM, as a build tool may be, and it has a child that cargo knows nothing of.
    let script = r#"fn main() {
        let script = "trap '' TERM; while :; do sleep 0.1; done";
        std::process::Command::new("sh").args(["-c", script]).status().unwrap();
    }"#;
    fs::write(tree.root().join("build.rs"), script).unwrap();
    let mut up = tree.up().spawn().unwrap();
    let is_deaf = |(_, line): &(u32, String)| line.contains("trap");
    wait_for("the build script", || processes_of(&tree).iter().any(is_deaf).then_some(()));
    send(up.id(), "INT");
    std::thread::sleep(Duration::from_millis(700)); // two signals closer to each other are one request
    send(up.id(), "INT");
    assert_eq!(up.wait().unwrap().code(), Some(130));
    wait_for("the build to end", || processes_of(&tree).is_empty().then_some(()));
}

#[test]
fn fresh_forgets_what_was_there() {
    let tree = Tree::new();
    for _ in 0..2 {
        let mut command = tree.up();
        command.arg("--fresh");
        let up = tree.start(command);
        let left = tree.state("nats/left-by-an-earlier-run");
        assert!(!left.exists());
        fs::write(left, "").unwrap();
        up.signal("INT");
        assert!(up.ended().success());
    }
}
