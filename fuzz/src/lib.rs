//! Fuzz targets: what strangers may send, and what must hold for all of it.
//!
//! Each target is a function of any bytes that returns, or panics where a promise is broken. `cargo xtask fuzz` drives
//! them with LLVM's coverage-guided fuzzer; the test suite runs them over their seeds, and over what is one byte away from
//! those. An input that broke something is kept in `fuzz/broke/<target>/` and is a seed from then on.

#![allow(clippy::missing_panics_doc, reason = "a target panics where a promise is broken, and nowhere else")]

mod text;
mod token;
mod wire;

use std::{fs, path::Path};

/// One entrance, and what must hold there.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What `cargo xtask fuzz` calls it.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "client_frame", run: wire::client_frame, seeds: wire::documented_frames },
    Target { name: "server_frame", run: wire::server_frame, seeds: wire::documented_frames },
    Target { name: "fact", run: wire::fact, seeds: wire::golden_facts },
    Target { name: "access_token", run: token::access, seeds: token::access_tokens },
    Target { name: "refresh_token", run: token::refresh, seeds: token::other_tokens },
    Target { name: "service_token", run: token::service, seeds: token::other_tokens },
    Target { name: "cursor", run: text::cursor, seeds: text::cursors },
    Target { name: "position", run: text::position, seeds: text::positions },
];

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().copied().find(|target| target.name == name)
    }

    /// Inputs to begin with: good ones, and those that once broke something.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let broke = Path::new(env!("CARGO_MANIFEST_DIR")).join("broke").join(self.name);
        let mut seeds = (self.seeds)();
        seeds.extend(files_in(&broke));
        seeds
    }
}

/// The contents of the files of a folder; none where there is no folder.
fn files_in(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}
