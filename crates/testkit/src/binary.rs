//! The program under test: `chasqui`, of the same build as the test.
//!
//! Cargo builds a package's programs only for that package's own integration tests, so nothing sees to it that
//! `target/<profile>/chasqui` is there, or is as new as the sources, when other packages are tested. A program
//! that is older than the sources is therefore built here, once for all test processes.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// The path of the program, built if need be. `CHASQUI_TEST_BINARY` names another one, which is taken as it is.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn chasqui() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match env::var_os("CHASQUI_TEST_BINARY") {
        Some(named) => PathBuf::from(named),
        None => Build::of_this_test().up_to_date(),
    })
}

/// Where this test was built.
struct Build {
    workspace: PathBuf,
    /// `target/<profile>`.
    folder: PathBuf,
}

impl Build {
    fn of_this_test() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let test = env::current_exe().unwrap();
        // Tests lie in target/<profile>/deps.
        let folder = test.ancestors().nth(2).unwrap().to_owned();
        Self { workspace, folder }
    }

    fn up_to_date(&self) -> PathBuf {
        let program = self.folder.join("chasqui");
        let stamp = self.folder.join(".chasqui-tested");
        let lock = File::create(self.folder.join(".chasqui-building")).unwrap();
        lock.lock().unwrap();
        let newest = newest_source(&self.workspace);
        let built = modified(&program).map(|built| built.max(modified(&stamp).unwrap_or(built)));
        if built.is_none_or(|built| built < newest) {
            let started = SystemTime::now();
            self.build();
            // Cargo does not touch a program whose own sources did not change.
            File::create(stamp).unwrap().set_modified(started).unwrap();
        }
        program
    }

    fn build(&self) {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // Of the workspace: alone, the package would have other features of what it shares with the tests, and all of
        // that would be compiled once more.
        build.args(["build", "--quiet", "--workspace", "--bin", "chasqui", "--target-dir"]);
        build.arg(self.folder.parent().unwrap()).current_dir(&self.workspace);
        // What cargo sets for a test, build scripts would take for a change of theirs.
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        for (name, _) in env::vars_os() {
            if ours.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                build.env_remove(name);
            }
        }
        match self.folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => {}
            Some(profile) => drop(build.args(["--profile", profile])),
        }
        let output = build.output().expect("cargo can be started");
        assert!(
            output.status.success(),
            "the program under test cannot be built; `cargo build --workspace --bin chasqui` says:\n{}",
            String::from_utf8_lossy(&output.stderr),
        );
    }
}

/// When the last source of any program was changed. Tests and their tools do not count.
fn newest_source(workspace: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut folders = vec![workspace.join("nats"), workspace.join("docs")];
    let not_in_the_program = ["testkit", "bench", "backends"];
    for package in fs::read_dir(workspace.join("crates")).unwrap().flatten() {
        if !not_in_the_program.iter().any(|name| package.file_name() == *name) {
            newest = newest.max(modified(&package.path().join("Cargo.toml")).unwrap_or(newest));
            folders.push(package.path().join("src"));
        }
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                newest = newest.max(modified(&path).unwrap_or(newest));
            }
        }
    }
    newest
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
